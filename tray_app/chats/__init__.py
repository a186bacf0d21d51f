"""Conversations with a model: kept in files that people can read, found again, exported."""
