"""The lock under which a champion is moved, and what an earlier command left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import mlflow

from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import PrerequisiteError
from registry.promotion import Mended, Promotion
from registry.versions import CHAMPION

LOCAL = ("", "file", "sqlite")


@contextmanager
def champion_moves(name: str, workspace: Workspace) -> Iterator[tuple[Promotion, Mended | None]]:
    """Hold the lock of a registered model; yield its moves and what had to be mended, which is printed.

    Raises:
        PrerequisiteError: If no lock can keep others away from this registry.
    """
    require_shared_lock(mlflow.get_registry_uri(), workspace)
    with workspace.store.lock(f"champion of {name}", workspace.alert):
        promotion = Promotion(open_registry(), name)
        if mended := promotion.mend():
            workspace.say(mended.said)
        yield promotion, mended


def champion_now(name: str) -> int:
    """Return the number of the version that is champion of a registered model; 0 where there is none."""
    model = open_registry().find_model(name)
    return int(model.aliases.get(CHAMPION, 0)) if model else 0


def require_shared_lock(registry_uri: str, workspace: Workspace) -> None:
    """Refuse a registry that others can reach while the Postgres that holds the lock is this home's own.

    Raises:
        PrerequisiteError: If the registry is remote and the store is embedded.
    """
    if workspace.shared or is_local(registry_uri):
        return
    parts = urlsplit(registry_uri)
    # Not the whole address: it can hold a password.
    place = f"{parts.scheme}://{parts.hostname}" if parts.hostname else parts.scheme or registry_uri
    raise PrerequisiteError(
        f"the registry at {place} is shared, and the Postgres under {workspace.home} is not: its lock keeps nobody "
        f"else from moving the champion meanwhile; set RAGFT_DSN to one Postgres for all who promote"
    )


def is_local(registry_uri: str) -> bool:
    """Return whether a registry is a file of this machine."""
    return urlsplit(registry_uri).scheme in LOCAL and not registry_uri.startswith("databricks")
