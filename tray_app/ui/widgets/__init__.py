"""Parts of pages and dialogs. GUI thread."""
