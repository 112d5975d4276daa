"""Texts as vectors: a frozen text encoder, and its embeddings of captions kept on disk."""
