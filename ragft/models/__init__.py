"""Language models: found, loaded, identified, and made to write."""
