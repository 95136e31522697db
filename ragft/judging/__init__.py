"""Judging answers: the judge, the overlap metrics, and whether either can be trusted."""
