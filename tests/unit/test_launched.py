"""What the command takes from torchrun: how many processes, and nothing else."""

import pytest

from entrypoints.launched import refuse_launcher, under_launcher
from ragft.errors import ConfigError
from ragft.params.training import FinetuneParams


def torchrun(rank: str, world: str, here: str | None = None) -> dict[str, str]:
    found = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": here or world}
    return {
        **found,
        "MASTER_PORT": "1",
        "TORCHELASTIC_RUN_ID": "none",
        "ACCELERATE_MIXED_PRECISION": "fp16",
        "HOME": "/",
    }


def test_the_first_process_takes_their_number_and_leaves_no_trace_of_the_launcher() -> None:
    environment = torchrun("0", "2")
    assert under_launcher(FinetuneParams(samples=3), environment) == FinetuneParams(samples=3, processes=2)
    assert environment == {"HOME": "/"}
    assert under_launcher(FinetuneParams(processes=2), torchrun("0", "2")) == FinetuneParams(processes=2)


def test_what_shares_its_work_by_claims_is_not_launched() -> None:
    refuse_launcher("tune", {"HOME": "/", "WORLD_SIZE": "1"})
    with pytest.raises(ConfigError, match=r"tune was started by a launcher \(WORLD_SIZE is 2\).*several times"):
        refuse_launcher("tune", torchrun("1", "2"))


def test_the_others_have_nothing_to_do() -> None:
    assert under_launcher(FinetuneParams(processes=3), torchrun("1", "2")) is None


def test_without_a_launcher_nothing_changes() -> None:
    assert under_launcher(FinetuneParams(processes=3), {"HOME": "/"}) == FinetuneParams(processes=3)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (torchrun("0", "2"), "processes is 3, but WORLD_SIZE is 2: leave processes out"),
        (torchrun("0", "16", "8"), "WORLD_SIZE is 16 and LOCAL_WORLD_SIZE 8: a training runs on one machine"),
        (torchrun("0", "9"), "processes is 9 and batch_size 8"),
        (torchrun("first", "2"), "RANK is 'first', expected a number"),
    ],
)
def test_what_cannot_be_is_refused(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        under_launcher(FinetuneParams(processes=3 if "processes is 3" in said else 1), environment)
