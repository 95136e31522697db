"""How long the slowest reply of a hostile judge takes, of 10,000 made up ones and the longest that can be sent.

python -m benchmarks.hostile_replies
"""

import random
import time
from collections.abc import Iterator

from ragft.data.similarity import words
from ragft.judging.backend import ESTIMATORS, Ask
from ragft.judging.scoring import judgement_of
from ragft.judging.served import reply_of
from ragft.models.endpoint_call import Completion
from ragft.prompts.criterion import load_criterion
from ragft.prompts.reply import MOST_CHARACTERS, read_reason
from tests.hostile_replies import LONGEST, PIECES

REPLIES = 10_000
ASKED_S = 0.1
CRITERION = load_criterion("accuracy")
ASK = Ask("m", tuple(CRITERION.scores), (1,))


def replies() -> Iterator[tuple[str, str]]:
    """Yield (name, reply): the longest whole and as much of each as is read, then random ones."""
    for name, reply in LONGEST.items():
        yield f"{name}, {len(reply):,} signs", reply
        yield f"{name}, {MOST_CHARACTERS:,} signs", reply[:MOST_CHARACTERS]
    numbers = random.Random(0)
    for number in range(REPLIES):
        pieces = numbers.choices(PIECES, k=numbers.randint(1, 6))
        times = int(10 ** numbers.uniform(0, 4))
        yield f"random {number}", "".join(piece * numbers.randint(1, times) for piece in pieces)[:MOST_CHARACTERS]


def seconds(reply: str) -> float:
    """Return the CPU seconds in which a reply is read, under each estimator."""
    spelled = tuple((reply[start : start + 4], {" 5": -0.1}) for start in range(0, len(reply), 4))
    began = time.process_time()
    for estimator in ESTIMATORS:
        judgement_of("k", 0, reply_of(ASK, Completion(reply, top_logprobs=spelled), estimator), CRITERION)
    read_reason(reply)
    return time.process_time() - began


def main() -> None:
    """Measure, and print the slowest."""
    found = sorted(((seconds(reply), name) for name, reply in replies()), reverse=True)
    print(f"{len(found):,} replies, CPU seconds of the slowest (asked: under {ASKED_S:g} each):")
    for spent, name in found[:8]:
        print(f"  {spent:.4f}  {name}")
    print(f"  {found[len(found) // 2][0]:.6f}  median")
    for name in ("marks on a letter", "what becomes marks"):
        began = time.process_time()
        words(LONGEST[name])
        print(f"  {time.process_time() - began:.4f}  words of a text to be compared: {name}")


if __name__ == "__main__":
    main()
