"""Which projector belongs to a model, so that the model can see pictures. Pure.

The engine loads any projector whose vectors have the right length, even another model's, with which the model
sees nonsense. So a projector is used only if it is clear which model it belongs to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tray_app.models.memory import projector_bytes
from tray_app.models.model_files import stem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path, PurePath, PurePosixPath

    from tray_app.models.header import ModelHeader

_WORD = "mmproj"
"""The word in the names of projectors, and of no other files."""
_MARK = re.compile(rf"^{_WORD}(?:[-_. ]+|$)|[-_. ]+{_WORD}(?=$|[-_. ])", re.IGNORECASE)
_STORED = re.compile(r"[-_. ](?:ud[-_])?(?:i?q\d\w*|b?f16|f32|fp16|fp32|mxfp4\w*)$", re.IGNORECASE)
"""The quantization at the end of a name."""
_FETCHED = ("F16", "FP16", "BF16", "Q8_0", "F32", "FP32")
"""The quantizations of projectors, the best to download first: F16, with which every device can compute."""
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
        """The memory in bytes that an engine uses for it."""
        return projector_bytes(self.header.projection, self.size_bytes)


class Neighbors(NamedTuple):
    """The files in one folder that have the names of models."""

    models: int
    """The number of those that are not named as projectors."""
    projectors: tuple[Path, ...]
    """Those that are named as projectors."""


def is_named_so(path: PurePath) -> bool:
    """Whether a file has the name of a projector."""
    return _WORD in path.name.casefold()


def neighbors(files: Collection[Path]) -> Neighbors:
    """The models and projectors among the files of one folder, by their names."""
    projectors = tuple(filter(is_named_so, files))
    return Neighbors(len(files) - len(projectors), projectors)


def projector_to_fetch(
    model: PurePosixPath, beside: Iterable[PurePosixPath], *, alone: bool
) -> PurePosixPath | None:
    """The projector of a repository that belongs to one of its models; None if that is not clear.

    It has the model's name, or all models there are quantizations of this one (`alone`). Of several, the one
    in 16 bits, which is as good as the original and half as large.
    """
    there = list(beside)
    kin = [each for each in there if _plain_name(each) == _plain_name(model)]
    candidates = kin or (there if alone else [])
    return min(candidates, key=lambda each: (_rank(each), str(each)), default=None)


def name_beside(projector: PurePath, model: PurePath) -> str:
    """The name for a downloaded projector in a folder with several models: it contains the model's name.

    Publishers use the same name for the projectors of all their models.
    """
    if _plain_name(projector) == _plain_name(model):
        return projector.name
    stem = _STORED.sub("", stem_of(model))
    stored = _STORED.search(stem_of(projector))
    return f"{_WORD}-{stem}{f'-{stored[0][1:]}' if stored else ''}{projector.suffix}"


class FolderProjectors:
    """The projectors of one folder by their names, so that no model has to look through all of them.

    `models`: how many models are in the folder.
    """

    def __init__(self, projectors: Iterable[Projector], models: int) -> None:
        smallest_first = sorted(projectors, key=lambda each: (each.size_bytes, each.path.name))
        usable = [each for each in smallest_first if _is_text(each.path)]
        self._only = usable[0] if usable and len(smallest_first) == models == 1 else None
        self._by_file_name = _grouped(usable, lambda each: each.path.name)
        self._by_file = _grouped(usable, lambda each: _plain_name(each.path))
        self._by_publisher = _grouped(usable, lambda each: _plain(each.header.name or ""))

    def of(self, model: Path, header: ModelHeader, from_catalog: str = "") -> Projector | None:
        """The projector that is certainly this model's own; None if none is.

        It is the one with the file name that the catalog gives (`from_catalog`), or one that has the model's
        name, by its file or by its publisher; the smallest of several. Otherwise the only projector beside
        the only model, if its vectors have the length of the model's. Never one with vectors of another
        length.
        """
        if header.sparse:
            return None
        named = self._by_file_name.get(from_catalog, ())
        by_file = self._by_file.get(_plain_name(model), ())
        by_publisher = self._by_publisher.get(_plain(header.name or ""), ())
        if found := _first_fitting(named, header):
            return found
        kin = filter(None, (_first_fitting(group, header) for group in (by_file, by_publisher)))
        if found := min(kin, key=lambda each: (each.size_bytes, each.path.name), default=None):
            return found
        return self._only if self._only and _fits(self._only, header) else None


def _grouped(
    projectors: Iterable[Projector], name_of: Callable[[Projector], str]
) -> dict[str, list[Projector]]:
    """The projectors by their names, in the same order; without names that say nothing."""
    groups: dict[str, list[Projector]] = {}
    for each in projectors:
        if (name := name_of(each)) not in _SAY_NOTHING:
            groups.setdefault(name, []).append(each)
    return groups


def _first_fitting(projectors: Iterable[Projector], header: ModelHeader) -> Projector | None:
    return next((each for each in projectors if _fits(each, header) is not False), None)


def _fits(projector: Projector, header: ModelHeader) -> bool | None:
    """Whether its vectors have the length of the model's; None if one of the files does not say."""
    made = projector.header.projection.length if projector.header.projection else None
    return made == header.embedding_length if made and header.embedding_length else None


def _plain_name(path: PurePath) -> str:
    """A file's name without the quantization and without the word for projectors, for comparisons."""
    return _plain(_STORED.sub("", _MARK.sub("", stem_of(path))))


def _rank(projector: PurePath) -> int:
    """The position of its quantization in `_FETCHED`; smaller is better."""
    stored = _STORED.search(stem_of(projector))
    label = stored[0][1:].upper() if stored else ""
    return _FETCHED.index(label) if label in _FETCHED else len(_FETCHED)


def _plain(name: str) -> str:
    return _NOT_LETTERS.sub("-", name.casefold()).strip("-")


def _is_text(path: Path) -> bool:
    """Whether a path can be encoded, so that it can be passed to an engine."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
