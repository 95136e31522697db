"""The steps by name, each with its parameters."""

from ragft.params.base import Params
from ragft.params.data import PrepareParams
from ragft.params.scoring import JudgeParams, VerifyParams
from ragft.params.searches import RemedyParams, StudyParams, TuneParams
from ragft.params.training import FinetuneParams, ProbeParams
from ragft.params.verdict import CompareParams, LabelParams, PromoteParams
from ragft.params.versions import FingerprintParams, RollbackParams

STEPS: dict[str, type[Params]] = {
    "prepare": PrepareParams,
    "probe": ProbeParams,
    "finetune": FinetuneParams,
    "evaluate": VerifyParams,
    "judge": JudgeParams,
    "label": LabelParams,
    "compare": CompareParams,
    "promote": PromoteParams,
    "rollback": RollbackParams,
    "fingerprint": FingerprintParams,
    "study": StudyParams,
    "tune": TuneParams,
    "remedy": RemedyParams,
}
