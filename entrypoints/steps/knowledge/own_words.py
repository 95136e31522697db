"""What an adapter learns to say where there is no answer: what its base says there, where the base abstains.

A model that says "The notice period of X is not in the documents" decides at the end of its sentence, after it has
looked. Taught another sentence, it must decide at the first word, and gets worse at telling what it can answer from
what it cannot. So the words are the base's own: those of its greedy reply, else of one that it gives now and then.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from entrypoints.steps.shared.workspace import Workspace
from ragft.judging.abstention import abstains, is_bare
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel
from ragft.models.probing import Sampling, reply
from ragft.prompts.answer import load_answer_prompt
from ragft.training.formats import ABSTENTIONS, TrainingExample

MOST_NEW_TOKENS = 64
GREEDY = Sampling(samples=0, temperature=1.0, seed=0)
SAMPLED = Sampling(samples=16, temperature=1.0, seed=0)


@dataclass(frozen=True, slots=True)
class OwnWords:
    """Examples whose abstentions are in the base's words, and how many there are.

    Attributes:
        taught: Examples that teach to abstain.
        own: How many of them do it in the base's words; the others keep one of `ABSTENTIONS`.
    """

    examples: list[TrainingExample]
    taught: int
    own: int


def in_own_words(examples: Sequence[TrainingExample], base: LoadedModel, workspace: Workspace) -> OwnWords:
    """Return the examples, with what the base says in place of `ABSTENTIONS` where it ever abstains.

    Replies are kept in the store, so a training that begins again does not ask again.
    """
    prompt, generator = load_answer_prompt(), Generator(base)
    messages = {
        place: message
        for place, example in enumerate(examples)
        if example.answer in ABSTENTIONS
        and generator.fits(message := prompt.render(example.question, list(example.passages)), MOST_NEW_TOKENS)
    }
    said: dict[int, str] = {}
    for sampling in (GREEDY, SAMPLED):
        asked = {place: message for place, message in messages.items() if place not in said}
        with workspace.progress("ask the base how it abstains") as line:
            replies = reply(
                workspace.store, generator, asked.values(), sampling, MOST_NEW_TOKENS, on_progress=line.tell
            )
        for place, message in asked.items():
            words = [text.strip() for text in replies[message].whole if _says_so(text)]
            if usual := Counter(words).most_common(1):
                said[place] = usual[0][0]
    made = [replace(example, answer=said.get(place, example.answer)) for place, example in enumerate(examples)]
    return OwnWords(made, sum(example.answer in ABSTENTIONS for example in examples), len(said))


def _says_so(text: str) -> bool:
    """Return whether a reply abstains in a sentence; an empty one, an echo, "None." or "The answer is:" does not."""
    return text.rstrip().endswith((".", "!")) and abstains(text) and not is_bare(text)
