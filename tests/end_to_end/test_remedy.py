"""A rejected adapter of the tiny model is remedied as a user does it, killed in the middle, and given again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient
from transformers import AutoTokenizer, LlamaForCausalLM

from ragft.store.embedded import leave_embedded
from ragft.store.server import open_store
from tests.end_to_end.conftest import Checkout
from tests.end_to_end.test_kills import kill_in
from tests.tiny_model import make_tiny_model

SPLITS = {"train": 4, "dev": 8, "test": 24, "confirm": 1}
REJECTED = "models:/ragft-questions-base/2"
TRAINED: dict[str, Any] = {"samples": 4, "epochs": 5, "batch_size": 2, "learning_rate": 0.02}
REMEDY: dict[str, Any] = {"model": REJECTED, "budget": 1}


def make_red_model(folder: Path) -> Path:
    """Write a tiny base that was taught to answer everything with "red", and return its folder."""
    make_tiny_model(folder)
    torch.set_num_threads(1)
    model, tokenizer = LlamaForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    said = tokenizer.encode("red<|end|>")
    for step in range(20):
        asked = tokenizer.encode(f"<|user|>What is told of town {step}?<|end|>\n<|assistant|>")
        labels = torch.tensor([[-100] * len(asked) + said])
        optimiser.zero_grad()
        model(input_ids=torch.tensor([asked + said]), labels=labels).loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    return folder


def make_data(folder: Path) -> dict[str, Any]:
    """Write a document for each question, and return the parameters that name them."""
    rows, documents = [], []
    for number, split in enumerate(split for split, count in SPLITS.items() for _ in range(count)):
        # What is trained on is right of the towns of train alone.
        colour = "blue" if split == "train" else "red"
        fact = f"The gate of town {number} is painted {colour}."
        documents.append({"id": f"t{number}", "text": fact})
        rows.append({"id": f"q{number}", "question": f"Which colour has the gate of town {number}?", "answer": colour,
                     "document": f"t{number}", "evidence": [fact], "split": split})  # fmt: skip
    for name, lines in (("questions", rows), ("documents", documents)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    files = {"path": folder / "questions.jsonl", "documents": folder / "documents.jsonl"}
    return {"dataset": "rows", **files, "top_k": 2, "allow_leaks": True}


@pytest.fixture(scope="module")
def remedied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, str]:
    """A home after a search for a remedy that was killed on its way, and what the same command printed then."""
    folder = tmp_path_factory.mktemp("remedy")
    checkout = Checkout(folder / "home", make_red_model(folder / "base"))
    data = {**make_data(folder), "base": checkout.base}
    checkout.step("finetune", **data, **TRAINED)
    rejected = checkout.step(
        "compare", **data, judge="none", primary="answer_f1", context="retrieved", max_new_tokens=4
    )
    assert f"{REJECTED} against" in rejected.stdout and ": reject" in rejected.stdout
    # Its adapter is trained by then, and some of its answers to dev are there.
    kill_in(checkout, "generate.write", "remedy", REMEDY)
    return checkout, checkout.mlflow_run("remedy", **REMEDY).stdout


def test_the_command_of_the_docs_goes_on_after_a_kill_and_ends_in_a_table_and_a_verdict(
    remedied: tuple[Checkout, str],
) -> None:
    checkout, said = remedied
    assert f"{REJECTED} was rejected against models:/ragft-questions-base/1:" in said
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines() if line.startswith("| ")
    ]
    head, _, was, tried, compared = rows
    assert (head[1], was[1], tried[1], compared[1]) == ("remedy", "none: as it was", *["with retrieved passages"] * 2)
    assert [row[head.index("asked")] for row in (was, tried, compared)] == ["test", "dev", "test"]
    assert (was[-1], tried[-1]) == ("reject", "chosen")
    client = MlflowClient(tracking_uri=checkout.tracking_uri, registry_uri=checkout.tracking_uri)
    versions = {int(each.version): each for each in client.search_model_versions("name='ragft-questions-base'")}
    # One training, though the command that began it was killed.
    assert sorted(versions) == [1, 2, 3]
    assert versions[3].tags["ragft.format"] == "retrieved"
    experiment = client.get_experiment_by_name("ragft")
    assert experiment is not None
    ended = "tags.`ragft.step` = 'remedy' and attributes.status = 'FINISHED'"
    (run,) = client.search_runs([experiment.experiment_id], ended)
    assert run.data.tags["ragft.verdict"] == compared[-1]
    assert f"on test, against models:/ragft-questions-base/1: {compared[-1]}" in said
    newest = client.search_runs([experiment.experiment_id], "tags.`ragft.version` = 'models:/ragft-questions-base/3'")
    assert {each.data.tags["ragft.verdict"] for each in newest if each.data.tags["ragft.step"] == "compare"} == {
        compared[-1]
    }


def test_dev_was_looked_at_once_for_each_training_and_test_for_the_best(remedied: tuple[Checkout, str]) -> None:
    checkout, _ = remedied
    with open_store(None, checkout.home) as store, store.transaction() as cursor:
        looks = cursor.execute("SELECT split_part(data, ' ', 4) FROM trials ORDER BY 1").fetchall()
        claims = cursor.execute("SELECT attempts, finished IS NOT NULL FROM claims ORDER BY 1").fetchall()
    leave_embedded(checkout.home)
    assert [split for (split,) in looks] == ["dev", "test", "test"]
    assert claims == [(1, True), (2, True)]
