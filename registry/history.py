"""The history of a registered model, which MLflow does not keep: tags of the model and of its versions, and cards."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from mlflow import MlflowClient

from ragft.analysis.verification.promise import PROMISE
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
        path = self._stored()
        if path[-1].version == champion.number:
            return path
        tags = self._client.get_model_version(self._name, str(champion.number)).tags
        served = tags.get(SERVED_AS, "")
        return terms.moved_by_hand(path, ChampionTerm(champion.number, short(served)))

    def _stored(self) -> tuple[ChampionTerm, ...]:
        tags = self._client.get_registered_model(self._name).tags
        # Without the tag nothing was moved yet, and the base is champion since it was registered.
        return terms.read(tags.get(CHAMPIONS, tags.get(LAST, "1")))

    def leave(self, path: Sequence[ChampionTerm]) -> tuple[ChampionTerm, ...]:
        """Return a path whose last term names what is promised of its version now, which the version keeps."""
        *earlier, last = path
        version = self._find(last.version)
        return (*earlier, replace(last, promise=self.keep_promise(version)) if version else last)

    def keep_promise(self, version: Version) -> str:
        """Let a version keep its promise for terms to name, whatever is promised later; return the name, "" for none.

        A version's promise changes when one is made anew, also in its time as champion, so terms cannot rest on the
        tag by which it is served.
        """
        name = short(version.promise)
        if name:
            kept = kept_as(name, PROMISE)
            self._client.set_model_version_tag(self._name, str(version.number), kept, version.promise)
        return name

    def follow_hand(self, champion: Version) -> None:
        """Add a champion that a person chose to the history."""
        before, path = self._stored(), self.path(champion)
        if len(path) > len(before):  # on to it: what is promised of the one before is what was promised in its time
            path = (*self.leave(path[:-1]), path[-1])
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

    def require_kept(self, term: ChampionTerm) -> None:
        """Check that a version has kept how it was served in a term, and what was promised then.

        Raises:
            PrerequisiteError: If a person took that away.
        """
        tags = self._client.get_model_version(self._name, str(term.version)).tags
        self._kept(term.version, tags, SERVED_AS, term.served)
        self._kept(term.version, tags, PROMISE, term.promise or "")

    def serve_as(self, term: ChampionTerm) -> None:
        """Serve a version as it was served in a term, with what was promised then, on its card too.

        It may have been promoted again under other conditions since, or promised something else, which it keeps. A
        promise that nobody noted with the term leaves the present one.

        Raises:
            PrerequisiteError: As `require_kept`; nothing is changed then.
        """
        self.require_kept(term)
        found = self._client.get_model_version(self._name, str(term.version))
        self._put_back(term.version, found.tags, SERVED_AS, term.served)
        if term.promise is None or term.promise == short(found.tags.get(PROMISE, "")):
            return
        version = self._registry.get(f"models:/{self._name}/{term.version}")
        self.keep_promise(version)
        self._put_back(term.version, found.tags, PROMISE, term.promise)
        kept = self._kept(term.version, found.tags, PROMISE, term.promise)
        self._registry.describe(version, card.with_kept_promise(found.description or "", kept))

    def _put_back(self, number: int, tags: Mapping[str, str], tag: str, name: str) -> None:
        """Give a tag of a version the value that has a name; take it away where the name is empty."""
        if name:
            self._client.set_model_version_tag(self._name, str(number), tag, self._kept(number, tags, tag, name))
        elif tag in tags:
            self._client.delete_model_version_tag(self._name, str(number), tag)

    def _kept(self, number: int, tags: Mapping[str, str], tag: str, name: str) -> str:
        """Return the value that a tag of a version had, by its name; "" where that is empty."""
        values = (tags.get(each, "") for each in (tag, kept_as(name, tag)))
        value = next((value for value in values if short(value) == name), None)
        if value is None:
            raise PrerequisiteError(
                f"the tag {kept_as(name, tag)} of version {number} of {self._name} is gone or was changed, by which it "
                f"would be served as it was then: restore it, or delete the model's tag {CHAMPIONS}, and the history "
                "begins anew"
            )
        return value

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


def short(value: str) -> str:
    """Return what a term names a tag's value by: the first 12 digits of its sha256, "" where there is none."""
    return hashlib.sha256(value.encode()).hexdigest()[:12] if value else ""


def kept_as(name: str, tag: str = SERVED_AS) -> str:
    """Return the tag under which a version keeps one of the values that a tag has had."""
    return f"{tag}_{name}"
