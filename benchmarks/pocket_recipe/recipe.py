"""How the pocket model is trained from nothing: ``python -m benchmarks.pocket_recipe.recipe train --out FOLDER``.

Stages, by the share of all tokens seen so far: short recall (one or two passages, every fact asked),
then reading, closed-book facts and judging mixed, with few refusals while reading is learnt and more
towards the end, when the learning rate falls to nothing over the last third.
"""

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, distributed
from torch.multiprocessing.spawn import spawn

from benchmarks.pocket_recipe.model import PocketModel, Shape, export, make_batch, start_inducing
from benchmarks.pocket_recipe.optimiser import Optimiser
from benchmarks.pocket_recipe.samples import TOPICS, Mix, PackedTree, Sampler, encode
from benchmarks.pocket_recipe.tokens import train_tokenizer

TOKENS = 24_600_000
# Millions of tokens, of TOKENS, at which something changes; a longer or shorter training stretches them. The
# learning rate falls four times: to nothing at FIRST_END, and from a part of its peak, or more, to each of the
# other ends.
RECALL_UNTIL = 0.444
SHORT_UNTIL = 1.846
FACTS_FROM = 3.458
REFUSALS_FROM, REFUSALS_TO = 3.6, 5.4
DECISIONS_FROM = 5.4
FALL_FROM, FIRST_END = 4.464, 7.2
SECOND_PEAK, SECOND_END = 0.6, 10.2
NOISE_FROM = 8.354
THIRD_PEAK, THIRD_FALL_FROM, THIRD_END = 1.25, 13.0, 22.0
FOURTH_PEAK = 0.75


@dataclass(frozen=True, slots=True)
class Plan:
    """One training.

    Attributes:
        tokens: Tokens of the whole training, over all processes; every schedule is a share of it.
        step_tokens: Tokens of one step, over all processes.
        rate: Peak learning rate.
        processes: Processes of one thread each (gloo); 1 uses ``threads``.
        save_every: Seconds between checkpoints.
    """

    out: Path
    tokens: int = TOKENS
    step_tokens: int = 3072
    rate: float = 4e-3
    seed: int = 0
    processes: int = 2
    threads: int = 1
    device: str = "cpu"
    bf16: bool = True
    save_every: float = 240.0


def mix_at(seen: float) -> Mix:
    """Return what is drawn after so many million tokens of a training of `TOKENS`."""
    if seen < RECALL_UNTIL:
        return Mix(reading=1.0, closed=0.0, passages=(3, 2), refusals=0.0)
    if seen < SHORT_UNTIL:
        return Mix(reading=0.58, closed=0.14, passages=(2, 2, 2, 1, 1), refusals=0.05)
    ramp = (seen - REFUSALS_FROM) / (REFUSALS_TO - REFUSALS_FROM)
    refusals = 0.05 + 0.11 * min(max(ramp, 0.0), 1.0)
    passages = (1, 1, 2, 1.5, 4, 0.3, 0.2, 0.1)
    if seen < DECISIONS_FROM:
        reading, closed = (0.54, 0.14) if seen < FACTS_FROM else (0.50, 0.20)
        return Mix(reading, closed, passages, refusals)
    if seen < SECOND_END:
        noise = 0.0 if seen < NOISE_FROM else 0.6
        return Mix(0.56, 0.10, passages, refusals, decisions=2.0, twins=0.5, noise=noise)
    longer = (1, 1, 2.5, 1.5, 4, 0.5, 0.3, 0.2)
    if seen < THIRD_END:
        return Mix(0.60, 0.11, longer, 0.18, decisions=2.5, noise=0.45, twins=0.65)
    return Mix(0.74, 0.10, longer, 0.32, decisions=2.5, noise=0.45, twins=0.65, drills=0.45, whole=0.6)


def rate_at(seen: float, step: int, peak: float) -> float:
    """Return the learning rate: a short warm-up, half the peak during recall, then four falls."""
    level = peak * (0.5 if seen < RECALL_UNTIL else 1.0)
    if seen < FIRST_END:
        fall = min(1.0, (FIRST_END - seen) / (FIRST_END - FALL_FROM))
    elif seen < SECOND_END:
        fall = SECOND_PEAK * (SECOND_END - seen) / (SECOND_END - FIRST_END)
    elif seen < THIRD_END:
        fall = THIRD_PEAK * min(1.0, (THIRD_END - seen) / (THIRD_END - THIRD_FALL_FROM))
    else:
        fall = FOURTH_PEAK * (TOKENS / 1e6 - seen) / (TOKENS / 1e6 - THIRD_END)
    return level * min(1.0, (step + 1) / 60) * max(fall, 0.02)


