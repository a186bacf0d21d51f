"""Targets that are the control address: requests with its token, and files that say where it is."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.fuzz.gateway import BODY_WORDS
from tests.fuzz.harness import Target, edited
from tests.fuzz.wire import REFUSALS, check_shape, check_success, send
from tray_app.errors import GatewayError
from tray_app.gateway.client import find_running
from tray_app.gateway.control import FILE_NAME, Control, ControlFile, Removed, Removing, StatusDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.gateway.control import Removing


CONTROL_REQUESTS = [
    b"GET /status\n\n",
    b"POST /stop\n\n",
    b'POST /show\n\n{"source":"hf:o/r/m.gguf"}',
    b'POST /remove\n\n{"path":"/models/a%20b.gguf","trash":true,"anywhere":false}',
    b"POST /quit\nOrigin: null\n\n",
]


@contextmanager
def control_ready() -> Iterator[Callable[[bytes], None]]:
    """A control address whose app does nothing."""
    with tempfile.TemporaryDirectory() as folder:

        def remove(wish: Removing) -> Removed:
            assert isinstance(wish.path, Path)
            return Removed((wish.path,), (), trashed=wish.trash, stopped_server=False)

        def show(source: str) -> None:
            source.encode()

        control = Control(
            Path(folder),
            lambda: StatusDocument(running=True, state="ready"),
            {"stop": lambda: None, "quit": lambda: None},
            show,
            remove,
        )
        control.open()
        try:
            file = msgspec.json.decode((Path(folder) / FILE_NAME).read_bytes(), type=ControlFile)
            yield partial(check_control, file)
        finally:
            control.close()


def check_control(file: ControlFile, data: bytes) -> None:
    """A success or a refusal; nothing at all without the token."""
    answer = send(file.port, data, {"Authorization": f"Bearer {file.token}"})
    check_shape(answer, frozenset((200, 204)))
    check_success(answer)
    assert send(file.port, data).status in REFUSALS


CONTROL_FILES = edited(
    [b'{"port":9,"token":"x","pid":1}', b'{"port":1,"token":"' + b"x" * 43 + b'","pid":999999}'],
    [
        *(
            b"null",
            b"-1",
            b"0",
            b"65536",
            b"1e3",
            b"9" * 400,
            b"true",
            b"\\ud800",
            b"\\u0000",
            b"\\n",
            b"\xff",
        ),
        *("é日".encode(), b"[" * 3000, b"{", b"}", b'"', b",", b'"port":', b'"pid":-1,'),
    ],
)


@contextmanager
def control_files_ready() -> Iterator[Callable[[bytes], None]]:
    """A folder of state."""
    with tempfile.TemporaryDirectory() as folder:
        yield partial(check_control_file, Path(folder))


def check_control_file(folder: Path, data: bytes) -> None:
    """Nobody is found by a file that no app keeps, or that is not understood."""
    (folder / FILE_NAME).write_bytes(data)
    try:
        assert find_running(folder, patience_s=0.2) is None
    except GatewayError as error:  # somebody else's program has the port, and says nothing
        str(error).encode()


TARGETS = (
    Target("control", edited(CONTROL_REQUESTS, BODY_WORDS), control_ready, 100),
    Target("control-files", CONTROL_FILES, control_files_ready, 100),
)
