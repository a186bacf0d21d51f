"""llama.cpp's own parser of llama-server's arguments, out of the built-in engine's library, to compare with.

Only on Linux does the library offer it, and only in C++'s own way.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from enum import Enum
from typing import Any

import xllamacpp

_PARSE = "_Z19common_params_parseiPPcR13common_params13llama_examplePFviS0_E"
_SERVER = 12
"""LLAMA_EXAMPLE_SERVER: the arguments are those of llama-server."""
_HEAD_OF_OBJECT = 16
"""So many bytes of a Python object stand before what it holds, here the parameters themselves."""
_MODEL = ("--model", "/model.gguf")


def there_is_one() -> bool:
    """Whether the real parser can be called here."""
    return sys.platform == "linux" and hasattr(_library(), _PARSE)


def parsed(arguments: list[str]) -> dict[str, Any] | None:
    """What llama.cpp's parser makes of llama-server's arguments; None if it refuses them."""
    params = xllamacpp.CommonParams()
    return leaves(params) if _parse(params, [*_MODEL, *arguments]) else None


def leaves(params: Any, before: str = "") -> dict[str, Any]:
    """Every parameter by its path, as values that can be compared."""
    found: dict[str, Any] = {}
    for name in dir(params):
        value = getattr(params, name)
        if name.startswith("__") or callable(value):
            continue
        if type(value).__name__.startswith(("CommonParams", "CpuParams")):
            found |= leaves(value, f"{before}{name}.")
        else:
            found[before + name] = _plain(value)
    return found


def help_text() -> str:
    """What `llama-server --help` prints: llama.cpp ends the process with it."""
    command = [sys.executable, "-c", "from tests.fakes import llamacpp_parser as p; p.print_help()"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def print_help() -> None:
    """Print what `llama-server --help` prints, and end the process."""
    _parse(xllamacpp.CommonParams(), ["--help"])


def _parse(params: Any, arguments: list[str]) -> bool:
    words = [b"llama-server", *map(os.fsencode, arguments)]
    argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    function = getattr(_library(), _PARSE)
    function.restype = ctypes.c_bool
    return bool(function(len(words), argv, ctypes.c_void_p(id(params) + _HEAD_OF_OBJECT), _SERVER, None))


def _library() -> Any:
    return ctypes.CDLL(xllamacpp.xllamacpp.__file__)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if hasattr(value, "scale"):
        return value.path, value.scale
    return value if isinstance(value, Enum) else repr(value)
