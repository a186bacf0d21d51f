"""Windows for a machine without it: a disk for Wine, a Python for it, and what has changed there."""
