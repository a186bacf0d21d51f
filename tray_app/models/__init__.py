"""What is on disk, what it is, and what could be fetched."""
