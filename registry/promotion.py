"""Moving the champion: a note first, the decision, the alias last, so that a kill anywhere is mended.

MLflow sets one alias atomically, but has no compare-and-set and no history, so callers hold a lock, name the
champion they compared against, and every move leaves a note (`PENDING`) that the next command finds. A person who
moves the alias in the UI is right: the alias is the truth, and the note is dropped.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from mlflow import MlflowClient

from ragft.errors import ConfigError, DataError, PrerequisiteError
from ragft.store.windows import window
from registry.store import Registry
from registry.versions import CHALLENGER, CHAMPION, PREVIOUS, TAG_PREFIX, Version

PENDING = f"{TAG_PREFIX}pending"
LAST = f"{TAG_PREFIX}champion_set_by_ragft"
RUN = f"{TAG_PREFIX}decision_run"
MOST_OF_A_TAG = 5000

Outcome = Literal["promote", "hold", "reject", "inconclusive"]
Move = Literal["promotion", "rollback"]


@dataclass(frozen=True, slots=True)
class Record:
    """Why a version is decided on; kept as tags of the version, the card as its description.

    Attributes:
        comparison: Hash of the comparison, or of what stands in its place (a rollback, a forced move).
        run_id: The run that holds the comparison; no two decisions share one.
        forced: The reason a person gave for going against the verdict; empty otherwise.
        card: The model card with the decision; empty to leave it as it is.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    comparison: str
    run_id: str
    forced: str = ""
    card: str = ""

    def tags(self) -> dict[str, str]:
        """Return the decision as tags; the last one is written last, and says that all are there."""
        tags = {"decision_reasons": "\n".join(self.reasons), "decision_comparison": self.comparison}
        if self.forced:
            tags["forced"] = self.forced
        tags |= {"decision": self.outcome, "decision_run": self.run_id}
        return {f"{TAG_PREFIX}{name}": value[:MOST_OF_A_TAG] for name, value in tags.items()}


@dataclass(frozen=True, slots=True)
class Mended:
    """What was found of an earlier command.

    Attributes:
        said: In a sentence.
        move: Which move is complete now; None where it was taken back, or where a person moved the alias.
        version: Number of the version that this move made champion.
    """

    said: str
    move: Move | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class _Note:
    """A move under way: numbers of versions, and the run whose decision must be recorded on version ``on``."""

    old: int
    new: int
    move: Move
    on: int
    run_id: str


class Promotion:
    """The moves of one registered model. Callers hold its lock throughout."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry = registry
        self._name = name
        self._client = MlflowClient()

    def champion(self) -> Version:
        """Return the version that the alias names.

        Raises:
            PrerequisiteError: If no version has the alias: a person took it away, or deleted the version.
        """
        try:
            return self._version(CHAMPION)
        except PrerequisiteError as error:
            raise PrerequisiteError(
                f"no version of {self._name} is {CHAMPION}: give one the alias in the MLflow UI; version 1 is the base"
            ) from error

    def mend(self) -> Mended | None:
        """Complete or take back what a killed command left half done; return what was found, or None.

        The alias decides: at the old champion the move is completed where its decision was recorded and taken back
        where it was not, at the new one only the note is missing its end, anywhere else a person moved it.
        """
        model = self._registry.find_model(self._name)
        if model is None:
            return None
        champion = self.champion()
        if PENDING not in model.tags:
            return self._notice_hand_moved(model.tags, champion)
        note = self._read_note(model.tags[PENDING])
        found = self._mend(note, champion)
        self._finish(self.champion())
        return found

    def record(self, version: Version, record: Record) -> None:
        """Keep a decision that moves no alias: hold, reject, inconclusive."""
        if record.card:
            self._registry.describe(version, record.card)
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
        return self._move(champion, version, record, "promotion", on=version)

    def rollback(self, record: Record) -> Version:
        """Make the version under ``previous`` champion again; return it.

        Raises:
            PrerequisiteError: If there is no previous champion.
        """
        previous = self._version(PREVIOUS)
        champion = self.champion()
        if previous.number == champion.number:
            raise PrerequisiteError(
                f"version {champion.number} of {self._name} is {CHAMPION} and {PREVIOUS}: nothing to go back to"
            )
        return self._move(champion, previous, record, "rollback", on=champion)

    def _move(self, champion: Version, version: Version, record: Record, move: Move, *, on: Version) -> Version:
        note = _Note(champion.number, version.number, move, on.number, record.run_id)
        self._client.set_registered_model_tag(self._name, PENDING, json.dumps(asdict(note)))
        with window("promote.noted"):
            pass
        self.record(on, record)
        with window("promote.recorded"):
            pass
        self._set_aliases(note)
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

    def _set_aliases(self, note: _Note) -> None:
        self._client.set_registered_model_alias(self._name, PREVIOUS, str(note.old))
        with window("promote.previous"):
            pass
        self._client.set_registered_model_alias(self._name, CHAMPION, str(note.new))
        with window("promote.champion"):
            pass
        self._drop_challenger(note.new)

    def _drop_challenger(self, champion: int) -> None:
        if CHALLENGER in self._version(champion).aliases:
            self._client.delete_registered_model_alias(self._name, CHALLENGER)

    def _finish(self, champion: Version) -> None:
        self._client.set_registered_model_tag(self._name, LAST, str(champion.number))
        if PENDING in self._client.get_registered_model(self._name).tags:
            self._client.delete_registered_model_tag(self._name, PENDING)

    def _mend(self, note: _Note, champion: Version) -> Mended:
        cut = f"a {note.move} was cut short"
        if champion.number not in (note.old, note.new):
            return Mended(
                f"{cut}, and a person made version {champion.number} {CHAMPION} since: that counts, "
                f"version {note.new} is not moved"
            )
        if champion.number == note.new:
            self._drop_challenger(note.new)
            return Mended(
                f"{cut} after its last step: version {note.new} of {self._name} is {CHAMPION}", note.move, note.new
            )
        if not self._recorded(note):
            return Mended(
                f"{cut} before its decision was recorded, and is taken back: {CHAMPION} of {self._name} stays version "
                f"{note.old}"
            )
        self._set_aliases(note)
        return Mended(
            f"{cut} and is completed: {CHAMPION} of {self._name} moved from version {note.old} to {note.new}",
            note.move,
            note.new,
        )

    def _recorded(self, note: _Note) -> bool:
        """Return whether the decision is there, and the version to move to as well."""
        try:
            on = [self._version(number) for number in (note.new, note.on)][-1]
        except PrerequisiteError:
            return False
        return self._client.get_model_version(self._name, str(on.number)).tags.get(RUN) == note.run_id

    def _notice_hand_moved(self, tags: Mapping[str, str], champion: Version) -> Mended | None:
        last = tags.get(LAST, "1")
        if last == str(champion.number):
            return None
        self._client.set_model_version_tag(self._name, str(champion.number), f"{TAG_PREFIX}champion_by_hand", "true")
        self._client.set_registered_model_tag(self._name, LAST, str(champion.number))
        return Mended(
            f"version {champion.number} of {self._name} was made {CHAMPION} by hand (it was {last}): that counts"
        )

    def _read_note(self, note: str) -> _Note:
        try:
            return _Note(**json.loads(note))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"the tag {PENDING} of {self._name} is {note[:200]!r}, which ragft did not write: delete the tag, and "
                f"see that the alias {CHAMPION} is where it should be"
            ) from error

    def _version(self, which: str | int) -> Version:
        return self._registry.get(f"models:/{self._name}{'@' if isinstance(which, str) else '/'}{which}")
