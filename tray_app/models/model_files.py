"""Which files belong to a model: its parts, what PowerInfer puts beside it, its checksum. Any thread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

from tray_app.download.file_names import MODEL_SUFFIX

if TYPE_CHECKING:
    from pathlib import Path

AnyPath = TypeVar("AnyPath", bound=PurePath)

ACTIVATION = "activation"
"""The folder in which PowerInfer expects how often each neuron of the sparse model beside it is used."""
GPU_INDEX = ".generated.gpuidx"
"""What PowerInfer appends to a model's name for how it shares it between processor and graphics card."""
CHECKSUM = ".sha256"
MAX_PARTS = 999
FRESH_S = 4.0
"""A file that was written to less long ago may not be at its end yet."""

_SPLIT = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Split:
    """The place of a file among those that one model was split into, by its name."""

    stem: str
    number: int
    """From 1."""
    count: int

    def name(self, number: int) -> str:
        """The name of another of the files, without its suffix."""
        return f"{self.stem}-{number:05}-of-{self.count:05}"


@dataclass(frozen=True, slots=True)
class Partial:
    """A download that has not ended: the disk it holds, and the file it would become."""

    path: Path
    final: Path
    held_bytes: int
    """What it takes on the disk, where the system tells; it may be made in its full size but still empty."""


def split_of(stem: str) -> Split | None:
    """What `stem`, a file's name without suffix, says about a split; None if the file is a whole model."""
    found = _SPLIT.fullmatch(stem)
    if not found:
        return None
    number, count = int(found["number"]), int(found["count"])
    return Split(found["stem"], number, count) if 1 <= number <= count <= MAX_PARTS else None


def stem_of(model: PurePath) -> str:
    """What a model is called by its file: without its suffix, and without what the split has added."""
    stem = without_suffix(model)
    split = split_of(stem)
    return split.stem if split else stem


def without_suffix(model: PurePath) -> str:
    """The name of a model's file without its suffix, if it has that of models."""
    return model.name[: -len(MODEL_SUFFIX)] if model.suffix.lower() == MODEL_SUFFIX else model.name


def parts_of(model: AnyPath) -> tuple[AnyPath, ...]:
    """The files that hold the weights of a model, in order, whether they are there or not."""
    split = split_of(model.stem)
    if split is None:
        return (model,)
    return tuple(model.with_name(split.name(number) + model.suffix) for number in range(1, split.count + 1))


def checksum_file(part: Path) -> Path:
    """Where the SHA-256 of a file is kept that was known when it came."""
    return part.with_name(part.name + CHECKSUM)


def companions_of(model: Path) -> tuple[Path, ...]:
    """The files that are there besides the weights and carry the model's name."""
    beside = (model.with_name(model.name + GPU_INDEX), *map(checksum_file, parts_of(model)))
    return tuple(path for path in beside if path.is_file())


def activation_of(model: Path) -> Path | None:
    """The folder beside a sparse model that holds its statistics, if there is one.

    It carries no name: with several sparse models in a folder, nobody can say whose it is.
    """
    folder = model.with_name(ACTIVATION)
    return folder if folder.is_dir() else None


def is_fresh(modified_s: float, now_s: float) -> bool:
    """Whether somebody may still be writing a file; both times are seconds since 1970."""
    return abs(now_s - modified_s) < FRESH_S
