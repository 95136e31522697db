"""What makes scores worth nothing, and the line that says how things stand."""

from dataclasses import replace

from ragft.analysis.verdict.health import Health, Refused
from tests.unit.registry.test_gate import comparison

SOUND = Health(
    answerable=40,
    refused=(Refused("v1", 4), Refused("v2", 0)),
    known=40,
    found=36,
    passages=120,
    dropped=6,
    auc={"accuracy": 0.97, "completeness": None},
)


def test_a_sound_comparison_has_no_fault_and_says_how_things_stand() -> None:
    assert SOUND.faults == ()
    assert SOUND.line == (
        "retrieval found the evidence for 90 % of the questions; 5 % of the passages were left out for length; the "
        "judge told answers known to be right from wrong ones with an AUC of 0.97 in accuracy (1 is perfect, 0.5 is "
        "chance); of the questions that have an answer, v1 refused 10 % and v2 refused 0 %"
    )


def test_the_scores_are_believed_unless_something_is_broken_or_the_judge_is_only_a_hint() -> None:
    found = Health(answerable=40, refused=(Refused("v1", 1), Refused("v2", 2)))
    sound = replace(comparison(), health=found)
    assert sound.belief == "yes: of the questions that have an answer, v1 refused 2 % and v2 refused 5 %"
    assert replace(sound, advisory=("never calibrated",)).belief.startswith("as far as the judge goes: ")
    assert replace(sound, health=replace(found, refused=(Refused("v1", 39),))).belief.startswith("no: ")
    assert replace(sound, health=Health()).belief == replace(sound, health=None).belief == ""


def test_of_few_questions_it_is_not_known_and_counts_are_shown() -> None:
    few = Health(answerable=9, refused=(Refused("v1", 9), Refused("v2", 9)), known=4, found=3)
    assert replace(comparison(), health=few).belief == (
        "not known: 9 questions are too few to tell; retrieval found the evidence for 3 of 4 questions; "
        "of the questions that have an answer, v1 refused 9 of 9 and v2 refused 9 of 9"
    )
    assert replace(comparison(), health=replace(few, fooled=("accuracy: junk.",))).belief.startswith("no: ")
    assert not Health(answerable=10).few and not Health().few


def test_what_comes_first_in_the_pipeline_is_named_first() -> None:
    broken = Health(
        answerable=38,
        refused=(Refused("v1", 38), Refused("v2", 3)),
        known=20,
        found=9,
        passages=100,
        dropped=60,
        fooled=("accuracy: a reference scored .05.",),
    )
    assert broken.faults == ("retrieval", "dropped", "base", "judge")
    assert [broken.why(fault) for fault in broken.faults] == [
        "Retrieval found the evidence for only 9 of 20 questions.",
        "60 of 100 passages did not fit the context window and were not seen.",
        "v1 refused 38 of 38 questions that its passages answer: it does not read these documents.",
        "The judge cannot tell good from bad answers here: accuracy: a reference scored .05.",
    ]


def test_shares_of_few_questions_and_what_was_not_measured_say_nothing() -> None:
    assert Health(answerable=9, refused=(Refused("v1", 9),), known=9, found=0).faults == ()
    assert Health().faults == ()
    assert Health().line == ""


def test_a_version_that_refuses_everything_is_no_fault_of_the_comparison() -> None:
    assert Health(answerable=40, refused=(Refused("v1", 1), Refused("v2", 40))).faults == ()
