"""PowerInfer Tray: get a model, run a native server on it, offer it to programs, show it all in the tray."""

__version__ = "0.1.0"
