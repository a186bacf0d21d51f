"""Large blocks go back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

_BLOCKS = """
import sys
import psutil
from tray_app.system.heap import return_large_blocks
if sys.argv[1] == "mended":
    return_large_blocks()
del_me = bytearray(31 * 2**20)
del del_me                                              # from now on, glibc keeps blocks of this size
kept = [(bytearray(8 * 2**20), bytearray(2000)) for _ in range(12)]
kept = [small for _, small in kept]
print(psutil.Process().memory_info().rss // 2**20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system decides")
def test_what_is_given_back_does_not_stay() -> None:
    def left_mib(how: str) -> int:
        command = [sys.executable, "-c", _BLOCKS, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert left_mib("mended") < 60 < left_mib("as it is")
