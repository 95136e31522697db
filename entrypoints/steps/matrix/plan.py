"""The plan of a study: what it would compute, how long that takes here, what it costs and what it can show."""

import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.matrix.show import duration
from entrypoints.steps.shared.bases import require_base
from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.study.findings import Work
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.power import Spread, sample_of, smallest_difference
from ragft.data.splits import assign_splits, balanced_subset
from ragft.errors import PrerequisiteError
from ragft.lists import entries
from ragft.params.searches import StudyParams
from ragft.params.values import LOCAL, OPENVINO, USUAL_CHUNK_CHARS
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.criterion import Criterion, load_criteria
from ragft.prompts.judge import render_judge_message
from ragft.retrieval.chunking import chunk
from ragft.retrieval.withheld import can_be_withheld
from ragft.store.datasets import find_preparation
from ragft.store.study_cells import recorded_work
from ragft.types import WITHHELD, Question

STAGES = ("train", "forget", "answer", "judge", "rest")
SAMPLE = 24
# Where nothing was compared yet: differences of one score point between questions, a little alike within a document.
ASSUMED = Spread(1.0, 0.1, "an assumption")
CHARACTERS_OF_A_TOKEN = 4.0
# Replies for each example that teaches to abstain: a greedy one, and 16 more where the base answers (one in eight).
OWN_WORDS = 3
UNKNOWN_WINDOW = 1_000_000


@dataclass(frozen=True, slots=True)
class Need:
    """What a cell needs that no earlier cell of the plan has computed.

    Attributes:
        amounts: Stage -> tokens trained, adapters asked what they forgot, answers, judgements, and 1 for the rest.
        kinds: Stage -> what its rate depends on.
        read: Tokens that the models read to answer and to judge.
        written: The most tokens that they write.
    """

    cell: Cell
    done: bool
    amounts: Mapping[str, int]
    kinds: Mapping[str, str]
    read: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class TokenSizes:
    """Mean tokens of what models read and write on a cell's data, and how many questions there are.

    Attributes:
        withheld: How many of the questions can be asked with their answer withheld.
    """

    questions: int
    withheld: int
    documents: tuple[int, ...]
    example: float
    prompt: float
    answer: float
    verdict: float


def kinds_of(cell: Cell) -> dict[str, str]:
    """Return stage -> what its rate depends on, besides the machine."""
    dtype = cell.finetune.dtype
    base = cell.finetune.base if dtype == "auto" else f"{cell.finetune.base} {dtype}"
    engine = "" if cell.compare.engine == LOCAL else f" {cell.compare.engine}"
    judging = "" if cell.compare.engine == OPENVINO else engine  # it answers alone
    shared = f" by {cell.finetune.processes}" if cell.finetune.processes > 1 else ""
    return {
        "train": f"{base} {cell.finetune.method} {cell.finetune.format}{shared}",
        "forget": base,
        "answer": f"{base} {cell.compare.context}{engine}",
        "judge": f"{cell.compare.judge} of {base} {cell.compare.estimator}{judging}",
        "rest": "",
    }


def plan(cells: Sequence[Cell], done: Sequence[bool], identities: Identities) -> list[Need]:
    """Return what each cell needs; an adapter and a base's answers are counted for the first cell that needs them."""
    trained, answered = set(), set()
    for cell, finished in zip(cells, done, strict=True):
        if finished:
            trained.add(identities.training(cell))
            answered.add(_base_of(cell))
    needs = []
    for cell, finished in zip(cells, done, strict=True):
        if finished:
            needs.append(Need(cell, True, dict.fromkeys(STAGES, 0), kinds_of(cell)))
            continue
        sizes = sizes_of(cell, identities)
        training = identities.training(cell)
        fresh_adapter, fresh_base = training not in trained, _base_of(cell) not in answered
        trained.add(training)
        answered.add(_base_of(cell))
        finetune, compare = cell.finetune, cell.compare
        contexts = compare.contexts()
        judged = sizes.questions * sum(context != WITHHELD for context in contexts) * (1 + fresh_base)
        answers = judged + sizes.withheld * (WITHHELD in contexts) * (1 + fresh_base)
        answers += fresh_adapter * round(OWN_WORDS * finetune.samples * finetune.withheld_share)
        repeats = compare.repeats if compare.estimator == "sampled" else 1
        verdicts = 0 if compare.judge == "none" else judged * len(entries(compare.criteria)) * repeats
        words = 0 if compare.estimator == "expected_no_rationale" else compare.judge_max_new_tokens
        amounts = {
            "train": round(finetune.samples * finetune.epochs * sizes.example) if fresh_adapter else 0,
            "forget": int(fresh_adapter),
            "answer": answers,
            "judge": verdicts,
            "rest": 1,
        }
        read = round(answers * sizes.prompt + verdicts * sizes.verdict)
        needs.append(Need(cell, False, amounts, kinds_of(cell), read, round(answers * sizes.answer) + verdicts * words))
    return needs


