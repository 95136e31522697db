from dataclasses import replace
from itertools import product

import pytest

from ragft.analysis.verdict.comparison import Check, Comparison, Result
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.effect import Bounds, Effect
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING, GuardResult
from ragft.analysis.verdict.missing import Missing
from ragft.analysis.verdict.multiplicity import Claims
from ragft.analysis.verdict.power import Power, Spread
from ragft.analysis.verdict.what_would_change import Carrier, TippingPoint
from ragft.errors import ConfigError
from registry.gate import Outcome, Policy, decide, force

BOTH = ("accuracy", "completeness")
NOTHING_MISSING = Missing(asked=200, base=0, version=0, dropped=0, p=1.0, worst_gain=0.1, best_gain=0.1)
EFFECT = Effect(
    n=200,
    clusters=80,
    largest=6,
    icc=0.1,
    base=3.0,
    version=3.1,
    gain=0.1,
    sd=1.0,
    effect_size=0.1,
    low=-0.04,
    high=0.24,
    wins=60,
    ties=100,
    losses=40,
)


def result(
    criterion: str, name: str = "", *, missing: Missing = NOTHING_MISSING, veto_high: float | None = None
) -> Result:
    bounds = Bounds(-0.04, 0.24, (-0.04, -0.06), veto_high)
    return Result(criterion, "retrieved", name, True, "higher", 0.2, missing, EFFECT, bounds)


def comparison(
    *,
    worse: tuple[str, ...] = (),
    non_inferior: tuple[str, ...] = BOTH,
    superior: tuple[str, ...] = (),
    veto: bool = False,
    advisory: bool = False,
    check_failed: bool = False,
    missing: Missing = NOTHING_MISSING,
    carriers: tuple[Carrier, ...] = (),
    guards: tuple[GuardResult, ...] = (),
    harmful: tuple[str, ...] = (),
    unsafe: tuple[str, ...] = (),
    slipped: tuple[str, ...] = (),
) -> Comparison:
    slices = (result("accuracy", "kind yes_no", veto_high=-0.25),) if veto else ()
    return Comparison(
        base="base",
        version="models:/telecom/2",
        conditions={"judge": "pocket"},
        design=Design(),
        questions=200,
        clusters=80,
        largest=6,
        results=(result("accuracy", missing=missing), result("completeness"), *slices),
        claims=Claims(worse, non_inferior, superior, harmful, unsafe, slipped),
        checks=(Check("the adapter is active", not check_failed, "200 of 200 answers are those of the base"),),
        advisory=("2 of 6 canaries failed",) if advisory else (),
        tried=1,
        power={},
        changes={"accuracy": TippingPoint(0.04, 900, 210, None), "completeness": TippingPoint(0.04, None, None, 800)},
        carriers=carriers,
        attributions=(),
        equal_length={},
        guards=guards,
    )


def guard(
    name: str = FALSE_ANSWERS, *, gain: float = -0.61, missing: Missing = NOTHING_MISSING, unmeasured: str = ""
) -> GuardResult:
    if unmeasured:
        return GuardResult(name, 0.05, None, None, None, None, unmeasured)
    effect = replace(EFFECT, base=0.13, version=0.13 - gain, gain=gain)
    bounds = Bounds(gain - 0.06, gain + 0.07, (gain - 0.06,))
    power = Power(200, 80, Spread(0.5, 0.0, "this comparison"), 0.05, 0.12, 0.4, 640)
    return GuardResult(name, 0.05, missing, effect, bounds, power, "")


@pytest.mark.parametrize("case", list(product([False, True], repeat=6)))
def test_the_four_outcomes_are_tried_in_order(case: tuple[bool, ...]) -> None:
    unreliable, worse, all_non_inferior, superior, veto, advisory = case
    found = decide(
        comparison(
            check_failed=unreliable,
            worse=("completeness",) if worse else (),
            non_inferior=BOTH if all_non_inferior else ("accuracy",),
            superior=("accuracy",) if superior else (),
            veto=veto,
            advisory=advisory,
        )
    )
    expected: Outcome
    if unreliable:
        expected = "inconclusive"
    elif worse:
        expected = "reject"
    elif all_non_inferior and superior and not veto and not advisory:
        expected = "promote"
    elif all_non_inferior:
        expected = "hold"
    else:
        expected = "inconclusive"

    assert found.outcome == expected
    assert found.headline == f"models:/telecom/2 against base: {expected}, because {found.because}"
    assert found.reasons
    assert all(reason.endswith(".") for reason in (*found.reasons, *found.would_change, found.headline))


