"""Moving the champion: tags first, the alias last, and a note of what is under way so that a kill is mended.

MLflow sets one alias atomically, but has no compare-and-set and no history, so callers hold a lock, name the
champion they compared against, and every move leaves a note (`PENDING`) that the next command finds. A person who
moves the alias in the UI is right: the alias is the truth, and the note is dropped.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlflow import MlflowClient

from ragft.errors import ConfigError, PrerequisiteError
from ragft.store.windows import window
from registry.store import Registry
from registry.versions import CHALLENGER, CHAMPION, PREVIOUS, TAG_PREFIX, Version

PENDING = f"{TAG_PREFIX}pending"
LAST = f"{TAG_PREFIX}champion_set_by_ragft"

Outcome = Literal["promote", "hold", "reject", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Record:
    """Why a version is decided on; kept as tags of the version.

    Attributes:
        comparison: Hash of the comparison, or of what stands in its place (a rollback, a forced move).
        run_id: The run that holds the comparison.
        forced: The reason a person gave for going against the verdict; empty otherwise.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    comparison: str
    run_id: str
    forced: str = ""

    def tags(self) -> dict[str, str]:
        """Return the decision as tags."""
        tags = {
            "decision": self.outcome,
            "decision_reasons": "\n".join(self.reasons),
            "decision_comparison": self.comparison,
            "decision_run": self.run_id,
        }
        if self.forced:
            tags["forced"] = self.forced
        return {f"{TAG_PREFIX}{name}": value[:5000] for name, value in tags.items()}


class Promotion:
    """The moves of one registered model. Callers hold its lock throughout."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry = registry
        self._name = name
        self._client = MlflowClient()

    def champion(self) -> Version:
        """Return the version that the alias names."""
        return self._registry.get(f"models:/{self._name}@{CHAMPION}")

    def mend(self) -> str:
        """Complete what a killed command left half done; return what was found, or an empty text.

        The alias decides: at the old champion the move is completed, at the new one only the note is
        missing its end, anywhere else a person moved it and the note is dropped.
        """
        model = self._client.get_registered_model(self._name)
        note = model.tags.get(PENDING)
        champion = self.champion()
        if not note:
            return self._notice_hand_moved(model.tags, champion)
        move = _read_note(note)
        if champion.number == move["from"]:
            self._set_aliases(move["from"], move["to"])
            said = f"completed the move of {CHAMPION} from version {move['from']} to {move['to']}, which was cut short"
        elif champion.number == move["to"]:
            said = f"the move of {CHAMPION} to version {move['to']} was cut short after its last step"
        else:
            said = (
                f"dropped a half-done move to version {move['to']}: a person made version {champion.number} {CHAMPION}"
            )
        self._finish(self.champion())
        return said

    def record(self, version: Version, record: Record) -> None:
        """Keep a decision that moves no alias: hold, reject, inconclusive."""
        for key, value in record.tags().items():
            self._client.set_model_version_tag(version.name, str(version.number), key, value)

    def promote(self, version: Version, *, against: Version, record: Record) -> Version:
        """Make ``version`` the champion and keep the old one as ``previous``; return the champion read back.

        Raises:
            PrerequisiteError: If the champion is no longer the one that was compared against.
        """
        champion = self.champion()
        if champion.number != against.number:
            raise PrerequisiteError(
                f"the comparison was against version {against.number} of {self._name}, but version "
                f"{champion.number} is {CHAMPION} now: compare again"
            )
        if version.number == champion.number:
            raise ConfigError(f"{version.uri} is {CHAMPION} already")
        self.record(version, record)
        return self._move(champion, version, record.comparison)

    def rollback(self, record: Record) -> Version:
        """Make the version under ``previous`` champion again; return it.

        Raises:
            PrerequisiteError: If there is no previous champion.
        """
        previous = self._registry.get(f"models:/{self._name}@{PREVIOUS}")
        champion = self.champion()
        if previous.number == champion.number:
            raise PrerequisiteError(
                f"version {champion.number} of {self._name} is {CHAMPION} and {PREVIOUS}: nothing to go back to"
            )
        self.record(champion, record)
        return self._move(champion, previous, record.comparison)

    def _move(self, champion: Version, version: Version, comparison: str) -> Version:
        note = {"from": champion.number, "to": version.number, "comparison": comparison}
        self._client.set_registered_model_tag(self._name, PENDING, json.dumps(note))
        with window("promote.noted"):
            pass
        self._set_aliases(champion.number, version.number)
        with window("promote.moved"):
            pass
        found = self.champion()
        if found.number != version.number:
            raise PrerequisiteError(
                f"{CHAMPION} of {self._name} is version {found.number}, not {version.number}: "
                "somebody moved it meanwhile; compare again"
            )
        self._finish(found)
        return found

    def _set_aliases(self, old: int, new: int) -> None:
        self._client.set_registered_model_alias(self._name, PREVIOUS, str(old))
        with window("promote.previous"):
            pass
        self._client.set_registered_model_alias(self._name, CHAMPION, str(new))
        if CHALLENGER in self._registry.get(f"models:/{self._name}/{new}").aliases:
            self._client.delete_registered_model_alias(self._name, CHALLENGER)

    def _finish(self, champion: Version) -> None:
        self._client.set_registered_model_tag(self._name, LAST, str(champion.number))
        if PENDING in self._client.get_registered_model(self._name).tags:
            self._client.delete_registered_model_tag(self._name, PENDING)

    def _notice_hand_moved(self, tags: Mapping[str, str], champion: Version) -> str:
        last = tags.get(LAST, "1")
        if last == str(champion.number):
            return ""
        self._client.set_registered_model_tag(self._name, LAST, str(champion.number))
        self._client.set_model_version_tag(self._name, str(champion.number), f"{TAG_PREFIX}champion_by_hand", "true")
        return f"version {champion.number} of {self._name} was made {CHAMPION} by hand (it was {last}): that counts"


def _read_note(note: str) -> dict[str, Any]:
    found = json.loads(note)
    return {"from": int(found["from"]), "to": int(found["to"])}
