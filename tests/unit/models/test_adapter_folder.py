"""A folder is the adapter that is registered, or it is refused before anything in it is parsed."""

import os
import pickle
from pathlib import Path

import pytest

from ragft.errors import PrerequisiteError
from ragft.models.adapter_folder import ALLOWED, check_adapter, identity_of
from ragft.models.fingerprint import MANIFEST, write_manifest

FOREIGN = (
    "x.pkl", "evil.py", "model.joblib", "adapter_model.bin", "weights.pt", "modeling.so", "__init__.py", "notes.txt",
    ".hidden", "adapter_model.safetensors.py", "sub/evil.py", "additional_chat_templates/evil.py",
)  # fmt: skip


class Touch:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._path),)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    (folder / "additional_chat_templates").mkdir(parents=True)
    (folder / "additional_chat_templates" / "tools.jinja").write_text("")
    for name in ALLOWED - {MANIFEST}:
        (folder / name).write_text(name)
    write_manifest(folder)
    return folder


def test_an_adapter_with_every_file_it_may_have_is_itself(adapter: Path) -> None:
    check_adapter(adapter, identity_of(adapter))


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_refused_by_name_though_the_manifest_lists_it(adapter: Path, name: str) -> None:
    registered = identity_of(adapter)
    path, touched = adapter / name, adapter.parent / "touched"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(Touch(touched)))
    write_manifest(adapter)
    with pytest.raises(PrerequisiteError, match="which no adapter needs") as refused:
        check_adapter(adapter, registered)
    assert repr(name.partition("sub/")[0] or "sub") in str(refused.value)
    assert not touched.exists()


def test_a_link_is_foreign_under_any_name(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("tokenizer.json")
    (adapter / "tokenizer.json").unlink()
    (adapter / "tokenizer.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PrerequisiteError, match=r"'tokenizer\.json', which no adapter needs"):
        identity_of(adapter)


def test_many_foreign_files_are_counted(adapter: Path) -> None:
    for number in range(8):
        (adapter / f"{number}.py").write_text("")
    with pytest.raises(PrerequisiteError, match=r"'4\.py' and 3 more"):
        identity_of(adapter)


def test_a_rewritten_manifest_is_another_adapter(adapter: Path) -> None:
    registered = identity_of(adapter)
    (adapter / "adapter_model.safetensors").write_text("other weights")
    write_manifest(adapter)
    with pytest.raises(PrerequisiteError, match=f"expected {registered}: its files and their manifest were replaced"):
        check_adapter(adapter, registered)


def test_weights_that_are_not_there_are_named(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    write_manifest(adapter)
    with pytest.raises(PrerequisiteError, match=r"holds no adapter_model\.safetensors"):
        identity_of(adapter)
    with pytest.raises(PrerequisiteError, match="does not exist"):
        identity_of(adapter / "nothing")


def test_the_lineage_is_no_part_of_the_identity(adapter: Path) -> None:
    before = identity_of(adapter)
    (adapter / "ragft.json").write_text("another time")
    write_manifest(adapter)
    assert identity_of(adapter) == before
