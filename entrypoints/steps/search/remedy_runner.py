"""What an adapter that may mend another is worth on dev: compared there with the champion, guards and all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from entrypoints.steps import compare
from entrypoints.steps.finetune import Finetuned
from entrypoints.steps.search.remedy import RemedySearch
from entrypoints.steps.search.runner import StepRunner
from entrypoints.steps.shared.compared import Compared
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verdict.worth import figures_of, worth
from ragft.errors import ConfigError
from ragft.params.values import DEV
from ragft.store.tune_trials import Record
from registry.versions import Version


class _Once:
    """Evaluates the champion once for all trials; a `Turns`."""

    def __init__(self, champion: Version) -> None:
        self._champion = champion
        self._kept: Mapping[str, Evaluation] | None = None

    def order(self, sides: Sequence[Version]) -> Sequence[Version]:
        """Return them as they are."""
        return sides

    def evaluate(self, side: Version, compute: Callable[[], Mapping[str, Evaluation]]) -> Mapping[str, Evaluation]:
        """Return what is computed, of the champion what was computed first."""
        if side.uri != self._champion.uri:
            return compute()
        if self._kept is None:
            self._kept = compute()
        return self._kept


class RemedyRunner(StepRunner):
    """Runs the trials of a search for a remedy; none of its adapters becomes the challenger."""

    # The same command names the rejected version by that alias, also after a kill.
    challenges = False

    def __init__(self, search: RemedySearch, workspace: Workspace) -> None:
        super().__init__(search, workspace)
        self._asked = search.on_dev
        self._against = search.judged.against
        self._turns = _Once(search.judged.against)

    def worth(self, made: Finetuned) -> Record:
        """Return the adapter's worth, and the figures behind it."""
        if made.version.number == self._against.number:
            return {"value": 0.0, "figures": {}, "questions": 0}  # it is the champion, trained again
        found = compare.look(replace(self._asked, model=made.version.uri), self._workspace, self._turns)
        value = worth(found)
        if value is None:
            raise ConfigError(
                f"primary is {', '.join(found.design.primary)}, which no answer to the {DEV} questions has on both "
                "sides, so nothing can be chosen there: compare with another primary first"
            )
        return {"value": value, "figures": figures_of(found), "questions": found.questions}

    def seen(self, compared: Compared) -> Record:
        """Return the figures on test, and what they show."""
        found = compared.comparison
        claims = {name: list(getattr(found.claims, name)) for name in ("harmful", "worse", "unsafe", "slipped")}
        return {"figures": figures_of(found), "questions": found.questions, **claims}
