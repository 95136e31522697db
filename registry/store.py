"""The only client of the MLflow model registry."""

import dataclasses
import difflib
import json
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.types.schema import Array, ColSpec, DataType, Object, Property, Schema
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from ragft.analysis.verification.promise import PROMISE, Promise
from ragft.errors import ConfigError, PrerequisiteError
from ragft.lists import first_of
from ragft.models.adapter_folder import check_adapter
from ragft.models.fingerprint import file_sha256, folder_sha256
from ragft.served_as import ADDED, SERVED_AS, SERVING_SHA256, ServedAs
from ragft.store.kill_points import kill_point
from registry import card
from registry.markdown import inline
from registry.terms import CHAMPIONS, LAST
from registry.versions import CHALLENGER, CHAMPION, TAG_PREFIX, Lineage, Version, registered_name

TRAINING_TAG = f"{TAG_PREFIX}training"
PROBES_TAG = f"{TAG_PREFIX}probes"
CHOSEN_TAG = f"{TAG_PREFIX}chosen_from"
FILES_TAG = f"{TAG_PREFIX}files_sha256"
# A version is served by the program it was registered with, and those of before know neither of promises nor of other
# retrievers than the dense one.
CHECKS_TAG = f"{TAG_PREFIX}serves_checked"
# The names that `registered_name` gives.
OURS = "name LIKE 'ragft-%'"
_MESSAGE = Object([Property("role", DataType.string), Property("content", DataType.string)])
# Either column alone is an input: MLflow knows no "one of", so the model itself refuses an input with neither.
SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec(DataType.string, "question", required=False),
            ColSpec(Array(_MESSAGE), "messages", required=False),
        ]
    ),
    outputs=Schema([ColSpec(DataType.string, "answer"), ColSpec(Array(DataType.string), "sources")]),
)


