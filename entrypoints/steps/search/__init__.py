"""A tune's trials: what is tried next, how several processes try it, and how the result is shown."""
