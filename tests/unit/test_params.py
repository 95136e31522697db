import dataclasses

import pytest

from ragft.errors import ConfigError
from ragft.params.data import NameParams, PrepareParams
from ragft.params.scoring import EvaluateParams, JudgeParams
from ragft.params.steps import STEPS
from ragft.params.training import FinetuneParams
from ragft.params.values import USUAL_CHUNK_CHARS, USUAL_TOP_K
from ragft.types import CONTEXTS


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"samples": 0}, "samples is 0, expected at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, expected a finite number"),
        ({"lora_dropout": 1.0}, "lora_dropout is 1.0, expected at most 0.99"),
        ({"method": "full"}, "method is 'full', expected one of: lora, qlora"),
        ({"format": ""}, "format is '', expected one of: closed_book"),
        ({"unknown_share": -0.5}, "unknown_share is -0.5, expected 0 to 1, or -1"),
        ({"unknown_share": 1.5}, "unknown_share is 1.5, expected at most 1"),
    ],
)
def test_a_bad_value_is_named_with_what_is_accepted(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FinetuneParams(**values)  # type: ignore[arg-type]
    assert named in str(caught.value)


@pytest.mark.parametrize("context", ["retreived", "none,none", "retrieved,gold"])
def test_a_context_that_does_not_exist_is_refused(context: str) -> None:
    with pytest.raises(ConfigError, match="expected some of none, retrieved, withheld, oracle, oracle_distractors"):
        EvaluateParams(context=context)


def test_contexts_keep_their_order() -> None:
    assert EvaluateParams(context="retrieved, none").contexts() == ("retrieved", "none")


def test_pick_takes_what_two_steps_share() -> None:
    picked = FinetuneParams(dataset="qasper", path="papers", top_k=3, samples=7).pick(PrepareParams)
    assert picked == PrepareParams(dataset="qasper", path="papers", top_k=3)


def test_every_parameter_has_help_and_a_default_of_a_plain_type() -> None:
    specs = [spec for params in STEPS.values() for spec in dataclasses.fields(params)]
    assert len(specs) > 40
    for spec in specs:
        assert spec.metadata["help"], spec.name
        assert type(spec.default) in (str, int, float, bool), spec.name


def test_contexts_that_are_not_named_suit_the_base() -> None:
    assert EvaluateParams().contexts() == CONTEXTS
    assert EvaluateParams(base="pocket").contexts() == CONTEXTS
    assert EvaluateParams(base="org/model").contexts() == ("retrieved", "withheld")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model": "served"}, "a served model needs all three"),
        ({"model": "served", "model_url": "http://x/v1"}, "a served model needs all three"),
        ({"model_url": "http://x/v1", "served_model": "m"}, "model is 'base', model_url 'http://x/v1'"),
        ({"judge_url": "http://x/v1"}, "give the name by which that server knows it"),
        (
            {"model": "served", "model_url": "u", "served_model": "m", "context_window": 9},
            "cannot be kept for a served",
        ),
        ({"estimators": "sampled"}, "give two of sampled, expected"),
        ({"estimators": "sampled,expected", "ratings": "people.csv"}, "or ratings"),
    ],
)
def test_what_does_not_go_together_is_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        JudgeParams(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["https://me:secret@host/v1", "https://host/v1?key=secret"])
def test_a_secret_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    for values in ({"judge": "m", "judge_url": url}, {"model": "served", "served_model": "m", "model_url": url}):
        with pytest.raises(ConfigError, match="_url holds a password or a query") as caught:
            EvaluateParams(**values)  # type: ignore[arg-type]
        assert "secret" not in str(caught.value)


def test_several_models_are_rated_at_once() -> None:
    given = JudgeParams(model="base, served", model_url="http://x/v1", served_model="m")
    assert given.models() == ("base", "served")
    with pytest.raises(ConfigError):
        EvaluateParams(model="base, served", model_url="http://x/v1", served_model="m")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "telecom"),
        ({"name": "support"}, "support"),
        ({"dataset": "rows", "path": "data/questions.jsonl"}, "questions"),
        ({"dataset": "rows", "path": "data/questions.jsonl", "name": "support"}, "support"),
        ({"dataset": "allenai/qasper"}, "qasper"),
    ],
)
def test_data_are_called_by_their_name_their_file_or_the_hubs(values: dict[str, str], expected: str) -> None:
    assert NameParams(**values).data_name == expected


def test_a_layout_alone_names_no_data() -> None:
    assert NameParams(dataset="rows").is_unnamed
    assert not NameParams(dataset="rows", name="support").is_unnamed
    assert not NameParams(dataset="rows", path="questions.jsonl").is_unnamed
    assert not NameParams(dataset="qasper").is_unnamed


def test_the_help_shows_the_usual_values_that_are_taken() -> None:
    assert USUAL_TOP_K.of("telecom") == 3
    assert USUAL_TOP_K.of("qasper") == USUAL_TOP_K.rest == 5
    for name, usual in (("top_k", USUAL_TOP_K), ("chunk_chars", USUAL_CHUNK_CHARS)):
        (spec,) = (spec for spec in dataclasses.fields(PrepareParams) if spec.name == name)
        assert str(usual) in spec.metadata["help"]
    assert str(USUAL_CHUNK_CHARS) == "400 for telecom, else 1500"


@pytest.mark.parametrize("judging", [{"base": "smollm2"}, {"judge": "smollm2"}, {"base": "smollm2", "judge": "base"}])
def test_smollm2_never_judges(judging: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"it never judges.*add -P judge=none, or name another judge"):
        EvaluateParams(**judging)  # type: ignore[arg-type]
    assert EvaluateParams(base="smollm2", judge="pocket").judge == "pocket"
    assert EvaluateParams(base="smollm2", judge="smollm2", judge_url="http://127.0.0.1:1/v1").judge_url
