"""What may be said of the scores of two sides."""
