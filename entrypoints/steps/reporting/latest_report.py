"""The report of the newest comparison, from wherever MLflow keeps it."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow

from ragft.errors import PrerequisiteError

FILE = "report.html"


def fetch_newest(home: Path) -> Path:
    """Return where the newest comparison's report was copied to.

    Raises:
        PrerequisiteError: If nothing was compared in this MLflow store.
    """
    found = mlflow.search_runs(
        search_all_experiments=True,
        # A rejection that was asked to fail is a comparison too; one that broke off has no report.
        filter_string="tags.`ragft.step` = 'compare' and attributes.status != 'RUNNING'",
        order_by=["attributes.start_time DESC"],
        max_results=20,
        output_format="list",
    )
    for run in found:
        if FILE not in {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}:
            continue
        with TemporaryDirectory() as folder:
            copy = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=FILE, dst_path=folder)
            return Path(shutil.copyfile(copy, home / FILE))
    raise PrerequisiteError(
        f"no comparison with a report is in the MLflow store at {mlflow.get_tracking_uri()}: run make demo, or compare"
    )
