"""The trials of a tune or a remedy: what is tried next, how processes share it, how the result is shown."""
