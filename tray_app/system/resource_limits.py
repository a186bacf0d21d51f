"""How much of the machine a process may use on Linux: limits of its control groups, and its processors.

Containers, services and `taskset` give a process only a part of the machine, but the usual functions return
the whole. `root`: a replacement for the file system in tests.

Formats: the kernel's admin-guide/cgroup-v1 and cgroup-v2, and proc_pid_mountinfo(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tray_app.system.files import text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """The lowest limits in all control groups of a process; None if none is set."""

    cores: int | None = None
    """The share of processor time as whole cores, rounded up."""
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class _Mount:
    """A mounted tree of control groups."""

    root: PurePosixPath
    """The group that is mounted at `point`; in a container, usually the container's own."""
    point: Path
    controllers: frozenset[str]
    """The controllers, for version 1; empty for version 2, which has one tree for all."""


def group_limits(root: Path = _ROOT) -> GroupLimits:
    """The limits of this process. Limits that cannot be read are ignored."""
    memberships = list(_memberships(text_of(root / "proc/self/cgroup")))
    mounts = [*_mounts(text_of(root / "proc/self/mountinfo"), root)]
    groups = [group for mount in mounts for group in _groups(mount, memberships)]
    return GroupLimits(
        cores=min(filter(None, map(_cores, groups)), default=None),
        memory_bytes=min(filter(None, map(_memory_bytes, groups)), default=None),
    )


def cores_among(cpus: Collection[int], root: Path = _ROOT) -> int:
    """The number of physical cores of these logical processors."""
    folder = root / "sys/devices/system/cpu"
    siblings = {
        cpu: text_of(folder / f"cpu{cpu}/topology/core_cpus_list")
        or text_of(folder / f"cpu{cpu}/topology/thread_siblings_list")  # kernels before 5.2
        or str(cpu)
        for cpu in cpus
    }
    return len(set(siblings.values()))


def _memberships(text: str) -> Iterator[tuple[frozenset[str], PurePosixPath]]:
    """Controllers and group of each line such as `4:memory:/some/group`; no controllers in version 2."""
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        names, colon, path = rest.partition(":")
        if colon:
            yield frozenset(filter(None, names.split(","))), PurePosixPath(path)


def _mounts(text: str, root: Path) -> Iterator[_Mount]:
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, *rest) = before.split(), after.split() or [""]
        if kind not in ("cgroup", "cgroup2") or len(fields) < 5:  # noqa: PLR2004 - see the manual page
            continue
        controllers = rest[-1].split(",") if kind == "cgroup" else ()
        yield _Mount(PurePosixPath(fields[3]), root / fields[4].lstrip("/"), frozenset(controllers))


def _groups(mount: _Mount, memberships: Iterable[tuple[frozenset[str], PurePosixPath]]) -> Iterator[Path]:
    """The folders of a process's group and of all groups above it."""
    for controllers, path in memberships:
        if (controllers & mount.controllers) if mount.controllers else not controllers:
            inner = path.relative_to(mount.root) if path.is_relative_to(mount.root) else PurePosixPath()
            parts = [part for part in inner.parts if part not in ("/", "..")]
            for length in range(len(parts), -1, -1):
                yield mount.point.joinpath(*parts[:length])


def _cores(group: Path) -> int | None:
    """The limit in `cpu.max` (version 2, “max 100000” for none), or of quota and period (version 1, -1 for
    none).
    """
    words = (
        text_of(group / "cpu.max")
        or f"{text_of(group / 'cpu.cfs_quota_us')} {text_of(group / 'cpu.cfs_period_us')}"
    ).split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):  # noqa: PLR2004 - quota and period
        return None
    quota, period = map(int, words)
    return -(-quota // period) if quota and period else None


def _memory_bytes(group: Path) -> int | None:
    """The limit in `memory.max` (version 2, “max” for none) or `memory.limit_in_bytes` (version 1, a huge
    number for none).
    """
    text = text_of(group / "memory.max") or text_of(group / "memory.limit_in_bytes")
    return int(text) if text.isdecimal() else None
