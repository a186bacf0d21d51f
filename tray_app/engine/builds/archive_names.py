"""Which names an archive may contain: names below one folder that every system can tell apart. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from tray_app.download.file_names import WINDOWS_DEVICES
from tray_app.errors import EngineError, ErrorCode
from tray_app.phrases import phrase, presentable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tray_app.phrases import Text

_NOT_ON_WINDOWS = frozenset('<>:"|?*\\')
"""A colon is part of drives and of alternate data streams there; a backslash separates folders."""
_MOST_PART_BYTES = 200
_MOST_PARTS = 16
_MOST_LINKS = 16
"""How many links may follow one another."""

_NEVER: tuple[tuple[Callable[[str], object], Text], ...] = (
    (lambda part: part == "..", "It leads out of its folder."),
    (lambda part: not part, "Part of its path is empty."),
    (lambda part: len(part.encode(errors="surrogatepass")) > _MOST_PART_BYTES, "It is too long."),
    (
        lambda part: _NOT_ON_WINDOWS & set(part) or presentable(part) != part,
        "It contains characters that not every system allows.",
    ),
    (
        lambda part: part.startswith(" ") or part.endswith((".", " ")),
        "It starts or ends with characters that Windows ignores.",
    ),
    (WINDOWS_DEVICES.fullmatch, "Windows reserves this name for a device."),
)
"""Tests that no part of a name may pass, each with the reason that people are told."""

Parts = tuple[str, ...]
"""A name below the folder, part by part."""


def parts_of(name: str) -> Parts:
    """The parts of an archive's name for a file or folder, without the `.` that many begin with; none for the
    folder itself.

    `EngineError` if it would lead out of the folder, or is no name on some system.
    """
    if name.startswith("/"):
        raise unsafe(name, "It is an absolute path.")
    parts = tuple(part for part in name.removesuffix("/").split("/") if part != ".")
    if len(parts) > _MOST_PARTS:
        raise unsafe(name, "It has too many nested folders.")
    for part in parts:
        for is_so, why in _NEVER:
            if is_so(part):
                raise unsafe(name, why)
    return parts


class Names:
    """The names of an archive so far, of which no two may be the same on any system."""

    def __init__(self) -> None:
        self._taken: dict[Parts, tuple[Parts, bool]] = {}
        """Each name and whether it is that of a folder, by the form in which all alike names are equal."""

    def take(self, parts: Parts, name: str, *, folder: bool) -> None:
        """Note a file, link or folder. `EngineError` if another has the same name on some system."""
        for length in range(1, len(parts)):
            self._take(parts[:length], name, folder=True)
        if parts:
            self._take(parts, name, folder=folder)

    def _take(self, parts: Parts, name: str, *, folder: bool) -> None:
        taken = self._taken.setdefault(_alike(parts), (parts, folder))
        is_new = taken[0] is parts
        if not is_new and not (folder and taken == (parts, True)):
            raise unsafe(
                name, phrase("On some systems, it has the same name as {other}.", other="/".join(taken[0]))
            )


def _alike(parts: Parts) -> Parts:
    return tuple(
        unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", each).casefold()) for each in parts
    )


def target_of(link: Parts, links: Mapping[Parts, str], files: frozenset[Parts]) -> Parts:
    """The file of the archive that a link leads to in the end. `EngineError` if it leads to none.

    `links` has what each link says. A link to a folder leads to no file, so nothing is ever behind a link.
    """
    at = link
    for _ in range(_MOST_LINKS):
        at = _followed(at, links[at], "/".join(link))
        if at in files:
            return at
        if at not in links:
            break
    raise unsafe("/".join(link), "It is a link that does not lead to a file in the archive.")


def _followed(link: Parts, said: str, name: str) -> Parts:
    if said.startswith("/") or _NOT_ON_WINDOWS & set(said) or "\0" in said:
        raise unsafe(name, "It is a link that leads out of its folder.")
    at = list(link[:-1])
    for part in said.split("/"):
        if part == ".." and not at:
            raise unsafe(name, "It is a link that leads out of its folder.")
        if part == "..":
            at.pop()
        elif part not in ("", "."):
            at.append(part)
    return tuple(at)


def unsafe(name: str, why: Text) -> EngineError:
    """The error about an entry that must not be unpacked."""
    return EngineError(
        ErrorCode.ARCHIVE_UNSAFE,
        "The archive is not safe to unpack",
        phrase("“{name}”: {why}", name=name, why=why),
        "Nothing was kept. Download the engine from its publisher.",
    )
