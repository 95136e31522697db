"""What else could explain a difference between two sides, checked on their evaluations."""

from collections import Counter
from collections.abc import Collection, Mapping

from entrypoints.steps.shared.evaluation import Evaluation, Scored
from ragft.analysis.verdict.comparison import Check
from ragft.judging.terse import Terse, find_terse
from ragft.params.values import DEV
from ragft.params.verdict import CompareParams
from ragft.report.advice import LENGTH_CHECK
from registry.versions import Version

# With more of the champion's answers cut off, the length limit decides and not the models.
MOST_CUT = 0.2
JUDGE_CHECK = "one judge"
CHOICE_CHECK = "how the version was chosen"
PADDING_CHECK = "padded answers"
RULE_CHECK = "right by a rule"
# What a program knew, of data that were made up with their truth: it reads statements, not words.
KNOWN_BY_A_PROGRAM = "truth_right"


def checks(
    params: CompareParams,
    version: Version,
    against: Version,
    sides: Mapping[str, Evaluation],
    primary: Collection[str],
) -> tuple[Check, ...]:
    """Return the checks of a comparison; ``sides`` is version's address -> evaluations in the deciding context.

    Two things are not checked here, since the comparison would have stopped earlier: that the adapter is applied, and
    that both sides were sent the same messages.
    """
    one, other = against.lineage, version.lineage
    same = one.base_fingerprint == other.base_fingerprint
    held = {each.uri: _held(params, each) for each in (against, version)}
    different = "; the change includes that of the quantisation" if len(set(held.values())) > 1 else ""
    return (
        Check(
            "same base, tokenizer and chat template",
            same,
            f"the fingerprint over weights, tokenizer and template is {one.base_fingerprint[:12]}"
            + ("" if same else f" for {against.uri} and {other.base_fingerprint[:12]} for {version.uri}"),
        ),
        Check(
            "quantisation",
            True,
            f"the weights of the base are {held[against.uri]} for {against.uri}, {held[version.uri]} for {version.uri}"
            + different,
        ),
        *_chosen(params, version),
        *_engine(sides),
        _cut(params, against, version, sides),
        *of_rule(sides, primary),
        *of_judge(sides),
    )


def _chosen(params: CompareParams, version: Version) -> list[Check]:
    """Return the check that a version which was chosen among several is not compared on what chose it."""
    if not version.chosen_from:
        return []
    fresh = params.split != DEV
    why = (
        "its score there is that of the luckiest; these questions did not choose it"
        if fresh
        else "these questions chose it, so they cannot say how good it is: compare with -P split=test"
    )
    return [Check(CHOICE_CHECK, fresh, f"it is the best of {version.chosen_from}, and {why}")]


def of_judge(sides: Mapping[str, Evaluation]) -> tuple[Check, ...]:
    """Return the checks of the judge; none where nothing was judged."""
    return (*_one_judge(sides), *_padding(sides))


def of_rule(sides: Mapping[str, Evaluation], primary: Collection[str]) -> tuple[Check, ...]:
    """Return, as a warning that fails nothing, that the rule which says what is right may be unfair to one side."""
    warning = rule_warning(sides, primary)
    return (Check(RULE_CHECK, True, f"warning: {warning}"),) if warning else ()


def rule_warning(sides: Mapping[str, Evaluation], primary: Collection[str]) -> str:
    """Return for which side a rule that compares words may be too low; "" for none, or where it does not decide."""
    found = terse_side(sides, primary)
    return found.warning if found else ""


def terse_side(sides: Mapping[str, Evaluation], primary: Collection[str]) -> Terse | None:
    """Return the side to which a rule that compares words may be unfair; None for none, or where it does not decide."""
    if "right" not in primary:
        return None
    told = {uri: [row for row in side.rows if _told_by_words(row)] for uri, side in sides.items()}
    found = find_terse({uri: [row.answer for row in rows] for uri, rows in told.items()})
    # Where it can only say yes, whom it does not know is asked of the judge.
    return found if found and any(row.right is False for row in told[found.shorter]) else None


def _told_by_words(row: Scored) -> bool:
    by_rule = row.outcome in ("right", "wrong") and row.right is not None and bool(row.facts["answerable"])
    return by_rule and KNOWN_BY_A_PROGRAM not in row.numbers


def padding_warning(sides: Mapping[str, Evaluation]) -> str:
    """Return on which side padding an answer raises its score; "" where it does on neither."""
    told = [(uri, each) for uri, side in sides.items() for each in side.padding.values()]
    return "; ".join(f"{each.warning}, on the side of {uri}" for uri, each in told if each.warning)


def _padding(sides: Mapping[str, Evaluation]) -> list[Check]:
    """Return, as a warning that fails nothing, what padding an answer does to its score."""
    if not any(side.padding for side in sides.values()):
        return []
    warning = padding_warning(sides)
    calm = "answers padded to twice their length score about the same"
    return [Check(PADDING_CHECK, True, f"warning: {warning}" if warning else calm)]


def _one_judge(sides: Mapping[str, Evaluation]) -> list[Check]:
    """Return the check that one model judged, by what its server called itself in each reply; none in process."""
    told = {uri: Counter[str](side.judged_by.served_by if side.judged_by else {}) for uri, side in sides.items()}
    names = sorted({name for counts in told.values() for name in counts})
    if not names:
        return []
    if len(names) == 1:
        return [Check(JUDGE_CHECK, True, f"its server called itself {names[0]!r} in every judgement")]
    shares = [
        f"{', '.join(f'{name!r} in {count}' for name, count in sorted(counts.items()))} judgements of {uri}"
        for uri, counts in told.items()
        if counts
    ]
    detail = (
        f"the judge's server changed while it judged: it called itself {' and '.join(shares)}. Name the judge by a "
        "version that does not change (-P judge=...), or change -P judge_max_new_tokens, and both sides are judged anew"
    )
    return [Check(JUDGE_CHECK, False, detail)]


def _engine(sides: Mapping[str, Evaluation]) -> list[Check]:
    """Return the check that one engine answered for both sides; none where both were computed in this process."""
    engines = {uri: side.engine or "this process" for uri, side in sides.items()}
    if not any(side.engine for side in sides.values()):
        return []
    same = len(set(engines.values())) == 1
    told = next(iter(engines.values())) if same else " and ".join(f"{name} for {uri}" for uri, name in engines.items())
    return [Check("one engine", same, f"answers were computed by {told}")]


def _held(params: CompareParams, version: Version) -> str:
    """Return how the weights are held when the version answers."""
    held = params.quantization if version.lineage.kind == "base" else version.lineage.quantization
    return "not quantised" if held == "none" else f"held in {held}"


def _cut(params: CompareParams, against: Version, version: Version, sides: Mapping[str, Evaluation]) -> Check:
    shares, said = {}, []
    for each in (against, version):
        flags = [bool(row.facts.get("cut")) for row in sides[each.uri].rows]
        shares[each.uri] = sum(flags) / len(flags) if flags else 0.0
        said.append(f"{sum(flags)} of {len(flags)} answers of {each.uri}")
    passed = shares[against.uri] <= MOST_CUT
    detail = f"{' and '.join(said)} were cut off at {params.max_new_tokens} tokens"
    if not passed:
        detail += f"; above {MOST_CUT:.0%} of {against.uri} the limit decides, not the models: raise max_new_tokens"
    return Check(LENGTH_CHECK, passed, detail)
