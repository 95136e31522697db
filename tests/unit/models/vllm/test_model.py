"""A model behind a server writes and scores what it would in this process, and one that is another is found out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models import endpoint_call
from ragft.models.adapter_folder import identity_of
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, describe_base, load_adapter, load_base
from ragft.models.logprob_probes import Probes, take
from ragft.models.vllm.model import VllmModel
from ragft.models.vllm.server import VllmServer
from tests.tiny_model import make_tiny_model
from tests.unit.models.test_loading import adapter_on
from tests.vllm_stand_in import Faults, VllmStandIn

pytestmark = pytest.mark.slow
MESSAGES = ("What is asked here?", "Name one thing.", "A much longer message, with a number such as 17 in it.")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_call, "FIRST_WAIT_S", 0.02)


@pytest.fixture(scope="module")
def adapted(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, Path]:
    folder = adapter_on(load_base(str(tiny_base)), tmp_path_factory.mktemp("adapter"))
    return load_adapter(load_base(str(tiny_base)), folder, identity_of(folder)), folder


@pytest.fixture(scope="module")
def probes(adapted: tuple[LoadedModel, Path]) -> Probes:
    return take(adapted[0])


def reached(server: VllmStandIn, **settings: Any) -> VllmServer:  # noqa: ANN401
    return VllmServer(server.url, **{"timeout_s": 10.0, "deadline_s": 10.0, **settings})


def served(server: VllmServer, adapted: tuple[LoadedModel, Path]) -> VllmModel:
    loaded, folder = adapted
    server.load_adapter(loaded.adapter, str(folder), 4)
    described = describe_base(loaded.name, dtype="float32")
    assert (described.stop, described.context_window) == (loaded.stop, loaded.context_window)
    return VllmModel(server, replace(described, adapter=loaded.adapter), loaded.adapter)


@pytest.fixture
def good(tiny_base: Path, adapted: tuple[LoadedModel, Path]) -> Iterator[tuple[VllmModel, VllmStandIn]]:
    with VllmStandIn(tiny_base) as stand_in, reached(stand_in) as server:
        yield served(server, adapted), stand_in


def test_it_writes_what_it_would_in_process(
    good: tuple[VllmModel, VllmStandIn], adapted: tuple[LoadedModel, Path], probes: Probes
) -> None:
    model, stand_in = good
    assert model.verify(probes).share == pytest.approx(1.0, abs=1e-3)
    seen: list[int] = []
    local = Generator(adapted[0])
    assert model.generate(MESSAGES, 12, lambda made: seen.extend(index for index, _ in made)) == local.generate(
        MESSAGES, 12
    )
    assert sorted(seen) == [0, 1, 2]
    seeds = [[1, 2], [3, 4], [5, 6]]
    assert model.sample(MESSAGES, "Score:", 2, 6, 1.0, seeds) == local.sample(MESSAGES, "Score:", 2, 6, 1.0, seeds)
    assert len({tuple(body["prompt"]) for body in stand_in.bodies if body["temperature"]}) == len(MESSAGES)
    assert all(body["repetition_penalty"] == 1.0 and body["top_k"] == -1 for body in stand_in.bodies)


def test_it_scores_what_it_would_in_process(
    good: tuple[VllmModel, VllmStandIn], adapted: tuple[LoadedModel, Path]
) -> None:
    labels = ("1", "2", "3", "4", "5")
    found, masses = good[0].score_distribution(MESSAGES, "Score:", labels)
    expected, expected_masses = Generator(adapted[0]).score_distribution(MESSAGES, "Score:", labels)
    for row, other in zip(found, expected, strict=True):
        assert row == pytest.approx(other, abs=1e-5)
    assert masses == pytest.approx(expected_masses, abs=1e-6)
    base, _ = good[0].base.score_distribution(MESSAGES, "Score:", labels)
    assert base[0] != pytest.approx(found[0], abs=1e-3)


def test_version_and_precision_of_the_engine_are_part_of_the_key(
    good: tuple[VllmModel, VllmStandIn], tiny_base: Path, adapted: tuple[LoadedModel, Path]
) -> None:
    model, _ = good
    assert model.engine == "vllm 0.32.0 float32"
    with VllmStandIn(tiny_base, version="0.33.0") as newer, reached(newer) as server:
        other = served(server, adapted)
    half = VllmModel(server, replace(model.described, dtype="bfloat16"), "x")
    names = {model.identity, model.base.identity, other.identity, half.identity, Generator(adapted[0]).identity}
    assert len(names) == 5


@pytest.mark.parametrize(
    ("scale", "told"), [(0.0, "does not apply the adapter"), (0.5, "or a part of it"), (2.0, "applies another adapter")]
)
def test_an_adapter_that_is_left_out_or_scaled_is_found_before_anything_is_asked(
    tiny_base: Path, adapted: tuple[LoadedModel, Path], probes: Probes, scale: float, told: str
) -> None:
    with VllmStandIn(tiny_base, Faults(scale=scale)) as stand_in, reached(stand_in) as server:
        model = served(server, adapted)
        with pytest.raises(PrerequisiteError, match=f"{told}.*nats a token here and by.*No answer was asked for"):
            model.verify(probes)
        assert {body["max_tokens"] for body in stand_in.bodies} == {1}


def test_another_base_is_found(tmp_path: Path, adapted: tuple[LoadedModel, Path], probes: Probes) -> None:
    other = make_tiny_model(tmp_path / "other", seed=5)
    with VllmStandIn(other) as stand_in, reached(stand_in) as server:
        model = served(server, adapted)
        with pytest.raises(PrerequisiteError, match=r"gives other probabilities than the base itself"):
            model.verify(probes)


def test_a_server_that_is_too_old_or_lists_nothing_is_told(
    tiny_base: Path, adapted: tuple[LoadedModel, Path], probes: Probes
) -> None:
    with VllmStandIn(tiny_base, Faults(old=True)) as stand_in, reached(stand_in) as server:
        model = served(server, adapted)
        with pytest.raises(PrerequisiteError, match=r"which tokens it wrote.*vLLM 0.11"):
            model.verify(probes)


def test_what_does_not_fit_is_refused_here(good: tuple[VllmModel, VllmStandIn]) -> None:
    narrow = good[0].narrowed(40)
    assert narrow.fits("short", 8)
    assert not narrow.fits("long " * 40, 8)
    with pytest.raises(ConfigError, match=r"do not fit the context window"):
        narrow.generate(["long " * 40], 8)
    with pytest.raises(ConfigError, match=r"temperature is 0"):
        narrow.sample(["short"], "", 1, 4, 0.0, [[1]])


def test_what_came_back_before_the_server_died_is_kept(tiny_base: Path, adapted: tuple[LoadedModel, Path]) -> None:
    settings = {"concurrency": 1, "deadline_s": 3.0}
    with VllmStandIn(tiny_base, Faults(dies_after=4)) as stand_in, reached(stand_in, **settings) as server:
        model, kept = served(server, adapted), list[int]()
        with pytest.raises(PrerequisiteError, match=r"gave no answer"):
            model.generate([f"message {n}" for n in range(9)], 4, lambda made: kept.extend(i for i, _ in made))
    assert kept == [0, 1, 2, 3]
