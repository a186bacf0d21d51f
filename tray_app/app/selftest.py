"""Proves an installation: downloads the test model from itself, serves it, embeds a sentence. Main thread.

It uses temporary settings, models and ports, so nothing of the person's is changed. The download is
interrupted in the middle and resumed by a second queue, as after a quit. If there is a PowerInfer engine and
a sparse model for it, that is started too and asked for the same text several times.
"""

from __future__ import annotations

import hashlib
import http.server
import math
import os
import re
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil

from tray_app.app.engine_checks import ask_again, differing_answers
from tray_app.app.root import App
from tray_app.app.workspace import Workspace
from tray_app.download.queue import DownloadQueue
from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import engine_setting
from tray_app.engine.report import EngineChoice, report_on
from tray_app.errors import AppError, EngineError, ErrorCode
from tray_app.models.header import ModelHeader
from tray_app.models.library import builtin_model
from tray_app.models.memory import Fit
from tray_app.system.paths import AppPaths
from tray_app.system.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.app.diagnostic_findings import Repetition
    from tray_app.app.diagnostic_inputs import DiagnosticInputs
    from tray_app.download.progress import Progress
    from tray_app.engine.program import Engine
    from tray_app.models.model import Model
    from tray_app.system.host import Host

SENTENCE = "The quick brown fox jumps over the lazy dog."
_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class DownloadProof:
    """The result of the download."""

    bytes: int
    resumed: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class EngineProof:
    """The engine that served."""

    kind: str
    version: str | None


@dataclass(frozen=True, slots=True)
class EmbeddingProof:
    """The result of embedding `SENTENCE`."""

    dimensions: int
    norm: float
    ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """What `selftest --json` prints."""

    ok: bool
    download: DownloadProof
    engine: EngineProof
    embedding: EmbeddingProof
    orphans: int
    powerinfer: Repetition | None
    """None where there is no PowerInfer engine, or no sparse model that it can use."""

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if self.powerinfer and not self.powerinfer.same:
            return str(differing_answers(self.powerinfer))
        return "Some processes were left over." if self.orphans else "Everything works."


class SelfTestObserver(Protocol):
    """Is told about the progress of the test."""

    def step(self, text: str) -> None:
        """A step has begun or ended. Called by the thread that runs the test."""

    def progress(self, progress: Progress) -> None:
        """Bytes of the download have arrived. Called by the downloads thread."""


def run_selftest(host: Host, observer: SelfTestObserver) -> Report:
    """Run every step; `AppError` from the step that failed."""
    # The folder's name has a space and a letter outside of ASCII, because real home folders have them.
    with tempfile.TemporaryDirectory(prefix="powerinfer selftest é ") as folder:
        paths = AppPaths.below(Path(folder))
        download = _prove_download(paths.models, observer)
        engine, embedding = _prove_server(paths, host, observer)
        powerinfer = _prove_powerinfer(paths, host, observer)
        orphans = len(psutil.Process().children(recursive=True))
        observer.step(f"The server has stopped. Processes left over: {orphans}")
    return Report(
        ok=orphans == 0 and (powerinfer is None or powerinfer.same),
        download=download,
        engine=engine,
        embedding=embedding,
        orphans=orphans,
        powerinfer=powerinfer,
    )


def _prove_download(folder: Path, observer: SelfTestObserver) -> DownloadProof:
    model = builtin_model().read_bytes()
    digest = hashlib.sha256(model).hexdigest()
    with _serve(model) as server:
        observer.step(f"Downloading the test model from {server.url}")
        arrived_bytes = _download_part(server, folder, digest, observer)
        observer.step(f"Interrupted after {arrived_bytes:,} bytes, resuming")
        queue = DownloadQueue()
        queue.changed.connect(lambda downloads: observer.progress(downloads[-1]))
        try:
            download = queue.add(server.url, folder, sha256=digest)
            path = queue.wait(download, _TIMEOUT_S)
            result = queue.snapshot()[-1]
        finally:
            queue.close(timeout_s=5)
    observer.step(f"Downloaded and verified: {path.stat().st_size:,} bytes, SHA-256 {digest}")
    return DownloadProof(path.stat().st_size, result.resumed, hashlib.sha256(path.read_bytes()).hexdigest())


def _download_part(server: _Server, folder: Path, digest: str, observer: SelfTestObserver) -> int:
    """Begin the download and close the queue in the middle, as when a person quits; the bytes so far."""
    some_arrived = threading.Event()

    def watch(downloads: tuple[Progress, ...]) -> None:
        observer.progress(downloads[-1])
        if downloads[-1].received_bytes > 0 or not downloads[-1].phase.active:
            some_arrived.set()

    queue = DownloadQueue()
    queue.changed.connect(watch)
    try:
        queue.add(server.url, folder, sha256=digest)
        if not some_arrived.wait(_TIMEOUT_S):
            raise AppError(
                ErrorCode.SELFTEST_STALLED,
                "The self-test's download makes no progress",
                "No data was received for two minutes.",
            )
    finally:
        queue.close(timeout_s=5)
        server.interrupted.set()
    return queue.snapshot()[-1].received_bytes


