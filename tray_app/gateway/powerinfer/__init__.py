"""PowerInfer, which speaks a dialect of its own and is asked one thing at a time."""
