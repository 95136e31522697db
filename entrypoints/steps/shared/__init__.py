"""What several steps need: the workspace, the models, the judge, the data."""