class Registry:
    """The versions of one data set and base under one registered name.

    Callers hold a lock around `register_base` and `register_adapter`: MLflow has no compare-and-set.
    """

    def __init__(self, *, model_code: Path, requirements: list[str]) -> None:
        """Take what every version is logged with.

        Args:
            model_code: The models-from-code file that answers with retrieval.
            requirements: pip requirements of the process that serves it.
        """
        self._client = MlflowClient()
        self._model_code = model_code
        self._requirements = requirements

    def register_base(self, lineage: Lineage, config: Mapping[str, Any]) -> Version:
        """Return the base's version, made as version 1 where the name is new, and champion where none ever was.

        Raises:
            ConfigError: If the name already belongs to other data or to other base weights.
        """
        name = registered_name(lineage.data, lineage.base)
        existing = self.versions(name)
        for version in existing:
            self._check_same_house(version, lineage)
        base = next((version for version in existing if version.lineage.kind == "base"), None)
        if base is None:
            base = self._register(name, lineage, config, adapter=None)
            kill_point("register.base")
        # MLflow makes a version and sets its alias in two calls, and an earlier command may have ended in between.
        model = self._client.get_registered_model(name)
        if CHAMPION not in model.aliases and not {CHAMPIONS, LAST} & model.tags.keys():
            self._client.set_registered_model_alias(name, CHAMPION, str(base.number))
        return self.get(base.uri)  # a search does not tell aliases

    def register_adapter(
        self, lineage: Lineage, config: Mapping[str, Any], adapter: Path, *, challenges: bool = True
    ) -> Version:
        """Return the version of an adapter; an adapter has one version.

        The alias ``challenger`` now points to it if it ``challenges``, else it stays where it is.

        Raises:
            PrerequisiteError: If the base is not registered yet.
            ConfigError: If the name belongs to other data or other base weights.
        """
        name = registered_name(lineage.data, lineage.base)
        existing = self.versions(name)
        if not existing:
            raise PrerequisiteError(f"{name} has no base version: register the base first")
        self._check_same_house(existing[0], lineage)
        same = [version for version in existing if version.lineage == lineage]
        version = same[0] if same else self._register(name, lineage, config, adapter)
        if challenges:
            self._client.set_registered_model_alias(name, CHALLENGER, str(version.number))
        return self.get(version.uri)

    def get(self, uri: str) -> Version:
        """Return the version at ``models:/<name>/<number>`` or ``models:/<name>@<alias>``.

        Raises:
            ConfigError: If the address cannot be read.
            PrerequisiteError: If there is no such version.
        """
        match = re.fullmatch(r"models:/([^/@]+)(?:/(\d+)|@([A-Za-z0-9_-]+))", uri)
        if match is None:
            raise ConfigError(
                f"model is {uri!r}, {self._of_run(uri)}expected base, models:/<name>@<alias> or models:/<name>/<number>"
            )
        name, number, alias = match.groups()
        try:
            if alias:
                registered = self._client.get_model_version_by_alias(name, alias)
            else:
                registered = self._client.get_model_version(name, number)
        except MlflowException as error:
            where = f"{uri} is not in the registry at {mlflow.get_registry_uri()}"
            raise PrerequisiteError(f"{where}: {self._instead(name) or error.message}") from error
        return _version(registered)

    def _instead(self, name: str) -> str:
        """Return what there is in place of a version that is not there; "" where nothing is."""
        try:
            there = sorted(each.name for each in self._client.search_registered_models(filter_string=OURS))
            if name not in there:
                near = difflib.get_close_matches(name, there, n=1)
                nearest = f"did you mean {near[0]}? " if near else ""
                none = (
                    "no model is registered there: finetune registers one, or name the store with MLFLOW_TRACKING_URI"
                )
                return f"{nearest}there are {first_of(there)}" if there else none
            aliases = self._client.get_registered_model(name).aliases
        except MlflowException:
            return ""  # what failed first says more
        numbers = first_of([str(version.number) for version in self.versions(name)])
        parts = [f"version {number} is {alias} already" for alias, number in sorted(aliases.items())]
        return f"{', '.join([*parts, f'and there are the versions {numbers}'])}: name one, models:/{name}/<number>"

    def _of_run(self, text: str) -> str:
        """Return which version a run registered, as the rest of a sentence; "" where the text is not a run's id."""
        run = re.fullmatch(r"(?:runs:/)?([0-9a-f]{32})(?:/.*)?", text)
        if run is None:
            return ""
        registered = self._client.search_model_versions(f"run_id='{run[1]}'")
        versions = " and ".join(sorted(f"models:/{each.name}/{each.version}" for each in registered))
        return (
            f"which is a run that registered {versions}; "
            if registered
            else "which is a run that registered no version; "
        )

    def download_adapter(self, version: Version, folder: Path) -> Path:
        """Return the folder that the adapter's files were copied to; they are the files that were registered.

        Raises:
            PrerequisiteError: If they cannot be fetched or are others.
        """
        copied = _download(f"{version.uri}/artifacts/adapter", folder)
        _check_adapter(version, copied)
        return copied

    def verify(self, version: Version) -> None:
        """Fetch all files of a version and check that they are the ones that were registered.

        Raises:
            PrerequisiteError: If they cannot be fetched or are others.
        """
        tags = self._client.get_model_version(version.name, str(version.number)).tags
        with tempfile.TemporaryDirectory() as folder:
            copied = _download(version.uri, Path(folder))
            if version.lineage.kind == "adapter":
                _check_adapter(version, copied / "artifacts" / "adapter")
            sha256 = folder_sha256(copied, without=ADDED)
        if sha256 != tags.get(FILES_TAG):
            raise PrerequisiteError(
                f"the files of {version.uri} have sha256 {sha256}, its tag {FILES_TAG} says {tags.get(FILES_TAG)}: "
                "they are not what was registered; restore them, or delete the version and train again"
            )

    def served_as(self, version: Version) -> ServedAs:
        """Return how a version is served: as it was promoted or, if it never was, as it was registered.

        Raises:
            DataError: If its tag or its file does not say so.
            PrerequisiteError: If its file cannot be fetched.
        """
        tags = self._client.get_model_version(version.name, str(version.number)).tags
        if SERVED_AS in tags:
            return ServedAs.from_json(tags[SERVED_AS], source=f"the tag {SERVED_AS} of {version.uri}")
        with tempfile.TemporaryDirectory() as folder:
            config = json.loads(_download(f"{version.uri}/artifacts/serving.json", Path(folder)).read_text("utf-8"))
        return ServedAs.from_dict(config.get("served_as"), source=f"serving.json of {version.uri}")

    def mark_trained(self, version: Version, training: str) -> None:
        """Note the hash of everything that an adapter was trained from, so that the adapter can be found by it."""
        self._client.set_model_version_tag(version.name, str(version.number), TRAINING_TAG, training)

    def find_trained(self, name: str, training: str) -> Version | None:
        """Return the version that was trained from what has this hash, or None."""
        registered = self._client.search_model_versions(f"name='{name}' and tags.`{TRAINING_TAG}`='{training}'")
        return self.get(f"models:/{name}/{registered[0].version}") if registered else None

    def note_choice(self, version: Version, chosen_from: str) -> Version:
        """Note from what a version was chosen, in words, which every later comparison and card repeats."""
        self._client.set_model_version_tag(version.name, str(version.number), CHOSEN_TAG, chosen_from)
        return dataclasses.replace(version, chosen_from=chosen_from)

    def keep_promise(self, version: Version, promise: Promise) -> Version:
        """Keep what is promised of a version's answers, in its tag and on its card; return the version read back.

        Raises:
            PrerequisiteError: If the version is served by a program that checks no answers.
        """
        self.check_program(version, "checks no answers")
        self._client.set_model_version_tag(version.name, str(version.number), PROMISE, promise.to_json())
        described = self._client.get_model_version(version.name, str(version.number)).description or ""
        self.describe(version, card.with_promise(described, promise))
        return self.get(version.uri)

    def check_program(self, version: Version, lacks: str) -> None:
        """Check that a version is served by a program that knows of promises and of retrievers beside the dense one.

        Args:
            version: It is served by the program that it was registered with.
            lacks: What an earlier program does not do, for the message.

        Raises:
            PrerequisiteError: If it is served by an earlier one.
        """
        if CHECKS_TAG not in self._client.get_model_version(version.name, str(version.number)).tags:
            raise PrerequisiteError(
                f"{version.uri} was registered by an earlier ragft, whose program it is served by and which {lacks}: "
                "train it again, or register its base under another -P name="
            )

    def base_of(self, name: str) -> Version:
        """Return the version of the base of a registered model.

        Raises:
            PrerequisiteError: If there is none.
        """
        for version in self.versions(name):
            if version.lineage.kind == "base":
                return version
        raise PrerequisiteError(f"{name} has no base version: register the base first")

    def keep_probes(self, version: Version, probes: str) -> None:
        """Note what the version's weights make of a few texts, so that an engine can be held against it anywhere."""
        self._client.set_model_version_tag(version.name, str(version.number), PROBES_TAG, probes)

    def probes(self, version: Version) -> str:
        """Return what was noted of the version's weights; "" where nothing was."""
        return str(self._client.get_model_version(version.name, str(version.number)).tags.get(PROBES_TAG, ""))

    def describe(self, version: Version, text: str) -> None:
        """Make ``text``, at most 5,000 characters of Markdown, the version's description."""
        self._client.update_model_version(version.name, str(version.number), description=text)

    def find_model(self, name: str) -> RegisteredModel | None:
        """Return the registered model, or None where there is none of that name."""
        try:
            return self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
        return None

    def versions(self, name: str) -> list[Version]:
        """Return all versions of a name by number, without their aliases, which a search does not return."""
        registered = self._client.search_model_versions(f"name='{name}'", order_by=["version_number ASC"])
        return [_version(entry) for entry in sorted(registered, key=lambda entry: int(entry.version))]

    def _register(self, name: str, lineage: Lineage, config: Mapping[str, Any], adapter: Path | None) -> Version:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            # A file, not MLflow's model_config, which becomes parameters of the run: those of the base and of the
            # adapter that one run registers would collide.
            serving = Path(folder) / "serving.json"
            serving.write_text(json.dumps({**config, **lineage.tags()}), encoding="utf-8")
            serving_sha256 = file_sha256(serving)
            # An input example would be answered while logging: the base loaded and the database asked.
            warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
            info = mlflow.pyfunc.log_model(
                name=lineage.kind,
                python_model=str(self._model_code),
                artifacts={"serving": str(serving)} | ({"adapter": str(adapter)} if adapter else {}),
                pip_requirements=self._requirements,
                signature=SIGNATURE,
            )
            files_sha256 = folder_sha256(_download(info.model_uri, Path(folder) / "logged"), without=ADDED)
        if self.find_model(name) is None:
            description = (
                f"{inline(lineage.base)} and its adapters for the data set {inline(lineage.data)}: version 1 is the "
                "base itself."
            )
            self._client.create_registered_model(name, tags=_house_tags(lineage), description=description)
        # Tags come with the version, so that no half-described version can be seen.
        made = self._client.create_model_version(
            name,
            info.model_uri,
            info.run_id,
            tags={**lineage.tags(), SERVING_SHA256: serving_sha256, FILES_TAG: files_sha256, CHECKS_TAG: "true"},
            model_id=info.model_id,
            description=_describe(lineage),
        )
        # By this tag the model's own page names its version; `mlflow.register_model` sets it too.
        versions = json.dumps([{"name": name, "version": made.version}])
        self._client.set_logged_model_tags(info.model_id, {MLFLOW_MODEL_VERSIONS: versions})
        return self.get(f"models:/{name}/{made.version}")

    def _check_same_house(self, version: Version, lineage: Lineage) -> None:
        theirs, ours = _house_tags(version.lineage), _house_tags(lineage)
        for tag, value in ours.items():
            if theirs[tag] != value:
                what = tag.removeprefix(TAG_PREFIX)
                raise ConfigError(
                    f"{version.name} belongs to {what} {theirs[tag][:12]}, this is {value[:12]}: versions of different "
                    f"data or bases cannot be compared; give this one a name of its own with -P name=..."
                )