class TrainingProcess:
    """A training in one process of several."""

    def __init__(self, plan: Plan, tokenizer: Tokenizer, rank: int = 0, shape: Shape | None = None) -> None:
        self.plan, self.tokenizer, self.rank = plan, tokenizer, rank
        self.model = PocketModel(shape or Shape(vocabulary=tokenizer.get_vocab_size()))
        start_inducing(self.model, plan.seed)
        self.model.to(plan.device)
        self.optimiser = Optimiser(self.model, rank, plan.processes)
        self.tokens = self.step = 0
        self.seconds = 0.0
        self.log: list[str] = []

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.tokens, self.step, self.seconds = state["tokens"], state["step"], state["seconds"]

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "tokens": self.tokens,
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def run(self, until: int) -> float:
        """Train until so many tokens were seen; return the mean loss of the last 25 steps."""
        plan = self.plan
        sampler = Sampler(hash((plan.seed, self.rank, self.tokens)))
        coin = random.Random(plan.seed)
        window: list[float] = []
        counts = torch.zeros(len(TOPICS), 2)
        begun, saved, first = time.monotonic(), time.monotonic(), self.tokens
        while self.tokens < until:
            seen_millions = self.tokens / plan.tokens * TOKENS / 1e6
            rows: list[PackedTree] = []
            length = 0
            while length < plan.step_tokens / plan.processes:
                rows.append(encode(sampler.row(mix_at(seen_millions)), self.tokenizer, coin))
                length += len(rows[-1].tokens)
            loss, seen = self._gradients(rows)
            self.optimiser.step(rate_at(seen_millions, self.step, plan.rate))
            self.tokens += self._total(length)
            self.step += 1
            counts += seen
            window = [*window[-24:], loss]
            if self.step % 25 == 0 and self.rank == 0:
                speed = (self.tokens - first) / (time.monotonic() - begun)
                self._report(sum(window) / len(window), counts, speed)
                counts = torch.zeros(len(TOPICS), 2)
            if self.rank == 0 and time.monotonic() - saved > plan.save_every:
                self.seconds += time.monotonic() - saved
                saved = time.monotonic()
                self.save(plan.out / "checkpoint.pt")
        self.seconds += time.monotonic() - saved
        return sum(window) / max(len(window), 1)

    def _gradients(self, rows: Sequence[PackedTree]) -> tuple[float, Tensor]:
        plan = self.plan
        batch = make_batch(list(rows), torch.bfloat16 if plan.bf16 else torch.float32, plan.device)
        with torch.autocast(plan.device, torch.bfloat16, enabled=plan.bf16):
            loss, counts = self.model.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach()), counts.cpu()

    def _total(self, length: int) -> int:
        if self.plan.processes == 1:
            return length
        total = torch.tensor([length])
        distributed.all_reduce(total)
        return int(total)

    def _report(self, loss: float, counts: Tensor, speed: float) -> None:
        right = [f"{name} {100 * float(r / n):.0f}" for name, (r, n) in zip(TOPICS, counts, strict=True) if n > 0]
        line = f"{self.tokens / 1e6:.2f}M {loss:.3f} {speed:.0f}/s | {', '.join(right)}"
        with (self.plan.out / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {line}\n")


def train(plan: Plan) -> None:
    """Train, going on from the folder's checkpoint if there is one, and export to ``out/export``."""
    plan.out.mkdir(parents=True, exist_ok=True)
    path = plan.out / "tokenizer.json"
    if not path.exists():
        train_tokenizer(plan.seed).save(str(path))
    if plan.processes == 1:
        _train_rank(0, plan, "")
        return
    meeting = plan.out / f"meeting-{time.time_ns()}"
    spawn(_train_rank, (plan, meeting.as_uri()), nprocs=plan.processes)  # type: ignore[no-untyped-call]


def _train_rank(rank: int, plan: Plan, meeting: str) -> None:
    torch.set_num_threads(plan.threads)
    if plan.processes > 1:
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=plan.processes)
    tokenizer = Tokenizer.from_file(str(plan.out / "tokenizer.json"))
    training = TrainingProcess(plan, tokenizer, rank)
    if (plan.out / "checkpoint.pt").exists():
        training.restore(plan.out / "checkpoint.pt")
    training.run(plan.tokens)
    if rank == 0:
        training.save(plan.out / "checkpoint.pt")
        export(training.model.cpu(), tokenizer, plan.out / "export")
    if plan.processes > 1:
        distributed.destroy_process_group()


def export_checkpoint(out: Path, folder: Path) -> int:
    """Write the model of a training's last checkpoint for transformers; return its tokens."""
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    model = PocketModel(Shape(vocabulary=tokenizer.get_vocab_size()))
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    export(model, tokenizer, folder)
    return int(state["tokens"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Train or export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("step", choices=["train", "export"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args(arguments)
    if given.step == "export":
        export_checkpoint(given.out, given.out / "export")
        return
    plan = Plan(
        given.out,
        given.tokens,
        seed=given.seed,
        processes=given.processes,
        threads=given.threads,
        device=given.device,
    )
    train(plan)


if __name__ == "__main__":
    main()
