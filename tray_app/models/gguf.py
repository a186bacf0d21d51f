"""Reads what a model file says of itself: the header of GGUF (versions 2, 3) and PowerInfer's PWRI.

The file is not trusted. Nothing is allocated for a count or length before the bytes for it are seen to be
there, arrays (vocabularies) are stepped over, and a header may not be longer than `MAX_HEADER_BYTES`.
Whatever the bytes are, the outcome is a `ModelHeader` or a `ModelError`. Any thread may call.

Format: ggml's docs/gguf.md. PWRI is GGUF with other first bytes.
"""

from __future__ import annotations

import math
import stat
import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tray_app.errors import ModelError
from tray_app.models.ggml import FILE_TYPES, TENSOR_TYPES

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

MAX_HEADER_BYTES = 64 << 20  # the largest vocabularies in use (half a million merges) take about 20 MiB
MAX_TEXT_BYTES = 1 << 20
MAX_KEYS = 10_000
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 4
FIRST_READ_BYTES = 256 << 10

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_SCALARS = {number: struct.Struct("<" + code) for number, code in zip(range(8), "BbHhIif?", strict=True)} | {
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_TEXT, _ARRAY = 8, 9
_GUESSED_FILE_TYPE = 1024  # llama.cpp's flag for a file type that it has worked out by itself

Metadata = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """What a model file says of itself. `None` where it says nothing that can be understood."""

    sparse: bool
    """A PWRI file, that only PowerInfer runs."""
    version: int
    architecture: str
    name: str | None
    context_length: int | None
    """Tokens that the model was trained to see at once."""
    embedding_length: int | None
    block_count: int | None
    quantization: str
    """How the weights are stored: `F16`, `Q4_0`, `Q4_K_M`, …"""
    chat_template: str | None
    implied_size_bytes: int
    """Where the last weight ends: a shorter file is incomplete."""


class NeedMoreBytesError(Exception):
    """The header goes on: at least `size_bytes` of the file are needed to read it."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self.size_bytes = size_bytes


def read_header(path: Path) -> ModelHeader:
    """The header of a whole model file.

    `ModelError` if there is none, it cannot be read, is something else, is damaged, too new, or shorter than
    its weights (PowerInfer does not notice that and would answer nonsense).
    """
    name = path.name or str(path)
    size_bytes = _file_size(path, name)
    try:
        with path.open("rb") as file:
            header = _read_growing(file, size_bytes, name)
    except OSError as exc:
        raise _unreadable(path, name, exc.strerror or str(exc)) from exc
    if missing := max(0, header.implied_size_bytes - size_bytes):
        raise _incomplete(
            name, f"{size_bytes:,} of {header.implied_size_bytes:,} bytes are there, {missing:,} are missing."
        )
    return header


def parse_header(data: bytes, name: str) -> ModelHeader:
    """The header in the first bytes of a model file; `name` is for messages.

    `NeedMoreBytesError` if it does not end within `data`, `ModelError` if it is not one.
    """
    if data[:4] not in (b"GGUF", b"PWRI"):
        raise _foreign(data, name)
    cursor = _Cursor(data, name)
    version = cursor.take(_U32)
    _check_version(version, name)
    tensor_count = cursor.count(MAX_TENSORS, "tensors")
    key_count = cursor.count(MAX_KEYS, "entries")
    metadata = _read_metadata(cursor, key_count)
    architecture = _label(metadata.get("general.architecture"))
    if architecture is None:
        raise _damaged(name, "It does not say of which architecture the model is.")
    weights_size_bytes, elements = _read_tensor_infos(cursor, tensor_count)
    template = metadata.get("tokenizer.chat_template")
    return ModelHeader(
        sparse=data[:4] == b"PWRI",
        version=version,
        architecture=architecture,
        name=_label(metadata.get("general.name")),
        context_length=_size(metadata.get(f"{architecture}.context_length")),
        embedding_length=_size(metadata.get(f"{architecture}.embedding_length")),
        block_count=_size(metadata.get(f"{architecture}.block_count")),
        quantization=_quantization(metadata.get("general.file_type"), elements),
        chat_template=template if isinstance(template, str) else None,
        implied_size_bytes=_weights_start(cursor, metadata) + weights_size_bytes if elements else cursor.at,
    )


def _file_size(path: Path, name: str) -> int:
    try:
        info = path.stat()
    except FileNotFoundError as exc:
        raise ModelError(
            f"The model file {name} does not exist", f"Nothing is at {path}.", "Choose or download a model."
        ) from exc
    except OSError as exc:
        raise _unreadable(path, name, exc.strerror or str(exc)) from exc
    except ValueError as exc:  # a NUL character, which no path can have
        raise _unreadable(path, name, str(exc)) from exc
    if stat.S_ISDIR(info.st_mode):
        raise ModelError(
            f"{name} is a folder", "A model is a single file.", "Name the model file inside that folder."
        )
    if not stat.S_ISREG(info.st_mode):  # opening a pipe would wait for ever
        raise _not_a_model(name, "It is not an ordinary file.")
    return info.st_size


class _Cursor:
    """Steps forward through the first bytes of a file."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        self.at = 4  # behind the magic
        self._data = data

    def take(self, layout: struct.Struct) -> Any:
        start = self.at
        self.skip(layout.size)
        return layout.unpack_from(self._data, start)[0]

    def skip(self, size_bytes: int) -> None:
        end = self.at + size_bytes
        if end > len(self._data):
            raise NeedMoreBytesError(end)
        self.at = end

    def count(self, limit: int, what: str) -> int:
        count: int = self.take(_U64)
        if count > limit:
            raise _damaged(self.name, f"Its header announces {count:,} {what}.")
        return count

    def text(self) -> str:
        length = self.count(MAX_TEXT_BYTES, "letters in one text")
        start = self.at
        self.skip(length)
        return self._data[start : self.at].decode("utf-8", errors="replace")

    def skip_texts(self, count: int) -> None:
        """Step over texts; a tight loop, for vocabularies have hundreds of thousands."""
        data, at, read = self._data, self.at, _U64.unpack_from
        last = len(data) - _U64.size
        if at + _U64.size * count > len(data):
            raise NeedMoreBytesError(at + _U64.size * count)
        for _ in range(count):
            if at > last:
                raise NeedMoreBytesError(at + _U64.size)
            at += _U64.size + read(data, at)[0]
        self.skip(at - self.at)


def _read_growing(file: BinaryIO, size_bytes: int, name: str) -> ModelHeader:
    """Parse the first bytes, and again more of them until the header is all there."""
    data = file.read(FIRST_READ_BYTES)
    while True:
        try:
            return parse_header(data, name)
        except NeedMoreBytesError as need:
            if need.size_bytes > MAX_HEADER_BYTES:
                raise _damaged(name, f"Its header would be {need.size_bytes:,} bytes long.") from None
            if need.size_bytes > size_bytes:
                raise _incomplete(name, f"It ends after {size_bytes:,} bytes, within its header.") from None
            more = file.read(max(need.size_bytes, 4 * len(data)) - len(data))
        if not more:
            raise _incomplete(name, "It became shorter while it was read.")
        data += more


def _read_metadata(cursor: _Cursor, key_count: int) -> Metadata:
    """The entries that hold one number or text. Arrays are stepped over."""
    metadata: Metadata = {}
    for _ in range(key_count):
        key = cursor.text()
        number = cursor.take(_U32)
        if number == _TEXT:
            metadata[key] = cursor.text()
        elif number == _ARRAY:
            _skip_array(cursor, key)
        elif number in _SCALARS:
            metadata[key] = cursor.take(_SCALARS[number])
        else:
            raise _unknown_entry(cursor.name, key, number)
    return metadata


def _skip_array(cursor: _Cursor, key: str) -> None:
    number = cursor.take(_U32)
    count = cursor.take(_U64)
    if number == _TEXT:
        cursor.skip_texts(count)
    elif number in _SCALARS:
        cursor.skip(count * _SCALARS[number].size)
    else:
        raise _unknown_entry(cursor.name, key, number)


def _read_tensor_infos(cursor: _Cursor, tensor_count: int) -> tuple[int, Counter[int]]:
    """Where the last tensor ends, in bytes from the weights' start, and how many numbers have which type."""
    end = 0
    elements: Counter[int] = Counter()
    for _ in range(tensor_count):
        tensor = cursor.text()
        dimensions = cursor.take(_U32)
        if dimensions > MAX_DIMENSIONS:
            raise _damaged(cursor.name, f"Its tensor {tensor[:60]!r} has {dimensions:,} dimensions.")
        size = math.prod(cursor.take(_U64) for _ in range(dimensions))
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
        raise _damaged(cursor.name, f"Its weights are aligned to {alignment!r:.60}.")
    return _round_up(cursor.at, alignment)


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _quantization(file_type: Any, elements: Counter[int]) -> str:
    """The name of the mix if the file tells it, else of the type that most of its numbers have."""
    if isinstance(file_type, int) and (mix := FILE_TYPES.get(file_type & ~_GUESSED_FILE_TYPE)):
        return mix
    if not elements:
        return "unknown"
    number = max(elements, key=lambda each: elements[each])
    return TENSOR_TYPES[number].name if number in TENSOR_TYPES else f"type {number}"


def _label(value: Any) -> str | None:
    """A text to be shown: without the control characters that could trick a terminal."""
    text = "".join(filter(str.isprintable, value)).strip() if isinstance(value, str) else ""
    return text or None


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _check_version(version: int, name: str) -> None:
    if version in (2, 3):
        return
    if version & 0xFFFF == 0:
        raise ModelError(
            f"{name} is for other machines",
            "Its numbers are stored in big-endian order.",
            "Download the usual, little-endian file.",
        )
    raise ModelError(
        f"{name} is too {'new' if version > 3 else 'old'} for this app",  # noqa: PLR2004
        f"It is written in version {version:,} of the GGUF format. This app reads versions 2 and 3.",
        "Look for an update of this app, or for another file of the same model.",
    )


def _foreign(data: bytes, name: str) -> ModelError:
    """What a file without a model's first bytes is, as far as can be told."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return _not_a_model(name, "The file is empty.", "Download it again.")
    if start.startswith((b"<!doctype html", b"<html")):
        return _not_a_model(
            name,
            "It is an HTML page, probably the page that describes the file.",
            "Download the file itself: on Hugging Face its address has /resolve/ where the page has /blob/.",
        )
    if start.startswith(b"version https://git-lfs"):
        return _not_a_model(
            name,
            "It is a Git LFS pointer, that only stands for the file.",
            "Run «git lfs pull», or download it.",
        )
    return _not_a_model(name, f"It begins with {data[:4]!r}, and not with GGUF or PWRI.")


def _unreadable(path: Path, name: str, why: str) -> ModelError:
    return ModelError(
        f"The model file {name} cannot be read", f"{why} ({path}).", "Check the path and its permissions."
    )


def _not_a_model(name: str, why: str, hint: str = "Choose a model in the GGUF format.") -> ModelError:
    return ModelError(f"{name} is not a model", why, hint)


def _incomplete(name: str, why: str) -> ModelError:
    return ModelError(f"The model file {name} is incomplete", why, "Download or copy it again.")


def _damaged(name: str, why: str) -> ModelError:
    return ModelError(f"The model file {name} is damaged", why, "Download or copy it again.")


def _unknown_entry(name: str, key: str, number: int) -> ModelError:
    return _damaged(name, f"Its entry {key[:60]!r} is of the unknown type {number:,}.")
