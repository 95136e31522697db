"""Answers as MLflow traces: what they add to the evaluation, and what MLflow's own way of writing them takes.

The pocket model answers and judges telecom's questions with its passages. Then the same evaluation is written three
times: as traces by ragft; again, as a second run of the same command does; and by MLflow's functions for people,
`start_span_no_context`, `log_feedback` and `log_expectation`, one call each. Printed is CPU time, which other processes
on the machine hardly change, and wall time. All is done in one process, on sqlite.

    python -m benchmarks.traces [--questions 100] [--estimator sampled]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from entrypoints.environment import opened_workspace, prepare_environment


@dataclass(frozen=True)
class Took:
    """Seconds of this process, and on the clock."""

    cpu: float
    wall: float

    def of(self, other: "Took") -> str:
        """Return it as a share of another."""
        return f"{self.cpu / other.cpu:.1%} of its CPU time, {self.wall / other.wall:.1%} of its wall time"

    def each(self, number: int) -> str:
        """Return it for one of ``number`` answers."""
        return f"{1000 * self.cpu / number:.1f} ms CPU, {1000 * self.wall / number:.1f} ms wall an answer"


def timed(work: Callable[[], object]) -> Took:
    """Return how long some work takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Took(time.process_time() - cpu, time.perf_counter() - wall)


def by_hand(evaluation: "Evaluation") -> None:  # type: ignore[name-defined]  # noqa: F821 - MLflow is loaded later
    """Write the same spans and assessments with the functions that MLflow's documentation shows."""
    import mlflow
    from mlflow.entities import AssessmentSource

    judge = AssessmentSource("LLM_JUDGE", "pocket")
    for place, row in enumerate(evaluation.rows):
        root = mlflow.start_span_no_context("answer", inputs={"question": row.question})
        for name, outputs in (("retrieve", list(row.passages)), ("generate", row.answer), ("judge", row.outcome)):
            span = mlflow.start_span_no_context(name, parent_span=root, inputs={"question": row.question})
            span.end(outputs=outputs)
        root.end(outputs=row.answer)
        for name, scores in evaluation.scores.items():
            score = scores[place]
            mlflow.log_feedback(
                trace_id=root.trace_id, name=name, value=score.value, rationale=score.reason, source=judge
            )
        mlflow.log_feedback(trace_id=root.trace_id, name="outcome", value=row.outcome or "")
        mlflow.log_expectation(trace_id=root.trace_id, name="expected_response", value="\nor: ".join(row.references))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--estimator", default="sampled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "RAGFT_HOME": f"{folder}/home",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
        }
        prepare_environment()
        import mlflow

        from entrypoints.steps import evaluate
        from entrypoints.steps.shared import traces
        from ragft.params.scoring import EvaluateParams
        from ragft.params.values import NO, YES

        params = EvaluateParams(
            questions=options.questions, context="retrieved", estimator=options.estimator, traces=NO
        )
        written = EvaluateParams(**{**params.as_dict(), "traces": YES})
        with opened_workspace() as workspace:
            evaluate.run(EvaluateParams(**{**params.as_dict(), "questions": 5}), workspace)  # prepares, loads
            found = []
            without = timed(lambda: found.extend(evaluate.run(params, workspace)))
            before = Path(f"{folder}/mlflow.db").stat().st_size
            first = timed(lambda: traces.write(found[0], written, workspace))
            kept = Path(f"{folder}/mlflow.db").stat().st_size - before
            again = timed(lambda: traces.write(found[0], written, workspace))
            mlflow.set_experiment("by hand")
            hand = timed(lambda: by_hand(found[0]))
        n = len(found[0].rows)
        print(f"evaluation of {n} answers, {options.estimator}: {without.each(n)}")
        print(f"their traces: {first.each(n)}; {first.of(without)}; {kept / n / 1000:.1f} kB an answer")
        print(f"the same traces in a second run: {again.each(n)}")
        print(f"with MLflow's own functions: {hand.each(n)}; ragft {hand.cpu / first.cpu:.1f}x as fast in CPU time")


if __name__ == "__main__":
    main()
