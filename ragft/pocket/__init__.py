"""The embedded default: a small world with programmatic truth, and a model trained on it."""
