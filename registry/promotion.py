"""Moving the champion: verify the files, leave a note, record the decision, move the alias last; a kill can be mended.

MLflow sets one alias atomically, but has no compare-and-set and no history. So callers hold a lock and name the
champion they compared against, and every move leaves a note (`PENDING`) that the next command finds. A person who
moves the alias in the UI is right: the alias is the truth, and the note is dropped.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from mlflow import MlflowClient

from ragft.analysis.verification.promise import PROMISE
from ragft.errors import ConfigError, DataError, PrerequisiteError
from ragft.store.kill_points import kill_point
from registry import card, terms
from registry.history import STANDING, History, kept_as, short
from registry.store import Registry
from registry.terms import CHAMPIONS, LAST, ChampionTerm
from registry.versions import CHALLENGER, CHAMPION, TAG_PREFIX, Version

PENDING = f"{TAG_PREFIX}pending"
RUN = f"{TAG_PREFIX}decision_run"
MOST_OF_A_TAG = 5000
MOST_OF_A_REASON = 200

Outcome = Literal["promote", "hold", "reject", "inconclusive", "rolled_back"]
Move = Literal["promotion", "rollback"]


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """The grounds of a decision on a version; kept as tags of the version, with the card as its description.

    Attributes:
        comparison: Hash of the comparison, or of what stands in its place (a rollback, a forced move).
        run_id: The run that holds the comparison; no two decisions share one.
        forced: The reason a person gave for going against the verdict; empty otherwise.
        card: The model card with the decision; empty to leave it as it is.
        served_as: How a promoted version is served from now on, as JSON; empty: as it was registered.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    comparison: str
    run_id: str
    forced: str = ""
    card: str = ""
    served_as: str = ""

    @property
    def served(self) -> str:
        """What a term of the history keeps of how the version is served."""
        return short(self.served_as)

    def tags(self) -> dict[str, str]:
        """Return the decision as tags; the last tag is written last and says that all are there."""
        tags = {"decision_reasons": "\n".join(self.reasons), "decision_comparison": self.comparison}
        if self.forced:
            tags["forced"] = self.forced
        tags |= {"decision": self.outcome, "decision_run": self.run_id}
        kept = {kept_as(self.served): self.served_as} if self.served_as else {}
        return kept | {f"{TAG_PREFIX}{name}": value[:MOST_OF_A_TAG] for name, value in tags.items()}


@dataclass(frozen=True, slots=True)
class Mended:
    """What an earlier command left behind.

    Attributes:
        said: What was found, in a sentence.
        move: The move that is complete now; None where it was taken back, or where a person moved the alias.
        version: Number of the version that this move made champion.
    """

    said: str
    move: Move | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class _Note:
    """A move under way: numbers of versions, and the run whose decision must be recorded on version ``on``.

    Attributes:
        path: The history after the move, as its tag holds it.
        why: The reason, in at most 200 characters.
    """

    old: int
    new: int
    move: Move
    on: int
    run_id: str
    path: str
    why: str = ""


