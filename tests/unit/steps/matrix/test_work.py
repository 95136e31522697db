"""What a cell's steps did is counted, and only what a person must know of is passed on."""

from pathlib import Path
from typing import Any, cast

from entrypoints.steps.matrix.work import watched
from entrypoints.steps.shared.workspace import Workspace


def workspace(said: list[str]) -> Workspace:
    return Workspace(home=Path("here"), store=cast("Any", "the store"), say=said.append)


def test_the_parts_of_a_stage_are_counted_together() -> None:
    seen = watched(workspace([]))
    for stage, part, done in (("answer", "(none)", 3), ("answer", "(retrieved)", 4), ("judge", "", 0)):
        with seen.progress(stage, part=part) as line:
            line.tell(done, 10)
    with seen.progress("embed", 5, part="train") as line:
        line.advance(2)
        line.advance(3)
    work = {each.stage: each for each in seen.stages.work({"answer": "of pocket"})}
    assert {stage: each.done for stage, each in work.items()} == {"answer": 7, "embed": 5}
    assert work["answer"].kind == "of pocket"
    assert all(each.seconds >= 0 and each.machine for each in work.values())


def test_warnings_are_heard_and_tables_are_not() -> None:
    said: list[str] = []
    seen = watched(workspace(said))
    seen.say("metric        base")
    seen.say("warning: not for a person, who sees it in the table of the study")
    seen.alert("warning: 3 held-out questions leak")
    seen.alert("another process works on prepare: waiting for it")
    assert said == ["  warning: 3 held-out questions leak", "  another process works on prepare: waiting for it"]
    assert seen.home == Path("here")


def test_a_count_that_begins_anew_is_added_to_what_was_counted() -> None:
    seen = watched(workspace([]))
    with seen.progress("judge") as line:
        for done, total in ((100, 400), (400, 400), (8, 8), (3, 3)):  # what could not be read is asked again
            line.tell(done, total)

    (work,) = seen.stages.work({})
    assert work.done == 411
