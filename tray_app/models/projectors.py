"""Which projector goes with a model, so that the model sees pictures. Pure.

The engine loads any projector whose vectors are of the right length, also that of another model, which then
sees nonsense. So one is taken only where it is clear whose it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tray_app.models.memory import projector_bytes
from tray_app.models.model_files import stem_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path, PurePath, PurePosixPath

    from tray_app.models.header import ModelHeader

_WORD = "mmproj"
"""What publishers put into the names of projectors, and into no other."""
_MARK = re.compile(rf"^{_WORD}(?:[-_. ]+|$)|[-_. ]+{_WORD}(?=$|[-_. ])", re.IGNORECASE)
_STORED = re.compile(r"[-_. ](?:ud[-_])?(?:i?q\d\w*|b?f16|f32|fp16|fp32|mxfp4\w*)$", re.IGNORECASE)
"""How the weights are stored, at the end of a name."""
_FETCHED = ("F16", "FP16", "BF16", "Q8_0", "F32", "FP32")
"""Ways to store a projector, the best first: everything computes in 16 bits of the first kind."""
_NOT_LETTERS = re.compile(r"[\W_]+")
_SAY_NOTHING = frozenset({"", "model"})


@dataclass(frozen=True, slots=True)
class Projector:
    """A whole projector file on this computer."""

    path: Path
    size_bytes: int
    header: ModelHeader

    @property
    def sees(self) -> bool:
        """Whether it takes pictures, and not only sounds."""
        return self.header.projection is not None and self.header.projection.sees

    @property
    def memory_bytes(self) -> int:
        """What it takes in the memory of an engine."""
        return projector_bytes(self.header.projection, self.size_bytes)


class Neighbors(NamedTuple):
    """The model files of one folder, told apart by their names."""

    models: int
    projectors: tuple[Path, ...]
    """Those with the name of a projector."""


def is_named_so(path: PurePath) -> bool:
    """Whether a file has the name of a projector."""
    return _WORD in path.name.casefold()


def neighbors(files: Collection[Path]) -> Neighbors:
    """The files of one folder, told apart."""
    projectors = tuple(filter(is_named_so, files))
    return Neighbors(len(files) - len(projectors), projectors)


def projector_to_fetch(
    model: PurePosixPath, beside: Iterable[PurePosixPath], *, alone: bool
) -> PurePosixPath | None:
    """Which projector of a repository goes with one of its models; None if it is not clear that one does.

    It is called as the model is, or the model is `alone` there but for how its weights are stored. Of
    several, the one in 16 bits: it is as good as the original, and half its size.
    """
    there = list(beside)
    kin = [each for each in there if _plain_name(each) == _plain_name(model)]
    candidates = kin or (there if alone else [])
    return min(candidates, key=lambda each: (_rank(each), str(each)), default=None)


def name_beside(projector: PurePath, model: PurePath) -> str:
    """What a projector is to be called beside a model of a folder that has others: as the model is.

    Publishers call those of all their models the same.
    """
    if _plain_name(projector) == _plain_name(model):
        return projector.name
    stem = _STORED.sub("", stem_of(model))
    stored = _STORED.search(stem_of(projector))
    return f"{_WORD}-{stem}{f'-{stored[0][1:]}' if stored else ''}{projector.suffix}"


def projector_for(
    model: Path,
    header: ModelHeader,
    beside: Sequence[Projector],
    *,
    alone: bool,
    told: str = "",
) -> Projector | None:
    """The one of the projectors beside a model that is certainly the model's own; None if none is.

    It is the one with the name that the catalogue has `told`, or one that is called as the model is, by its
    file or by its publisher; of several such the smallest. Else, with a model that is `alone` in its folder,
    the only one, if its vectors have the length of the model's. None whose vectors have another length.
    """
    if header.sparse:
        return None
    fitting = [each for each in beside if _fits(each, header) is not False and _is_text(each.path)]
    by_catalogue = [each for each in fitting if each.path.name == told]
    if kin := by_catalogue or [each for each in fitting if _is_kin(each, model, header)]:
        return min(kin, key=lambda each: (each.size_bytes, each.path.name))
    sure = alone and len(beside) == 1 and fitting and _fits(fitting[0], header)
    return fitting[0] if sure else None


def _fits(projector: Projector, header: ModelHeader) -> bool | None:
    """Whether its vectors have the length of the model's; None if one of the two does not tell."""
    made = projector.header.projection.length if projector.header.projection else None
    return made == header.embedding_length if made and header.embedding_length else None


def _is_kin(projector: Projector, model: Path, header: ModelHeader) -> bool:
    """Whether both are called the same, but for how their weights are stored."""
    by_file = _plain_name(projector.path)
    by_publisher = _plain(projector.header.name or "")
    return (by_file not in _SAY_NOTHING and by_file == _plain_name(model)) or (
        by_publisher not in _SAY_NOTHING and by_publisher == _plain(header.name or "")
    )


def _plain_name(path: PurePath) -> str:
    """What a file is called, but for how its weights are stored, and that it is a projector."""
    return _plain(_STORED.sub("", _MARK.sub("", stem_of(path))))


def _rank(projector: PurePath) -> int:
    """Its place among those of one model, by how its weights are stored."""
    stored = _STORED.search(stem_of(projector))
    label = stored[0][1:].upper() if stored else ""
    return _FETCHED.index(label) if label in _FETCHED else len(_FETCHED)


def _plain(name: str) -> str:
    return _NOT_LETTERS.sub("-", name.casefold()).strip("-")


def _is_text(path: Path) -> bool:
    """Whether an engine can be told of a file by its path."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