def _base_of(cell: Cell) -> str:
    return str(cell.compare)


def sizes_of(cell: Cell, identities: Identities) -> TokenSizes:
    """Return the sizes of a cell's texts, from a sample of its questions and the base's own tokenizer.

    Retrieved passages are assumed to be as long as the first ones of the question's documents. As many are read as the
    study itself would show.
    """
    finetune, compare = cell.finetune, cell.compare
    dataset = identities.dataset(cell)
    preparation = find_preparation(identities.workspace.store, dataset.name, dataset=dataset.sha256)
    splits = preparation.splits if preparation else assign_splits(dataset, seed=finetune.data_seed)
    questions: Sequence[Question] = splits[compare.split]  # type: ignore[index]
    if compare.questions:
        questions = balanced_subset(questions, compare.questions)
    sample = questions[:: max(1, len(questions) // SAMPLE)][:SAMPLE]
    chars = finetune.chunk_chars or USUAL_CHUNK_CHARS.of(finetune.dataset)
    wanted = {each for question in sample for each in question.documents}
    passages = {d.id: [p.text for p in chunk(d, chars)] for d in dataset.documents if d.id in wanted}
    any_passages = [text for texts in passages.values() for text in texts]
    prompt = load_answer_prompt(compare.prompt)
    tokens, most = _Tokens(finetune.base), _room(cell)
    shown = {q.id: _first(q, passages, any_passages, compare.top_k) for q in sample}
    for q in sample:
        while shown[q.id] and tokens.mean([prompt.render(q.text, shown[q.id])]) > most:
            shown[q.id].pop()
    asked = tokens.mean([prompt.render(q.text, shown[q.id]) for q in sample])
    answer = tokens.mean([q.references[0] for q in sample])
    blind = finetune.format == "closed_book"
    trained = tokens.mean([prompt.render(q.text, [] if blind else shown[q.id]) for q in sample]) + answer
    criteria = load_criteria(compare.criteria)
    verdict = tokens.mean([judge_message(c, q, shown[q.id], compare.estimator) for c in criteria for q in sample])
    sizes = np.unique(list(cluster(questions).labels.values()), return_counts=True)[1]
    withheld = sum(can_be_withheld(question) for question in questions)
    return TokenSizes(len(questions), withheld, tuple(int(size) for size in sizes), trained, asked, answer, verdict)


def _room(cell: Cell) -> int:
    """Return how many tokens a prompt may have, as far as the base's configuration tells."""
    try:
        config = json.loads((require_base(cell.finetune.base).folder / "config.json").read_text(encoding="utf-8"))
    except PrerequisiteError:
        config = {}
    window = config.get("text_config", config).get("max_position_embeddings") or UNKNOWN_WINDOW
    return min(cell.compare.context_window or window, window) - cell.compare.max_new_tokens


def _first(question: Question, passages: Mapping[str, list[str]], others: Sequence[str], k: int) -> list[str]:
    own = [text for document in question.documents for text in passages.get(document, ())]
    return [*own, *others][:k]


def judge_message(criterion: Criterion, question: Question, passages: Sequence[str], estimator: str) -> str:
    """Return what the judge reads of a question that is answered as its first reference says."""
    return render_judge_message(
        criterion,
        question=question.text,
        answer=question.references[0],
        references=question.references,
        passages=passages,
        secret=b"",
        reasoned=estimator != "expected_no_rationale",
    )


class _Tokens:
    """Counts the tokens of a base; where its tokenizer is not here, by characters."""

    def __init__(self, base: str) -> None:
        try:
            path = require_base(base).folder / "tokenizer.json"
        except PrerequisiteError:
            path = None
        self._tokenizer = Tokenizer.from_file(str(path)) if path is not None and path.is_file() else None

    def mean(self, texts: Sequence[str]) -> float:
        """Return the mean number of tokens; 0.0 of no text."""
        if not texts:
            return 0.0
        if self._tokenizer is None:
            return sum(map(len, texts)) / len(texts) / CHARACTERS_OF_A_TOKEN
        return float(np.mean([len(each.ids) for each in self._tokenizer.encode_batch(list(texts))]))


@dataclass(frozen=True, slots=True)
class Rates:
    """How much of each stage and kind this machine does in a second."""

    known: Mapping[tuple[str, str], float]
    source: str

    def seconds(self, need: Need) -> dict[str, float | None]:
        """Return stage -> seconds; None where no rate is known."""
        found: dict[str, float | None] = {}
        for stage in STAGES:
            rate = self.known.get((stage, need.kinds[stage]))
            amount = need.amounts[stage]
            found[stage] = 0.0 if not amount else None if rate is None else amount / rate
        return found


def recorded_rates(identities: Identities) -> Rates:
    """Return the rates of the cells that were computed on this machine."""
    here = platform.node()
    done: dict[tuple[str, str], float] = {}
    seconds: dict[tuple[str, str], float] = {}
    rows = [Work(**work) for record in recorded_work(identities.workspace.store) for work in record]
    for work in rows:
        if work.machine == here and work.seconds > 0:
            key = (work.stage, work.kind)
            done[key] = done.get(key, 0.0) + work.done
            seconds[key] = seconds.get(key, 0.0) + work.seconds
    return Rates({key: done[key] / seconds[key] for key in done}, "earlier cells on this machine")


def lines(needs: Sequence[Need], rates: Rates, params: StudyParams, identities: Identities) -> Iterator[str]:
    """Yield the plan as text."""
    width = max(len(need.cell.name) for need in needs)
    yield f"{'cell':{width}}{'tokens trained':>16}{'answers':>9}{'verdicts':>10}{'time':>10}"
    total: dict[str, float] = dict.fromkeys(STAGES, 0.0)
    unknown = False
    for need in needs:
        spent = rates.seconds(need)
        unknown |= None in spent.values()
        for stage, each in spent.items():
            total[stage] += each or 0.0
        when = (
            "done" if need.done else "unknown" if None in spent.values() else duration(sum(map(_known, spent.values())))
        )
        amounts = need.amounts
        yield (
            f"{need.cell.name:{width}}{amounts['train']:>16,}{amounts['answer']:>9,}{amounts['judge']:>10,}{when:>10}"
        )
    names = {
        "train": "training",
        "forget": "what was forgotten",
        "answer": "answering",
        "judge": "judging",
        "rest": "the rest",
    }
    parts = ", ".join(f"{names[stage]} {duration(seconds)}" for stage, seconds in total.items())
    least = "at least " if unknown else ""
    done = sum(need.done for need in needs)
    yield f"{done} of {len(needs)} cells are done; time {least}{duration(sum(total.values()))}"
    yield f"  ({parts}; rates: {rates.source})"
    read, written = sum(need.read for need in needs), sum(need.written for need in needs)
    cost = (read * params.price_input + written * params.price_output) / 1e6
    priced = params.price_input or params.price_output
    price = f", which costs at most {cost:,.2f} at the given prices" if priced else "; no price is given"
    yield f"answers and verdicts read {read:,} tokens and write at most {written:,}{price}"
    yield from _shows(needs, identities)


def _known(value: float | None) -> float:
    return value or 0.0


def _shows(needs: Sequence[Need], identities: Identities) -> Iterator[str]:
    seen = set()
    for need in needs:
        key = (need.cell.finetune.data_name, need.cell.compare.split, need.cell.role)
        if key in seen:
            continue
        seen.add(key)
        sizes = sizes_of(need.cell, identities)
        if len(sizes.documents) < 2:
            yield f"{key[0]} {key[1]}: {sizes.questions} questions of one document can show nothing"
            continue
        design = Design()
        least = smallest_difference(sample_of(sizes.documents, ASSUMED), design.alpha / len(design.primary))
        said = (
            "no difference at all" if least is None or math.isinf(least) else f"differences from {least:.2f} points on"
        )
        yield (
            f"{key[0]} {key[1]}: {sizes.questions} questions in {len(sizes.documents)} groups of documents show {said} "
            f"with 80 % chance (of scores 1 to 5, if differences vary by {ASSUMED.sd:g} point between questions)"
        )
