"""The real llama.cpp on the test model, in a child process as the app runs it, without the app."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests

from tests.fakes.gateways import get
from tray_app.engine import llamacpp_child
from tray_app.gateway.upstream import Upstream
from tray_app.models.library import builtin_model
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 30.0
POLL_S = 0.02
CONTEXT_SIZE = 512
_SLOTS = 4


@contextmanager
def llamacpp(
    model: Path | None = None, *, context_size: int = CONTEXT_SIZE, **more: object
) -> Iterator[Upstream]:
    """llama.cpp, ready, as the gateway sees it. `more`: further options, with their values."""
    port = free_port()
    options = {
        "--model": model or builtin_model(),
        "--port": port,
        "--ctx-size": context_size * _SLOTS,
        "--n-parallel": _SLOTS,
        "--threads": 1,
        **{f"--{name.replace('_', '-')}": value for name, value in {"pooling": "last", **more}.items()},
    }
    command = [
        sys.executable,
        llamacpp_child.__file__,
        *(str(word) for pair in options.items() for word in pair),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            base_url = f"http://127.0.0.1:{port}"
            _wait_until_ready(base_url, process)
            yield Upstream(
                base_url, speaks_openai=True, model_id="tiny", model_name="Tiny", context_size=context_size
            )
        finally:
            process.kill()


def _wait_until_ready(base_url: str, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, "llama.cpp has ended"
        try:
            if get(f"{base_url}/health").ok:
                return
        except requests.ConnectionError:
            time.sleep(POLL_S)  # it tells nobody when it begins to listen
    raise AssertionError("llama.cpp does not answer")
