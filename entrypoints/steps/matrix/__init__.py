"""The cells of a study: planned, computed, shown."""
