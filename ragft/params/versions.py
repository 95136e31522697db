"""What is asked of a version that is there already."""

from dataclasses import dataclass

from ragft.errors import ConfigError
from ragft.params.base import Params, param
from ragft.params.data import NameParams
from ragft.params.values import DTYPES


@dataclass(frozen=True, kw_only=True)
class FingerprintParams(Params):
    """Compute once, where a version fits into memory, what an engine is held against elsewhere."""

    model: str = param("", "the version: models:/<name>@<alias>, models:/<name>/3")
    dtype: str = param("auto", "precision to compute in, as in finetune", choices=DTYPES)

    def __post_init__(self) -> None:
        """Check that a version is named."""
        super().__post_init__()
        if not self.model.strip():
            raise ConfigError("model is empty: name a version, -P model=models:/<name>@challenger")


@dataclass(frozen=True, kw_only=True)
class RollbackParams(NameParams):
    """Make the previous champion champion again."""

    base: str = param("pocket", "as in finetune")
    to: int = param(0, "number of the earlier champion to go back to; 0: the previous one", minimum=0)
    reason: str = param("", "why; kept with the version that is rolled back")
