"""Keeps PySide from reading the source of every module that is imported after it."""

from __future__ import annotations

import importlib
from contextlib import suppress

_READS = "_mod_uses_pyside"


def leave_sources_alone() -> None:
    """Call this before the first module that uses Qt is imported.

    WORKAROUND: PySide 6.11 reads and keeps the source of each module, to find out whether it contains
    `from __feature__ import …`, which ours do not. That takes 8 MB and a tenth of the time to the icon, and
    there is no option to switch it off. With a version that works differently, nothing changes.
    """
    with suppress(ImportError, AttributeError):
        import shiboken6  # noqa: F401 - brings the next one along

        feature = importlib.import_module("shibokensupport.feature")
        if callable(getattr(feature, _READS)):
            setattr(feature, _READS, lambda _: False)