def test_an_advisory_judge_promotes_only_where_that_is_allowed_and_it_is_recorded() -> None:
    better = comparison(superior=("accuracy",), advisory=True)
    held, allowed = decide(better), decide(better, Policy(advisory=True))

    assert (held.outcome, allowed.outcome) == ("hold", "promote")
    assert "the judge is only advisory" in held.headline
    assert held.advisory and allowed.advisory
    assert allowed.policy.advisory
    assert (
        "The judge is only advisory: 2 of 6 canaries failed; promotion on it was allowed (advisory=true)."
        in allowed.reasons
    )


@pytest.mark.parametrize(
    ("missing", "outcome", "said"),
    [
        (Missing(200, 1, 1, 2, 1.0, 0.05, 0.15), "promote", ""),
        (
            Missing(200, 1, 2, 3, 1.0, 0.04, 0.16),
            "inconclusive",
            "3 of 200 questions lack a score (1 on the side of base, 2",
        ),
        (
            Missing(1000, 0, 6, 6, 0.03125, 0.07, 0.13),
            "inconclusive",
            "which is not chance (McNemar p = 0.031, below 0.05)",
        ),
        (Missing(1000, 1, 6, 7, 0.125, 0.07, 0.13), "promote", ""),
    ],
)
def test_too_much_missing_is_inconclusive(missing: Missing, outcome: Outcome, said: str) -> None:
    found = decide(comparison(superior=("accuracy",), missing=missing))

    assert found.outcome == outcome
    assert said in found.reasons[0]


def test_a_primary_nobody_was_scored_in_is_inconclusive() -> None:
    silent = comparison(superior=("completeness",), worse=("completeness",))
    results = (replace(silent.results[0], effect=None), *silent.results[1:])
    found = decide(replace(silent, results=results))

    assert found.outcome == "inconclusive"
    assert found.reasons[0] == "accuracy in the context retrieved: no question was scored on both sides."


def test_reasons_name_the_numbers_they_rest_on() -> None:
    reasons = decide(comparison(superior=("accuracy",), veto=True)).reasons

    assert reasons[0] == (
        "accuracy in the context retrieved: 3.00 to 3.10, a change of +0.10 (95 % interval -0.04 to +0.24; 200 "
        "questions in 80 independent groups of documents; 60 better, 100 equal, 40 worse): shown to be better and a "
        "loss beyond the margin of 0.2 is ruled out."
    )
    assert "Slice kind yes_no (200 questions) vetoes a promotion" in reasons[2]
    assert "-0.25" in reasons[2]


def test_trying_many_versions_is_said() -> None:
    reasons = decide(replace(comparison(), tried=5)).reasons

    assert reasons[-1].startswith("5 versions were compared on these questions")


def test_documents_that_carry_the_verdict_are_named() -> None:
    flips = Carrier("manual 7", 6, {"accuracy": 0.0}, Claims((), BOTH, ()))
    stays = Carrier("manual 9", 4, {"accuracy": 0.1}, Claims((), BOTH, ("accuracy",)))
    found = decide(comparison(superior=("accuracy",), carriers=(flips, stays)))
    firm = decide(comparison(superior=("accuracy",), carriers=(stays,)))

    assert (
        found.would_change[-1]
        == "Without any one of these documents the verdict would be hold: manual 7 (6 questions)."
    )
    assert firm.would_change[-1].startswith("No single document carries the verdict")


def test_more_questions_are_asked_for_where_something_is_not_shown() -> None:
    said = decide(comparison(non_inferior=("completeness",))).would_change

    assert "accuracy: 900 questions would show a gain like this one with 80 % chance (asked: 200)." in said
    assert "accuracy: only a margin above 0.04 would be met." in said
    assert "accuracy: 210 questions would rule out a loss beyond the margin with 80 % chance (asked: 200)." in said
    assert "completeness: 800 questions would show a loss like this one with 80 % chance (asked: 200)." in said
    assert "completeness: a margin below 0.04 would not be met." in said


def test_a_bound_at_the_end_of_the_scale_is_met_by_no_margin() -> None:
    unknown = replace(comparison(non_inferior=()), changes={"accuracy": TippingPoint(4.0, None, 160, None)})
    wide = replace(unknown, changes={"accuracy": TippingPoint(3.9, None, 160, None)})
    assert "accuracy: no margin would be met, since too few documents changed to bound a loss." in (
        decide(unknown).would_change
    )
    assert "accuracy: only a margin above 3.90 would be met." in decide(wide).would_change


def test_a_comparison_that_cannot_be_relied_on_gives_no_advice() -> None:
    assert decide(comparison(check_failed=True)).would_change == ()


