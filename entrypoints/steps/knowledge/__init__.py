"""What a base knew before training, what an adapter is therefore trained on, and what it forgot."""
