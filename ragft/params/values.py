"""The values that parameters accept by name, and those taken where none is given."""

from collections.abc import Mapping
from dataclasses import dataclass

METHODS = ("lora", "qlora", "dora", "ia3", "prompt_tuning")
FORMATS = ("closed_book", "retrieved", "oracle", "raft")
QUANTIZATIONS = ("none", "nf4", "int8", "int4")
ESTIMATORS = ("sampled", "expected", "expected_no_rationale")
ALL = "all"
COLLECTIONS = ("split", ALL)
ON_REJECT = ("record", "fail")
POCKET = "pocket"
SMOLLM2 = "smollm2"
DTYPES = ("auto", "float32", "bfloat16")
TELECOM = DEFAULT_DATASET = "telecom"
# The layout of one's own data: it says how files are read, not which data they are.
ROWS = "rows"
SERVED = "served"
DEV = "dev"
# What is measured of every answer, beside the criteria that are judged.
MEASURES = ("right", "answer_f1", "exact_match", "truth_right", "truth_facts", "squad_exact", "squad_f1")
DEV_LOSS = "dev_loss"
# What a tune may choose by: smaller is better for the loss, larger for the others.
OBJECTIVES = (DEV_LOSS, *MEASURES)
GUARDS = ("false_answers", "false_refusals", "forgetting")
GUARD_MARGIN = 5.0
NO_JUDGE = "none"
NO_RERANKER = "none"
# How passages are found, beside how many.
SEARCHING = ("retriever", "reranker", "language", "index", "min_recall")
OVERLAP = "overlap"
AUTO, YES, NO = TRACES = ("auto", "True", "False")
SERIAL = "serial"
EXECUTORS = (SERIAL, "ray")
LOCAL, VLLM, OPENVINO = ENGINES = ("local", "vllm", "openvino")
# What computes in the place of this process's torch, from adapters of method lora alone.
OTHER_ENGINES = (VLLM, OPENVINO)
PRESETS = ("embedded", "paper", "tiny", "context", "causes", "real")


@dataclass(frozen=True)
class Usual:
    """The value that is taken where none is given.

    Attributes:
        special: Name of a data set or base -> the value that suits it.
        rest: The value for every other.
    """

    special: Mapping[str, int]
    rest: int

    def of(self, name: str) -> int:
        """Return the value for a data set or base."""
        return self.special.get(name, self.rest)

    def __str__(self) -> str:
        """The values as the help shows them."""
        return f"{', '.join(f'{value} for {name}' for name, value in self.special.items())}, else {self.rest}"


USUAL_CHUNK_CHARS = Usual({TELECOM: 400}, 1500)
# The pocket model reads three short passages better than five, and its data set is made for it.
USUAL_TOP_K = Usual({TELECOM: 3}, 5)
# The pocket model was not made to read solved examples.
USUAL_SHOTS = Usual({POCKET: 0}, 4)
