"""Demo: train one adapter on questions alone and one with passages that also learns to abstain; compare each."""

from entrypoints.steps import compare, finetune, prepare
from entrypoints.steps.reporting import report, verdicts
from entrypoints.steps.reporting.tables import metric_table
from entrypoints.steps.shared.compared import Compared
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.workspace import Workspace
from ragft.params.data import PrepareParams
from ragft.params.searches import DemoParams
from ragft.params.training import FinetuneParams
from ragft.params.verdict import CompareParams
from ragft.types import DECIDING

FORMATS = ("closed_book", "retrieved")


def run(params: DemoParams, workspace: Workspace) -> dict[str, Compared]:
    """Return the comparison of each adapter with the champion, by training format."""
    found: dict[str, Compared] = {}
    with step_run(params, "demo", {"ragft.step": "demo"}, workspace.home):
        prepare.run(params.pick(PrepareParams), workspace)
        for form in FORMATS:
            taught = params.withheld_share if form != "closed_book" else 0.0
            adapter = finetune.run(params.pick(FinetuneParams, format=form, withheld_share=taught), workspace)
            found[form] = compare.run(params.pick(CompareParams, model=adapter.version.uri), workspace)
    _tell(found, workspace)
    return found


def _tell(found: dict[str, Compared], workspace: Workspace) -> None:
    """Print base and adapters side by side, the verdicts, and where to look further."""
    first = next(iter(found.values()))
    sides = {"base": first.sides[first.against.uri][DECIDING].metrics}
    sides |= {form: each.sides[each.version.uri][DECIDING].metrics for form, each in found.items()}
    workspace.say("\n" + "=" * 88)
    for line in metric_table(sides):
        workspace.say(line)
    workspace.say("")
    for each in found.values():
        verdicts.tell_summary(each.decision, workspace)
        workspace.say(f"verdict: {each.decision.headline}")
        workspace.say(f"report:  {report.place(workspace.home, each.version, each.against).as_uri()}")
    workspace.say("\nEvery run, version and answer: make ui, then http://127.0.0.1:5000")
