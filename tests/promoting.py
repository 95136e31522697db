"""Many processes that promote at once; the tests and the benchmark look at what is left."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient

from registry.promotion import PENDING, RUN
from registry.terms import LAST


@dataclass(frozen=True)
class Moves:
    """What the processes did.

    Attributes:
        made: (old champion, new champion) of each promotion that went through.
        stale: How often one was refused, since another came first.
        mended: What any of them found half done.
    """

    made: list[tuple[int, int]]
    stale: int
    mended: list[str]


def add_versions(name: str, count: int) -> int:
    """Register copies of version 2 by reference, which costs no bytes; return the number of the first."""
    client = MlflowClient()
    like = client.get_model_version(name, "2")
    source = str(like.source)  # models:/<id of the logged model>
    made = [
        client.create_model_version(name, source, like.run_id, tags=dict(like.tags), model_id=source.rpartition("/")[2])
        for _ in range(count)
    ]
    return int(made[0].version)


def promote_at_once(
    start: Callable[..., "subprocess.Popen[str]"], dsn: str, name: str, processes: int, each: int
) -> Moves:
    """Let so many processes promote so many versions of their own each, begun together."""
    first = add_versions(name, processes * each)
    started = [
        start("promote_often", mlflow.get_tracking_uri(), dsn, name, first + number * each, each)
        for number in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    made, stale, mended = [], 0, []
    for process in started:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        for line in out.splitlines():
            what, _, rest = line.partition(" ")
            if what == "moved":
                old, new = rest.split()
                made.append((int(old), int(new)))
            elif what == "stale":
                stale += 1
            else:
                mended.append(rest)
    return Moves(made, stale, mended)


def what_is_wrong(moves: Moves, name: str, expected: int) -> list[str]:
    """Return how what is left differs from one chain of champions, each recorded, with nothing left over."""
    client = MlflowClient()
    following, chain = dict(moves.made), [1]
    while chain[-1] in following and len(chain) <= expected:
        chain.append(following[chain[-1]])
    model = client.get_registered_model(name)
    aliases = {alias: int(number) for alias, number in model.aliases.items()}
    found = {
        f"{len(moves.made)} of {expected} promotions went through": len(moves.made) == expected,
        f"the chain of champions has {len(chain) - 1} links of {expected}: {chain}": len(chain) == expected + 1,
        f"the aliases are {aliases} at the end of {chain[-2:]}": (
            (aliases.get("champion"), aliases.get("previous")) == (chain[-1], chain[-2] if len(chain) > 1 else None)
        ),
        f"a note is left: {model.tags.get(PENDING)}": PENDING not in model.tags,
        f"the last champion noted is {model.tags.get(LAST)}": model.tags.get(LAST) == str(chain[-1]),
        f"something was mended: {moves.mended}": not moves.mended,
    }
    for number in chain[1:]:
        tags = client.get_model_version(name, str(number)).tags
        recorded = (tags.get("ragft.decision"), tags.get(RUN))
        found[f"version {number} has the record {recorded}"] = recorded == ("promote", f"run of {number}")
    return [sentence for sentence, holds in found.items() if not holds]
