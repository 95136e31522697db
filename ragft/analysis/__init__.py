"""What scores of two sides allow to be said."""
