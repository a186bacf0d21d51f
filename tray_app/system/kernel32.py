"""Windows' kernel32; None on other systems. Any thread."""

from __future__ import annotations

import sys
from typing import Any


def kernel32() -> Any:
    """The library as `ctypes` loads it, whose functions take and return C's int; None on other systems."""
    if sys.platform == "win32":
        import ctypes  # slow to import, and other systems do not need it here

        return ctypes.WinDLL("kernel32")
    return None
