"""Unpacks the SmolLM2 that is installed, for ``base=smollm2``; part of ``make smollm2``."""

import sys

from entrypoints.environment import prepare_environment
from ragft.errors import RagftError
from ragft.params.values import SMOLLM2


def main() -> None:
    """Unpack it and say where it is."""
    prepare_environment()
    from entrypoints.steps.shared.bases import require_base

    print(f"base={SMOLLM2} is ready: {require_base(SMOLLM2).folder}")


if __name__ == "__main__":
    try:
        main()
    except RagftError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
