"""The memory of ragft: the only place that speaks SQL."""
