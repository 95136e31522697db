"""Asking people: which answers, on which page, and what they said."""
