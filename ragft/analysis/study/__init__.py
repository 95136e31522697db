"""What the adapters of a study show together."""
