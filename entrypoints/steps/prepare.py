"""Prepare: load, split, cut into passages, embed; the store then holds all that later steps need."""

from collections.abc import Iterator
from pathlib import Path

from entrypoints.steps.shared.preparation import has_documents, prepare
from entrypoints.steps.shared.retrieved import retrieve
from entrypoints.steps.shared.sources import with_top_k
from entrypoints.steps.shared.workspace import Workspace
from ragft.data.division import out_of_reach, table
from ragft.data.retrieved_rows import Ranking, as_row
from ragft.errors import ConfigError
from ragft.params.data import PrepareParams
from ragft.retrieval.opening import open_retriever
from ragft.store.datasets import Preparation
from ragft.types import Split, canonical_json


def run(params: PrepareParams, workspace: Workspace) -> Preparation:
    """Return the preparation of the data, made where it is missing, and write what is retrieved where that is asked.

    Raises:
        ConfigError: If what is retrieved should be written and there are no documents, or no file can be made there.
        DataError: If the files cannot be read, naming every bad record.
        PrerequisiteError: If no path is given and nothing of that name was prepared before.
    """
    preparation = prepare(params, workspace)
    splits = preparation.splits
    for line in [*table(splits), *out_of_reach(splits["test"], with_documents=has_documents(preparation))]:
        workspace.say(line)
    if params.export_retrieved.strip():
        _export(with_top_k(params), preparation, workspace)
    return preparation


def _export(params: PrepareParams, preparation: Preparation, workspace: Workspace) -> None:
    """Write the passages of every question, as ``retrieved`` of the other steps reads them."""
    if not has_documents(preparation):
        raise ConfigError(
            f"export_retrieved is {params.export_retrieved!r}, but {preparation.name} has no documents to retrieve from"
        )
    path = Path(params.export_retrieved.strip())
    asked = [split for split, questions in preparation.splits.items() if questions]
    lines = [line for split in asked for line in _lines(params, preparation, split, workspace)]
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise ConfigError(f"export_retrieved is {str(path)!r}, which cannot be written: {error.strerror}") from error
    workspace.say(f"wrote the passages of {len(lines)} questions to {path}: -P retrieved={path} reads them")


def _lines(params: PrepareParams, preparation: Preparation, split: Split, workspace: Workspace) -> Iterator[str]:
    found = retrieve(params, preparation, split, preparation.splits[split], workspace, withheld=True)
    retriever = open_retriever(workspace.store, params.embedder, found.collection, found.search)
    scored = retriever.scores([question.text for question in found.questions], params.top_k)
    for question, scores in zip(found.questions, scored, strict=True):
        shown, gold = (tuple(each[question.id]) for each in (found.retrieved, found.gold))
        withheld = tuple(found.withheld.get(question.id, ()))
        yield canonical_json(as_row(question, Ranking(shown, gold, withheld), scores))
