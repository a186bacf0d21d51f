"""A collection as it is searched: its vectors and texts, mapped from its files. Any thread; blocks."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tray_app.search.head import ROWS, TEXTS, VECTORS, StoredText, unreadable
from tray_app.search.nearest import flat_map, nearest
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    import numpy as np
    import numpy.typing as npt

    from tray_app.search.head import Head, Part
    from tray_app.search.nearest import Near

_NPY_HEAD_BYTES = 256
_NPY_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(<[fi][48])', 'fortran_order': False, "
    rb"'shape': \((\d{1,9}), (\d{1,9})\), \} *\n",
    re.DOTALL,
)
"""How the files begin that `np.save` writes here. `np.load` reads many others, of which some run programs."""
_COLUMNS, _SOURCE = 4, 0
"""How many `….rows.npy` has, and which of them has the number of a text's source."""
_NEAR = 20
"""So many texts that are near to a question are on the map, however many others there are."""


@dataclass(frozen=True, slots=True)
class _OpenPart:
    """The files of a part. They are mapped, so they are here also when they are deleted meanwhile."""

    vectors: npt.NDArray[np.float32]
    """A row of its dimensions for each text."""
    rows: npt.NDArray[np.int64]
    """A row of `_COLUMNS` for each text."""
    lines: mmap.mmap
    live: npt.NDArray[np.bool_] | None
    """Which texts are in the collection; None for all of them."""


class Opened:
    """The vectors and texts of a collection, as they were at one moment; files are mapped, not read.

    `AppError` if one of them cannot be read, or is not what `head` says.
    """

    def __init__(self, folder: Path, head: Head) -> None:
        import numpy as np

        self._folder = folder
        self.head = head
        self._sources = {source.number: source for source in head.sources}
        self._live_numbers = np.array(sorted(self._sources), dtype=np.int64)
        self._parts = [self._read(part) for part in head.parts]

    def live_share(self, part: Part) -> float:
        """Which share of the texts in a part are in the collection, from 0 to 1."""
        live = self._parts[self.head.parts.index(part)].live
        return 1.0 if live is None else float(live.mean())

    def nearest(self, query: Any, limit: int) -> list[tuple[StoredText, float]]:
        """At most `limit` texts with their scores, the best first. `query`: float32 of length 1."""
        found: list[Near] = nearest(self._searched(), query, limit)
        return [(self._text(each.part, each.row), each.score) for each in found]

    def flat_map(self, most: int, query: Any = None) -> tuple[Any, tuple[float, float], list[StoredText]]:
        """The places of at most so many texts, evenly chosen (float32, a row of x and y for each); the share
        of all differences that each axis shows, from 0 to 1; and these texts.

        With a `query`, the texts that are nearest to it take part, and its own place comes last.
        """
        import numpy as np

        places = list(self._places())
        if len(places) > most:
            near = [] if query is None else nearest(self._searched(), query, _NEAR)
            evenly = np.linspace(0, len(places) - 1, max(0, most - len(near)))
            some = (places[int(at)] for at in evenly)
            places = list(dict.fromkeys((*((each.part, each.row) for each in near), *some)))
        vectors = np.empty((len(places), self.head.dimensions), dtype=np.float32)
        for at, (part, row) in enumerate(places):
            vectors[at] = self._parts[part].vectors[row]
        points, explained = flat_map(vectors, None if query is None else query[None, :])
        return points, explained, [self._text(part, row) for part, row in places]

    def _searched(self) -> Iterator[tuple[Any, Any]]:
        return ((part.vectors, part.live) for part in self._parts)

    def texts(self) -> Iterator[tuple[StoredText, Any]]:
        """All texts with their vectors (float32), in the order in which they came."""
        for part, row in self._places():
            yield self._text(part, row), self._parts[part].vectors[row]

    def _places(self) -> Iterator[tuple[int, int]]:
        """The number of its part, and its row there, of each text."""
        import numpy as np

        for number, part in enumerate(self._parts):
            rows = range(len(part.rows)) if part.live is None else np.flatnonzero(part.live)
            for row in rows:
                yield number, int(row)

    def _text(self, part: int, row: int) -> StoredText:
        number, first, last, begin = map(int, self._parts[part].rows[row])
        lines = self._parts[part].lines
        try:
            text = msgspec.json.decode(lines[begin : lines.find(b"\n", begin)], type=str)
        except (*NOT_JSON, OverflowError) as exc:
            raise unreadable(self._file(self.head.parts[part], TEXTS), exc) from exc
        return StoredText(text, self._sources[number], first, last)

    def _read(self, part: Part) -> _OpenPart:
        import numpy as np

        vectors = self._array(part, VECTORS, np.dtype("<f4"), self.head.dimensions)
        rows = self._array(part, ROWS, np.dtype("<i8"), _COLUMNS)
        live = np.isin(rows[:, _SOURCE], self._live_numbers)
        path = self._file(part, TEXTS)
        try:
            with path.open("rb") as file:
                lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as exc:
            raise unreadable(path, exc) from exc
        return _OpenPart(vectors, rows, lines, None if live.all() else live)

    def _array(self, part: Part, ending: str, dtype: Any, columns: int) -> Any:
        import numpy as np

        path = self._file(part, ending)
        try:
            with path.open("rb") as file:
                head = _NPY_HEAD.match(file.read(_NPY_HEAD_BYTES))
            shape = (part.rows, columns)
            if not head or head[1].decode() != dtype.str or (int(head[2]), int(head[3])) != shape:
                raise ValueError("not the numbers that belong here")  # noqa: TRY301 - as for a file cut short
            return np.asarray(np.memmap(path, dtype, "r", offset=head.end(), shape=shape))
        except (OSError, ValueError) as exc:
            raise unreadable(path, exc) from exc

    def _file(self, part: Part, ending: str) -> Path:
        return self._folder / f"{part.name}.{ending}"
