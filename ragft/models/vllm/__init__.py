"""Models that a vLLM server holds: the base and its adapters, held against what this process computes of them."""
