"""Keeps PySide from reading the source of every module that is imported after it."""

from __future__ import annotations

import importlib
from contextlib import suppress

_READS = "_mod_uses_pyside"


def leave_sources_alone() -> None:
    """Call this before the first module that uses Qt is imported.

    WORKAROUND: to find out whether a module may say `from __feature__ import …`, which none of ours does,
    PySide 6.11 reads its source and keeps it: 8 MB, and a tenth of the time to the icon. There is no option
    for it. Where another version does this differently, everything stays as it is.
    """
    with suppress(ImportError, AttributeError):
        import shiboken6  # noqa: F401 - brings the next one along

        feature = importlib.import_module("shibokensupport.feature")
        if callable(getattr(feature, _READS)):
            setattr(feature, _READS, lambda _: False)
