"""A judge beside people: what was rated, and how far they agree, in the run and on the screen."""

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import mlflow

from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.judging.agreement import Agreement
from ragft.judging.calibration import Calibration
from ragft.judging.confusion_plot import draw_confusion
from ragft.params.scoring import JudgeParams
from ragft.prompts.criterion import Criterion


@dataclass(frozen=True)
class Rated:
    """One criterion's scores, with people's.

    Attributes:
        judge: One score per row, None where unscored.
        people: For each annotator one number per row.
        groups: What each row belongs to.
        words: Number of words of each answer.
    """

    criterion: Criterion
    judge: Sequence[float | None]
    people: Sequence[Sequence[float | None]]
    groups: Sequence[Hashable]
    words: Sequence[int] | None


@dataclass(frozen=True)
class Found:
    """What was rated, by whom it was judged, and on which data.

    Attributes:
        identity: The judge's; "" where the scores were given.
        data: sha256 of the data set, or of the table where it belongs to none.
    """

    rated: Sequence[Rated]
    annotators: Sequence[str]
    identity: str
    judge: str
    data: str
    source: str


def log(params: JudgeParams, found: Found, results: Mapping[str, tuple[Agreement, Calibration]]) -> None:
    """Log each criterion's agreement and calibration to the active run."""
    tracking.name_run(
        tracking.run_name(params.data_name or found.source, 0, "judge"),
        {
            "ragft.judge": found.judge,
            "ragft.judge_identity": found.identity or "none",
            "ragft.estimator": params.estimator_name,
            "ragft.data_sha256": found.data,
            "ragft.calibration": "; ".join(calibration.sentence for _, calibration in results.values())[:5000],
        },
    )
    for name, (agreement, calibration) in results.items():
        mlflow.log_metrics(
            {f"agreement_{name}/{key}": value for key, value in _numbers(agreement, calibration).items()}
        )
        if figure := draw_confusion(agreement):
            mlflow.log_figure(figure, f"confusion_{name}.png")
    mlflow.log_dict(
        {
            name: {"agreement": dataclasses.asdict(agreement), "calibration": calibration.as_record()}
            for name, (agreement, calibration) in results.items()
        },
        "agreement.json",
    )


def tell(found: Found, results: Mapping[str, tuple[Agreement, Calibration]], workspace: Workspace) -> None:
    """Say how the judge compares with people, criterion by criterion."""
    workspace.say(f"{found.judge} beside {len(found.annotators)} annotators ({', '.join(found.annotators)})")
    for name, (agreement, calibration) in results.items():
        numbers = _numbers(agreement, calibration)
        unscored = f", {agreement.n_unscored} unscored" if agreement.n_unscored else ""
        workspace.say(f"  {name}: {agreement.n} answers{unscored}")
        workspace.say(f"    {'':24}{'kappa':>10}{'pearson':>10}{'spearman':>10}{'kendall':>10}")
        skipped = f"inside {numbers.get('groups', 0):.0f} groups"
        for title, prefix in (("all rows", ""), (skipped, "grouped_"), ("people among themselves", "human_")):
            cells = [numbers.get(f"{prefix}{key}") for key in ("kappa", "pearson", "spearman", "kendall")]
            if any(cell is not None for cell in cells):
                shown = "".join(f"{'-':>10}" if cell is None else f"{cell:>10.6f}" for cell in cells)
                workspace.say(f"    {title:24}{shown}")
        if constant := numbers.get("groups_left_out"):
            workspace.say(f"    {constant:.0f} groups left out, in which one side is constant or has fewer than 3 rows")
        if agreement.length_bias and agreement.length_bias.spearman is not None:
            bias = agreement.length_bias
            workspace.say(
                f"    judge less people, share of the scale: {bias.shortest:+.3f} on the shortest third of answers, "
                f"{bias.longest:+.3f} on the longest; Spearman with length {bias.spearman:+.3f}"
            )
        if agreement.cut is not None:
            workspace.say(f"    {agreement.cut.sentence}")
        workspace.say(f"    {'passed' if calibration.passed else 'not passed'}: {calibration.sentence}")


def _numbers(agreement: Agreement, calibration: Calibration) -> dict[str, float]:
    """Return what is known of an agreement, as metrics."""
    numbers: dict[str, float | None] = {
        "n": agreement.n,
        "n_unscored": agreement.n_unscored,
        "kappa": agreement.kappa,
        "spearman_low": calibration.low,
        "spearman_high": calibration.high,
        "human_kappa": agreement.human_kappa,
        "passed": calibration.passed,
    }
    for prefix, found in (("", agreement.overall), ("grouped_", agreement.grouped), ("human_", agreement.human)):
        if found is not None:
            values = {"pearson": found.pearson, "spearman": found.spearman, "kendall": found.kendall}
            numbers |= {f"{prefix}{name}": value for name, value in values.items()}
    if grouped := agreement.grouped:
        numbers |= {"groups": grouped.n_groups, "groups_left_out": grouped.n_skipped}
    if bias := agreement.length_bias:
        numbers |= {"length_spearman": bias.spearman, "length_short": bias.shortest, "length_long": bias.longest}
    return {name: float(value) for name, value in numbers.items() if value is not None}
