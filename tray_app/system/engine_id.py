"""Names that distinguish engines, and the processes of one engine. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MOST_LETTERS = 40
"""The most characters of a model's id in the name of its engine; a hash after them makes it unique."""


@dataclass(frozen=True, slots=True)
class EngineId:
    """An engine of this app. Its name is part of the names of files and threads; `ValueError` if it cannot
    be.
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} cannot be part of a file's name")

    @classmethod
    def of_model(cls, model_id: str) -> EngineId:
        """The engine of a model other than the chosen one: the model's id in ASCII, with a hash of it."""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", model_id).strip("-")[:_MOST_LETTERS]
        digest = hashlib.blake2b(model_id.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        return cls(f"{plain}-{digest}" if plain else f"model-{digest}")

    def worker(self, number: int) -> EngineId:
        """The process with this number, from 1 on, of an engine with several processes."""
        return self if number == 1 else EngineId(f"{self.name}-worker{number}")

    def __str__(self) -> str:
        return self.name


MAIN_ENGINE = EngineId("main")
"""The engine of the model that the person has chosen."""


@dataclass(frozen=True, slots=True)
class RunId:
    """One process of an engine: an engine counts its runs from 1."""

    engine: EngineId
    number: int

    def __str__(self) -> str:
        return f"{self.engine}-{self.number}"
