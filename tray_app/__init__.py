"""PowerInfer Tray: get a model, run a native server on it, offer it to programs, show it all in the tray."""

__version__ = "0.1.0"

REPOSITORY = ""
"""Where its releases are on GitHub, as `OWNER/NAME`. Empty as long as they are nowhere: then nobody is asked
whether the app may look for new versions.
"""
