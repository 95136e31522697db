"""What a matrix of adapters shows."""
