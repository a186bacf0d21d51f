"""The proposed name of a quantized model. Pure."""

from __future__ import annotations

import re

_ENDING = re.compile(r"(\.powerinfer)?\.gguf$", re.IGNORECASE)
_OLD_TYPE = re.compile(r"[._-](f32|f16|bf16|fp16)$", re.IGNORECASE)
_FILE_NAME = re.compile(r"[^/\\:*?\"<>|]+\.gguf", re.IGNORECASE)


def new_name(name: str, type_name: str) -> str:
    """`llama.Q4_0.gguf` for `llama.f16.gguf`; the ending `.powerinfer.gguf` of sparse models stays."""
    found = _ENDING.search(name)
    ending = found[0] if found else ".gguf"
    stem = _OLD_TYPE.sub("", name.removesuffix(ending))
    return f"{stem}.{type_name}{ending}"


def is_file_name(text: str) -> bool:
    """Whether this can be the name of a model file on every system."""
    return _FILE_NAME.fullmatch(text) is not None
