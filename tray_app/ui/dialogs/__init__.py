"""Windows that ask a person one thing, each in a module of its own. GUI thread."""
