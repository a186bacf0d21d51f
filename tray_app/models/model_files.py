"""Which files belong to a model: its parts, the files that PowerInfer puts beside it, its checksums. Any
thread.
"""

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
"""The folder, beside a sparse model, in which PowerInfer expects statistics about the use of each neuron."""
GPU_INDEX = ".generated.gpuidx"
"""The ending of the file, beside a model, in which PowerInfer stores which neurons run on the graphics
card."""
CHECKSUM = ".sha256"
MAX_PARTS = 999
FRESH_S = 4.0
"""A file that was written to more recently may still be growing."""

_SPLIT = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Split:
    """The position of a file among the files of a split model, according to its name."""

    stem: str
    number: int
    """From 1."""
    count: int

    def name(self, number: int) -> str:
        """The name, without suffix, of the file with this number."""
        return f"{self.stem}-{number:05}-of-{self.count:05}"


@dataclass(frozen=True, slots=True)
class Partial:
    """An unfinished download."""

    path: Path
    """The partial file."""
    final: Path
    """The file that it will become."""
    held_bytes: int
    """The space that it occupies on the disk, or its size on systems that do not tell."""


def split_of(stem: str) -> Split | None:
    """The position in a split model that `stem`, a file name without suffix, gives; None if it gives none."""
    found = _SPLIT.fullmatch(stem)
    if not found:
        return None
    number, count = int(found["number"]), int(found["count"])
    return Split(found["stem"], number, count) if 1 <= number <= count <= MAX_PARTS else None


def stem_of(model: PurePath) -> str:
    """The name of a model by its file: without the suffix, and without the number of a split model."""
    stem = without_suffix(model)
    split = split_of(stem)
    return split.stem if split else stem


def without_suffix(model: PurePath) -> str:
    """The file name without its suffix, if that is the one of models."""
    return model.name[: -len(MODEL_SUFFIX)] if model.suffix.lower() == MODEL_SUFFIX else model.name


def parts_of(model: AnyPath) -> tuple[AnyPath, ...]:
    """The files with the weights of a model, in order, whether they exist or not."""
    split = split_of(model.stem)
    if split is None:
        return (model,)
    return tuple(model.with_name(split.name(number) + model.suffix) for number in range(1, split.count + 1))


def checksum_file(part: Path) -> Path:
    """The file that contains the SHA-256 of a downloaded file."""
    return part.with_name(part.name + CHECKSUM)


def companions_of(model: Path) -> tuple[Path, ...]:
    """The existing files, besides the weights, whose names begin with the model's."""
    beside = (model.with_name(model.name + GPU_INDEX), *map(checksum_file, parts_of(model)))
    return tuple(path for path in beside if path.is_file())


def activation_of(model: Path) -> Path | None:
    """The folder with the statistics beside a sparse model, if there is one.

    Its name does not contain the model's: with several sparse models in a folder, it is unclear whose it is.
    """
    folder = model.with_name(ACTIVATION)
    return folder if folder.is_dir() else None


def is_fresh(modified_s: float, now_s: float) -> bool:
    """Whether a file modified at this time may still be growing; both times are in seconds since 1970."""
    return abs(now_s - modified_s) < FRESH_S
