"""What the probe of a base found, for the steps that ask: what it knew before any training."""

from collections.abc import Sequence

from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.knowledge.categories import Category, Estimate, slices_by_category
from ragft.params.data import PreparationParams
from ragft.result_versions import VERSIONS
from ragft.store.probes import ProbeRecord, find_probe
from ragft.types import Question
from registry.versions import Version

# What a base knows is what it answers, and how that is graded.
KINDS = ("answering", "judging")


def known_categories(fingerprint: str, dataset: str, workspace: Workspace) -> dict[str, Category]:
    """Return question id -> category as last probed for this base and data; empty where it never was."""
    probe = find_probe(workspace.store, fingerprint, dataset)
    found = estimates_of(probe) if probe and probe.settings.get("versions") == versions() else {}
    return {identifier: estimate.category for identifier, estimate in found.items()}


def knowledge_slices(questions: Sequence[Question], version: Version, workspace: Workspace) -> dict[str, list[str]]:
    """Return ``known: <category>`` -> ids of its questions, by what the version's base knew; empty without a probe."""
    lineage = version.lineage
    return slices_by_category(questions, known_categories(lineage.base_fingerprint, lineage.data_sha256, workspace))


def probe_command(params: PreparationParams, base: str) -> str:
    """Return the command that probes all questions of these data."""
    place = f" -P path={params.path}" if params.path else ""
    name = f" -P name={params.name}" if params.name else ""
    return (
        f"mlflow run . -e probe -P dataset={params.dataset}{place}{name} -P base={base} -P questions=0 "
        "--env-manager local"
    )


def estimates_of(probe: ProbeRecord) -> dict[str, Estimate]:
    """Return question id -> counts."""
    return {identifier: Estimate(**counts) for identifier, counts in probe.record.items()}


def versions() -> dict[str, int]:
    """Return the versions of what a probe rests on."""
    return {kind: VERSIONS[kind] for kind in KINDS}
