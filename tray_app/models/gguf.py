"""Reads the headers of model files: GGUF (versions 2 and 3) and PowerInfer's PWRI. Any thread.

The file is not trusted. Nothing is allocated for a count or length before its bytes are known to exist,
entries that `header.py` does not use (above all vocabularies) are skipped, and a header may have at most
`MAX_HEADER_BYTES`. So reading takes less than 64 MiB of memory, and a few seconds at most. Whatever the bytes
are, the result is a `ModelHeader` or a `ModelError`.

Format: ggml's docs/gguf.md. PWRI is GGUF with other first bytes.
"""

from __future__ import annotations

import math
import stat
import struct
from collections import Counter
from itertools import repeat
from typing import TYPE_CHECKING, Any

from tray_app.download.part import PART_ENDING
from tray_app.download.verify import HEAD_BYTES, begins_as_model
from tray_app.errors import ErrorCode, ModelError
from tray_app.models import file_errors
from tray_app.models.ggml import TENSOR_TYPES
from tray_app.models.header import is_used, model_header
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from tray_app.models.header import Metadata, ModelHeader
    from tray_app.phrases import Text

MAX_HEADER_BYTES = 48 << 20  # the largest vocabularies in use (half a million merges) take about 20 MiB
MAX_TEXT_BYTES = 1 << 20
MAX_KEYS = 10_000
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 4
MAX_KEPT_NUMBERS = 4096  # in one entry: some models give the number of heads for each layer
MAX_NUMBERS = 16 * MAX_KEPT_NUMBERS  # in all entries: usually three of them have several numbers
FIRST_READ_BYTES = 256 << 10
_PIECE_BYTES = 1 << 20

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_SCALARS = {number: struct.Struct("<" + code) for number, code in zip(range(8), "BbHhIif?", strict=True)} | {
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_DIMENSIONS = [struct.Struct(f"<{count}Q") for count in range(MAX_DIMENSIONS + 1)]
_TEXT, _ARRAY = 8, 9
_WHOLE = {0, 1, 2, 3, 4, 5, 10, 11}


class NeedMoreBytesError(Exception):
    """The header is longer than the given bytes: at least `size_bytes` are needed to read it."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self.size_bytes = size_bytes


def read_header(path: Path) -> ModelHeader:
    """The header of a model file.

    `ModelError` if the file does not exist, cannot be read, is not a model, is damaged, too new or too old,
    or ends before its last weight (PowerInfer does not notice that and would answer nonsense).
    """
    name = path.name or str(path)
    size_bytes = _file_size(path, name)
    try:
        with path.open("rb") as file:
            header = read_growing(name, lambda data, wanted: _read_on(file, data, wanted))
    except OSError as exc:
        raise file_errors.unreadable(path, name, exc.strerror or str(exc)) from exc
    if size_bytes < header.implied_size_bytes:
        raise file_errors.bytes_missing(name, size_bytes, header.implied_size_bytes)
    return header


def _read_on(file: BinaryIO, data: bytearray, wanted_bytes: int) -> None:
    """Read in pieces, because `read` allocates as much as it is asked for, even if the file is shorter."""
    while piece := file.read(min(wanted_bytes - len(data), _PIECE_BYTES)):
        data += piece


def read_growing(name: str, extend: Callable[[bytearray, int], object]) -> ModelHeader:
    """The header of a model file, of which `extend` fetches only as many bytes as are needed.

    `extend(data, wanted_bytes)` appends to `data`, the first bytes of the file, until it has `wanted_bytes`,
    or fewer only if the file ends. `ModelError` as in `parse_header`, or if the file ends within its header.
    """
    data, wanted_bytes = bytearray(), FIRST_READ_BYTES
    while True:
        extend(data, wanted_bytes)
        try:
            return parse_header(data, name)
        except NeedMoreBytesError as need:
            if need.size_bytes > MAX_HEADER_BYTES:
                raise _too_long(name, need) from None
            if len(data) < wanted_bytes:
                raise file_errors.incomplete(
                    name, phrase("It ends after {count:,} bytes, within its header.", count=len(data))
                ) from None
            wanted_bytes = min(max(need.size_bytes, 4 * wanted_bytes), MAX_HEADER_BYTES)


def parse_header(data: bytes | bytearray, name: str) -> ModelHeader:
    """The header in `data`, the first bytes of a model file; `name` is for messages.

    `NeedMoreBytesError` if it does not end within `data`, `ModelError` if it is not a valid header.
    """
    if not begins_as_model(data):
        raise file_errors.foreign(bytes(data[:HEAD_BYTES]), name)
    cursor = _Cursor(data, name)
    _check_version(cursor.take(_U32), name)
    tensor_count = cursor.read_count(MAX_TENSORS, "tensors")
    key_count = cursor.read_count(MAX_KEYS, "entries")
    metadata = _read_metadata(cursor, key_count)
    weights_size_bytes, elements = _read_tensor_infos(cursor, tensor_count)
    implied_bytes = _weights_start(cursor, metadata) + weights_size_bytes if elements else cursor.at
    header = model_header(metadata, cursor.lengths, elements, implied_bytes, sparse=data[:4] == b"PWRI")
    if header is None:
        raise file_errors.damaged(name, "It does not give the model's architecture.")
    return header


def implied_size(path: Path, known_bytes: int) -> int | None:
    """The size in bytes, by its header, of the model whose first `known_bytes` are in the file at `path`;
    None if they are not the whole header.

    `ModelError` if it is not a header or is too long; `OSError` if the file cannot be read.
    """
    name = path.name.removesuffix(PART_ENDING)
    with path.open("rb") as file:
        data = file.read(min(known_bytes, MAX_HEADER_BYTES))
    try:
        return parse_header(data, name).implied_size_bytes
    except NeedMoreBytesError as need:
        if need.size_bytes > MAX_HEADER_BYTES:
            raise _too_long(name, need) from None
        return None


def _too_long(name: str, need: NeedMoreBytesError) -> ModelError:
    return file_errors.damaged(
        name, phrase("Its header would be {count:,} bytes long.", count=need.size_bytes)
    )


def _file_size(path: Path, name: str) -> int:
    try:
        info = path.stat()
    except (FileNotFoundError, ValueError) as exc:  # ValueError: a NUL character, which no path can have
        raise file_errors.missing(name, path) from exc
    except OSError as exc:
        raise file_errors.unreadable(path, name, exc.strerror or str(exc)) from exc
    if stat.S_ISDIR(info.st_mode):
        raise ModelError(
            ErrorCode.MODEL_IS_FOLDER,
            phrase("{name} is a folder", name=name),
            "A model is a single file.",
            "Choose the model file in that folder.",
        )
    if not stat.S_ISREG(info.st_mode):  # opening a pipe would block
        raise file_errors.not_a_model(name, "It is not a regular file.")
    return info.st_size


class _Cursor:
    """Reads the first bytes of a file from front to back."""

    def __init__(self, data: bytes | bytearray, name: str) -> None:
        self.name = name
        self.at = 4  # behind the magic
        self.numbers_left = MAX_NUMBERS
        """How many more numbers in arrays may be kept."""
        self.lengths: dict[str, int] = {}
        """The number of items in each array that is used."""
        self._data = data

    def take(self, layout: struct.Struct) -> Any:
        return self.take_all(layout)[0]

    def take_all(self, layout: struct.Struct) -> tuple[Any, ...]:
        start = self.at
        self.skip(layout.size)
        return layout.unpack_from(self._data, start)

    def skip(self, size_bytes: int) -> None:
        end = self.at + size_bytes
        if end > len(self._data):
            raise NeedMoreBytesError(end)
        self.at = end

    def read_count(self, limit: int, what: Text) -> int:
        count: int = self.take(_U64)
        if count > limit:
            raise file_errors.damaged(
                self.name, phrase("Its header claims to have {count:,} {what}.", count=count, what=what)
            )
        return count

    def text(self) -> str:
        start = self.skip_text()
        return self._data[start : self.at].decode("utf-8", errors="replace")

    def skip_text(self) -> int:
        """Skip a text; its offset."""
        length = self.read_count(MAX_TEXT_BYTES, "characters in one text")
        start = self.at
        self.skip(length)
        return start

    def skip_texts(self, count: int) -> None:
        """Skip `count` texts, in a tight loop because vocabularies have hundreds of thousands."""
        data, at, read = self._data, self.at, _U64.unpack_from
        last = len(data) - _U64.size
        if at + _U64.size * count > len(data):
            raise NeedMoreBytesError(at + _U64.size * count)
        for _ in repeat(None, count):  # unlike `range`, makes no objects
            if at > last:
                raise NeedMoreBytesError(at + _U64.size)
            at += _U64.size + read(data, at)[0]
        self.skip(at - self.at)


def _read_metadata(cursor: _Cursor, key_count: int) -> Metadata:
    """The entries that are used, each a number, a text or a few whole numbers. All others are skipped."""
    metadata: Metadata = {}
    for _ in range(key_count):
        key = cursor.text()
        value = _read_value(cursor, key)
        if is_used(key) and value != ():
            metadata[key] = value
    return metadata


def _read_value(cursor: _Cursor, key: str) -> Any:
    """The value of a key; an empty tuple for one that is skipped."""
    number = cursor.take(_U32)
    if number == _ARRAY:
        return _read_array(cursor, key)
    if number in _SCALARS:
        return cursor.take(_SCALARS[number])
    if number == _TEXT and is_used(key):
        return cursor.text()
    if number == _TEXT:
        cursor.skip_text()
        return ()
    raise file_errors.unknown_entry(cursor.name, key, number)


def _read_array(cursor: _Cursor, key: str) -> tuple[int, ...]:
    """A short array of whole numbers; empty for all other arrays, which are skipped."""
    number = cursor.take(_U32)
    count = cursor.take(_U64)
    if is_used(key):
        cursor.lengths[key] = count
    if number == _TEXT:
        cursor.skip_texts(count)
    elif number not in _SCALARS:
        raise file_errors.unknown_entry(cursor.name, key, number)
    elif is_used(key) and number in _WHOLE and count <= min(MAX_KEPT_NUMBERS, cursor.numbers_left):
        cursor.numbers_left -= count
        return cursor.take_all(struct.Struct(f"<{count}{_SCALARS[number].format[-1]}"))
    else:
        cursor.skip(count * _SCALARS[number].size)
    return ()


def _read_tensor_infos(cursor: _Cursor, tensor_count: int) -> tuple[int, Counter[int]]:
    """The end of the last tensor, in bytes from the start of the weights, and the number of weights by
    type.
    """
    end = 0
    elements: Counter[int] = Counter()
    for _ in range(tensor_count):
        tensor = cursor.text()
        dimensions = cursor.take(_U32)
        if dimensions > MAX_DIMENSIONS:
            raise file_errors.damaged(
                cursor.name,
                phrase(
                    "Its tensor {name} has {count:,} dimensions.", name=repr(tensor[:60]), count=dimensions
                ),
            )
        size = math.prod(cursor.take_all(_DIMENSIONS[dimensions]))
        number = cursor.take(_U32)
        offset = cursor.take(_U64)
        if known := TENSOR_TYPES.get(number):
            offset += _round_up(size, known.block_elements) // known.block_elements * known.block_bytes
        end = max(end, offset)
        elements[number] += size
    return end, elements


def _weights_start(cursor: _Cursor, metadata: Metadata) -> int:
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0:
        raise file_errors.damaged(
            cursor.name, phrase("Its weights are aligned to {number}.", number=f"{alignment!r:.60}")
        )
    return _round_up(cursor.at, alignment)


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _check_version(version: int, name: str) -> None:
    if version in (2, 3):
        return
    if version & 0xFFFF == 0:
        raise ModelError(
            ErrorCode.MODEL_BYTE_ORDER_UNSUPPORTED,
            phrase("{name} is for another kind of computer", name=name),
            "Its numbers are stored in big-endian order.",
            "Download the usual, little-endian file.",
        )
    raise ModelError(
        ErrorCode.MODEL_FORMAT_UNSUPPORTED,
        phrase("{name} is too new for this app", name=name)
        if version > 3  # noqa: PLR2004
        else phrase("{name} is too old for this app", name=name),
        phrase(
            "It uses version {version:,} of the GGUF format. This app supports versions 2 and 3.",
            version=version,
        ),
        "Look for an update of this app or another file of the same model.",
    )
