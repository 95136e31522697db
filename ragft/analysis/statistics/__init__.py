"""Intervals for questions that share documents."""
