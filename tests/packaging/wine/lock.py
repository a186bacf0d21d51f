"""Which lines of the lock files Windows needs: pip on Linux would judge their markers by its own system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable

# A pin, its digests on lines that a backslash joins, and the comments that name who asked for it.
_BLOCK = re.compile(r"^\w.*(?:\n[ \t].*)*", re.MULTILINE)
_DIGEST = re.compile(r"--hash=\S+")
_PARENT = re.compile(r"^ +# +(?:via +)?(\S+)", re.MULTILINE)


def windows_lock(run_lock: str, dev_lock: str, tools: Iterable[str], python: str) -> str:
    """A lock of what the app needs on 64-bit Windows, and of these tools of the second lock with their needs.

    `python` is a full version, «3.11.7»: markers ask for it.
    """
    environment = _windows(python)
    needed = _pins(_blocks(run_lock, environment))
    development = _blocks(dev_lock, environment)
    wanted = _with_needs(set(tools), development)
    return "".join((needed | _pins({name: development[name] for name in sorted(wanted)})).values())


def _blocks(lock: str, environment: dict[str, str]) -> dict[str, str]:
    """The entries that hold in an environment. A package may have several, of which one does."""
    blocks = {}
    for block in _BLOCK.findall(lock):
        requirement = Requirement(block.partition("\\")[0])
        if requirement.marker is None or requirement.marker.evaluate(environment):
            blocks[requirement.name] = block
    return blocks


def _pins(blocks: dict[str, str]) -> dict[str, str]:
    """Pin and digests of each entry, without its marker."""
    pins = {}
    for name, block in blocks.items():
        pin = Requirement(block.partition("\\")[0])
        pins[name] = " \\\n    ".join([f"{name}{pin.specifier}", *_DIGEST.findall(block)]) + "\n"
    return pins


def _with_needs(names: set[str], blocks: dict[str, str]) -> set[str]:
    """These packages and all that are there because of them, as the lock's comments say."""
    while more := {
        name
        for name, block in blocks.items()
        if name not in names and names.intersection(_PARENT.findall(block))
    }:
        names = names | more
    return names


def _windows(python: str) -> dict[str, str]:
    """What markers are compared with, as CPython for 64-bit Windows would say it."""
    return {
        "implementation_name": "cpython",
        "os_name": "nt",
        "platform_machine": "AMD64",
        "platform_python_implementation": "CPython",
        "platform_system": "Windows",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "win32",
    }
