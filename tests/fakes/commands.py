"""Somebody who takes commands and says what it was asked, without doing anything."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tray_app.errors import DownloadError, ErrorCode, ModelError
from tray_app.gateway.commands import (
    Arriving,
    Changed,
    Examined,
    FileArriving,
    Measured,
    Removed,
    TextEmbeddings,
    ThreadCounts,
    Tuned,
)

if TYPE_CHECKING:
    from tray_app.gateway.commands import (
        Cancellation,
        Changing,
        Downloading,
        Examining,
        Measuring,
        Removing,
        Tell,
        TextsToEmbed,
    )


class FakeCommands:
    """An `AppCommands` that notes what it is asked.

    A download stops half-way until it is cancelled, unless `goes_on` is set; a measurement ends at once.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.goes_on = threading.Event()

    def remove(self, wish: Removing) -> Removed:
        if wish.path.name == "thesis":
            raise ModelError(ErrorCode.MODEL_IS_FOLDER, "thesis is not a model", "It is a folder.")
        self.names.append(f"remove {wish.trash} {wish.anywhere}")
        return Removed((wish.path,), (), wish.trash, stopped_server=True)

    def embed(self, wish: TextsToEmbed) -> TextEmbeddings:
        self.names.append(f"embed {' '.join(wish.texts)}")
        return TextEmbeddings(tuple((0.5, 0.25) for _ in wish.texts), 2, 3, 1.5, by_test_model=False)

    def run_diagnostics(self, wish: Examining) -> Examined:
        self.names.append(f"examine {wish.network}")
        return Examined(ok=True, report="All is well.", document=msgspec.Raw(b'{"ok":true}'))

    def change(self, wish: Changing) -> Changed:
        self.names.append(f"change {wish.name} {wish.text}{f' of {wish.model_id}' if wish.model_id else ''}")
        return Changed(wish.text or "null")

    def download(self, wish: Downloading, tell: Tell, cancelled: Cancellation) -> Arriving:
        self.names.append(f"download {wish.source}")
        tell(Arriving((_file(50),)))
        with cancelled.calling(self.goes_on.set):
            self.goes_on.wait()
        if cancelled.is_set():
            raise DownloadError(ErrorCode.DOWNLOAD_PAUSED, "Paused", "50 bytes are here.")
        return Arriving((_file(100),))

    def tune(self, wish: Measuring, tell: Tell, cancelled: Cancellation) -> Tuned:
        self.names.append(f"tune {wish.model} {wish.apply}")
        tell(Measured(1, 2))
        counts = ThreadCounts(2, 4)
        return Tuned(not cancelled.is_set(), (), counts, counts, applied=wish.apply)


def _file(received_bytes: int) -> FileArriving:
    return FileArriving(
        1,
        "a.gguf",
        "done" if received_bytes == 100 else "downloading",
        received_bytes,
        100,
        Path("/models/a b.gguf"),
        resumed=False,
        sha256=None,
        trouble="",
    )
