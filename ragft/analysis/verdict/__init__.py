"""What the scores of two sides show."""
