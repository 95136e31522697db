"""The command under torchrun, or a launcher that sets what torchrun sets: as many processes as it starts train.

The first of those does everything, and starts processes that train along as it always does; the others end at once. So
nothing but the number is taken from the launcher, and the result is that of ``processes=``.
"""

import dataclasses
from collections.abc import Mapping, MutableMapping

from ragft.errors import ConfigError
from ragft.params.training import FinetuneParams

# By these transformers and accelerate would take each process for a part of a training of their own.
_NAMES = ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_PREFIXES = ("ACCELERATE_", "GROUP_", "ROLE_", "TORCHELASTIC_")


def under_launcher(params: FinetuneParams, environment: MutableMapping[str, str]) -> FinetuneParams | None:
    """Return the parameters with the launcher's number of processes; None in every process but its first.

    What launchers set is removed from the environment.

    Raises:
        ConfigError: If another number was asked for, the processes are on several machines, or a variable holds no
            number.
    """
    world, here, rank = (_number(environment, name) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK"))
    for name in [name for name in environment if name in _NAMES or name.startswith(_PREFIXES)]:
        del environment[name]
    if rank:
        return None
    if world is None:
        return params
    if here is not None and here != world:
        raise ConfigError(
            f"WORLD_SIZE is {world} and LOCAL_WORLD_SIZE {here}: a training runs on one machine, use --nnodes 1"
        )
    if params.processes not in (1, world):
        raise ConfigError(f"processes is {params.processes}, but WORLD_SIZE is {world}: leave processes out")
    return dataclasses.replace(params, processes=world)


def _number(environment: MutableMapping[str, str], name: str) -> int | None:
    value = environment.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        raise ConfigError(f"{name} is {value!r}, expected a number as torchrun sets it: unset it to train alone")
    return int(value)


def refuse_launcher(step: str, environment: Mapping[str, str]) -> None:
    """See that a step which shares its work by claims was not started by a launcher.

    Raises:
        ConfigError: If it was; its processes would train one adapter together, each another one.
    """
    if environment.get("WORLD_SIZE", "1") != "1":
        raise ConfigError(
            f"{step} was started by a launcher (WORLD_SIZE is {environment['WORLD_SIZE']}): start the same command "
            "several times instead, and the processes share the work"
        )
