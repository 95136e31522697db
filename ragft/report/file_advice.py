"""What to do after a verdict on two files of answers: nobody here can train, ask or promote what gave them."""

from collections.abc import Mapping
from dataclasses import dataclass

from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, title
from ragft.report.advice import Advice, command

# What a reader can do whose files hold no question without an answer.
WITHHELD = (
    "ask both systems the same questions with passages that do not hold the answer, and add these rows to both files "
    "with an empty expected_output"
)

# What each guard asks.
ASKED_BY = {FALSE_ANSWERS: "questions without an answer", FALSE_REFUSALS: "questions with an answer"}


@dataclass(frozen=True, slots=True)
class FileSituation:
    """Two files, and how they were compared.

    Attributes:
        version: What the file is called whose answers should replace the others.
        base: What the other is called.
        compare: Parameters that compare again in the same way, name -> value.
    """

    version: str
    base: str
    compare: Mapping[str, str]

    @property
    def again(self) -> str:
        """The command that compares in the same way."""
        return command("compare", self.compare)


def advise(comparison: Comparison, outcome: str, situation: FileSituation) -> Advice:
    """Return what to do after a verdict."""
    if comparison.health and comparison.faults and outcome != "reject":
        return _believe(comparison, situation)
    if outcome == "promote":
        return _replace(comparison, situation)
    if outcome == "reject":
        harm = [title(name).lower() for name in comparison.claims.harmful]
        lost = [name.replace("_", " ") for name in comparison.claims.worse]
        return Advice(
            f"Keep {situation.base}. Read the answers that got worse ({', '.join([*harm, *lost])}) below, mend what "
            "gave them, answer the questions again, and compare again. In a build, on_reject=fail makes this verdict "
            "an error, as in this command.",
            command("compare", {**situation.compare, "on_reject": "fail"}),
        )
    if outcome == "hold":
        return _hold(comparison, situation)
    return _not_sure(comparison, situation)


def _believe(comparison: Comparison, situation: FileSituation) -> Advice:
    """Return the one thing to change before any score means something."""
    fault = comparison.health.faults[0] if comparison.health else "judge"
    if fault == "judge":
        return Advice(
            f"{comparison.faults[0]} Name a judge that can (-P judge=...), or decide by what needs no judge, as this "
            "command does.",
            command("compare", {**situation.compare, "judge": "none"}),
        )
    alone = {name: value for name, value in situation.compare.items() if name == "judge"}
    return Advice(
        f"{comparison.faults[0]} See first what {situation.base} answers: this scores it alone, row by row.",
        command("evaluate", {"answers": situation.compare["against"], **alone}),
    )


def _replace(comparison: Comparison, situation: FileSituation) -> Advice:
    fresh = (
        f" First ask both systems fresh questions: {comparison.tried} files were tried on these, and the best of many "
        "looks better than it is."
        if comparison.tried > 1
        else ""
    )
    return Advice(
        f"Put what gave {situation.version} in the place of what gave {situation.base}.{fresh} This command in a build "
        "fails when a later file is rejected.",
        command("compare", {**situation.compare, "on_reject": "fail"}),
    )


def _hold(comparison: Comparison, situation: FileSituation) -> Advice:
    claims = comparison.claims
    if claims.superior and FALSE_ANSWERS in comparison.unknown_harm:
        return Advice(
            f"Keep {situation.base} for now: whether {situation.version} invents answers is not known. To find out, "
            f"{WITHHELD}. Then compare again.",
            situation.again,
        )
    if claims.superior and (claims.slipped or comparison.vetoes):
        what = [title(name).lower() for name in claims.slipped] or [each.slice for each in comparison.vetoes]
        return Advice(
            f"Keep {situation.base}: {situation.version} is better on the whole, but worse elsewhere "
            f"({', '.join(dict.fromkeys(what))}). Read those answers below.",
            situation.again,
        )
    if claims.superior:
        return Advice(
            "Read the answers that got worse, below. The judge that prefers the new ones is only a hint here (see the "
            "reasons). If you agree with it, this decides by its scores and records that you did.",
            command("compare", {**situation.compare, "advisory": "True"}),
        )
    return Advice(
        f"Keep {situation.base}: nothing shows that {situation.version} is better.{_more(comparison)} Where answers "
        "are sentences, a judge (-P judge=...) sees what shared words do not.",
        situation.again,
    )


def _not_sure(comparison: Comparison, situation: FileSituation) -> Advice:
    failed = [check for check in comparison.checks if not check.passed]
    if failed:
        return Advice(
            f"Change nothing yet; put this right and compare again: {failed[0].detail.rstrip('.')}.", situation.again
        )
    if any(result.effect is None or result.missing.share > 0.01 for result in comparison.primaries):
        return Advice(
            "Change nothing yet: too many answers could not be scored. Give every row of both files an output and a "
            "reference, or decide by another measure (-P primary=...) or judge (-P judge=...).",
            situation.again,
        )
    return Advice(
        f"Keep {situation.base} for now: too few questions to say.{_more(comparison)} Answer more questions with both "
        "systems, and compare again.",
        situation.again,
    )


def _more(comparison: Comparison) -> str:
    """Return how many questions of which kind would settle it, where that can be said."""
    numbers = [n for change in comparison.changes.values() for n in (change.n_non_inferior, change.n_superior) if n]
    # The questions of a guard are a part of all of them: its number says nothing of the whole.
    needed = [("questions like these", max(numbers, default=0), comparison.questions)]
    needed += [
        (ASKED_BY.get(guard.name, f"questions of {title(guard.name).lower()}"), number, guard.power.n)
        for guard in comparison.guards
        if guard.name in comparison.claims.unsafe and guard.power and (number := guard.power.n_for_margin)
    ]
    said = [f"{number:,} {kind} (asked: {asked:,})" for kind, number, asked in needed if number > asked]
    return f" It takes about {' and '.join(said)} to settle it." if said else ""