def test_a_decision_names_its_comparison() -> None:
    one, other = comparison(), comparison(superior=("accuracy",))

    assert decide(one).comparison == one.sha256 != decide(other).comparison


def test_a_person_overrules_the_gate_with_a_reason_that_stays() -> None:
    refused = decide(comparison(worse=("accuracy",)))
    forced = force(refused, " the customer asked for it ")

    assert (forced.outcome, forced.forced) == ("promote", "the customer asked for it")
    assert "against the verdict reject: the customer asked for it" in forced.headline
    assert forced.because == "the customer asked for it"
    assert forced.reasons == (f"The gate said: {refused.headline}", *refused.reasons)
    with pytest.raises(ConfigError, match="reason"):
        force(refused, "  ")


def test_a_promotion_is_not_overruled() -> None:
    """It was marked for ever as shipped by a person, against the verdict promote."""
    promoted = decide(comparison(superior=("accuracy",)))
    assert promoted.outcome == "promote"
    assert force(promoted, "to be sure") == promoted
    with pytest.raises(ConfigError, match="reason"):
        force(promoted, "  ")


@pytest.mark.parametrize("case", list(product([False, True], repeat=7)))
def test_a_guard_rejects_whatever_is_gained_and_a_promotion_needs_it_safe(case: tuple[bool, ...]) -> None:
    worse, harmful, all_non_inferior, unsafe, slipped, superior, measured = case
    found = decide(
        comparison(
            worse=("accuracy",) if worse else (),
            non_inferior=BOTH if all_non_inferior else ("accuracy",),
            superior=("completeness",) if superior else (),
            guards=(guard(), guard(FORGETTING)) if measured else (guard(FORGETTING), guard(unmeasured="no documents")),
            harmful=(FORGETTING,) if harmful else (),
            unsafe=(FORGETTING,) if unsafe else (),
            slipped=(FORGETTING,) if slipped else (),
        )
    )
    expected: Outcome
    if worse or harmful:
        expected = "reject"
    elif not all_non_inferior or unsafe:
        expected = "inconclusive"
    elif superior and not slipped and measured:
        expected = "promote"
    else:
        expected = "hold"

    assert found.outcome == expected
    assert all(reason.endswith(".") for reason in (*found.reasons, *found.would_change, found.headline))


def test_what_rejects_is_named_guards_first() -> None:
    found = decide(
        comparison(
            superior=("completeness",),
            worse=("accuracy",),
            guards=(guard(), guard(FORGETTING, gain=-0.2)),
            harmful=(FALSE_ANSWERS, FORGETTING),
            unsafe=(FALSE_ANSWERS, FORGETTING),
        )
    )

    assert found.because == (
        "its false answers rise by 61 points, its forgetting rises by 20 points and it is worse in accuracy."
    )
    assert (
        "False answers: 13 % to 74 %, worse by 61 points (95 % interval +54 to +67; 200 questions in 80 independent "
        "groups): a rise beyond the margin of 5 points is shown, which rejects."
    ) in found.reasons


@pytest.mark.parametrize(
    ("gain", "claims", "said"),
    [
        (-0.02, {}, "13 % to 15 %, worse by 2 points (95 % interval -5 to +8; 200 questions in 80 independent groups): "
         "a rise beyond the margin of 5 points is ruled out."),
        (0.1, {}, "better by 10 points (95 % interval -17 to -4;"),
        (0.001, {}, "a change of 0 points (95 % interval -7 to +6;"),
        (-0.08, {"unsafe": (FALSE_ANSWERS,)}, "a rise beyond the margin of 5 points is not ruled out."),
        (-0.03, {"slipped": (FALSE_ANSWERS,)}, "a rise is shown, though none beyond the margin of 5 points; it forbids "
         "a promotion."),
    ],
)  # fmt: skip
def test_a_guard_is_told_in_percent_and_points(gain: float, claims: dict[str, tuple[str, ...]], said: str) -> None:
    found = decide(comparison(guards=(guard(gain=gain),), **claims))  # type: ignore[arg-type]

    assert any(said in reason and reason.startswith("False answers: ") for reason in found.reasons)


