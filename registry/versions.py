"""What a registered version is: a base (a reference, no weights) or an adapter with its lineage."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from ragft.errors import DataError

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
TAG_PREFIX = "ragft."

# Versions that were registered before these existed are read with their defaults.
LATER_TAGS = ("parent",)

Kind = Literal["base", "adapter"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a version comes from; every field is a tag of the version, and of its run.

    Attributes:
        base: Name or path from which the base is loaded; its weights have the sha256 `base_fingerprint`.
        adapter_sha256: Digest of the adapter's manifest; empty for a base.
        data_sha256: Identity of the data set; with `data_seed` it fixes the splits.
        quantization: How the base's weights are held; an adapter is served the way it was trained.
        samples: Question-answer pairs trained on; 0 for a base.
        parent: Address of the version whose adapter was trained on; empty for a fresh adapter, and for a base.
    """

    kind: Kind
    base: str
    base_fingerprint: str
    data: str
    data_sha256: str
    data_seed: int
    revision: str = ""
    quantization: str = "none"
    adapter_sha256: str = ""
    method: str = ""
    format: str = ""
    samples: int = 0
    seed: int = 0
    parent: str = ""

    def tags(self) -> dict[str, str]:
        """Return the fields as tags, ``ragft.<field>`` -> text."""
        return {f"{TAG_PREFIX}{name}": str(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], *, source: str) -> "Lineage":
        """Return the lineage that the tags of a version hold.

        Raises:
            DataError: If ``source`` was not registered by ragft, or a tag was edited into nonsense.
        """
        values: dict[str, str | int] = {}
        problems = []
        for field in dataclasses.fields(cls):
            text = tags.get(f"{TAG_PREFIX}{field.name}")
            if text is None and field.name in LATER_TAGS:
                continue
            if text is None:
                problems.append(f"tag {TAG_PREFIX}{field.name} is missing")
            elif field.type is int and not re.fullmatch(r"\d+", text):
                problems.append(f"tag {TAG_PREFIX}{field.name} is {text!r}, expected a whole number")
            else:
                values[field.name] = int(text) if field.type is int else text
        if problems:
            raise DataError(f"{source} is not a version that ragft registered", problems)
        return cls(**values)  # type: ignore[arg-type]  # each field was read as its own type

    @property
    def variant(self) -> str:
        """What distinguishes it from its siblings in a list: ``base``, or ``lora closed_book``."""
        return "base" if self.kind == "base" else f"{self.method} {self.format}"


@dataclass(frozen=True, slots=True)
class Version:
    """A version as the registry holds it.

    Attributes:
        chosen_from: From what it was chosen, and by what, in words; "" where it was the only one.
        promise: What is promised of its answers, as its tag holds it (`Promise`); "" where nothing is.
        model_id: Its LoggedModel, on whose page MLflow shows the metrics of its evaluations.
    """

    name: str
    number: int
    run_id: str
    aliases: tuple[str, ...]
    lineage: Lineage
    chosen_from: str = ""
    promise: str = ""
    model_id: str = ""

    @property
    def uri(self) -> str:
        """The address from which MLflow loads it, fixed to the number."""
        return f"models:/{self.name}/{self.number}"

    @property
    def short(self) -> str:
        """What people call it: ``lora closed_book v2``."""
        return f"{self.lineage.variant} v{self.number}"

    @property
    def identity(self) -> str:
        """What it is made of, whatever it is called: the digest of its adapter, of a base that of its weights."""
        return self.lineage.adapter_sha256 or self.lineage.base_fingerprint or self.uri


def registered_name(data: str, base: str) -> str:
    """Return ``ragft-<data>-<base>``, with only the last part of a base's path or hub name."""
    parts = (data, PurePosixPath(base).name)
    return "-".join(["ragft", *(re.sub(r"[^A-Za-z0-9_.-]+", "_", part).strip("_") for part in parts)])


def name_of(uri: str) -> str:
    """Return the name in ``models:/<name>/<number>`` or ``models:/<name>@<alias>``; "" where there is none."""
    found = re.match(r"models:/([^/@]+)[/@]", uri)
    return found[1] if found else ""
