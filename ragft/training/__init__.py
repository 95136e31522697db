"""Adapters: what is learnt, how, and a training that survives a kill."""
