"""What a model version is, which one is champion, and why."""
