"""What a version promises of the answers that leave it, and under which conditions; kept as a tag of the version."""

import dataclasses
import json
from dataclasses import dataclass

from ragft.analysis.read_record import read_record
from ragft.errors import DataError
from ragft.served_as import ServedAs
from ragft.types import canonical_json

# The tag of a version that holds it.
PROMISE = "ragft.promise"
IN_PROCESS = "evaluate with -P engine=local"
OTHER_PASSAGES = (
    "it was made with passages of the dev questions' own documents, or of a file, and those that are served come from "
    "all documents: evaluate with -P collection=all"
)


@dataclass(frozen=True, slots=True)
class Promise:
    """With ``confidence``, at most ``limit`` of the answers that leave are wrong, on questions like those of dev.

    Attributes:
        threshold: Answers with a score above it leave; None lets every answer leave that has a score.
        verifier: "overlap", "base", or the name of another model.
        verifier_url: The server that holds that model; "" for one in process.
        verifier_sha256: What made the scores: the rule's version, or model, precision and criterion.
        data: Name of the data set.
        data_sha256: Its identity, which with `data_seed` fixes the dev questions.
        asked: Dev questions.
        answers: Answers to them, abstentions left out.
        leaving: Answers above the threshold.
        wrong: Wrong ones among these.
        clusters: Groups of documents that these come from.
        rho: How alike answers of one group are in being wrong, in [0, 1].
        unknown: Answers of which nobody can tell whether they are right; they counted as wrong.
        p: How likely so few wrong ones would be if more than the limit were wrong.
        served_as: How the answers were made.
        collection: Id of the collection that the passages came from.
        base_fingerprint: Of the base's weights.
        adapter_sha256: Of the adapter; "" for a base.
        engine: What answered in place of a process, its version and precision; "" for none.
    """

    limit: float
    confidence: float
    threshold: float | None
    verifier: str
    verifier_url: str
    verifier_sha256: str
    data: str
    data_sha256: str
    data_seed: int
    asked: int
    answers: int
    leaving: int
    wrong: int
    clusters: int
    rho: float
    unknown: int
    p: float
    served_as: ServedAs
    collection: str
    base_fingerprint: str
    adapter_sha256: str
    engine: str = ""

    @property
    def words(self) -> str:
        """The promise in two sentences."""
        above = "with a score" if self.threshold is None else f"with a score above {self.threshold:.4g}"
        counted = f", {self.unknown} of which nobody can tell counted as wrong" if self.unknown else ""
        return (
            f"with {percent(self.confidence)} confidence at most {percent(self.limit)} of the answers that leave are "
            f"wrong, on questions like the {self.asked:,} dev questions of {self.data}. Answers {above} of the "
            f"verifier {self.verifier} leave: {self.leaving:,} of {self.answers:,} there, {self.wrong:,} of them "
            f"wrong{counted}"
        )

    @property
    def of_all(self) -> bool:
        """True where the passages came from all documents: not from the dev questions' own ones, nor from a file."""
        return self.collection == self.served_as.collection

    @property
    def never_served(self) -> str:
        """Why no version that is served can claim it, however it is served; "" where one can."""
        if self.engine:
            return f"it was made with answers of {self.engine}, and a served version answers itself: {IN_PROCESS}"
        return "" if self.of_all else OTHER_PASSAGES

    def why_not(self, served_as: ServedAs, base_fingerprint: str, adapter_sha256: str) -> str:
        """Return why a version that is served so cannot claim the promise; "" where it can."""
        found = []
        if changes := served_as.changes(self.served_as):
            found.append(f"it was made for other conditions: {changes}")
        if self.never_served and (self.engine or not changes):
            found.append(self.never_served)
        if base_fingerprint != self.base_fingerprint:
            found.append("it was made for another base")
        if adapter_sha256 != self.adapter_sha256:
            found.append("it was made for another adapter")
        return "; ".join(found)

    def to_json(self) -> str:
        """Return it as canonical JSON; without an engine as it was before there were any."""
        values = dataclasses.asdict(self)
        return canonical_json({name: value for name, value in values.items() if name != "engine" or value})

    @classmethod
    def from_json(cls, text: str, *, source: str) -> "Promise":
        """Return the promise that a tag holds.

        Raises:
            DataError: If it holds none.
        """
        try:
            return read_record(cls, json.loads(text), source)
        except ValueError as error:
            raise DataError(f"{source} is no JSON ({error}): make the promise again with -P verify=True") from error


def percent(share: float) -> str:
    """Return a share that a person chose as they would write it: 10%, 12.5%, 0.1%."""
    return f"{round(100 * share, 4):g}%"
