"""How passages are found, as parameters say it: checked before work begins, and what is to be known of it said."""

from collections.abc import Mapping, Sequence

import mlflow

from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError
from ragft.lists import first_of
from ragft.params.data import DataParams, PreparationParams
from ragft.params.values import NO_RERANKER
from ragft.retrieval.opening import open_reranker
from ragft.retrieval.retriever import Retriever, check_language
from ragft.types import IndexKind, Passage, Question, RetrieverKind, Search, canonical_json

# Below, exact search of all vectors takes well under a second, and an index can only lose passages.
MANY_PASSAGES = 1_000_000
# Questions on which an index is held against exact search, at every use: so many exact searches of a million passages
# take about a minute, and what they found is frozen.
RECALL_QUESTIONS = 50
SEARCHED = "ragft.search"


def search_of(params: DataParams) -> Search:
    """Return how the parameters have passages found; the language stands only where words are looked for.

    Raises:
        PrerequisiteError: If the reranker is not here, or cannot be used.
    """
    retriever: RetrieverKind = params.retriever  # type: ignore[assignment]  # checked by the params
    index: IndexKind = params.index  # type: ignore[assignment]
    search = Search(retriever, params.language if retriever != "dense" else Search().language, index)
    if (reranker := params.reranker.strip()) == NO_RERANKER:
        return search
    return Search(search.retriever, search.language, index, reranker, open_reranker(reranker).sha256)


def searched_by(search: Search) -> dict[str, str]:
    """Return the tag of a run by which its search is told from others; none for an exact search by vectors alone."""
    return {SEARCHED: canonical_json(search.made_of)} if search.made_of else {}


def check_search(params: PreparationParams, workspace: Workspace) -> None:
    """See before anything is read or embedded that passages can be found as they should be.

    Raises:
        ConfigError: If the server does not know the language.
        PrerequisiteError: If the reranker is not here, or cannot be used.
    """
    if not isinstance(params, DataParams):
        return
    if search_of(params).retriever != "dense":
        check_language(workspace.store, params.language)


def read_by(retriever: Retriever) -> tuple[int, int]:
    """Return how many pairs of question and passage its reranker has read so far, and how many of them in part."""
    return (retriever.reranker.pairs, retriever.reranker.cut) if retriever.reranker is not None else (0, 0)


def tell_search(
    retriever: Retriever,
    read: tuple[int, int],
    split: str,
    found: Mapping[str, Sequence[Passage]],
    questions: Sequence[Question],
    params: DataParams,
    workspace: Workspace,
) -> None:
    """Say for which questions nothing was found and what a reranker read in part, and hold an index to its recall.

    Raises:
        ConfigError: If an index finds less than is allowed of what exact search finds.
    """
    if alone := [question.id for question in questions if not found[question.id]]:
        workspace.alert(
            f"{len(alone)} of {len(questions)} questions of {split} share no word with any passage, stop words apart, "
            f"and are asked without passages: {first_of(alone)}; retriever hybrid finds some for every question"
        )
    # One reranker serves a whole command; what others asked of it is not of this split.
    pairs, cut = (now - then for now, then in zip(read_by(retriever), read, strict=True))
    if (reranker := retriever.reranker) is not None and pairs:
        _log({"reranker_pairs": pairs, "reranker_cut_pairs": cut})
        workspace.say(
            f"reranked by {retriever.search.reranker}: {pairs:,} passages read, of which {cut:,} did not fit its "
            f"window of {reranker.window} tokens and lost their end"
        )
    if retriever.search.index != "exact":
        _check_recall(retriever, split, [question.text for question in questions], params, workspace)


def _check_recall(
    retriever: Retriever, split: str, questions: Sequence[str], params: DataParams, workspace: Workspace
) -> None:
    if retriever.size <= MANY_PASSAGES:
        workspace.alert(
            f"index is {params.index} for {retriever.size:,} passages: up to {MANY_PASSAGES:,}, exact search is fast, "
            "and misses none"
        )
    sample = questions[:: -(-len(questions) // RECALL_QUESTIONS) or 1]
    recall = retriever.recall(sample, params.top_k)
    _log({f"retrieval_index_recall_{split}": recall})
    said = f"the index finds {recall:.1%} of what exact search finds, on {len(sample)} questions of {split}"
    if recall < params.min_recall:
        raise ConfigError(
            f"{said}, and min_recall is {params.min_recall}: use -P index=exact, or allow it with a smaller min_recall"
        )
    workspace.say(said)


def _log(metrics: Mapping[str, float]) -> None:
    # Outside of a run, MLflow would begin one.
    if mlflow.active_run() is not None:
        mlflow.log_metrics(dict(metrics))
