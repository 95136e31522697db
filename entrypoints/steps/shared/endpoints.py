"""Models behind servers, opened for as long as a step needs them."""

from contextlib import ExitStack

from entrypoints.steps.shared.workspace import Workspace
from ragft.models.endpoint import Endpoint
from ragft.params.scoring import ScoringParams


def open_endpoint(
    url: str, model: str, role: str, params: ScoringParams, workspace: Workspace, stack: ExitStack
) -> Endpoint:
    """Return the served model, closed with ``stack``; its key is the workspace's for ``role`` ("model", "judge").

    Raises:
        ConfigError: If the address cannot be used.
    """
    return stack.enter_context(
        Endpoint(
            url,
            model,
            api_key=workspace.api_keys.get(role, ""),
            concurrency=params.concurrency,
            timeout_s=params.timeout_s,
            deadline_s=params.deadline_s,
            tell=workspace.alert,
        )
    )
