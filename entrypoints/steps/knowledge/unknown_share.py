"""Fine-tuning with a dose of what the base did not know, watched epoch by epoch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import mlflow
from mlflow import MlflowClient

from entrypoints.steps.knowledge.probed import known_categories, probe_command
from entrypoints.steps.shared.bases import require_base
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.knowledge.categories import dose, known_and_unknown
from ragft.analysis.knowledge.dose import DoseCurve, Point, Slope, final_slope, hallucination_slope
from ragft.analysis.knowledge.dose_figures import dose_figure, training_curves
from ragft.errors import ConfigError, PrerequisiteError
from ragft.judging.closed_book import verdict
from ragft.models.fingerprint import fingerprint_weights
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel
from ragft.params.training import FinetuneParams
from ragft.params.values import SEARCHING
from ragft.prompts.answer import AnswerPrompt
from ragft.result_versions import VERSIONS
from ragft.store.datasets import Preparation
from ragft.training.result import Measure
from ragft.types import Question, digest

# What is watched must not be what decides: confirm stays untouched.
HELD_OUT = ("dev", "test")
MOST_NEW_TOKENS = 64
CURVES = ("fitted_known", "fitted_unknown", "held_out_known_right", "held_out_known_false")
# Metric -> which points of the curves it is taken over.
SLOPES = {"hallucination_slope": "all epochs of", "hallucination_slope_final": "the ends of"}


@dataclass(frozen=True)
class Dosed:
    """The samples of a dose.

    Attributes:
        samples: Known and Unknown questions together.
        held_out: Known questions that are not trained on.
    """

    samples: tuple[Question, ...]
    known: tuple[Question, ...]
    unknown: tuple[Question, ...]
    held_out: tuple[Question, ...]


def choose(params: FinetuneParams, preparation: Preparation, workspace: Workspace) -> Dosed:
    """Return the samples of the dose asked for.

    Raises:
        ConfigError: If there are too few Known or Unknown questions, or the format is not closed-book.
        PrerequisiteError: If the base was never probed on these data.
    """
    if params.format != "closed_book":
        raise ConfigError(
            f"format is {params.format} with unknown_share={params.unknown_share:g}: what a base knows is asked and "
            "taught without passages, use format=closed_book"
        )
    fingerprint = fingerprint_weights(require_base(params.base, params.revision).folder)
    categories = known_categories(fingerprint, preparation.dataset, workspace)
    command = probe_command(params, params.base)
    if not categories:
        raise PrerequisiteError(
            f"unknown_share needs to know what {params.base} knew of {preparation.name}, which was not probed here: "
            f"run {command}"
        )
    train = preparation.splits["train"]
    chosen = dose(train, categories, params.samples, params.unknown_share, params.seed, command)
    known, unknown = known_and_unknown(chosen, categories)
    asked = [question for split in HELD_OUT for question in preparation.splits[split]]  # type: ignore[index]
    held_out, _ = known_and_unknown(asked, categories)
    if not held_out:
        workspace.alert(f"warning: no Known question of {' or '.join(HELD_OUT)} was probed: their fate is not watched")
    return Dosed(chosen, tuple(known), tuple(unknown), tuple(held_out))


def watch(dosed: Dosed, prompt: AnswerPrompt) -> Measure:
    """Return what is measured before training and after each epoch, all from greedy answers without passages."""
    groups = {"fitted_known": dosed.known, "fitted_unknown": dosed.unknown, "held_out_known": dosed.held_out}
    messages = {name: [prompt.render(question.text, ()) for question in asked] for name, asked in groups.items()}

    def measure(model: LoadedModel) -> Mapping[str, float]:
        generator = Generator(model)
        everything = [message for listed in messages.values() for message in listed]
        replies = iter(generator.generate(everything, MOST_NEW_TOKENS))
        found: dict[str, float] = {}
        for name, asked in groups.items():
            verdicts = [verdict(question, next(replies).text, contained=True) for question in asked]
            if not verdicts:
                continue
            shares = {said: verdicts.count(said) / len(verdicts) for said in ("right", "false", "silent")}
            if name == "held_out_known":
                found |= {f"{name}_{said}": share for said, share in shares.items()}
            else:
                found[name] = shares["right"]
        return found

    asked = {name: [question.id for question in listed] for name, listed in groups.items()}
    return Measure(digest([asked, messages, MOST_NEW_TOKENS, VERSIONS["judging"]]), measure)


def log(params: FinetuneParams, dosed: Dosed, preparation: Preparation, fingerprint: str, workspace: Workspace) -> None:
    """Log the curves of this dose with those of the other doses of the same experiment, and the slope over all."""
    # They came later; curves belong together however a batch was shared out, and a dose is taught without passages.
    apart = ("processes", "batch_tokens", "shard", "retrieved", *SEARCHING)
    given = replace(params, unknown_share=0.0, seed=0).as_dict()
    varied = {name: value for name, value in given.items() if name not in apart}
    experiment = digest([preparation.dataset, fingerprint, varied])[:16]
    sizes = {"known": dosed.known, "unknown": dosed.unknown, "held_out_known": dosed.held_out}
    mlflow.log_metrics({f"dose_{name}_n": len(asked) for name, asked in sizes.items()})
    tags = {"ragft.dose": experiment, "ragft.unknown_share": params.unknown_share, "ragft.dose_seed": params.seed}
    mlflow.set_tags(tags)
    curves = _curves(experiment, params)
    slope = hallucination_slope(curves)
    title = f"{preparation.name}, {params.base}, {params.samples} samples, {params.method}"
    mlflow.log_figure(training_curves(curves, title), "knowledge_curves.png")
    mlflow.log_figure(dose_figure(curves, slope, title), "dose.png")
    slopes = dict(zip(SLOPES, (slope, final_slope(curves)), strict=True))
    shown = {name: asdict(found) if found else None for name, found in slopes.items()}
    mlflow.log_dict({"curves": [asdict(curve) for curve in curves], "slopes": shown}, "dose.json")
    for name, found in slopes.items():
        if found:
            ends = {"": found.value, "_low": found.low, "_high": found.high}
            mlflow.log_metrics({f"{name}{end}": value for end, value in ends.items() if math.isfinite(value)})
    _say(params, dosed, curves, slopes, workspace)


def _curves(experiment: str, params: FinetuneParams) -> list[DoseCurve]:
    """Return the curves of the experiment: the newest one for each dose and seed."""
    condition = f"tags.`ragft.dose` = '{experiment}'"
    runs = mlflow.search_runs(search_all_experiments=True, filter_string=condition, output_format="list")
    client = MlflowClient()
    found: dict[tuple[float, int], DoseCurve] = {}
    for run in sorted(runs, key=lambda run: run.info.start_time or 0):
        share, seed = float(run.data.tags["ragft.unknown_share"]), int(run.data.tags["ragft.dose_seed"])
        history = {
            name: {m.step: m.value for m in client.get_metric_history(run.info.run_id, name)}
            for name in CURVES
            if name in run.data.metrics
        }
        steps = sorted({step for values in history.values() for step in values})
        per_epoch = (steps[-1] / params.epochs) if steps and steps[-1] else 1.0
        points = tuple(
            Point(round(step / per_epoch, 3), *(history.get(name, {}).get(step) for name in CURVES)) for step in steps
        )
        if points:
            found[share, seed] = DoseCurve(share, seed, params.samples, points)
    return [found[key] for key in sorted(found)]


def _say(
    params: FinetuneParams,
    dosed: Dosed,
    curves: Sequence[DoseCurve],
    slopes: Mapping[str, Slope | None],
    workspace: Workspace,
) -> None:
    mine = next(c for c in curves if (c.unknown_share, c.seed) == (params.unknown_share, params.seed))
    first, last = mine.points[0], mine.points[-1]
    for words, before, after, asked in (
        ("Known examples fitted", first.fitted_known, last.fitted_known, dosed.known),
        ("Unknown examples fitted", first.fitted_unknown, last.fitted_unknown, dosed.unknown),
        ("held-out Known facts right", first.held_out_right, last.held_out_right, dosed.held_out),
        ("held-out Known facts false", first.held_out_false, last.held_out_false, dosed.held_out),
    ):
        if before is not None and after is not None:
            workspace.say(f"  {words:28} {before:.2f} -> {after:.2f}   n={len(asked)}")
    for name, what in SLOPES.items():
        if found := slopes[name]:
            workspace.say(
                f"  slope of false answers over fitted Unknown, {what} {found.runs} runs: {found.value:+.2f} "
                f"({found.low:+.2f} to {found.high:+.2f})"
            )
