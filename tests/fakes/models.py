"""Writes tiny model files for tests, whole or broken on purpose, without the library `gguf`."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Value = bool | int | float | str | list[str] | list[int]

HTML_PAGE = b"<!DOCTYPE html>\n<html><head><title>model.gguf</title></head><body>Sign in</body></html>\n"
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4680000000\n"


@dataclass(frozen=True, slots=True)
class Tensor:
    """What the header tells of one tensor; `size_bytes` of zeros follow for it."""

    name: str = "token_embd.weight"
    shape: tuple[int, ...] = (32, 4)
    type_number: int = 1  # F16
    size_bytes: int = 256


def header_bytes(
    metadata: Mapping[str, Value],
    tensors: Sequence[Tensor] = (),
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    alignment: int = 32,
) -> bytes:
    """A header as ggml's docs/gguf.md describes it, up to where the weights start."""
    out = magic + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        out += _text(key) + _typed(value)
    offset = 0
    for tensor in tensors:
        out += _text(tensor.name) + struct.pack("<I", len(tensor.shape))
        out += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape)
        out += struct.pack("<IQ", tensor.type_number, offset)
        offset += tensor.size_bytes + -tensor.size_bytes % alignment
    return out + bytes(-len(out) % alignment)


def model_bytes(
    *,
    sparse: bool = False,
    architecture: str = "llama",
    name: str = "Tiny",
    context_length: int = 512,
    weights: int = 4096,
    extra: Mapping[str, Value] | None = None,
) -> bytes:
    """A whole model file that says what it is told to say. Its weights are zeros; no engine runs it."""
    assert weights % 32 == 0
    metadata: dict[str, Value] = {
        "general.architecture": architecture,
        "general.name": name,
        "general.file_type": 1,
        f"{architecture}.context_length": context_length,
        f"{architecture}.embedding_length": 32,
        f"{architecture}.block_count": 1,
        "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "a"],
        **(extra or {}),
    }
    tensor = Tensor(shape=(32, weights // 32), size_bytes=2 * weights)
    assert prod(tensor.shape) == weights
    return header_bytes(metadata, [tensor], magic=b"PWRI" if sparse else b"GGUF") + bytes(tensor.size_bytes)


def write_model(
    path: Path, *, sparse: bool = False, name: str = "Tiny", extra: Mapping[str, Value] | None = None
) -> Path:
    """Write a whole model file (about 8 KiB), and the folders it needs; the path again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model_bytes(sparse=sparse, name=name, extra=extra))
    return path


def write_split_model(folder: Path, stem: str, count: int) -> list[Path]:
    """Write the files of a model that was split; their paths in order."""
    return [
        write_model(
            folder / f"{stem}-{number:05}-of-{count:05}.gguf",
            extra={"split.no": number - 1, "split.count": count},
        )
        for number in range(1, count + 1)
    ]


def write_truncated_model(path: Path, *, sparse: bool = False) -> Path:
    """Write the first half of a model: what a killed download leaves."""
    whole = write_model(path, sparse=sparse).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _typed(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value) if value >= 0 else struct.pack("<Ii", 5, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_text(str(item)) for item in value)
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *map(int, value))
