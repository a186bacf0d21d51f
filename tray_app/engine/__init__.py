"""A model file becomes a running native server."""
