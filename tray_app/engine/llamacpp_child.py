"""Runs llama.cpp's HTTP server in a process of its own, so that a crash in native code leaves the app alone.

Started by its path, so it imports nothing of this app; in a frozen app as `llamacpp-child`. Only this machine
reaches it. Like a native engine it takes pairs of flag and value, says `error: …` and exits with 1 if one is
of no use, and ends at once on SIGTERM: nothing needs to be saved.
"""

import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import xllamacpp


class UsageError(Exception):
    """An argument that cannot be used."""


def main(arguments: list[str]) -> int:
    """Serve until ended; returns only if that is not possible."""
    params = default_params()
    try:
        apply_arguments(params, arguments)
        server = xllamacpp.Server(params)
    except (UsageError, RuntimeError) as exc:  # RuntimeError: llama.cpp has printed why
        sys.stderr.write(f"error: {exc}\n")
        return 1
    # llama.cpp's own handlers would end the server, not the process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    sys.stderr.write(f"serving on {server.listening_address}\n")
    threading.Event().wait()
    return 0


def default_params() -> Any:
    """llama.cpp's parameters for this app: embeddings and text from one server, on the loopback address."""
    params = xllamacpp.CommonParams()
    params.hostnames = ["127.0.0.1"]
    params.embedding = True
    params.sse_ping_interval = 0  # comments in a stream stop some clients
    params.cors_origins = ""  # no web page may read an answer
    params.ui = False
    return params


def apply_arguments(params: Any, arguments: list[str]) -> None:
    """Set what the command line says. A flag is one of `_NAMES` or any plain parameter of llama.cpp."""
    words = iter(arguments)
    for flag in words:
        owner, name = _find(params, flag)
        convert = _CONVERTERS.get(type(getattr(owner, name, None)))
        if convert is None:
            raise UsageError(f"unknown argument: {flag}")
        value = next(words, None)
        if value is None:
            raise UsageError(f"missing value for argument: {flag}")
        try:
            setattr(owner, name, convert(value))
        except (KeyError, ValueError, OverflowError):
            raise UsageError(f"invalid value for argument: {flag}") from None
    params.n_ubatch = params.n_batch  # embeddings need both alike


def _find(params: Any, flag: str) -> tuple[Any, str]:
    plain = flag.removeprefix("--").replace("-", "_") if flag.startswith("--") else ""
    owner, _, name = _NAMES.get(flag, plain).rpartition(".")
    return (getattr(params, owner, None) if owner else params), name


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _pooling(text: str) -> Any:
    return xllamacpp.llama_pooling_type[f"LLAMA_POOLING_TYPE_{text.upper()}"]


def _load_mode(text: str) -> Any:
    return xllamacpp.llama_load_mode[f"LLAMA_LOAD_MODE_{text.upper()}"]


_NAMES = {
    "--model": "model.path",
    "--alias": "model_alias",
    "--batch-size": "n_batch",
    "--ctx-size": "n_ctx",
    "--threads": "cpuparams.n_threads",
    "--threads-batch": "cpuparams_batch.n_threads",
    "--pooling": "pooling_type",
}
_CONVERTERS: dict[type, Callable[[str], Any]] = {
    bool: _truth,
    int: int,
    float: float,
    str: str,
    set: lambda text: {text},
    xllamacpp.llama_pooling_type: _pooling,
    xllamacpp.llama_load_mode: _load_mode,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
