"""The history of a registered model, which MLflow does not keep: tags of the model and of its versions, and cards."""

import hashlib
from collections.abc import Sequence
from typing import Final

from mlflow import MlflowClient

from ragft.errors import PrerequisiteError
from ragft.served_as import SERVED_AS
from registry import card, terms
from registry.store import Registry
from registry.terms import CHAMPIONS, LAST, ChampionTerm
from registry.versions import CHAMPION, PREVIOUS, TAG_PREFIX, Version

DECISION = f"{TAG_PREFIX}decision"
STANDING = f"{TAG_PREFIX}standing"
ROLLED_BACK: Final = "rolled_back"


class History:
    """Who was champion of one registered model, and where its versions stand."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry = registry
        self._name = name
        self._client = MlflowClient()

    def path(self, champion: Version) -> tuple[ChampionTerm, ...]:
        """Return the champions up to the present one: the one that the alias names, whatever the history says."""
        model = self._client.get_registered_model(self._name)
        # Without the tag nothing was moved yet, and the base is champion since it was registered.
        path = terms.read(model.tags.get(CHAMPIONS, model.tags.get(LAST, "1")))
        if path[-1].version == champion.number:
            return path
        tags = self._client.get_model_version(self._name, str(champion.number)).tags
        served = tags.get(SERVED_AS, "")
        return terms.moved_by_hand(path, ChampionTerm(champion.number, short(served)))

    def follow_hand(self, champion: Version) -> None:
        """Add a champion that a person chose to the history."""
        path = self.path(champion)
        self._client.set_registered_model_tag(self._name, CHAMPIONS, terms.write(path))
        self.serve_as(path[-1])
        self.set_previous(path)
        self._stand(champion.number, f"{CHAMPION}, made so by hand")

    def set_previous(self, path: Sequence[ChampionTerm]) -> None:
        """Point the alias ``previous`` at the version that a rollback would go to, where there is one."""
        if len(path) > 1 and self._find(path[-2].version):
            self._client.set_registered_model_alias(self._name, PREVIOUS, str(path[-2].version))
        elif PREVIOUS in self._client.get_registered_model(self._name).aliases:
            self._client.delete_registered_model_alias(self._name, PREVIOUS)

    def serve_as(self, term: ChampionTerm) -> None:
        """Serve a version as it was served in a term; it may have been promoted again under other conditions since."""
        number = str(term.version)
        tags = self._client.get_model_version(self._name, number).tags
        wanted = tags.get(kept_as(term.served)) if term.served else None
        if wanted is not None:
            self._client.set_model_version_tag(self._name, number, SERVED_AS, wanted)
        elif SERVED_AS in tags:
            self._client.delete_model_version_tag(self._name, number, SERVED_AS)

    def moved(self, move: str, old: int, new: int, path: str, reason: str, run_id: str) -> None:
        """Record in the history and on both versions where they stand after a move; doing it twice changes nothing."""
        self._client.set_registered_model_tag(self._name, CHAMPIONS, path)
        if move == "promotion":
            self._stand(new, f"{CHAMPION}, promoted over version {old} (run {run_id})")
            self._stand(old, f"no longer {CHAMPION}: version {new} was promoted (run {run_id})")
            return
        why = f"{reason} (run {run_id})"
        self._stand(old, f"rolled back, version {new} is {CHAMPION} again: {why}")
        again = f"{CHAMPION} again since version {old} was rolled back: {why}"
        self._stand(new, again)
        # Rolled back in a later term, and champion by an earlier one.
        if self._client.get_model_version(self._name, str(new)).tags.get(DECISION) == ROLLED_BACK:
            self._client.set_model_version_tag(self._name, str(new), f"{DECISION}_reasons", again)
            self._client.set_model_version_tag(self._name, str(new), DECISION, "promote")

    def _stand(self, number: int, standing: str) -> None:
        version = self._find(number)
        if version is None:
            return
        described = self._client.get_model_version(self._name, str(number)).description or ""
        self._client.set_model_version_tag(self._name, str(number), STANDING, standing)
        self._registry.describe(version, card.with_standing(described, standing))

    def _find(self, number: int) -> Version | None:
        """Return a version, or None where it was deleted since."""
        try:
            return self._registry.get(f"models:/{self._name}/{number}")
        except PrerequisiteError:
            return None


def short(served_as: str) -> str:
    """Return what a term keeps of how a version is served: 12 digits, or "" where it is served as it was registered."""
    return hashlib.sha256(served_as.encode()).hexdigest()[:12] if served_as else ""


def kept_as(served: str) -> str:
    """Return the tag under which a version keeps one of the ways it was served."""
    return f"{SERVED_AS}_{served}"
