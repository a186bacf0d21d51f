"""The private address, at which terminal commands ask the running app."""
