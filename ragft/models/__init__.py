"""Language models: found, loaded, identified, and asked to answer."""
