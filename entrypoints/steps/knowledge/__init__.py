"""What a base knew before training, and what an adapter forgot."""