class Promotion:
    """The moves of one registered model. Callers hold its lock throughout."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry = registry
        self._name = name
        self._client = MlflowClient()
        self._history = History(registry, name)

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
        """Complete or undo what a killed command left half done; return what was found, or None.

        The alias decides. At the old champion, the move is completed where its decision was recorded, and taken back
        where it was not. At the new one, only the end of the note is missing. Anywhere else, a person
        moved it.
        """
        model = self._registry.find_model(self._name)
        if model is None:
            return None
        champion = self.champion()
        if PENDING not in model.tags:
            return self._notice_hand_moved(model.tags, champion)
        note = self._read_note(model.tags[PENDING])
        if champion.number in (note.old, note.new):
            mended = self._mend(note, champion)
        else:
            self._history.follow_hand(champion)
            mended = Mended(
                f"a {note.move} was cut short, and a person made version {champion.number} {CHAMPION} since: that "
                f"counts, version {note.new} is not moved"
            )
        self._drop_note(self.champion())
        return mended

    def record(self, version: Version, record: DecisionRecord) -> None:
        """Keep a decision that moves no alias: hold, reject, inconclusive."""
        if record.card:
            tags, text = self._client.get_model_version(version.name, str(version.number)).tags, record.card
            if (promise := tags.get(PROMISE, "")) != version.promise:  # made since the card was
                text = card.with_kept_promise(text, promise)
            self._registry.describe(version, card.with_standing(text, tags[STANDING]) if STANDING in tags else text)
        for key, value in record.tags().items():
            self._client.set_model_version_tag(version.name, str(version.number), key, value)

    def promote(self, version: Version, *, against: Version, record: DecisionRecord) -> Version:
        """Make ``version`` the champion and keep the old one as ``previous``; return the champion read back.

        Raises:
            PrerequisiteError: If the champion is no longer the one that was compared against, or the files of the
                version are not what was registered.
        """
        champion = self.champion()
        if champion.number != against.number:
            raise PrerequisiteError(
                f"the comparison was against version {against.number} of {self._name}, but version "
                f"{champion.number} is {CHAMPION} now: compare again"
            )
        if version.number == champion.number:
            raise ConfigError(f"{version.uri} is {CHAMPION} already")
        self._registry.verify(version)
        term = ChampionTerm(version.number, record.served, self._history.keep_promise(version))
        path = (*self._history.leave(self._history.path(champion)), term)
        return self._move(champion, version, record, "promotion", on=version, path=path)

    def history(self) -> tuple[int, ...]:
        """Return the numbers of the champions up to this one, oldest first."""
        return tuple(term.version for term in self.terms())

    def terms(self) -> tuple[ChampionTerm, ...]:
        """Return the times of the champions up to this one, oldest first."""
        return self._history.path(self.champion())

    def target(self, to: int = 0) -> Version | None:
        """Return the earlier champion that a rollback goes to; None where it would change nothing.

        Raises:
            PrerequisiteError: As `rollback`.
        """
        back = self._back(to)
        return self._restorable(back) if back else None

    def rollback(self, record: DecisionRecord, *, to: int = 0) -> Version:
        """Make an earlier champion champion again and return it; where there is none, return the present champion.

        Each rollback goes one champion further back, and never to a version that was rolled back. With ``to`` it goes
        to that champion, and doing it twice changes nothing.

        Raises:
            PrerequisiteError: If nothing was promoted yet, ``to`` was never champion, or the files of the earlier
                champion are not what was registered.
        """
        back, champion = self._back(to), self.champion()
        if not back:
            return champion
        return self._move(champion, self._restorable(back), record, "rollback", on=champion, path=back)

    def _back(self, to: int) -> tuple[ChampionTerm, ...]:
        """Return the path after a rollback; empty where it would change nothing."""
        model = self._registry.find_model(self._name)
        if model is None:
            raise PrerequisiteError(
                f"there is no model {self._name} in the registry: give dataset or name, and base, as finetune was given"
            )
        champion = self.champion()
        path = self._history.path(champion)
        if len(path) == 1 and CHAMPIONS not in model.tags:
            raise PrerequisiteError(
                f"nothing was promoted yet: version {champion.number} is {CHAMPION} of {self._name} since it was "
                "registered, and there is none before it to go back to"
            )
        if not to or to == champion.number:
            return () if to else path[:-1]
        back = terms.until(path, to)
        if not back:
            before = terms.numbers(path[:-1]) or "none"
            raise PrerequisiteError(
                f"version {to} of {self._name} was not {CHAMPION} before version {champion.number} (before it: "
                f"{before}): to make it {CHAMPION}, use promote"
            )
        return back

    def _restorable(self, back: Sequence[ChampionTerm]) -> Version:
        """Return the last version of a path, its files verified."""
        number = back[-1].version
        try:
            version = self._version(number)
            self._registry.verify(version)
            self._history.require_kept(back[-1])
        except PrerequisiteError as error:
            before = terms.numbers(term for term in back[:-1] if term.version != number)
            out = f"go further back with -P to=, to one of {before}" if before else "restore it"
            raise PrerequisiteError(
                f"version {number} of {self._name} cannot be {CHAMPION} again: {error}; {out}"
            ) from error
        return version

    def _move(
        self,
        champion: Version,
        version: Version,
        record: DecisionRecord,
        move: Move,
        *,
        on: Version,
        path: Sequence[ChampionTerm],
    ) -> Version:
        why = record.reasons[0][:MOST_OF_A_REASON] if record.reasons else ""
        note = _Note(champion.number, version.number, move, on.number, record.run_id, terms.write(path), why)
        self._client.set_registered_model_tag(self._name, PENDING, json.dumps(asdict(note)))
        kill_point("promote.noted")
        self.record(on, record)
        kill_point("promote.recorded")
        self._set_aliases(note)
        kill_point("promote.moved")
        champion_now = self.champion()
        if champion_now.number != version.number:
            raise PrerequisiteError(
                f"{CHAMPION} of {self._name} is version {champion_now.number}, not {version.number}: "
                "somebody moved it meanwhile; compare again"
            )
        self._history.moved(note.move, note.old, note.new, note.path, note.why, note.run_id)
        self._drop_note(champion_now)
        return self.champion()

    def _set_aliases(self, note: _Note) -> None:
        path = terms.read(note.path)
        self._history.serve_as(path[-1])
        self._history.set_previous(path)
        kill_point("promote.previous")
        self._client.set_registered_model_alias(self._name, CHAMPION, str(note.new))
        kill_point("promote.champion")
        self._drop_challenger(note.new)

    def _drop_challenger(self, champion: int) -> None:
        if CHALLENGER in self._version(champion).aliases:
            self._client.delete_registered_model_alias(self._name, CHALLENGER)

    def _drop_note(self, champion: Version) -> None:
        self._client.set_registered_model_tag(self._name, LAST, str(champion.number))
        if PENDING in self._client.get_registered_model(self._name).tags:
            self._client.delete_registered_model_tag(self._name, PENDING)

    def _mend(self, note: _Note, champion: Version) -> Mended:
        cut = f"a {note.move} was cut short"
        if champion.number == note.new:
            self._drop_challenger(note.new)
            self._history.moved(note.move, note.old, note.new, note.path, note.why, note.run_id)
            return Mended(
                f"{cut} after its last step: version {note.new} of {self._name} is {CHAMPION}", note.move, note.new
            )
        stays = f"and is taken back: {CHAMPION} of {self._name} stays version {note.old}"
        if not self._recorded(note):
            return Mended(f"{cut} before its decision was recorded, {stays}")
        try:
            self._check_as_noted(note)
        except PrerequisiteError as error:
            return Mended(f"{cut} {stays}, since {error}")
        self._set_aliases(note)
        self._history.moved(note.move, note.old, note.new, note.path, note.why, note.run_id)
        return Mended(
            f"{cut} and is completed: {CHAMPION} of {self._name} moved from version {note.old} to {note.new}",
            note.move,
            note.new,
        )

    def _check_as_noted(self, note: _Note) -> None:
        """Check that a version can be served as a note says, and is promised what it was when it was compared.

        Raises:
            PrerequisiteError: If it is not.
        """
        version, term = self._version(note.new), terms.read(note.path)[-1]
        if note.move == "promotion" and term.promise not in (None, short(version.promise)):
            raise PrerequisiteError(
                f"what is promised of the answers of {version.uri} changed meanwhile: compare again"
            )
        self._registry.verify(version)
        self._history.require_kept(term)

    def _recorded(self, note: _Note) -> bool:
        """Return whether the decision is recorded and the version to move to exists."""
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
        self._history.follow_hand(champion)
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
