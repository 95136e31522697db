import dataclasses

import pytest

from ragft.errors import DataError
from registry.versions import Lineage, Version, registered_name

LINEAGE = Lineage(
    kind="adapter",
    base="mistralai/Mistral-7B-v0.1",
    base_fingerprint="f" * 64,
    data="qasper",
    data_sha256="d" * 64,
    data_seed=3,
    adapter_sha256="a" * 64,
    method="lora",
    format="closed_book",
    samples=200,
)


def test_tags_are_read_back_as_the_same_lineage() -> None:
    assert Lineage.from_tags(LINEAGE.tags(), source="models:/x/2") == LINEAGE


def test_every_missing_or_broken_tag_is_named_at_once() -> None:
    tags = {**LINEAGE.tags(), "ragft.samples": "many"}
    del tags["ragft.base"]
    with pytest.raises(DataError) as caught:
        Lineage.from_tags(tags, source="models:/x/2")
    assert len(caught.value.problems) == 2
    assert "ragft.samples is 'many'" in str(caught.value)
    assert "models:/x/2" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "base", "name"),
    [
        ("telecom", "pocket", "ragft-telecom-pocket"),
        ("qasper", "mistralai/Mistral-7B-v0.1", "ragft-qasper-Mistral-7B-v0.1"),
        ("my data/v:2", "/models/my model", "ragft-my_data_v_2-my_model"),
    ],
)
def test_a_registered_name_holds_only_what_mlflow_takes(data: str, base: str, name: str) -> None:
    assert registered_name(data, base) == name


def test_a_variant_tells_versions_apart() -> None:
    assert LINEAGE.variant == "lora closed_book"
    assert dataclasses.replace(LINEAGE, kind="base").variant == "base"


def test_the_uri_is_fixed_to_the_number() -> None:
    assert Version("ragft-telecom-pocket", 3, "run", ("challenger",), LINEAGE).uri == "models:/ragft-telecom-pocket/3"


def test_a_version_has_a_short_name_and_an_identity_that_no_renaming_changes() -> None:
    version = Version("ragft-telecom-pocket", 3, "run", (), LINEAGE)
    assert version.short == f"{LINEAGE.variant} v3"
    assert version.identity == LINEAGE.adapter_sha256 != ""
    assert dataclasses.replace(version, name="ragft-other-pocket", number=1).identity == version.identity
    base = dataclasses.replace(version, lineage=dataclasses.replace(LINEAGE, kind="base", adapter_sha256=""))
    assert base.identity == LINEAGE.base_fingerprint


def test_a_version_of_before_parents_were_kept_has_none() -> None:
    tags = {**LINEAGE.tags()}
    del tags["ragft.parent"]
    assert Lineage.from_tags(tags, source="models:/x/2").parent == ""
