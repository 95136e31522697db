"""From the scores of two sides to what is shown."""
