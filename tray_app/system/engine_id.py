"""What tells engines, and the processes of one engine, apart wherever several may run. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class EngineId:
    """An engine of this app: its name is part of the names of its files and threads. `ValueError`."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} cannot be part of a file's name")

    def __str__(self) -> str:
        return self.name


MAIN_ENGINE = EngineId("main")
"""The only engine, as long as the app runs one model."""


@dataclass(frozen=True, slots=True)
class RunId:
    """One process of an engine: an engine counts its runs from 1."""

    engine: EngineId
    number: int

    def __str__(self) -> str:
        return f"{self.engine}-{self.number}"
