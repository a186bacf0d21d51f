"""The server that the self-test downloads from."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from typing import TYPE_CHECKING, Any

from tray_app.app import selftest
from tray_app.system.ports import LOOPBACK

if TYPE_CHECKING:
    import pytest

RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def test_a_client_that_resets_its_connection_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The download that is interrupted does, when its end comes before its data has been read."""
    ended = threading.Event()
    with selftest._serve(b"model") as server:
        close = server.shutdown_request

        def close_and_tell(request: Any) -> None:
            close(request)
            ended.set()

        monkeypatch.setattr(server, "shutdown_request", close_and_tell)
        with socket.create_connection((LOOPBACK, server.server_port)) as client:
            client.sendall(b"GET /")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        assert ended.wait(30)

    assert capfd.readouterr().err == ""
