"""Records on disk of the processes that this app has started, so that a later start can end exactly those.

Needed if a process survives this app, for example if the watching process on macOS is killed, too; the
process is then still in its group. A record also names the app's own process, because processes of a running
copy of this app must not be ended. Any thread.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from tray_app.system.files import NOT_JSON, read_regular, write_atomically
from tray_app.system.process import descendants

if TYPE_CHECKING:
    from tray_app.system.child import Child
    from tray_app.system.engine_id import EngineId

_PATTERN = "engine-*.json"
_CLOCK_TOLERANCE_S = 2.0  # Linux rounds the boot time
_END_TIMEOUT_S = 5.0


class RunRecord(msgspec.Struct, frozen=True):
    """A started process and the process that started it; times as in `_started_s`."""

    pid: int
    created_s: float
    executable: str
    port: int
    owner_pid: int
    owner_created_s: float


def remember(folder: Path, engine: EngineId, child: Child, port: int) -> Path:
    """Write the record of an engine of this process; whoever sees the child end removes the file."""
    owner = psutil.Process()
    path = folder / _PATTERN.replace("*", f"{owner.pid}-{engine}")
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
        created_s = _started_s(psutil.Process(child.pid))
        record = RunRecord(child.pid, created_s, str(child.executable), port, owner.pid, _started_s(owner))
        write_atomically(path, msgspec.json.encode(record))
    return path


def reap(folder: Path) -> tuple[int, ...]:
    """End processes that ended copies of this app have left running. Returns their ids."""
    ended = []
    for path in folder.glob(_PATTERN):
        try:
            record = msgspec.json.decode(read_regular(path), type=RunRecord)
        except (OSError, *NOT_JSON):
            left_over = []
        else:
            if _owner_lives(record):
                continue
            left_over = _left_over(record)
        for process in left_over:
            _end(process)
            ended.append(process.pid)
        with contextlib.suppress(OSError):  # Windows: another program reads it; the next start removes it
            path.unlink(missing_ok=True)
    return tuple(ended)


def _owner_lives(record: RunRecord) -> bool:
    with contextlib.suppress(psutil.Error):
        owner = psutil.Process(record.owner_pid)
        return owner.status() != psutil.STATUS_ZOMBIE and _started_at(owner, record.owner_created_s)
    return False


def _left_over(record: RunRecord) -> list[psutil.Process]:
    """The processes that still run the recorded program: the process itself or, on POSIX, the members of its
    group.
    """
    with contextlib.suppress(psutil.Error):
        if not _started_at(psutil.Process(record.pid), record.created_s):
            return []  # the id belongs to another process now
    return [
        process
        for process in psutil.process_iter()
        if record.pid in (process.pid, _group_of(process.pid)) and _runs(process, record.executable)
    ]


def _group_of(pid: int) -> int | None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            return os.getpgid(pid)
    return None


def _started_at(process: psutil.Process, created_s: float) -> bool:
    return abs(_started_s(process) - created_s) <= _CLOCK_TOLERANCE_S


def _started_s(process: psutil.Process) -> float:
    """When a process started, by a clock that cannot be set: on Linux since the start of the machine.

    On Linux psutil adds the boot time, which changes whenever the clock is set; a working engine would then
    look like one that was left over.
    """
    return process.create_time() - (psutil.boot_time() if sys.platform == "linux" else 0)


def _runs(process: psutil.Process, executable: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return Path(process.exe()).resolve() == Path(executable)
    return False


def _end(process: psutil.Process) -> None:
    family = [process, *descendants(process.pid)]
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
    psutil.wait_procs(family, timeout=_END_TIMEOUT_S)
