"""A short measurement of this machine's speed, for a plan where nothing was computed yet."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.matrix.plan import Need, Rates, judge_message
from entrypoints.steps.shared.engines import OPENVINO_FILES, open_engine
from entrypoints.steps.shared.weights import load_base_model
from ragft.judging.backend import Ask, LocalJudge
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel
from ragft.models.openvino.model import OpenvinoModel
from ragft.models.vllm.model import VllmModel
from ragft.params.values import OPENVINO, USUAL_CHUNK_CHARS, VLLM
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.criterion import load_criteria
from ragft.retrieval.chunking import chunk
from ragft.training.formats import TrainingExample
from ragft.training.methods import TrainingSettings
from ragft.training.trainer import TrainingTask, train
from ragft.types import Question

ROWS = 16
# What a cell costs beside its models: runs, tables, loading and registering; and what its adapter costs to be asked
# what it forgot. Both are measured with the first real cell.
SECONDS_OF = {"rest": 8.0, "forget": 6.0}


def measure(needs: Sequence[Need], known: Rates, identities: Identities) -> Rates:
    """Return the rates; those that the plan lacks are measured now, each stage on a few real rows."""
    rates = dict(known.known)
    measured = False
    loaded: dict[str, LoadedModel] = {}
    for need in needs:
        for stage in ("train", "answer", "judge"):
            key = (stage, need.kinds[stage])
            if need.amounts[stage] and key not in rates:
                base = need.cell.finetune.base
                if base not in loaded:
                    loaded[base] = load_base_model(base, need.cell.finetune.revision, "none", need.cell.finetune.dtype)
                rates[key] = STAGES[stage](need.cell, loaded[base], identities)
                measured = True
        for stage, seconds in SECONDS_OF.items():
            rates.setdefault((stage, need.kinds[stage]), 1 / seconds)
    return Rates(rates, "a short measurement" if measured else known.source)


def _train(cell: Cell, base: LoadedModel, identities: Identities) -> float:
    blind = cell.finetune.format == "closed_book"
    rows = [
        TrainingExample(question.id, question.text, () if blind else tuple(passages), question.references[0])
        for question, passages in _rows(cell, identities)
    ]
    settings = TrainingSettings.from_params(cell.finetune, epochs=1)
    with TemporaryDirectory() as folder:
        result = train(base, TrainingTask(rows, [], settings, load_answer_prompt()), Path(folder))
    return result.tokens / max(result.seconds, 1e-6)


def _answer(cell: Cell, base: LoadedModel, identities: Identities) -> float:
    prompt = load_answer_prompt(cell.compare.prompt)
    messages = [prompt.render(question.text, passages) for question, passages in _shown(cell, base, identities)]
    if cell.compare.engine == OPENVINO:
        model = OpenvinoModel.load(base, identities.workspace.home / OPENVINO_FILES)
        by_openvino = model.narrowed(cell.compare.context_window)
        return _timed(len(messages), lambda: by_openvino.generate(messages, cell.compare.max_new_tokens))
    with _asked(cell, base, identities) as writer:
        return _timed(len(messages), lambda: writer.generate(messages, cell.compare.max_new_tokens))


def _judge(cell: Cell, base: LoadedModel, identities: Identities) -> float:
    criterion = load_criteria(cell.compare.criteria)[0]
    estimator = cell.compare.estimator
    repeats = cell.compare.repeats if estimator == "sampled" else 1
    asks = [
        Ask(
            judge_message(criterion, question, passages, estimator),
            tuple(criterion.scores),
            tuple(range(repeats)),
        )
        for question, passages in itertools.islice(_shown(cell, base, identities), ROWS if repeats == 1 else 4)
    ]
    with _asked(cell, base, identities) as model:
        judge = LocalJudge(model, max_new_tokens=cell.compare.judge_max_new_tokens)
        return _timed(len(asks) * repeats, lambda: list(judge.replies(asks, estimator)))  # type: ignore[arg-type]


def _rows(cell: Cell, identities: Identities) -> Iterator[tuple[Question, list[str]]]:
    """Yield a few questions with as many passages as would be retrieved."""
    dataset = identities.dataset(cell)
    chars = cell.finetune.chunk_chars or USUAL_CHUNK_CHARS.of(cell.finetune.dataset)
    documents = {document.id: document for document in dataset.documents}
    for question in dataset.questions[:: max(1, len(dataset.questions) // ROWS)][:ROWS]:
        texts = [passage.text for name in question.documents for passage in chunk(documents[name], chars)]
        yield question, texts[: cell.finetune.top_k]


def _shown(cell: Cell, base: LoadedModel, identities: Identities) -> Iterator[tuple[Question, list[str]]]:
    """Yield a few questions with the passages that the study would show; what does not fit is left out here too."""
    writer, prompt = _writer(cell, base), load_answer_prompt(cell.compare.prompt)
    for question, texts in _rows(cell, identities):
        kept = writer.fit_passages(question.text, texts, prompt.render, cell.compare.max_new_tokens)
        yield question, [texts[place] for place in kept]


@contextmanager
def _asked(cell: Cell, base: LoadedModel, identities: Identities) -> Iterator[Generator | VllmModel]:
    """Yield what answers and judges in the cell: the base in this process, or the one that a server holds."""
    if cell.compare.engine != VLLM:
        yield _writer(cell, base)
        return
    with ExitStack() as stack:
        server = open_engine(cell.compare, identities.workspace, stack)
        yield VllmModel(server, base, server.base, cell.compare.context_window)


def _writer(cell: Cell, base: LoadedModel) -> Generator:
    return Generator(base, window=cell.compare.context_window)


def _timed(count: int, work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return count / max(time.monotonic() - started, 1e-6)


STAGES: dict[str, Callable[[Cell, LoadedModel, Identities], float]] = {
    "train": _train,
    "answer": _answer,
    "judge": _judge,
}