@pytest.mark.parametrize(
    ("low", "bound", "unsafe"), [(-0.0496, "4.96", False), (-0.0536, "5.4", True), (-0.0563, "6", True)]
)
def test_a_bound_is_not_rounded_to_the_margin_that_it_keeps_or_misses(low: float, bound: str, unsafe: bool) -> None:
    close = guard(gain=-0.02)
    assert close.bounds is not None
    close = replace(close, bounds=replace(close.bounds, low=low))
    found = decide(comparison(guards=(close,), unsafe=(FALSE_ANSWERS,) if unsafe else ()))

    shown = f"to +{bound}; 200 questions in 80 independent groups): a rise beyond the margin of 5 points is"
    assert any(f"{shown} {'not ' * unsafe}ruled out." in reason for reason in found.reasons)
    assert (f"False answers: only a margin above {bound} points would be met." in found.would_change) == unsafe
    assert f"to +{bound}; at most +5 is allowed" in found.summary.lines[1][1]


def test_a_loss_is_not_rounded_to_the_margin_that_it_keeps_or_misses() -> None:
    close = comparison(non_inferior=())
    (first, *others) = close.results
    close = replace(close, results=(replace(first, bounds=replace(first.bounds, low=-0.2003)), *others))

    assert "(95 % interval -0.2003 to +0.24;" in decide(close).reasons[0]


def test_a_better_version_that_does_more_harm_is_held_and_the_reason_says_so() -> None:
    found = decide(comparison(superior=BOTH, guards=(guard(gain=-0.03),), slipped=(FALSE_ANSWERS,)))

    assert found.outcome == "hold"
    assert found.because == (
        "it is better in accuracy and completeness, but its false answers rise by 3 points, within the margin."
    )


def test_a_primary_that_is_slightly_worse_holds_a_better_version_back() -> None:
    found = decide(comparison(superior=("accuracy",), slipped=("completeness",)))

    assert found.outcome == "hold"
    assert found.because == "it is better in accuracy, but it is slightly worse in completeness, within the margin."
    assert found.reasons[1].endswith(
        "a loss beyond the margin of 0.2 is ruled out and a smaller one is there, too little to reject, but it forbids "
        "a promotion."
    )


def test_harm_that_is_not_ruled_out_is_inconclusive_and_says_what_would_settle_it() -> None:
    found = decide(comparison(guards=(guard(gain=-0.04),), unsafe=(FALSE_ANSWERS,)))

    assert found.outcome == "inconclusive"
    assert found.because == "a rise of false answers beyond the margin is not ruled out."
    assert "False answers: only a margin above 10 points would be met." in found.would_change
    assert (
        "False answers: 640 questions would rule out a rise beyond the margin with 80 % chance, if there is none "
        "(asked: 200)."
    ) in found.would_change
    both = decide(comparison(non_inferior=("accuracy",), guards=(guard(),), unsafe=(FALSE_ANSWERS,)))
    assert both.because == (
        "200 questions do not rule out a loss beyond the margin in completeness and a rise of false answers beyond the "
        "margin is not ruled out."
    )


def test_a_guard_that_was_not_measured_is_named_and_only_false_answers_forbid_a_promotion() -> None:
    forgot = decide(comparison(superior=BOTH, guards=(guard(gain=0.0), guard(FORGETTING, unmeasured="no facts"))))
    blind = decide(comparison(superior=BOTH, guards=(guard(FALSE_REFUSALS), guard(unmeasured="it has no documents."))))

    assert forgot.outcome == "promote"
    assert "Forgetting was not measured: no facts." in forgot.reasons
    assert blind.outcome == "hold"
    assert blind.because == "it is better in accuracy and completeness, but its false answers were not measured."
    assert (
        "False answers were not measured: it has no documents. A promotion needs them: the other measures hardly see "
        "what is made up where nothing is to be found."
    ) in blind.reasons


@pytest.mark.parametrize(
    ("missing", "outcome", "said"),
    [
        (Missing(1000, 4, 5, 9, 1.0, -0.02, 0.02), "promote", "whatever the 9 that could not be told were."),
        (Missing(200, 1, 2, 3, 1.0, -0.04, 0.02), "inconclusive", "at their worst the change would be +4 points, at "
         "their best -2 points."),
        (Missing(1000, 0, 6, 6, 0.03125, 0.0, 0.0), "inconclusive", "False answers: 6 of 1000 questions lack a result"),
    ],
)  # fmt: skip
def test_too_much_missing_of_a_guard_is_inconclusive(missing: Missing, outcome: Outcome, said: str) -> None:
    found = decide(comparison(superior=BOTH, guards=(guard(gain=0.0, missing=missing),)))

    assert found.outcome == outcome
    assert any(said in reason for reason in found.reasons)


def test_a_guard_of_which_nothing_could_be_told_is_inconclusive() -> None:
    silent = replace(guard(), effect=None)

    assert decide(comparison(superior=BOTH, guards=(silent,))).reasons[0] == "False answers: no answer could be told."
