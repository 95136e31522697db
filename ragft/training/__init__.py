"""Adapters: what is learnt and how, in a training that survives a kill."""
