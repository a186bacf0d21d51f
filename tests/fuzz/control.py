"""Targets that are the control address: requests with and without a proof, and files that say where it is."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.fakes.commands import FakeCommands
from tests.fuzz.gateway import BODY_WORDS
from tests.fuzz.harness import Target, edited
from tests.fuzz.wire import REFUSALS, check_shape, check_success, request_line, send
from tray_app.errors import ErrorDocument, GatewayError
from tray_app.gateway.control.client import find_running
from tray_app.gateway.control.controlfile import FILE_NAME, ControlPlace, read_control_file
from tray_app.gateway.control.documents import StatusDocument
from tray_app.gateway.control.proof import (
    CHALLENGE_PATH,
    PROOF_OF_REQUEST,
    Challenge,
    Exchange,
    Welcome,
    new_nonce,
)
from tray_app.gateway.control.routes import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.gateway.control.controlfile import ControlFile


CONTROL_REQUESTS = [
    b"GET /status\n\n",
    b"POST /stop\n\n",
    b'POST /show\n\n{"source":"hf:o/r/m.gguf"}',
    b'POST /remove\n\n{"path":"/models/a%20b.gguf","trash":true,"anywhere":false}',
    b'POST /embed\n\n{"texts":["a","b"]}',
    b'POST /examine\n\n{"network":false}',
    b'POST /change\n\n{"name":"port","text":"8081"}',
    b'POST /download\n\n{"source":"hf:o/r/m.gguf","folder":"/models","connections":4,"bytes_per_s":1e6}',
    b'POST /tune\n\n{"model":"","apply":true}',
    b'POST /load\n\n{"model":"a","force":true}',
    b'POST /unload\n\n{"model":"a"}',
    b'POST /follow\n\n{"job":1,"seen":0}',
    b'POST /cancel\n\n{"job":1}',
    b'POST /challenge\n\n{"nonce":"AAECAwQFBgcICQoLDA0ODw=="}',
    b"POST /stop\nAuthorization: HMAC-SHA256 00 01 02\n\n",
    b"POST /quit\nOrigin: null\n\n",
]


@contextmanager
def control_ready() -> Iterator[Callable[[bytes], None]]:
    """A control address whose app does nothing."""
    with tempfile.TemporaryDirectory() as folder:

        def show(source: str) -> None:
            source.encode()

        commands = FakeCommands()
        commands.goes_on.set()
        control = Control(
            Path(folder),
            lambda: StatusDocument(running=True, state="ready"),
            {"stop": lambda: None, "quit": lambda: None},
            show,
            commands,
        )
        assert control.open()
        try:
            file = read_control_file(Path(folder))
            assert file
            yield partial(check_control, file)
        finally:
            control.end_jobs(timeout_s=5)
            control.close()


def check_control(file: ControlFile, data: bytes) -> None:
    """A success, a refusal or an error of the app; nothing but the answer to a challenge without a proof."""
    answer = send(file.port, data, {PROOF_OF_REQUEST: _proof(file, data)})
    if answer.status == HTTPStatus.CONFLICT:
        msgspec.json.decode(answer.body, type=ErrorDocument)
    else:
        check_shape(answer, frozenset((200, 204)))
        check_success(answer)
    assert send(file.port, data).status in REFUSALS or request_line(data)[1] == CHALLENGE_PATH


def _proof(file: ControlFile, data: bytes) -> str:
    """What shows that a request comes from who knows the secret."""
    nonce = new_nonce()
    challenge = msgspec.json.encode(Challenge(nonce))
    welcome = send(file.port, f"POST {CHALLENGE_PATH}\n\n".encode() + challenge)
    exchange = Exchange(file.token, nonce, msgspec.json.decode(welcome.body, type=Welcome).nonce)
    return exchange.header(exchange.of_request(*request_line(data), data.partition(b"\n\n")[2]))


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
    """A folder of state whose lock somebody holds, as an app does that is coming up."""
    with tempfile.TemporaryDirectory() as folder:
        place = ControlPlace(Path(folder))
        assert place.acquire()
        try:
            yield partial(check_control_file, Path(folder))
        finally:
            place.release()


def check_control_file(folder: Path, data: bytes) -> None:
    """No app is found by a file that is not understood, or where nobody proves to be it."""
    (folder / FILE_NAME).write_bytes(data)
    found = None
    try:
        found = find_running(folder, patience_s=0.0)
    except GatewayError as error:
        str(error).encode()
    assert found is None


TARGETS = (
    Target("control", edited(CONTROL_REQUESTS, BODY_WORDS), control_ready, 100),
    Target("control-files", CONTROL_FILES, control_files_ready, 60),
)