def _prove_server(
    paths: AppPaths, host: Host, observer: SelfTestObserver
) -> tuple[EngineProof, EmbeddingProof]:
    app = App(paths, host, overrides={"model": str(paths.models / "test.gguf"), "port": free_port()})
    try:
        observer.step("Starting the engine")
        app.start_server()
        engine = app.wait_until_ready(_TIMEOUT_S).engine
        observer.step(f"{engine.kind} {engine.version or ''} is ready at {app.status().server.base_url}")
        answer = app.client.embed([SENTENCE])
        vector = answer.vectors[0]
        norm = math.sqrt(math.fsum(x * x for x in vector))
        first = ", ".join(f"{x:+.4f}" for x in vector[:4])
        observer.step(f"Embedding of {SENTENCE!r}:")
        observer.step(f"{len(vector)} dimensions, norm {norm:.4f}, {answer.elapsed_ms:.1f} ms: {first}, …")
    finally:
        app.close()
    return (
        EngineProof(engine.kind, engine.version),
        EmbeddingProof(len(vector), round(norm, 6), round(answer.elapsed_ms, 3)),
    )


def _prove_powerinfer(paths: AppPaths, host: Host, observer: SelfTestObserver) -> Repetition | None:
    """Whether PowerInfer answers one text in one way, as it does with a single thread alone."""
    inputs = Workspace.of_environment(os.environ).diagnostic_inputs()
    engine = _powerinfer(inputs)
    model = _smallest_sparse(inputs, engine) if engine else None
    if engine is None or model is None:
        missing = "no sparse model that fits this computer" if engine else "no PowerInfer engine"
        observer.step(f"PowerInfer is not tested: there is {missing} on this computer")
        return None
    overrides = {"model": str(model.path), "engine": engine.command[0], "port": free_port()}
    app = App(paths, host, overrides=overrides)
    try:
        observer.step(f"Starting PowerInfer with {model.name}")
        app.start_server()
        app.wait_until_ready(_TIMEOUT_S)
        found = ask_again(app.client.embed)
    finally:
        app.close()
    observer.step(f"PowerInfer: {found}")
    return found


def _powerinfer(inputs: DiagnosticInputs) -> Engine | None:
    """The PowerInfer engine that the person has chosen, else the one that would be found."""
    for setting in (engine_setting(inputs.settings.engine), EngineKind.POWERINFER):
        with suppress(EngineError):
            return choose_engine(setting, ModelNeeds.of(ModelHeader(sparse=True)), inputs.finder)
    return None


def _smallest_sparse(inputs: DiagnosticInputs, engine: Engine) -> Model | None:
    """The smallest sparse model in the person's folder; None if none fits into memory."""
    models = (model for model in inputs.library.contents().models if model.header.sparse)
    smallest = min(models, key=lambda model: model.size_bytes, default=None)
    if smallest is None:
        return None
    report = report_on(smallest, inputs.settings, EngineChoice(engine, None), inputs.host)
    return None if report.verdict.fit is Fit.TOO_LARGE else smallest


class _Server(http.server.ThreadingHTTPServer):
    """An HTTP server with one file and ranges; its first answer stops half-way until the client has
    disconnected.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__((LOOPBACK, 0), _FileHandler)
        self.content = content
        self.first_answer_bytes = len(content) // 2
        self.interrupted = threading.Event()
        self.url = f"http://{LOOPBACK}:{self.server_port}/test.gguf"


class _FileHandler(http.server.BaseHTTPRequestHandler):
    """Answers HEAD, and GET for the whole file or from an offset on: all that a resumed download needs."""

    server: _Server
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionError):  # while it waits for a request; Python would print a traceback
            super().handle()

    def do_HEAD(self) -> None:
        self._send_headers(0)

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self._send_headers(start)
        server = self.server
        if server.interrupted.is_set():
            self.wfile.write(server.content[start:])
        else:
            with suppress(ConnectionError):  # the client disconnects: that is the interruption
                self.wfile.write(server.content[start : server.first_answer_bytes])
            server.interrupted.wait()
            self.close_connection = True

    def _send_headers(self, start: int) -> None:
        total = len(self.server.content)
        if start:
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(HTTPStatus.OK)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(total - start))
        self.send_header("ETag", f'"{hashlib.sha256(self.server.content).hexdigest()}"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing: the terminal shows the steps."""


@contextmanager
def _serve(content: bytes) -> Iterator[_Server]:
    with _Server(content) as server:
        thread = threading.Thread(target=server.serve_forever, name="selftest-server")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
