"""Checks a user's data at once: what is read as what, what is wrong, what retrieval will see. Nothing is kept."""

from collections.abc import Callable
from pathlib import Path

from entrypoints.steps.shared.sources import GENERATORS
from ragft.data import documents, rows
from ragft.data.collector import Loaded
from ragft.data.columns import Roles, column_lines
from ragft.data.division import Splits, divide, out_of_reach, own_documents, table
from ragft.data.files import ROW_SUFFIXES, find_files
from ragft.data.load import load_with_account
from ragft.data.overview import evidence_lines, question_lines
from ragft.errors import ConfigError
from ragft.params.data import PrepareParams
from ragft.params.values import USUAL_CHUNK_CHARS, USUAL_TOP_K
from ragft.retrieval.sizes import sizes_of


def run(params: PrepareParams, say: Callable[[str], None]) -> Loaded:
    """Say what the data are, and return them.

    Raises:
        ConfigError: If data that are not generated have no path.
        DataError: If the files cannot be read, naming every bad record; their columns were said before. If their
            questions cannot be divided into splits; what else there is to say was said before.
    """
    if not params.path and params.dataset not in GENERATORS:
        raise ConfigError(f"check looks at files: give the file or folder of {params.dataset} with -P path=...")
    if params.dataset == rows.NAME:
        _say_columns(params.path, rows.ROLES, say)
        _say_columns(params.documents, documents.ROLES, say)
    loaded = load_with_account(
        params.dataset, params.path, params.documents, seed=params.data_seed, generators=GENERATORS
    )
    for line in [*loaded.lines(), *question_lines(loaded.dataset)]:
        say(line)
    # What is known without splits is said before they may turn out to be impossible.
    for line in _document_lines(loaded, params):
        say(line)
    splits, _ = divide(loaded.dataset, params.data_seed)
    for line in [*table(splits), *_reach_lines(loaded, splits, params)]:
        say(line)
    say("checked; nothing was prepared")
    return loaded


def _say_columns(path: str, roles: Roles, say: Callable[[str], None]) -> None:
    place = Path(path)
    if not path or (place.is_dir() and not any(file.name.lower().endswith(ROW_SUFFIXES) for file in place.rglob("*"))):
        return
    for file in find_files(place, ROW_SUFFIXES) if place.is_dir() or path.lower().endswith(ROW_SUFFIXES) else []:
        for line in column_lines(file, roles):
            say(line)


def _document_lines(loaded: Loaded, params: PrepareParams) -> list[str]:
    found = loaded.dataset.documents
    if not found:
        naming = sum(bool(question.documents) for question in loaded.dataset.questions)
        if naming:
            return [
                f"{naming} questions name documents, but none were given: -P documents=folder/ (without, they are "
                "asked in the context none only)"
            ]
        return ["no documents: the questions can be asked in the context none only"]
    chunk_chars = params.chunk_chars or USUAL_CHUNK_CHARS.of(params.dataset)
    sizes = sizes_of(found, chunk_chars)
    largest = ", ".join(f"{identifier} ({size:,})" for size, identifier in sizes.largest)
    return [
        f"{sizes.documents} documents of {sizes.characters:,} characters, {sizes.passages:,} passages of at most "
        f"{chunk_chars} characters ({sizes.passages / sizes.documents:.1f} a document); the largest: {largest}",
        *evidence_lines(loaded.dataset.questions, found),
        *sizes.warnings(),
    ]


def _reach_lines(loaded: Loaded, splits: Splits, params: PrepareParams) -> list[str]:
    """Return what retrieval chooses from for a question of test, and what test is too small to show."""
    found = loaded.dataset.documents
    reach = out_of_reach(splits["test"], with_documents=bool(found))
    if not found:
        return reach
    own = own_documents(splits, params.collection)["test"]
    chosen = (document for document in found if own is None or document.id in own)
    sizes = sizes_of(chosen, params.chunk_chars or USUAL_CHUNK_CHARS.of(params.dataset))
    top_k = params.top_k or USUAL_TOP_K.of(params.dataset)
    among = f"all {sizes.passages:,} passages"
    if own is not None:
        among = f"the {sizes.passages:,} passages of that split's {sizes.documents:,} documents"
    return [
        f"a question of test is shown {min(top_k, sizes.passages)} of {among}"
        + ("" if own is None else "; -P collection=all chooses from all documents"),
        *reach,
    ]
