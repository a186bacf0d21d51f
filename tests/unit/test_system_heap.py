"""What is given back goes back to the system, and threads share their heaps."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system decides")

_BEGIN = """
import sys
import threading
import psutil
from tray_app.system.heap import give_back, keep_less
if sys.argv[1] == "mended":
    keep_less()
"""
_BLOCKS = """
del_me = bytearray(31 * 2**20)
del del_me                                              # from now on, glibc keeps blocks of this size
kept = [(bytearray(8 * 2**20), bytearray(2000)) for _ in range(12)]
kept = [small for _, small in kept]
print(psutil.Process().memory_info().rss // 2**20)
"""
_THREADS = """
all_work = threading.Barrier(12)
threads = [threading.Thread(target=lambda: (bytearray(2000), all_work.wait())) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(psutil.Process().memory_info().vms // 2**20)
"""
_HOLES = """
kept = [(bytearray(100_000), bytearray(2000)) for _ in range(600)]
kept = [small for _, small in kept]
if sys.argv[1] == "mended":
    give_back()
print(psutil.Process().memory_info().rss // 2**20)
"""


@pytest.mark.parametrize(
    ("program", "limit_mib"),
    [
        pytest.param(_BLOCKS, 60, id="large blocks do not stay"),
        pytest.param(_THREADS, 400, id="twelve threads do not reserve twelve heaps"),
        pytest.param(_HOLES, 60, id="holes are given back when that is asked for"),
    ],
)
def test_what_is_given_back_does_not_stay(program: str, limit_mib: int) -> None:
    def left_mib(how: str) -> int:
        command = [sys.executable, "-c", _BEGIN + program, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert left_mib("mended") < limit_mib < left_mib("as it is")
