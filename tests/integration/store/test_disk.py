"""A disk that is really full: said in a sentence, what was there stays whole, and work goes on when there is room."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ragft.errors import PrerequisiteError
from ragft.store.answers import find_answers, save_answers
from ragft.store.disk import MIB, RoomAt, require_room, write_whole
from ragft.store.embedded import leave_embedded
from ragft.store.server import open_store
from ragft.training.checkpoints import newest_valid
from tests.integration.store.test_reconnect import answers
from tests.tiny_model import tiny_base  # noqa: F401 - a fixture
from tests.unit.training.conftest import Job, job  # noqa: F401 - a fixture


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 160 MiB; mounting one needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, left: int = 0) -> Path:
    """Leave so many bytes of the disk."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(MIB // 4))
        except OSError:
            pass
    with filler.open("rb+") as file:
        file.truncate(filler.stat().st_size - left)
    return filler


def test_a_full_disk_under_postgres_loses_nothing_and_work_goes_on(small_disk: Path) -> None:
    home = small_disk / "home"
    with open_store(None, home) as store:
        save_answers(store, answers(0))
        filler = fill(small_disk, left=MIB)
        with pytest.raises(PrerequisiteError, match=r"disk of .* is full.*MiB"):
            for n in range(1, 100):
                save_answers(store, answers(n * 500))
    leave_embedded(home)
    filler.unlink()
    with open_store(None, home) as store:
        assert len(find_answers(store, [answer.key for answer in answers(0)])) == 500
        save_answers(store, answers(500))
        assert len(find_answers(store, [answer.key for answer in answers(0, 1000)])) == 1000
    leave_embedded(home)


def test_a_database_cannot_be_made_on_a_full_disk(small_disk: Path) -> None:
    fill(small_disk, left=8 * MIB)
    with pytest.raises(PrerequisiteError, match=rf"the disk of {small_disk}/home is full: \d+ MiB are left and 64 MiB"):
        open_store(None, small_disk / "home")


@pytest.mark.parametrize("way", ["python", "torch", "safetensors"])
def test_whoever_finds_the_disk_full_it_is_said(small_disk: Path, way: str) -> None:
    weights = {"weight": torch.zeros(MIB)}
    fill(small_disk, left=MIB)
    said = rf"disk of {small_disk} is full.*4 MiB are needed"
    with pytest.raises(PrerequisiteError, match=said), RoomAt(small_disk, 4 * MIB):
        if way == "python":
            (small_disk / "file").write_bytes(bytes(4 * MIB))
        elif way == "torch":
            torch.save(weights, small_disk / "file")
        else:
            save_file(weights, small_disk / "file")


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), RoomAt(tmp_path):
        (tmp_path / "missing").read_text()


def test_what_was_there_stays_where_the_next_cannot_be_written(small_disk: Path) -> None:
    report = small_disk / "report.html"
    write_whole(report, "the last one")
    fill(small_disk)
    with pytest.raises(PrerequisiteError, match="is full"), RoomAt(small_disk):
        write_whole(report, "x" * MIB)
    assert report.read_text() == "the last one"
    assert {path.name for path in small_disk.iterdir()} == {"report.html", "filler"}


def test_what_cannot_end_is_not_begun(small_disk: Path) -> None:
    fill(small_disk, left=8 * MIB)
    require_room(small_disk, 4 * MIB, "training cannot begin")
    with pytest.raises(PrerequisiteError, match=r"training cannot begin: the disk of .* 16 MiB are needed"):
        require_room(small_disk, 16 * MIB, "training cannot begin")


def test_a_disk_that_fills_during_a_training_keeps_its_checkpoint_and_the_same_call_goes_on(
    small_disk: Path,
    tmp_path: Path,
    job: Job,  # noqa: F811
) -> None:
    expected = job.train(tmp_path / "undisturbed")
    folder, fillers = small_disk / "training", []

    def fill_at(done: int, _: int) -> None:
        if done == 5:  # after the checkpoint of step 3, before that of step 6
            fillers.append(fill(small_disk))

    with pytest.raises(PrerequisiteError, match=rf"disk of {small_disk} is full"), RoomAt(small_disk):
        job.train(folder, on_progress=fill_at)
    [place] = folder.iterdir()
    newest, _ = newest_valid(place)
    assert newest is not None and newest.name == "checkpoint-3"
    fillers[0].unlink()
    resumed = job.train(folder)
    assert resumed.identity == expected.identity
    assert resumed.resumed_from == 3
