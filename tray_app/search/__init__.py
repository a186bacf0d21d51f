"""Semantic search over a person's own texts."""
