"""A URL becomes a verified file: resumable over restarts, checked before its final name exists."""
