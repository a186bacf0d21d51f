"""Which processes of a run may test now: all that share its tests, or one with a test that measures alone."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
DOOR, ROOM = _HERE / "__init__.py", _HERE / "conftest.py"
"""Any two files that all processes have; nothing is written to them."""


@contextmanager
def turn(*, alone: bool, door: Path = DOOR, room: Path = ROOM) -> Iterator[None]:
    """Wait until this test may run: `alone`, when no other runs; else when none does that must be alone.

    Who waits to be alone holds the door, so that the others end and no new one begins.
    """
    with ExitStack() as stack:
        let_in = stack.enter_context(_locked(door, shared=False))
        stack.enter_context(_locked(room, shared=not alone))
        if not alone:
            let_in.close()
        yield


@contextmanager
def _locked(path: Path, *, shared: bool) -> Iterator[IO[bytes]]:
    """Hold the lock of a file until its end, or until what is given is closed."""
    with path.open("rb") as file:
        if sys.platform != "win32":  # there, no lock can be shared; its machines of CI have processors enough
            import fcntl

            fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield file
