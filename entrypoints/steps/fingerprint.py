"""Fingerprint: what a version makes of a few texts, computed where it fits and kept with it."""

import dataclasses

import mlflow

from entrypoints.steps.shared.engines import probes_of
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.weights import check_base_of, load_base_model, load_version, open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.models.logprob_probes import Probes
from ragft.params.versions import FingerprintParams


def run(params: FingerprintParams, workspace: Workspace) -> Probes:
    """Return the probes of a base or an adapter; those it had are replaced.

    Raises:
        ConfigError: If the address cannot be read.
        PrerequisiteError: If there is no such version, or its base is not on this machine or does not fit.
    """
    version = open_registry().get(params.model)
    tags = {"ragft.step": "fingerprint", "ragft.model": version.uri}
    with step_run(params, f"{version.name}|fingerprint v{version.number}", tags, workspace.home):
        lineage = version.lineage
        if lineage.kind == "base":
            loaded = load_base_model(lineage.base, lineage.revision, "none", params.dtype)
            check_base_of(version, loaded.fingerprint)
        else:
            loaded = load_version(version, params.dtype)
        probes = probes_of(loaded, version)
        mlflow.log_dict(dataclasses.asdict(probes), "probes.json")
        workspace.say(
            f"{version.uri}: log-probabilities of {sum(probes.answers)} tokens in {len(probes.ids)} texts, computed in "
            f"{probes.dtype}, are kept with it; engine=vllm is held against them"
        )
    return probes
