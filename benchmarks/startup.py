"""How soon a step answers `--help`, against `mlflow --help`, in turn, as whole processes.

python -m benchmarks.startup
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 7
BIN = Path(sys.executable).parent
COMMANDS = {
    "python -m entrypoints.finetune --help": [sys.executable, "-m", "entrypoints.finetune", "--help"],
    "mlflow --help": [str(BIN / "mlflow"), "--help"],
}


def seconds(words: list[str]) -> float:
    """Return the wall-clock seconds of one run of a command."""
    started = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Run both in turn and print the medians and their ratio."""
    for words in COMMANDS.values():
        seconds(words)
    rounds = [{name: seconds(words) for name, words in COMMANDS.items()} for _ in range(ROUNDS)]
    ours, peer = COMMANDS
    for name in COMMANDS:
        taken = [each[name] for each in rounds]
        print(
            f"{name:40} median {statistics.median(taken):.3f} s "
            f"(min {min(taken):.3f}, max {max(taken):.3f}, n={ROUNDS})"
        )
    ratio = statistics.median(each[peer] / each[ours] for each in rounds)
    print(f"ratio, peer / ours, median of pairs: {ratio:.1f}x")


if __name__ == "__main__":
    main()
