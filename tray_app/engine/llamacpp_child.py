"""Runs llama.cpp's HTTP server in a process of its own, so that a crash in native code does not end the app.

Started by its path, so that it runs from any folder, installed or not; in a frozen app as `llamacpp-child`.
Of this app it imports only what reads its command line. It listens on the loopback address and asks for its
key. Like a native engine it takes llama-server's arguments and the variable with the key, prints `error: …`
and exits with 1 if an argument is wrong, and ends at once on SIGTERM: nothing needs to be saved.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import xllamacpp

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))

from tray_app.engine.access import KEY_VARIABLE
from tray_app.engine.parameters import UsageError, apply_arguments

_AS_THE_BATCH = 0
"""The physical batch size follows `--batch-size`: embeddings of a whole text need both sizes equal."""


def main(arguments: list[str]) -> int:
    """Serve until the process is ended. Returns an exit code only if it cannot serve."""
    params = default_params()
    try:
        apply_arguments(params, arguments)
        params.n_ubatch = params.n_ubatch or params.n_batch
        server = xllamacpp.Server(params)
    except (UsageError, RuntimeError) as exc:  # llama.cpp has printed the reason
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
    if key := os.environ.pop(KEY_VARIABLE, ""):
        params.api_keys = [key]
    params.n_ubatch = _AS_THE_BATCH
    return params


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
