"""Makes the home folder and its MLflow store before `mlflow run` would make them elsewhere; part of `make setup`."""

from entrypoints.environment import prepare_environment

if __name__ == "__main__":
    prepare_environment()
