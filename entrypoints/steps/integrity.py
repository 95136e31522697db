"""What else could explain a difference between two sides, checked on their evaluations."""

from collections.abc import Mapping, Sequence

from entrypoints.steps.scoring import Evaluation
from ragft.analysis.comparison import Check
from ragft.params import CompareParams
from ragft.report.advice import LENGTH_CHECK
from registry.versions import Version

# With more of the champion's answers cut off, the length limit decides and not the models.
MOST_CUT = 0.2


def checks(
    params: CompareParams, version: Version, against: Version, sides: Mapping[str, Sequence[Evaluation]]
) -> tuple[Check, ...]:
    """Return the checks of a comparison; ``sides`` is version's address -> evaluations in the deciding context.

    That the adapter is applied, and that both sides were sent the same messages, stops a comparison before this.
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
        _cut(params, against, version, sides),
    )


def _held(params: CompareParams, version: Version) -> str:
    """Return how the weights are held when the version answers."""
    held = params.quantization if version.lineage.kind == "base" else version.lineage.quantization
    return "not quantised" if held == "none" else f"held in {held}"


def _cut(params: CompareParams, against: Version, version: Version, sides: Mapping[str, Sequence[Evaluation]]) -> Check:
    shares, said = {}, []
    for each in (against, version):
        flags = [bool(row.facts.get("cut")) for found in sides[each.uri] for row in found.rows]
        shares[each.uri] = sum(flags) / len(flags) if flags else 0.0
        said.append(f"{sum(flags)} of {len(flags)} answers of {each.uri}")
    passed = shares[against.uri] <= MOST_CUT
    detail = f"{' and '.join(said)} were cut off at {params.max_new_tokens} tokens"
    if not passed:
        detail += f"; above {MOST_CUT:.0%} of {against.uri} the limit decides, not the models: raise max_new_tokens"
    return Check(LENGTH_CHECK, passed, detail)
