"""The terminal commands: each asks a running app, or does the work in its own process."""
