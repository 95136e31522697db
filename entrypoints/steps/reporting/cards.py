"""Model cards: what the runs know of a version, written to it and to the active run."""

from collections.abc import Mapping

import mlflow
from mlflow import MlflowClient

from entrypoints.steps.knowledge import forgetting
from entrypoints.steps.shared import judges
from entrypoints.steps.shared.weights import open_registry
from ragft.params.scoring import ScoringParams
from registry import card
from registry.card import Training, Verdict
from registry.promotion import RUN
from registry.versions import Version

SETTINGS = (
    "samples", "format", "method", "epochs", "batch_size", "gradient_accumulation_steps", "learning_rate", "lora_rank",
    "lora_alpha", "lora_dropout", "target_modules", "max_length", "raft_without_golden", "collection", "top_k",
    "retriever", "reranker",
)  # fmt: skip
MEASURED = ("train_loss", "dev_loss", "trainable_parameters", "tokens_per_second", "peak_memory_bytes")


def training_of(version: Version) -> Training | None:
    """Return how an adapter was trained; None for a base, or where the run was deleted."""
    if version.lineage.kind == "base":
        return None
    client = MlflowClient()
    listed = [file.path for file in client.list_artifacts(version.run_id)]
    if "params.json" not in listed:
        return None
    params = mlflow.artifacts.load_dict(f"runs:/{version.run_id}/params.json")
    metrics = client.get_run(version.run_id).data.metrics
    return Training(
        run_id=version.run_id,
        settings={name: str(params[name]) for name in SETTINGS if name in params},
        measured={name: metrics[name] for name in (*MEASURED, *sorted(metrics)) if is_measured(name, metrics)},
    )


def is_measured(name: str, metrics: Mapping[str, float]) -> bool:
    """Return whether a card shows a metric of the training run: its cost, or what the adapter forgot."""
    return name in metrics and (name in MEASURED or name.startswith(forgetting.PREFIX))


def describe(version: Version) -> None:
    """Write the first card of a version, when only its training is known."""
    training = training_of(version)
    mlflow.log_text(card.card(version, training), card.FILE)
    open_registry().describe(version, card.description(version, training))


def log(version: Version, verdict: Verdict) -> str:
    """Log the completed card to the active run; return the text for the version's description."""
    training = training_of(version)
    mlflow.log_text(card.card(version, training, verdict), card.FILE)
    return card.description(version, training, verdict)


def log_as_described(version: Version) -> None:
    """Log the present description of a version to the active run, as its card."""
    found = MlflowClient().get_model_version(version.name, str(version.number))
    mlflow.log_text(found.description or "", card.FILE)


def is_decided(version: Version) -> bool:
    """Return whether a decision is recorded, which a mere comparison does not overwrite."""
    return RUN in MlflowClient().get_model_version(version.name, str(version.number)).tags


def judge_name(params: ScoringParams, version: Version) -> str:
    """Return which model scored a version beside its base."""
    return judges.judge_name(params, version.lineage.base)
