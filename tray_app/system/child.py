"""A program that cannot outlive this process: how it is started, and what can be done with it. Pure.

`launcher.py` starts such programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start: a program by its full path with arguments, environment and working folder."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


class Child(Protocol):
    """A started program. Its methods may be called by different threads."""

    @property
    def pid(self) -> int:
        """The id of the process."""

    @property
    def executable(self) -> Path:
        """The program that was asked for; the process itself may be the trampoline."""

    def batches(self) -> Iterator[list[str]]:
        """Its output until it ends, in batches of the lines that have arrived.

        For one reader.
        """

    def wait(self) -> int:
        """Wait until it has ended, and end its descendants. Returns its exit code (negative for a signal)."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it and its descendants at once."""


def lines_of(child: Child) -> Iterator[str]:
    """The output of a program, line by line. For one reader."""
    return chain.from_iterable(child.batches())


class Launcher(Protocol):
    """Starts programs that cannot outlive this process."""

    def launch(self, launch: Launch) -> Child:
        """Start a program; `OSError` if that is not possible."""
