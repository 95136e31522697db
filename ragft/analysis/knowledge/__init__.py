"""What a base knew, and what training did to it."""
