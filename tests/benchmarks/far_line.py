"""A long line that loses packets, on this machine alone: two network namespaces and a router between them.

The router is this process: it reads the packets of one side, holds each back for half the round trip, drops
some, and hands the rest to the other side. So it needs no traffic control in the kernel; Linux and root only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FAR = "10.123.0.2"

_NAMESPACE = "powerinfer-bench"
_NEAR = "10.123.0.1"
_PACKET_BYTES = 2048
_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000


class _Router(threading.Thread):
    """Carries packets between two ends, late."""

    def __init__(self, ends: tuple[int, int], delay_s: float, loss: float) -> None:
        super().__init__(name="far-line", daemon=True)
        self._ends = ends
        self._delay_s = delay_s
        self._loss = loss
        self._underway: dict[int, deque[tuple[float, bytes]]] = {end: deque() for end in ends}
        self._over = threading.Event()
        self._random = random.Random(1)  # noqa: S311 - the same losses in each run

    def run(self) -> None:
        poll = select.poll()
        for end in self._ends:
            poll.register(end, select.POLLIN)
        while not self._over.is_set():
            for end, _ in poll.poll(self._deliver()):
                self._take(end)

    def close(self) -> None:
        self._over.set()
        self.join()

    def _take(self, end: int) -> None:
        """All packets that wait at one end are on their way to the other."""
        other = self._ends[end == self._ends[0]]
        due_s = time.monotonic() + self._delay_s
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = os.read(end, _PACKET_BYTES)
                if self._random.random() >= self._loss:
                    self._underway[other].append((due_s, packet))

    def _deliver(self) -> int:
        """Hand over what has arrived; milliseconds until there is more to do."""
        now_s = time.monotonic()
        next_s = now_s + 0.1
        for end, packets in self._underway.items():
            while packets and packets[0][0] <= now_s:
                with contextlib.suppress(BlockingIOError):  # a full queue loses packets, as on any line
                    os.write(end, packets.popleft()[1])
            if packets:
                next_s = min(next_s, packets[0][0])
        return max(0, int(1000 * (next_s - now_s)))


@contextlib.contextmanager
def far_line(round_trip_s: float, loss: float) -> Iterator[list[str]]:
    """What to put before a server's command so that it serves at FAR, the line's other end.

    It sends as Reno does, the classic that suffers from losses: with BBR there would be little to see.

    Raises
    ------
    subprocess.CalledProcessError or OSError
        If this machine does not let us make the line.

    """
    inside = ["ip", "netns", "exec", _NAMESPACE]
    with contextlib.ExitStack() as stack:
        ends = (_open_end("benchnear", stack), _open_end("benchfar", stack))
        _run("ip", "netns", "add", _NAMESPACE)
        stack.callback(_run, "ip", "netns", "del", _NAMESPACE)
        _run("ip", "link", "set", "benchfar", "netns", _NAMESPACE)
        for prefix, name, own, other in (([], "benchnear", _NEAR, FAR), (inside, "benchfar", FAR, _NEAR)):
            _run(*prefix, "ip", "addr", "add", own, "peer", other, "dev", name)
            _run(*prefix, "ip", "link", "set", name, "up", "txqueuelen", "10000")
        _run(*inside, "sysctl", "-w", "net.ipv4.tcp_congestion_control=reno")
        router = _Router(ends, round_trip_s / 2, loss)
        router.start()
        stack.callback(router.close)
        yield inside


def _open_end(name: str, stack: contextlib.ExitStack) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    stack.callback(os.close, end)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return end


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
