"""Somebody who takes commands and says what it was asked, without doing anything."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from tray_app.errors import DownloadError, ErrorCode, ModelError
from tray_app.gateway.control.commands import (
    Arriving,
    BrokenEngine,
    Changed,
    EngineAllowed,
    EngineArriving,
    EngineBuild,
    EngineList,
    EngineOffer,
    EngineRemoved,
    Examined,
    FileArriving,
    Loaded,
    Measured,
    Removed,
    TextEmbeddings,
    ThreadCounts,
    Tuned,
    Unloaded,
)
from tray_app.gateway.control.documents import EngineRow
from tray_app.models.memory import GIB

if TYPE_CHECKING:
    from tray_app.gateway.control.commands import (
        AllowingEngine,
        Cancellation,
        Changing,
        Downloading,
        Examining,
        InstallingEngine,
        ListingEngines,
        Loading,
        Measuring,
        ProvingEngine,
        Removing,
        RemovingEngine,
        Tell,
        TextsToEmbed,
        Unloading,
    )


class FakeCommands:
    """An `AppCommands` that notes what it is asked.

    A download stops half-way until it is cancelled, unless `goes_on` is set, and a model is loaded when it
    is; a measurement ends at once. Of models it knows those of one word.
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
            raise DownloadError(ErrorCode.DOWNLOAD_PAUSED, "Paused", "50 bytes have been downloaded.")
        return Arriving((_file(100),))

    def load(self, wish: Loading) -> Loaded:
        self.names.append(f"load {Path(wish.model).stem} {wish.force}")
        self.goes_on.wait()
        if " " in Path(wish.model).stem:
            raise ModelError(ErrorCode.MODEL_TOO_LARGE, f"{wish.model} does not fit", "It needs 9 GiB.")
        return Loaded(Path(wish.model).stem, "ready")

    def unload(self, wish: Unloading) -> Unloaded:
        self.names.append(f"unload {Path(wish.model).stem}")
        return Unloaded(Path(wish.model).stem)

    def list_engines(self, wish: ListingEngines) -> EngineList:
        del wish
        self.names.append("engines")
        offer = EngineOffer("b2-cuda", "llama.cpp b2", "9 MB", 9, "https://example.org", ("NVIDIA",), "")
        broken = BrokenEngine("b0", 3, "It is damaged.")
        return EngineList(
            (_engine("b1-cpu"),), (broken,), (offer,), "b2-cuda", "Use your card.", _ENGINE_HALF
        )

    def install_engine(self, wish: InstallingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        self.names.append(f"install {wish.name} {wish.path} {wish.accepts_terms}")
        tell(_ENGINE_HALF)
        with cancelled.calling(self.goes_on.set):
            self.goes_on.wait()
        if cancelled.is_set():
            raise DownloadError(ErrorCode.DOWNLOAD_PAUSED, "Paused", "50 bytes have been downloaded.")
        return _engine(wish.name)

    def prove_engine(self, wish: ProvingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        del cancelled
        self.names.append(f"prove {wish.id}")
        tell(EngineArriving(wish.id, "proving", 0, None, "Q4_K", ""))
        return _engine(wish.id)

    def remove_engine(self, wish: RemovingEngine) -> EngineRemoved:
        self.names.append(f"remove engine {wish.id}")
        return EngineRemoved(wish.id, 7)

    def allow_engine(self, wish: AllowingEngine) -> EngineAllowed:
        self.names.append(f"allow {wish.id} {wish.model}")
        return EngineAllowed(wish.id, (wish.model,) if wish.model else ())

    def tune(self, wish: Measuring, tell: Tell, cancelled: Cancellation) -> Tuned:
        self.names.append(f"tune {wish.model} {wish.apply}")
        tell(Measured(1, 2))
        counts = ThreadCounts(2, 4)
        return Tuned(not cancelled.is_set(), (), counts, counts, applied=wish.apply)


_ENGINE_HALF = EngineArriving("b2-cuda", "downloading", 50, 100, "", "no network")


def _engine(build_id: str) -> EngineBuild:
    return EngineBuild(
        id=build_id,
        name="llama.cpp b1 for the processor (CPU)",
        kind="llama-server",
        back_end="cpu",
        release="b1",
        program=Path("/engines/a b/llama-server"),
        size_bytes=7,
        source="https://example.org/b1.zip",
        sha256="ab" * 32,
        devices=("RTX 4070",),
        works_with=("F16",),
        fails_with={"Q4_K": "It crashed"},
        speed=2.5,
        in_use_by=("Zoë",),
        changed=True,
        set_aside={"bge": "out of memory"},
    )


def engine_row(model: str, **others: Any) -> EngineRow:
    """A model that an app has loaded; `others` are fields of its row."""
    row = EngineRow(
        model=model,
        name=model,
        state="ready",
        kind="llama.cpp",
        version="0.2.0",
        pid=7,
        device="CPU",
        memory_bytes=3 * GIB // 2,
        expected_bytes=GIB,
        context=4096,
        purpose="chat",
        active=0,
        requests=12,
        tokens_per_s=3.25,
        keep_loaded=False,
        chosen=False,
        idle_s=75.0,
    )
    return structs.replace(row, **others)


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
