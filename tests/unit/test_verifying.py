"""What leaves in reply to a question, and when a promise can be claimed."""

import dataclasses
from collections.abc import Sequence

import pytest

from entrypoints.parameter_checks import check
from ragft.analysis.verification.promise import PROMISE, Promise
from ragft.errors import ConfigError, DataError, PrerequisiteError
from ragft.judging.abstention import abstains
from ragft.judging.g_eval import Item, OnProgress
from ragft.params.scoring import VerifyParams
from ragft.params.verdict import CompareParams, PromoteParams
from ragft.served_as import ServedAs
from ragft.verifying import ABSTAINS, NOT_SUPPORTED, checks_of, leaves
from registry.card import card, with_promise
from registry.versions import Lineage, Version

AS = ServedAs("$passages $question", "$question", 128, 0, "retrieved", 3, 400, "c" * 64, "default", "float32", "none")
TOLD = Promise(
    limit=0.1, confidence=0.9, threshold=0.5, verifier="overlap", verifier_url="", verifier_sha256="v", data="telecom",
    data_sha256="d", data_seed=0, asked=200, answers=150, leaving=90, wrong=3, clusters=40, rho=0.2, unknown=1, p=0.01,
    served_as=AS, collection="c" * 64, base_fingerprint="b", adapter_sha256="a",
)  # fmt: skip
TAGS = {PROMISE: TOLD.to_json(), "ragft.base_fingerprint": "b", "ragft.adapter_sha256": "a"}


class Fixed:
    """A verifier whose score is the answer."""

    identity = "v"

    def scores(self, items: Sequence[Item], on_progress: OnProgress | None = None) -> list[float | None]:
        del on_progress
        return [None if item.answer == "odd" else float(item.answer) for item in items]


def test_a_promise_is_read_back_as_it_was_kept() -> None:
    assert Promise.from_json(TOLD.to_json(), source="the tag") == TOLD
    everything = dataclasses.replace(TOLD, threshold=None)
    assert Promise.from_json(everything.to_json(), source="the tag") == everything
    engine = dataclasses.replace(TOLD, engine="vllm 0.32.0 float32")
    assert Promise.from_json(engine.to_json(), source="the tag") == engine
    assert "engine" not in TOLD.to_json()  # it is the one that was kept before there were any
    for text in ("{}", "no JSON", '{"limit": "much"}'):
        with pytest.raises(DataError, match="the tag"):
            Promise.from_json(text, source="the tag")


def test_only_answers_above_the_threshold_leave() -> None:
    checks = checks_of(TAGS, AS, lambda _: Fixed())
    assert checks is not None
    replies = checks.replies([Item("q", text, ()) for text in ("0.51", "0.5", "odd", "I do not know.")])
    assert [reply.answer for reply in replies] == ["0.51", NOT_SUPPORTED, NOT_SUPPORTED, "I do not know."]
    assert [reply.verified for reply in replies] == [True, False, False, False]
    assert replies[0].why.startswith("score 0.51 of the verifier overlap; with 90% confidence at most 10%")
    assert [reply.why for reply in replies[1:]] == [
        "score 0.5 of the verifier overlap, and answers leave above 0.5",
        "the verifier overlap has no score for the answer",
        ABSTAINS,
    ]
    assert abstains(NOT_SUPPORTED)
    assert (leaves(0.0, None), leaves(None, None)) == (True, False)


@pytest.mark.parametrize(
    ("tags", "served", "why"),
    [
        ({}, {"top_k": 5}, "other conditions: top_k 5 (was 3)"),
        ({}, {"prompt": "New: $passages $question"}, "other conditions: prompt "),
        ({"ragft.base_fingerprint": "x"}, {}, "made for another base"),
        ({"ragft.adapter_sha256": ""}, {}, "made for another adapter"),
        ({PROMISE: dataclasses.replace(TOLD, collection="x").to_json()}, {}, "evaluate with -P collection=all"),
        ({PROMISE: dataclasses.replace(TOLD, verifier_sha256="x").to_json()}, {}, "is not the one it was made with"),
        (
            {PROMISE: dataclasses.replace(TOLD, engine="vllm 0.32.0 float32").to_json()},
            {},
            "answers of vllm 0.32.0 float",
        ),
    ],
)
def test_what_is_served_otherwise_claims_nothing_and_is_served(
    tags: dict[str, str], served: dict[str, object], why: str
) -> None:
    checks = checks_of({**TAGS, **tags}, dataclasses.replace(AS, **served), lambda _: Fixed())  # type: ignore[arg-type]
    assert checks is not None
    (reply,) = checks.replies([Item("q", "0.1", ())])
    assert (reply.answer, reply.verified) == ("0.1", False)
    assert why in reply.why


def test_without_a_promise_there_are_no_checks() -> None:
    assert checks_of({"ragft.base_fingerprint": "b"}, AS, lambda _: Fixed()) is None


def test_a_card_says_the_newest_promise_once() -> None:
    text = with_promise("# v, version 2\n\nAn adapter.", TOLD)
    again = with_promise(text, dataclasses.replace(TOLD, limit=0.2))
    assert "at most 10% of the answers" in text
    assert again.count("**Checked before they leave**: ") == 1
    assert "at most 20% of the answers" in again
    assert again.endswith("An adapter.")
    assert "1 of which nobody can tell counted as wrong" in text


def test_a_card_that_is_made_again_says_the_promise() -> None:
    lineage = Lineage(kind="base", base="pocket", base_fingerprint="b", data="telecom", data_sha256="d", data_seed=0)
    version = Version("ragft-telecom-pocket", 1, "", (), lineage, promise=TOLD.to_json())
    assert "**Checked before they leave**: with 90% confidence at most 10%" in card(version)
    assert "the tag ragft.promise cannot be read" in card(dataclasses.replace(version, promise="{}"))
    assert "Checked" not in card(dataclasses.replace(version, promise=""))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"split": "dev"}, "the threshold is chosen on dev"),
        ({"answers": "answers.jsonl"}, "a file does not hold"),
        ({"context": "oracle"}, "add retrieved"),
        ({"verifier": "base", "verifier_url": "http://host/v1"}, "give the name by which that server knows it"),
        ({"verifier": "base", "base": "smollm2", "judge": "none"}, "use verifier=overlap"),
        ({"verifier_url": "http://me:secret@host/v1"}, "holds a password"),
        ({"max_false_answers": 0.0}, "expected at least 0.001"),
        ({"confidence": 1.0}, "expected at most 0.999"),
    ],
)
def test_a_promise_that_cannot_be_made_is_refused_before_any_work(given: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        VerifyParams(verify=True, **given)  # type: ignore[arg-type]


def test_files_are_compared_without_a_promise() -> None:
    with pytest.raises(ConfigError, match="a promise is kept with a version"):
        CompareParams(answers="a.jsonl", against="b.jsonl", verify=True)


@pytest.mark.parametrize("given", [{}, {"collection": "all", "retrieved": "retrieved.jsonl"}])
def test_what_is_promoted_with_its_verifier_is_compared_on_passages_of_all_documents(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="add -P collection=all and leave retrieved out"):
        PromoteParams(verify=True, **given)  # type: ignore[arg-type]
    assert PromoteParams(verify=True, collection="all").pick(CompareParams, on_reject="record").verify


def test_a_verifier_is_looked_for_where_one_can_be_named() -> None:
    check(CompareParams(verify=True, judge="none"))
    check(VerifyParams(verify=True, judge="none"))
    with pytest.raises((ConfigError, PrerequisiteError), match="/no/such/model"):
        check(VerifyParams(verify=True, judge="none", verifier="/no/such/model"))
