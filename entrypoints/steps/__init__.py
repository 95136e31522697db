"""One module for each step: ``run(params, workspace) -> result`` inside an MLflow run of its own."""
