"""Programs for developers; nothing of this is part of the app."""
