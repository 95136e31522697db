"""From a params dataclass to a click command, and from an error to its exit code."""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, TypeVar

import click

from ragft.errors import RagftError
from ragft.masking import print_masked
from ragft.params.base import Params
from ragft.stopping import Stopped, stopped_by_signals

P = TypeVar("P", bound=Params)
Failed = Callable[[str, Mapping[str, Any]], None]


class Number(click.ParamType[int | float]):
    """A number whose error names the way out; click's own float silently takes ``nan``."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = kind.__name__

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:  # noqa: ANN401
        """Return the number, or fail naming what was given."""
        try:
            return self.kind(value)
        except ValueError:
            self.fail(f"{value!r} is not {'a whole number' if self.kind is int else 'a number'}", param, ctx)


TYPES: dict[type, click.ParamType[Any]] = {str: click.STRING, int: Number(int), float: Number(float), bool: click.BOOL}


# Heading of the help -> the parameters under it, in the order they are shown. A step shows those it has.
GROUPS: dict[str, tuple[str, ...]] = {
    "study": ("preset", "executor", "gpus_per_cell", "dry_run", "export", "price_input", "price_output"),
    "tune": ("trials", "space", "objective", "sampler_seed"),
    "remedy": ("budget",),
    "data": (
        "dataset", "path", "name", "documents", "check", "data_seed", "split", "questions", "chunk_chars", "embedder",
        "collection", "allow_leaks",
    ),
    "retrieval": (
        "top_k", "retriever", "reranker", "language", "index", "min_recall", "retrieved", "export_retrieved",
    ),
    "model": (
        "base", "revision", "dtype", "model", "against", "model_url", "served_model", "quantization", "continue_from",
    ),
    "training": (
        "samples", "method", "format", "epochs", "batch_size", "gradient_accumulation_steps", "batch_tokens",
        "processes", "shard", "learning_rate",
        "lora_rank", "lora_alpha", "lora_dropout", "target_modules", "max_length", "raft_without_golden",
        "withheld_share", "unanswerable_share", "dev_questions", "seed", "seeds", "allow_low_hit_rate", "unknown_share",
        "general",
    ),
    "probe": (),
    "answers": ("answers", "context", "prompt", "max_new_tokens", "context_window"),
    "judge": (
        "judge", "judge_url", "criteria", "estimator", "repeats", "judge_max_new_tokens", "top_logprobs", "agreement",
        "traces",
    ),
    "verifier": ("verify", "verifier", "verifier_url", "max_false_answers", "confidence"),
    "people": (
        "budget", "asked_twice", "ratings", "estimators", "sheet", "rows", "human_columns", "score_column",
        "question_column", "answer_column", "reference_column", "passages_column", "group_column",
    ),
    "verdict": ("primary", "margin", "guards", "advisory", "uniform_labels", "force", "to", "reason", "on_reject"),
    "servers": ("engine", "engine_url", "engine_folder", "concurrency", "timeout_s", "deadline_s"),
}  # fmt: skip
_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


class StepCommand(click.Command):
    """A command whose help shows its options under headings; it reports failures with the parameters as given."""

    groups: dict[str, str]
    failed: Failed

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's own
    ) -> click.Context:
        """Return the context of the call; a call that cannot be parsed counts as failed too."""
        words = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError:
            self.failed(str(self.name), {underscored(word).lstrip("_"): value for word, value in pairwise(words)})
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each group that has options; options without a group come last."""
        sections: dict[str, list[tuple[str, str]]] = {group: [] for group in (*GROUPS, "")}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None:
                sections[self.groups.get(str(option.name), "")].append(record)
        for group, records in sections.items():
            if records:
                with formatter.section(group.capitalize() or "Other"):
                    formatter.write_dl(records)


def underscored(token: str) -> str:
    """Return an option under its parameter's name, even if it is written with hyphens."""
    return token.replace("-", "_")


def step_command(
    name: str, params_type: type[P], main: Callable[[P], None], failed: Failed = lambda _, __: None
) -> click.Command:
    """Return the command of a step: it has an option for each field and calls ``main`` with the checked parameters.

    ``failed`` is told of every error that a user can fix: the step, and the parameters as they were given.

    A `RagftError` is printed without a traceback and ends the process with its exit code, and so does a
    signal to end; anything else keeps its traceback.
    """

    def run(**values: Any) -> None:  # noqa: ANN401
        sys.excepthook = print_masked
        try:
            with stopped_by_signals():
                main(params_type(**values))
        except RagftError as error:
            click.echo(f"ragft {name}: {error}", err=True)
            failed(name, values)
            sys.exit(error.exit_code)
        except Stopped as stopped:
            click.echo(f"ragft {name}: {stopped}; what was finished stays, the same command goes on", err=True)
            sys.exit(stopped.exit_code)

    options: list[click.Parameter] = []
    for spec in dataclasses.fields(params_type):
        kind = TYPES[type(spec.default)]
        choices = spec.metadata["choices"]
        options.append(
            click.Option(
                [f"--{spec.name}", spec.name],
                type=kind,
                default=spec.default,
                show_default=True,
                metavar="|".join(choices) if choices else None,
                help=spec.metadata["help"],
            )
        )
    command = StepCommand(
        name,
        params=options,
        callback=run,
        help=params_type.__doc__,
        epilog="Hyphens do as well as underscores.",
        context_settings={"token_normalize_func": underscored},
    )
    fields = dataclasses.fields(params_type)
    command.failed = failed
    command.groups = {spec.name: spec.metadata["group"] or _GROUP_OF.get(spec.name, "") for spec in fields}
    return command
