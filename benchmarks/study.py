"""What a study costs: ``python -m benchmarks.study cells`` and ``python -m benchmarks.study floor``.

``cells`` runs studies of 10 and of 200 simulated cells, each in a process of its own, on real Postgres and MLflow, and
prints what one cell costs beside its models, and the memory. ``floor`` takes the work that an exported study did
(docs/results/embedded.json), measures what bare transformers and PEFT do of it in a second on the same prompts, and
prints floor and actual by stage.
"""

import argparse
import dataclasses
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROWS, BATCH = 32, 16
SAMPLES, QUESTIONS = (100, 200, 300, 400, 500), 300


def simulate(count: int) -> dict[str, float]:
    """Run a study of so many imagined cells in this process and return what it took."""
    with TemporaryDirectory() as folder:
        os.environ["RAGFT_HOME"] = folder
        for name in ("MLFLOW_TRACKING_URI", "RAGFT_DSN", "MLFLOW_EXPERIMENT_NAME"):
            os.environ.pop(name, None)
        from entrypoints.environment import opened_workspace

        with opened_workspace() as workspace:
            from entrypoints.steps import study
            from ragft.params.searches import StudyParams

            runner = _imagined(workspace)
            seeds = ",".join(map(str, range(count // len(SAMPLES))))
            params = StudyParams(format="closed_book", samples=",".join(map(str, SAMPLES)), seeds=seeds, agreement="0")
            study.run(params, dataclasses.replace(workspace, say=lambda _: None), runner)
            ended, cpu = time.monotonic(), time.process_time()
    wall, used = ended - runner.started, cpu - runner.started_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cells": count, "ms": 1000 * wall / count, "cpu_ms": 1000 * used / count, "peak_mib": peak}


def _imagined(workspace: Any) -> Any:  # noqa: ANN401 - a class that needs ragft's imports
    import numpy as np

    from entrypoints.steps.matrix.cells import Cell
    from entrypoints.steps.shared.runs import step_run
    from ragft.analysis.study import findings
    from ragft.analysis.study.findings import CellScores, SideScores, change_of

    class Imagined:
        """Opens a cell's run and makes up its scores; the clock runs from the first cell on."""

        started = started_cpu = 0.0

        def __call__(self, *_: object) -> "Imagined":
            self.started, self.started_cpu = time.monotonic(), time.process_time()
            return self

        def run(self, cell: Cell) -> findings.CellResult:
            rng = np.random.default_rng(cell.finetune.seed)
            columns = SideScores(*(tuple(map(float, rng.uniform(1, 5, QUESTIONS))) for _ in range(2)))
            labels = tuple(f"d{number // 6}" for number in range(QUESTIONS))
            measures = ("accuracy", "completeness", "truth_right")
            with step_run(cell.finetune, cell.name, {"ragft.step": "study cell"}, workspace.home):
                changes = tuple(change_of("retrieved", each, [columns], labels, decides=True) for each in measures)
            return findings.CellResult(
                name=cell.name,
                role=cell.role,
                axes={name: str(value) for name, value in cell.axes.items()},
                outcome="hold",
                headline="imagined",
                advisory=(),
                margin=0.2,
                questions=QUESTIONS,
                smallest={},
                changes=changes,
                pairs=CellScores(
                    tuple(f"q{number}" for number in range(QUESTIONS)),
                    labels,
                    {"retrieved": dict.fromkeys(measures, columns)},
                ),
                work=(),
                seconds=0.0,
            )

    return Imagined()


def cells(counts: Sequence[int], repeats: int) -> None:
    """Print the cost of a cell for each size, the sizes in turn."""
    found: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    for _, count in itertools.product(range(repeats), counts):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.study", "simulate", "--count", str(count)],
            capture_output=True,
            text=True,
            check=True,
        )
        found[count].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{'cells':>6}{'ms a cell':>12}{'CPU ms a cell':>15}{'peak MiB':>10}   (best of {repeats})")
    best = {
        count: {name: min(row[name] for row in rows) for name in ("ms", "cpu_ms", "peak_mib")}
        for count, rows in found.items()
    }
    for count, row in best.items():
        print(f"{count:>6}{row['ms']:>12.1f}{row['cpu_ms']:>15.1f}{row['peak_mib']:>10.0f}")
    first, last = best[counts[0]], best[counts[-1]]
    print(f"ratio {last['ms'] / first['ms']:.2f} wall, {last['cpu_ms'] / first['cpu_ms']:.2f} CPU")
    print(f"memory {last['peak_mib'] / first['peak_mib']:.2f}")


def floor(path: Path) -> None:
    """Print what bare transformers would take for the work of an exported study, and what the study took."""
    from entrypoints.steps.shared.bases import base_path
    from ragft.analysis.read_record import read_record
    from ragft.analysis.study.findings import Study

    found = read_record(Study, json.loads(path.read_text(encoding="utf-8")))
    actual: dict[tuple[str, str], tuple[int, float]] = {}
    for work in (work for cell in found.cells for work in cell.work):
        done, seconds = actual.get((work.stage, work.kind), (0, 0.0))
        actual[work.stage, work.kind] = (done + work.done, seconds + work.seconds)
    bare = _Bare(base_path(found.cells[0].axes["base"]))
    rates = {key: bare.rate(*key) for key in actual if key[0] in ("train", "answer", "judge")}
    total = sum(cell.seconds for cell in found.cells)
    least = 0.0
    print(f"{'stage':52}{'done':>10}{'floor s':>10}{'actual s':>10}{'ratio':>7}")
    for key, (done, seconds) in sorted(actual.items()):
        if key in rates:
            floor_seconds = done / rates[key]
            least += floor_seconds
            ratio = f"{seconds / floor_seconds:.2f}"
            print(f"{' '.join(key):52}{done:>10,}{floor_seconds:>10.1f}{seconds:>10.1f}{ratio:>7}")
        else:
            print(f"{' '.join(key):52}{done:>10,}{'':>10}{seconds:>10.1f}")
    of_models = sum(seconds for key, (_, seconds) in actual.items() if key in rates)
    print(f"{'all cells':52}{len(found.cells):>10}{least:>10.1f}{total:>10.1f}{total / least:>7.2f}")
    print(
        f"outside training, answering and judging: {total - of_models:.1f} s, {(total - of_models) / total:.1%} of all"
    )


class _Bare:
    """The stages with transformers and PEFT alone, on real prompts of the telecom data."""

    def __init__(self, base: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._torch = torch
        self._tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
        self._model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        self._base = base

    def rate(self, stage: str, kind: str) -> float:
        """Return tokens, answers or verdicts a second."""
        return {"train": self._train, "answer": self._answer, "judge": self._judge}[stage](kind)

    def _rows(self) -> list[tuple[Any, list[str]]]:
        from entrypoints.steps.shared.sources import GENERATORS
        from ragft.params.values import TELECOM, USUAL_CHUNK_CHARS, USUAL_TOP_K
        from ragft.retrieval.chunking import chunk

        dataset = GENERATORS[TELECOM](0)
        documents = {document.id: document for document in dataset.documents}
        rows = []
        for question in dataset.questions[:: max(1, len(dataset.questions) // ROWS)][:ROWS]:
            texts = [
                p.text for name in question.documents for p in chunk(documents[name], USUAL_CHUNK_CHARS.of(TELECOM))
            ]
            rows.append((question, texts[: USUAL_TOP_K.of(TELECOM)]))
        return rows

    def _encode(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - transformers' own type
        chats = [
            self._tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
            )
            for text in sorted(texts, key=len)
        ]
        return [
            self._tokenizer(chats[start : start + BATCH], return_tensors="pt", padding=True, add_special_tokens=False)
            for start in range(0, len(chats), BATCH)
        ]

    def _answer(self, _: str) -> float:
        from ragft.prompts.answer import load_answer_prompt

        batches = self._encode([load_answer_prompt().render(q.text, texts) for q, texts in self._rows()])
        return _timed(
            ROWS, lambda: [self._model.generate(**batch, max_new_tokens=128, do_sample=False) for batch in batches]
        )

    def _judge(self, kind: str) -> float:
        from ragft.prompts.criterion import load_criterion
        from ragft.prompts.judge import render_judge_message

        criterion, reasoned = load_criterion("accuracy"), not kind.endswith("no_rationale")
        messages = [
            render_judge_message(
                criterion, question=q.text, answer=q.references[0], references=q.references, passages=texts,
                secret=b"", reasoned=reasoned,
            )
            for q, texts in self._rows()
        ]  # fmt: skip
        if not reasoned:
            batches = self._encode(messages)
            with self._torch.inference_mode():
                return _timed(ROWS, lambda: [self._model(**batch, logits_to_keep=1) for batch in batches])
        batches = self._encode(messages[:8])
        return _timed(
            80,
            lambda: [
                self._model.generate(**batch, max_new_tokens=200, do_sample=True, num_return_sequences=10)
                for batch in batches
            ],
        )

    def _train(self, kind: str) -> float:
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        from ragft.prompts.answer import load_answer_prompt

        torch = self._torch
        config = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(self._base, dtype=torch.float32), config)
        optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
        blind = kind.endswith("closed_book")
        texts = [
            f"{load_answer_prompt().render(q.text, [] if blind else passages)}\n{q.references[0]}"
            for q, passages in self._rows()
        ]
        encoded = [self._tokenizer(text, return_tensors="pt") for text in texts]
        tokens = sum(each["input_ids"].numel() for each in encoded)

        def step() -> None:
            # One row at a time: nothing is padding, which is the least work there is.
            for start in range(0, ROWS, 8):
                for each in encoded[start : start + 8]:
                    model(input_ids=each["input_ids"], labels=each["input_ids"]).loss.backward()
                optimiser.step()
                optimiser.zero_grad()

        return _timed(tokens, step)


def _timed(count: int, work: Callable[[], object]) -> float:
    """Return so many a second, the best of three; the first is a warm-up."""
    best = 0.0
    for _ in range(3):
        started = time.monotonic()
        work()
        best = max(best, count / (time.monotonic() - started))
    return best


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("cells", "floor", "simulate"))
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=Path("docs/results/embedded.json"))
    given = parser.parse_args()
    if given.what == "simulate":
        print(json.dumps(simulate(given.count)))
    elif given.what == "cells":
        cells((10, 200), given.repeats)
    else:
        floor(given.results)


if __name__ == "__main__":
    main()
