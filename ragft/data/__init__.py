"""Data sets: read, checked, divided."""
