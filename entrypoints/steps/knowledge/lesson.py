"""What an adapter is trained on: which questions, what they show beside them, and in whose words it abstains."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mlflow

from entrypoints.steps.knowledge import unknown_share
from entrypoints.steps.knowledge.own_words import in_own_words
from entrypoints.steps.knowledge.unknown_share import Dosed
from entrypoints.steps.shared.preparation import has_documents
from entrypoints.steps.shared.prepared import Prepared
from entrypoints.steps.shared.retrieved import RetrievedSplit, retrieve
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.data.splits import balanced_subset, subset_with_share
from ragft.errors import ConfigError, DataError
from ragft.models.loading import LoadedModel
from ragft.params.training import FinetuneParams
from ragft.store.datasets import Preparation
from ragft.training.formats import Format, TrainingExample, Withheld, build_examples
from ragft.types import Question, Split

# Below this many questions on either side a share of hits says too little to stop for.
LEAST_QUESTIONS_TO_COMPARE_HITS = 30


@dataclass(frozen=True)
class Lesson:
    """What is trained on.

    Attributes:
        dev: Examples whose loss is measured.
        dose: The samples by what the base knew of them, where a share of the unknown was asked for.
    """

    examples: Sequence[TrainingExample]
    dev: Sequence[TrainingExample]
    dose: Dosed | None


def plan(prepared: Prepared[FinetuneParams], workspace: Workspace) -> Lesson:
    """Return what is trained on: a dose of the unknown where one is asked for, else a nested subset."""
    params, preparation = prepared.params, prepared.preparation
    dose = unknown_share.choose(params, preparation, workspace) if params.unknown_share >= 0 else None
    chosen = dose.samples if dose else chosen_of(preparation.splits["train"], params)
    tracking.log_data(preparation.name, preparation.dataset, "train", chosen)
    examples, dev = _examples(params, preparation, chosen, workspace)
    return Lesson(examples, dev, dose)


def chosen_of(train_side: Sequence[Question], params: FinetuneParams) -> tuple[Question, ...]:
    """Return the samples among the questions of train.

    Raises:
        ConfigError: If there are not so many of either sort.
    """
    return subset_with_share(train_side, params.samples, params.unanswerable_share, params.seed)


def in_the_words_of(base: LoadedModel, lesson: Lesson, workspace: Workspace) -> Lesson:
    """Return what is trained on, with what teaches to abstain in the base's own words."""
    examples, dev = (in_own_words(each, base, workspace) for each in (lesson.examples, lesson.dev))
    if examples.taught:
        mlflow.log_metrics({"taught_to_abstain": examples.taught, "taught_in_own_words": examples.own})
        workspace.say(
            f"{examples.taught} of {len(examples.examples)} examples teach to abstain, {examples.own} of them in the "
            "base's own words"
        )
    return dataclasses.replace(lesson, examples=examples.examples, dev=dev.examples)


def _examples(
    params: FinetuneParams, preparation: Preparation, chosen: Sequence[Question], workspace: Workspace
) -> tuple[list[TrainingExample], list[TrainingExample]]:
    """Return training and dev examples; the dev questions are asked in the training format."""
    form: Format = params.format  # type: ignore[assignment]  # checked by the params
    dev = preparation.splits["dev"]
    dev = balanced_subset(dev, params.dev_questions) if 0 < params.dev_questions < len(dev) else dev
    if form == "closed_book":
        return build_examples(chosen, form), build_examples(dev, form)
    if not (has_documents(preparation) or params.retrieved.strip()):
        raise ConfigError(
            f"format is {form}, but {preparation.name} has no documents to show passages of: use format=closed_book, "
            "or give passages with retrieved=..."
        )
    found = _retrieve(params, preparation, {"train": chosen, "dev": dev, "test": preparation.splits["test"]}, workspace)
    _check_hit_rates(params, found["train"], found["test"], workspace)
    made = [
        build_examples(
            found[split].questions,
            form,
            retrieved=found[split].retrieved,
            golden=found[split].gold,
            withheld=Withheld(found[split].withheld, params.withheld_share),
            without_golden=params.raft_without_golden,
            seed=params.seed,
        )
        for split in ("train", "dev")
    ]
    return made[0], made[1]


def _retrieve(
    params: FinetuneParams,
    preparation: Preparation,
    questions: Mapping[str, Sequence[Question]],
    workspace: Workspace,
) -> dict[str, RetrievedSplit]:
    found: dict[str, RetrievedSplit] = {}
    for split, asked in questions.items():
        place: Split = split  # type: ignore[assignment]
        taught = bool(params.withheld_share) and split != "test"
        found[split] = retrieve(params, preparation, place, asked, workspace, withheld=taught)
    return found


def _check_hit_rates(
    params: FinetuneParams, train_side: RetrievedSplit, test_side: RetrievedSplit, workspace: Workspace
) -> None:
    """Log hit@k of both sides and stop where training would see far fewer answers than the evaluation.

    A model that is trained on passages without the answer learns to ignore passages, and the evaluation
    would then rightly find that fine-tuning does harm.
    """
    k = params.top_k
    rates = {}
    for side, found in {"train": train_side, "test": test_side}.items():
        hits = [value for value in found.row_metrics(k)[f"hit_at_{k}"].values() if value is not None]
        if hits:
            rates[side] = (sum(hits) / len(hits), len(hits))
            mlflow.log_metrics({f"{side}_hit_at_{k}": rates[side][0], f"{side}_hit_at_{k}_n": len(hits)})
    if len(rates) < 2 or min(n for _, n in rates.values()) < LEAST_QUESTIONS_TO_COMPARE_HITS:
        return
    (train_rate, train_n), (test_rate, test_n) = rates["train"], rates["test"]
    if train_rate >= test_rate / 2:
        return
    message = (
        f"hit@{k} is {train_rate:.2f} on train ({train_n} questions) and {test_rate:.2f} on test ({test_n}): training "
        f"would teach the model to ignore its passages"
    )
    if not params.allow_low_hit_rate:
        raise DataError(f"{message}; use -P collection=all, a larger top_k, or -P allow_low_hit_rate=True to go on")
    workspace.alert(f"warning: {message}")
    mlflow.set_tag("ragft.allowed_low_hit_rate", message)
