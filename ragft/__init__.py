"""Should this adapter replace the base model in our RAG system? What is computed to answer that."""
