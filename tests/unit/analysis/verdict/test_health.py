"""What makes scores worth nothing, and the line that says how things stand."""

from ragft.analysis.verdict.health import Health, Refused

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
        "refused though answerable: v1 10 %, v2 0 %; evidence found: 90 %; passages left out: 5 %; "
        "judge's AUC in accuracy: 0.97"
    )


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
