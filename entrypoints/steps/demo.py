"""Demo: prepare, evaluate the base, train one adapter on questions alone and one with passages, evaluate both."""

from entrypoints.steps import evaluate, finetune, prepare
from entrypoints.steps.evaluate import Evaluation
from entrypoints.steps.runs import step_run
from entrypoints.steps.tables import metric_table
from entrypoints.steps.workspace import Workspace
from ragft.params import DemoParams, EvaluateParams, FinetuneParams, PrepareParams

FORMATS = ("closed_book", "retrieved")


def run(params: DemoParams, workspace: Workspace) -> dict[str, Evaluation]:
    """Return the evaluation of the base and of each adapter, by variant."""
    with step_run(params, "demo", {"ragft.step": "demo"}, workspace.home):
        prepare.run(params.pick(PrepareParams), workspace)
        found = {"base": evaluate.run(params.pick(EvaluateParams), workspace)[0]}
        for form in FORMATS:
            adapter = finetune.run(params.pick(FinetuneParams, format=form), workspace)
            found[form] = evaluate.run(params.pick(EvaluateParams, model=adapter.version.uri), workspace)[0]
    workspace.say("")
    for line in metric_table({name: evaluation.metrics for name, evaluation in found.items()}):
        workspace.say(line)
    workspace.say("")
    workspace.say("Look at the runs, the versions and every answer: make ui, then http://127.0.0.1:5000")
    return found
