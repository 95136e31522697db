"""The compose file and the Dockerfile, as far as they can be checked without an engine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker" / "compose.yaml"
DOCKERFILE = ROOT / "docker" / "Dockerfile"
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")
TASKS = {"trainer"}  # ends by itself: nothing to ask for its health


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    assert set(found) == {"postgres", "mlflow", "trainer", "models"}
    return dict(found)


def run(tool: str, *words: object) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).with_name(tool)), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_compose_file_fits_the_specification(tmp_path: Path) -> None:
    done = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "compose.yaml"
    broken.write_text(COMPOSE.read_text(encoding="utf-8").replace("healthcheck:", "healthchecks:", 1))
    assert run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", broken).returncode == 1


def test_the_dockerfile_passes_hadolint(tmp_path: Path) -> None:
    done = run("hadolint", DOCKERFILE)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / "Dockerfile"
    broken.write_text(DOCKERFILE.read_text(encoding="utf-8").replace("mlflow==3.17.2", "mlflow"))
    assert run("hadolint", broken).returncode == 1


def test_every_image_has_a_version(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values()]
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stages = re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    pinned = [*images, *(base for base in bases if base not in stages)]
    assert len(pinned) == len(services) + 1
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in pinned), pinned
    assert {service["build"]["target"] for service in services.values() if "build" in service} <= set(stages)


def test_packages_have_the_versions_of_the_project() -> None:
    pinned = re.findall(r'"([^"\s]+==[^"\s]+)"', DOCKERFILE.read_text(encoding="utf-8"))
    assert len(pinned) == 4
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert [package for package in pinned if f'"{package}"' not in project] == []


def test_no_secret_stands_in_the_file(services: dict[str, Any]) -> None:
    given = [
        (name, str(value))
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if SECRET.search(name)
    ]
    assert len(given) >= 4
    for name, value in given:
        required = re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value)
        assert required or re.fullmatch(r"\$\{[A-Z_]+:-\}", value), f"{name} is {value}"
    assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", COMPOSE.read_text(encoding="utf-8"))


def test_our_images_run_without_root() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    users = {stage.split()[2]: re.findall(r"^USER (\S+)", stage, flags=re.MULTILINE) for stage in stages}
    final = {name: found[-1] for name, found in users.items() if found}
    assert final == {"mlflow": "10001", "trainer": "10001", "models": "10001"}


def test_servers_tell_their_health_and_are_published_here_alone(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "healthcheck" not in service} == TASKS
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_the_images_copy_is_there_and_not_ignored() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert len(names) >= 6
    assert all((ROOT / name).exists() for name in names)
    rules = (DOCKERFILE.with_name("Dockerfile.dockerignore")).read_text(encoding="utf-8").splitlines()
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == names


def test_volumes_and_files_that_are_mounted_exist(services: dict[str, Any]) -> None:
    declared = set(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["volumes"])
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    assert {name for name in mounted if not name.startswith(".")} == declared
    files = [name for name in mounted if name.startswith(".")]
    assert files
    assert all((COMPOSE.parent / name).is_file() for name in files)


def test_the_commands_of_the_page_are_run_or_marked() -> None:
    page = (ROOT / "docs" / "servers.md").read_text(encoding="utf-8")
    commands = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert commands == ["python -m benchmarks.promotions --processes 8 --promotions 20"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.promotions", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "--processes" in done.stdout
    assert (ROOT / "benchmarks" / "results" / "promotions.txt").is_file()
    docker = [line.strip() for line in page.splitlines() if line.startswith("    docker ")]
    assert len(docker) == 2
    assert page.index("**Not run here**") < page.index(docker[0])