def _house_tags(lineage: Lineage) -> dict[str, str]:
    shared = ("data_sha256", "data_seed", "base_fingerprint")
    return {tag: value for tag, value in lineage.tags().items() if tag.removeprefix(TAG_PREFIX) in shared}


def _describe(lineage: Lineage) -> str:
    base = inline(lineage.base)
    if lineage.kind == "base":
        return f"The base model {base}, by reference; no weights are stored here."
    return (
        f"A {inline(lineage.method)} adapter of {base}, trained on {lineage.samples} samples of {inline(lineage.data)} "
        f"({inline(lineage.format)}), seed {lineage.seed}."
    )


def _check_adapter(version: Version, folder: Path) -> None:
    try:
        check_adapter(folder, version.lineage.adapter_sha256)
    except PrerequisiteError as error:
        raise PrerequisiteError(f"the files of {version.uri} are not what was registered: {error}") from error


def _download(uri: str, folder: Path) -> Path:
    """Return where the files at ``uri`` were copied to, below ``folder``.

    Raises:
        PrerequisiteError: If they are not there or cannot be read.
    """
    folder.mkdir(exist_ok=True)
    try:
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        said = error.message if isinstance(error, MlflowException) else str(error)
        raise PrerequisiteError(
            f"the files of {uri} cannot be fetched from the artifact store ({said}): restore them, or delete the "
            "version and train again"
        ) from error


def _version(entry: ModelVersion) -> Version:
    source = f"models:/{entry.name}/{entry.version}"
    return Version(
        name=entry.name,
        number=int(entry.version),
        run_id=entry.run_id or "",
        aliases=tuple(entry.aliases),
        lineage=Lineage.from_tags(entry.tags, source=source),
        chosen_from=entry.tags.get(CHOSEN_TAG, ""),
        promise=entry.tags.get(PROMISE, ""),
        model_id=_logged_model(entry),
    )


def _logged_model(entry: ModelVersion) -> str:
    """Return the id of the LoggedModel that a version was made of; MLflow 3.17 keeps it in the source alone."""
    found = re.fullmatch(r"models:/(m-[0-9a-f]+)", entry.source or "")
    return entry.model_id or (found[1] if found else "")
