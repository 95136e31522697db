"""What to do next: a sentence or two, and the command that does it."""

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragft.analysis.verdict.causes import CAUSES, causes_of
from ragft.analysis.verdict.comparison import Comparison, Result
from ragft.analysis.verdict.guards import FALSE_ANSWERS, title
from ragft.analysis.verdict.health import Health
from ragft.analysis.verdict.remedies import TAUGHT
from ragft.params.base import P, Params
from ragft.params.values import GUARDS
from ragft.report.words import signed

LENGTH_CHECK = "length limit"


@dataclass(frozen=True, slots=True)
class Situation:
    """How the version was made and compared.

    Attributes:
        format: How it was trained; "" for a base.
        finetune: Parameters that train another adapter like this one, name -> value.
        compare: Parameters that compare again in the same way, apart from the model, name -> value.
        part: True where only some of the split's questions were asked.
        top_k: Passages retrieved for a question.
        chunk_chars: The most characters of a passage; 0 where that is not known.
    """

    model: str
    base: str
    format: str
    samples: int
    split: str
    part: bool
    finetune: Mapping[str, str]
    compare: Mapping[str, str]
    top_k: int = 5
    chunk_chars: int = 0


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, and the command for it."""

    text: str
    command: str


def advise(comparison: Comparison, outcome: str, situation: Situation) -> Advice:
    """Return what to do after a verdict."""
    if comparison.health and comparison.faults and outcome != "reject":
        return _believe(comparison.health, situation)
    if outcome == "promote":
        return _promote(comparison, situation)
    if outcome == "reject":
        return _reject(comparison, situation)
    if outcome == "hold":
        return _hold(comparison, situation)
    return _mend(comparison, situation) or _too_little(comparison, situation)


def _believe(health: Health, situation: Situation) -> Advice:
    """Return the one thing to change before any score means something."""
    fault, again = health.faults[0], {**situation.compare, "model": situation.model}
    why = health.why(fault)
    if fault == "retrieval":
        return Advice(
            f"{why} No answer can be good on passages that do not hold it. Retrieve more of them, or cut the documents "
            "differently (-P chunk_chars=...), and compare again.",
            command("compare", {**again, "top_k": str(2 * situation.top_k)}),
        )
    if fault == "dropped":
        smaller = (
            {"chunk_chars": str(max(situation.chunk_chars // 2, 100))} if situation.chunk_chars else {"top_k": "1"}
        )
        return Advice(f"{why} Shorter passages fit. Compare again with them.", command("compare", {**again, **smaller}))
    if fault == "base":
        data = {name: value for name, value in situation.finetune.items() if name in ("dataset", "path", "documents")}
        return Advice(
            f"{why} Take another base, and see first how it answers alone: any instruct model that fits this machine.",
            command("evaluate", {**data, "base": "HuggingFaceTB/SmolLM2-1.7B-Instruct", "judge": "none"}),
        )
    return Advice(
        f"{why} Name a judge that can (-P judge=...), or decide by what needs no judge, as this command does.",
        command("compare", {**again, "judge": "none"}),
    )


def command(step: str, params: Mapping[str, str]) -> str:
    """Return the ``mlflow run`` command of a step, its values quoted for a shell."""
    words = [f"-P {name}={shlex.quote(value)}" for name, value in params.items()]
    return " ".join(["mlflow run .", f"-e {step}", *words, "--env-manager local"])


def next_command(step: str, done: Params, follows: type[P], **chosen: Any) -> str:  # noqa: ANN401 - parameters
    """Return the command of the step that follows one that is done, with all that both share.

    Nothing is checked: what is done stays done, also where the next step would refuse its values.
    """
    usual = {spec.name: spec.default for spec in dataclasses.fields(follows)}
    given = {**done.as_dict(), **chosen}
    words = {name: str(given[name]) for name, default in usual.items() if name in given and given[name] != default}
    return command(step, words)


def _promote(comparison: Comparison, situation: Situation) -> Advice:
    params = {**situation.compare, "model": situation.model}
    if comparison.tried > 1 and situation.split != "confirm":
        return Advice(
            f"Make it the champion once the confirm questions agree: {comparison.tried} versions were tried on these "
            "ones, and the best of many looks better than it is. The command asks them and moves the champion only if "
            "the verdict there is promote too.",
            command("promote", {**params, "split": "confirm"}),
        )
    return Advice(f"Make it the champion in place of {situation.base}.", command("promote", params))


def _reject(comparison: Comparison, situation: Situation) -> Advice:
    start = f"Keep {situation.base}: {_loss(comparison)}."
    if remedy := remedy_command(comparison, "reject", situation):
        return _remedy(start + _where(comparison), comparison, remedy)
    if FALSE_ANSWERS in comparison.claims.harmful and situation.format:
        return _teach_to_abstain(start, situation)
    return _train_again(start + _where(comparison), situation)


def remedy_command(comparison: Comparison, outcome: str, situation: Situation) -> str:
    """Return the command that trains what the causes of a rejection call for; "" where there is nothing to mend.

    That is so for a base, and where no cause is known. `remedy` reads test alone, and knows itself how the version was
    trained and compared.
    """
    if outcome != "reject" or situation.split != "test" or not situation.format:
        return ""
    if not causes_of(comparison, situation.format):
        return ""
    against = {name: value for name, value in situation.compare.items() if name == "against"}
    return command("remedy", {"model": situation.model, **against})


def _remedy(start: str, comparison: Comparison, remedy: str) -> Advice:
    read = " Read what it invented, below." if FALSE_ANSWERS in comparison.claims.harmful else ""
    return Advice(
        f"{start}{read} This trains what the causes call for (passages, passages that cannot answer, fewer steps: "
        "whatever was missing), chooses on the dev questions, and compares the best with these ones.",
        remedy,
    )


def _hold(comparison: Comparison, situation: Situation) -> Advice:
    claims = comparison.claims
    if claims.superior and comparison.vetoes:
        worst = comparison.vetoes[0]
        return _train_again(
            f"Keep {situation.base}: on the whole the adapter is better, but clearly worse on the questions "
            f"“{worst.slice}”. Read those below, add training examples of that sort, and compare again.",
            situation,
            explain=False,
        )
    if claims.superior and (claims.slipped or comparison.unknown_harm):
        what = [title(name).lower() for name in claims.slipped or comparison.unknown_harm]
        why = "is slightly worse elsewhere" if claims.slipped else "may do harm that nobody looked for"
        return _train_again(
            f"Keep {situation.base}: on the whole the adapter is better, but it {why} ({', '.join(what)}).",
            situation,
            explain=False,
        )
    if claims.superior:
        return Advice(
            "Read the answers that got worse, below. The scores speak for the adapter, but the judge that gave them "
            "is only a hint here (see the reasons). If you agree with it, this promotes and records that you did.",
            command("promote", {**situation.compare, "model": situation.model, "advisory": "True"}),
        )
    return _train_again(
        f"Keep {situation.base}: the adapter is not worse beyond the margin, but nothing shows that it is better, so "
        "there is nothing to gain from the change.",
        situation,
    )


def _mend(comparison: Comparison, situation: Situation) -> Advice | None:
    """Return what to repair before anything can be decided; None where nothing is wrong."""
    again = {**situation.compare, "model": situation.model}
    failed = [check for check in comparison.checks if not check.passed]
    if failed:
        if failed[0].name == LENGTH_CHECK:
            again["max_new_tokens"] = str(2 * int(again.get("max_new_tokens", "128")))
        return Advice(
            f"Change nothing yet; put this right and compare again: {failed[0].detail}.", command("compare", again)
        )
    if any(result.effect is None or result.missing.share > 0.01 for result in comparison.primaries):
        estimator = "expected" if again.get("estimator", "sampled") == "sampled" else "expected_no_rationale"
        return Advice(
            "Change nothing yet: too many answers could not be scored. This estimator reads the judge's probabilities "
            "instead of its text; if scores are still missing, use a stronger judge (-P judge=...).",
            command("compare", {**again, "estimator": estimator}),
        )
    return None


def _too_little(comparison: Comparison, situation: Situation) -> Advice:
    if situation.part:
        params = {name: value for name, value in situation.compare.items() if name != "questions"}
        return Advice(
            f"Change nothing yet: only {comparison.questions:,} of the split's questions were asked. Ask all of them.",
            command("compare", {**params, "model": situation.model}),
        )
    needed = [each.n_non_inferior for each in comparison.changes.values() if each.n_non_inferior is not None]
    more = f" About {max(needed):,} questions like these would settle it." if needed else ""
    if _worst(comparison) is not None:
        return _train_again(
            f"Keep {situation.base}: {comparison.questions:,} questions cannot rule out a loss, and what was observed "
            f"is one.{_where(comparison)}{more}",
            situation,
        )
    return _train_again(f"Keep {situation.base} for now: too few questions to say.{more}", situation)


def _train_again(start: str, situation: Situation, *, explain: bool = True) -> Advice:
    params = dict(situation.finetune)
    why = ""
    if not situation.format:
        why = " It is a base: train an adapter on it, and compare that."
    elif situation.format == "closed_book":
        params["format"] = "retrieved"
        why = (
            " The adapter was trained on questions alone, without the passages it is given in use: train one with "
            "them and compare again."
        )
    else:
        params["samples"] = str(2 * situation.samples)
        why = " To try again, train on more question-answer pairs and compare again."
    both = f"{command('finetune', params)} &&\n{command('compare', situation.compare)}"
    return Advice(start + (why if explain else ""), both)


def _teach_to_abstain(start: str, situation: Situation) -> Advice:
    params = {**situation.finetune, "withheld_share": str(TAUGHT)}
    if situation.format == "closed_book":
        params["format"] = "retrieved"
    both = f"{command('finetune', params)} &&\n{command('compare', situation.compare)}"
    return Advice(
        f"{start} Read what it invented, below. To try again, train an adapter on passages as it will see them, with "
        f"passages that cannot answer in {100 * TAUGHT:g} % of the examples, so that it learns to say so.",
        both,
    )


def _loss(comparison: Comparison) -> str:
    """Return what was lost and, where the contexts say it, why."""
    lost = [each for each in comparison.primaries if each.criterion in comparison.claims.worse and each.effect]
    parts = [f"{-each.effect.gain:.2f} points of {each.criterion}" for each in lost if each.effect]
    harm = [each for each in comparison.guards if each.name in comparison.claims.harmful and each.effect]
    rises = [
        f"{-100 * each.effect.gain:.0f} percentage points more {title(each.name).lower()}"
        for each in harm
        if each.effect
    ]
    said = [f"gave {' and '.join(rises)}"] if rises else []
    said += [f"lost {' and '.join(parts)}"] if parts else []
    text = f"the adapter {' and '.join(said)}"
    causes = [CAUSES[each.name] for each in causes_of(comparison, "") if each.name not in GUARDS]
    return f"{text}, because {' and '.join(causes)}" if causes else text


def _where(comparison: Comparison) -> str:
    """Return the kind of question in which the loss shows most; slices describe and decide nothing."""
    slices = [each for each in comparison.results if each.slice and each.telling]
    lost = [each for each in slices if each.primary and each.effect and each.bounds.high < 0]
    worst = min(lost, key=lambda each: each.effect.gain if each.effect else 0.0, default=None)
    if worst is None or worst.effect is None:
        return ""
    return (
        f" It is seen most in the questions “{worst.slice.removeprefix('kind ')}” "
        f"({signed(worst.effect.gain)} {worst.criterion}, {worst.effect.n} questions)."
    )


def _worst(comparison: Comparison) -> Result | None:
    losing = [each for each in comparison.primaries if each.effect is not None and each.effect.gain < 0]
    return min(losing, key=lambda each: each.effect.gain if each.effect else 0.0, default=None)
