"""Evaluate with checked answers: a threshold is chosen on dev, and what it lets leave is seen on another split."""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import mlflow

from entrypoints.steps import evaluate
from entrypoints.steps.reporting import cards, verification
from entrypoints.steps.reporting.verification import VerifiedSide
from entrypoints.steps.shared.champion import champion_moves, require_shared_lock
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.model_under_test import BASE, find_version, require_held_out, settle
from entrypoints.steps.shared.preparation import ensure_prepared, has_documents
from entrypoints.steps.shared.prepared import Prepared
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.verifiers import Verified, open_verifier, verified
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.verification.promise import Promise
from ragft.analysis.verification.threshold import choose
from ragft.errors import ConfigError, DataError
from ragft.params.scoring import EvaluateParams, VerifyParams
from ragft.params.values import DEV, SERVED
from ragft.types import DECIDING, Split
from ragft.verifying import Verifier
from registry.versions import CHAMPION, Version, registered_name


def run(params: VerifyParams, workspace: Workspace) -> list[VerifiedSide]:
    """Return each side with its threshold and what it lets leave, the model under test last; its base comes first.

    Raises:
        ConfigError: If a parameter cannot be used, or the data have no documents.
        DataError: If no threshold keeps the promise for the model under test, or nobody can tell whether its answers
            are right. What was evaluated stays.
        PrerequisiteError: If the registry is shared, and the lock under which a promise is kept is not.
    """
    version = find_version(params)
    settled = settle(params, version)
    with ExitStack() as stack, step_run(
        settled, f"{settled.data_name}|verify", {"ragft.step": "evaluate", "ragft.verify": "true"}, workspace.home
    ):  # fmt: skip
        if settled.model != SERVED:
            require_shared_lock(mlflow.get_registry_uri(), workspace)
        require_held_out(version, settled, workspace)
        prepared = Prepared(settled, ensure_prepared(settled, workspace))
        _require_passages(prepared)
        verifier = open_verifier(settled, workspace, stack)
        adapter = version is not None and version.lineage.kind == "adapter"
        models = [BASE, settled.model] if adapter else [settled.model]
        sides = [_side(prepared, model, verifier, workspace) for model in models]
        verification.log(sides, settled)
        verification.tell(sides, settled, workspace)
        _require_promise(sides[-1], settled)
        _keep(prepared, sides[-1], verifier, version, workspace)
    return sides


def _require_passages(prepared: Prepared[VerifyParams]) -> None:
    if not has_documents(prepared.preparation) and not prepared.params.retrieved.strip():
        raise ConfigError(
            f"verify is true, but {prepared.preparation.name} has no documents: a verifier asks whether passages "
            "support an answer; give them with -P documents= or -P retrieved="
        )


def _side(prepared: Prepared[VerifyParams], model: str, verifier: Verifier, workspace: Workspace) -> VerifiedSide:
    """Return a model's threshold, chosen on dev, and its answers to the split, all under the same conditions."""
    params = prepared.params
    on_dev = _verified(
        prepared, {"model": model, "split": DEV, "context": DECIDING, "questions": 0}, verifier, workspace
    )
    on_split = _verified(prepared, {"model": model}, verifier, workspace)
    dev = on_dev[DECIDING]
    chosen = choose(dev.checked, params.max_false_answers, params.confidence)
    return VerifiedSide(model, dev, on_split, chosen)


def _verified(
    prepared: Prepared[VerifyParams], changes: Mapping[str, str | int], verifier: Verifier, workspace: Workspace
) -> dict[str, Verified]:
    """Return context -> the answers with their scores."""
    params, preparation = prepared.params, prepared.preparation
    asked = params.pick(EvaluateParams, **changes)
    evaluations: Sequence[Evaluation] = evaluate.run(asked, workspace, preparation)
    split: Split = asked.split  # type: ignore[assignment]  # checked by the params
    clusters = cluster(preparation.splits[split]).labels
    return {each.context: verified(each, clusters, verifier, workspace) for each in evaluations}


def _require_promise(side: VerifiedSide, params: VerifyParams) -> None:
    """Raise where no threshold keeps the promise.

    Raises:
        DataError: Saying how many dev questions would be needed.
    """
    if side.choice.chosen is None:
        raise DataError(verification.refusal(side, params))


def _keep(
    prepared: Prepared[VerifyParams],
    side: VerifiedSide,
    verifier: Verifier,
    version: Version | None,
    workspace: Workspace,
) -> None:
    """Keep the promise with the version, and say where it does not hold as the version is served now."""
    params, preparation = prepared.params, prepared.preparation
    evaluation, chosen = side.dev.evaluation, side.choice.chosen
    if params.model == SERVED or evaluation.served_as is None or chosen is None:
        workspace.say("the promise is not kept: only a registered version is served from here")
        return
    registry = open_registry()
    version = version or registry.base_of(registered_name(preparation.name, params.base))
    promise = Promise(
        limit=params.max_false_answers,
        confidence=params.confidence,
        threshold=chosen.threshold if chosen.threshold > float("-inf") else None,
        verifier=params.verifier,
        verifier_url=params.verifier_url,
        verifier_sha256=verifier.identity,
        data=preparation.name,
        data_sha256=preparation.dataset,
        data_seed=int(preparation.settings["data_seed"]),
        asked=side.dev.checked.asked,
        answers=len(side.dev.rows),
        leaving=chosen.leaving.n,
        wrong=chosen.leaving.count,
        clusters=chosen.leaving.clusters,
        rho=side.choice.rho,
        unknown=side.dev.unknown,
        p=chosen.p or 0.0,
        served_as=evaluation.served_as,
        collection=evaluation.collection,
        base_fingerprint=version.lineage.base_fingerprint,
        adapter_sha256=version.lineage.adapter_sha256,
        engine=evaluation.engine,
    )
    # Nobody promotes the version meanwhile, or writes its card.
    with champion_moves(version.name, workspace):
        kept = registry.keep_promise(version, promise)
    mlflow.log_dict(dataclasses.asdict(promise), "promise.json")
    cards.log_as_described(kept)
    workspace.say(f"kept with {version.uri}, and applied where it is served so: {promise.words}")
    if why := promise.why_not(
        registry.served_as(version), version.lineage.base_fingerprint, kept.lineage.adapter_sha256
    ):
        workspace.say(f"as {version.uri} is served now it cannot claim that: {why}")
    elif CHAMPION in kept.aliases:
        workspace.say(f"{kept.uri} is {CHAMPION}: it is served so from now on, which no comparison has seen")
