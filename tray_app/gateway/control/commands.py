"""What terminal commands ask for, and what they are told, as values that are sent as JSON. Pure.

A running app does the work, behind its control address; where none runs, the command's own process does. Both
are an `AppCommands`, so a command does not know which of them it speaks to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from tray_app.errors import ErrorCode, GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator

Tell = Callable[[msgspec.Struct], None]
"""Takes the progress of long work, as a value of the type that the docstring of the command names."""


class Cancellation(threading.Event):
    """Asks long work to end soon. Once it is set, it stays set."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._calls: list[Callable[[], None]] = []

    def set(self) -> None:
        """Ask for it. Calls what `calling` was given, on this thread: so never from a signal's handler."""
        with self._lock:
            super().set()
            calls = tuple(self._calls)
        for call in calls:
            call()

    @contextmanager
    def calling(self, call: Callable[[], None]) -> Iterator[None]:
        """Have `call` called when it is set during the block, or at once if it is set already."""
        with self._lock:
            is_late = self.is_set()
            self._calls.append(call)
        try:
            if is_late:
                call()
            yield
        finally:
            with self._lock:
                self._calls.remove(call)


class Removing(msgspec.Struct, frozen=True):
    """A model to remove."""

    path: Path
    trash: bool
    """Whether it goes to the trash; else it is deleted permanently."""
    anywhere: bool
    """Whether it may be outside the models folder."""


class Removed(msgspec.Struct, frozen=True):
    """What was removed; see `models.removal.Removal`."""

    paths: tuple[Path, ...]
    kept: tuple[Path, ...]
    trashed: bool
    stopped_server: bool
    forgotten: tuple[Path, ...] = ()


class Downloading(msgspec.Struct, frozen=True):
    """A model to download."""

    source: str
    folder: Path | None = None
    """Where its files go; None: the models folder."""
    sha256: str | None = None
    connections: int | None = None
    """The most connections for this download; None: as the settings say."""
    bytes_per_s: float | None = None
    """The highest speed of this download; None: as the settings say."""


class FileArriving(msgspec.Struct, frozen=True):
    """One file of a download; see `download.progress.Progress`."""

    id: int
    name: str
    phase: str
    received_bytes: int
    total_bytes: int | None
    path: Path
    resumed: bool
    sha256: str | None
    trouble: str
    """Why it waits, after which it continues by itself; empty while it does not wait."""


class Arriving(msgspec.Struct, frozen=True):
    """All files of a download, in their order."""

    files: tuple[FileArriving, ...]
    picked: str = ""
    """Which file of a repository that is, and why; empty where there was no choice."""


class TextsToEmbed(msgspec.Struct, frozen=True):
    """Texts to embed."""

    texts: tuple[str, ...]


class TextEmbeddings(msgspec.Struct, frozen=True):
    """The embeddings of texts, in their order; see `public_client.Embeddings`."""

    vectors: tuple[tuple[float, ...], ...]
    dimensions: int
    tokens: int
    elapsed_ms: float
    by_test_model: bool
    """Whether no model was chosen, so that the built-in test model answered."""


class Examining(msgspec.Struct, frozen=True):
    """A request for diagnostics."""

    network: bool
    """Whether to check the network, too."""


class Examined(msgspec.Struct, frozen=True):
    """The result of diagnostics: as people read it, and as `doctor --json` prints it."""

    ok: bool
    report: str
    document: msgspec.Raw


class Changing(msgspec.Struct, frozen=True):
    """A new value for a setting, for all models or for one."""

    name: str
    text: str | None
    """As a person typed it; None for the default, or for one model the value for all models."""
    model_id: str | None = None
    """The model whose own value it is; None for all models."""


class Changed(msgspec.Struct, frozen=True):
    """The new value of the setting as JSON, and what was wrong with the settings file before."""

    value: str
    complaint: str = ""
    """Empty if nothing was."""
    copy: Path | None = None
    """Where the old file is kept, if there was a complaint."""


class Measuring(msgspec.Struct, frozen=True):
    """Asks on which engine and with how many threads a model is fastest."""

    model: str = ""
    """A file or an id; empty: the chosen model."""
    apply: bool = False
    """Whether to change the settings to what is best."""


class Measured(msgspec.Struct, frozen=True):
    """How many combinations of engine and threads have been measured, and how many there are."""

    done: int
    total: int


class ThreadCounts(msgspec.Struct, frozen=True):
    """See `tuning.Threads`."""

    generation: int
    prompt: int


class SpeedSample(msgspec.Struct, frozen=True):
    """See `tuning.ThreadMeasurement`."""

    threads: int
    embeddings_per_s: float
    tokens_per_s: float | None


class EngineSpeed(msgspec.Struct, frozen=True):
    """See `tuning.EngineMeasurement`."""

    engine: str
    """Its name in the setting `engine`."""
    release: str
    embeddings_per_s: float
    tokens_per_s: float | None
    times_built_in: float | None
    """How many times as fast as the built-in engine; None if either was not measured."""
    failure: str
    """Why it was not measured; empty if it was."""


class Tuned(msgspec.Struct, frozen=True):
    """The result of measuring; see `tuning.Tuning`."""

    complete: bool
    samples: tuple[SpeedSample, ...]
    present: ThreadCounts
    best: ThreadCounts
    applied: bool
    """Whether the settings were changed to what is best."""
    engines: tuple[EngineSpeed, ...] = ()
    """Empty if there was nothing to compare."""
    present_engine: str = ""
    best_engine: str = ""


class Loading(msgspec.Struct, frozen=True):
    """A model to load in addition to others."""

    model: str
    """An id, another name of it, or a file."""
    force: bool = False
    """Whether to load it even if engines may not use that much memory."""


class Loaded(msgspec.Struct, frozen=True):
    """A model that was loaded."""

    model: str
    """Its id."""
    state: str
    """The state of its engine."""


class Unloading(msgspec.Struct, frozen=True):
    """A model to unload."""

    model: str
    """An id, another name of it, or a file."""


class Unloaded(msgspec.Struct, frozen=True):
    """A model that was unloaded."""

    model: str
    """Its id."""


class ListingEngines(msgspec.Struct, frozen=True):
    """Asks which engines there are."""


class EngineBuild(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that is installed; see `app.engine_manager.InstalledEngine`."""

    id: str
    name: str
    """Its name for people."""
    kind: str
    back_end: str
    release: str
    program: Path
    size_bytes: int
    source: str
    sha256: str
    devices: tuple[str, ...]
    """The graphics cards that it uses."""
    works_with: tuple[str, ...]
    """The quantizations with which it passed its test."""
    fails_with: dict[str, str]
    """Those with which it failed, and why."""
    speed: float | None
    """How many times as fast as the built-in engine, in its test; None if it was not measured."""
    in_use_by: tuple[str, ...] = ()
    changed: bool = False
    set_aside: dict[str, str] = {}
    """The models for which it is no longer used, and why."""


class BrokenEngine(msgspec.Struct, frozen=True):
    """An installed engine that cannot be used, only removed or installed again."""

    id: str
    size_bytes: int
    problem: str


class EngineOffer(msgspec.Struct, frozen=True):
    """An engine that is available for this computer."""

    id: str
    name: str
    cost: str
    """What has to be downloaded, from where, and under which terms."""
    size_bytes: int
    address: str
    terms: tuple[str, ...]
    why_not: str
    """What speaks against it; empty for the one that suits this computer best."""


class EngineList(msgspec.Struct, frozen=True):
    """All engines, installed and available."""

    installed: tuple[EngineBuild, ...]
    broken: tuple[BrokenEngine, ...]
    offers: tuple[EngineOffer, ...]
    advised: str | None
    """The id of the available engine that suits this computer best, if none that is installed does."""
    advice: str
    """In words."""
    unfinished: EngineArriving | None = None
    """The installation that has begun and not ended."""


class InstallingEngine(msgspec.Struct, frozen=True):
    """An engine to install."""

    name: str = ""
    """The name of an available engine; empty: the one that suits this computer best."""
    path: Path | None = None
    """A file or folder of this name, if no available engine has it."""
    accepts_terms: bool = False
    """Whether the person accepts the terms of all that comes with it."""


class ProvingEngine(msgspec.Struct, frozen=True):
    """An installed engine to test again."""

    id: str


class EngineArriving(msgspec.Struct, frozen=True):
    """The progress of an installation; see `engine.builds.installing.Installation`."""

    id: str
    phase: str
    received_bytes: int
    total_bytes: int | None
    weights: str
    """The quantization with which it is being tested; empty for none."""
    trouble: str
    """Why it waits, after which it continues by itself; empty while it does not wait."""


class RemovingEngine(msgspec.Struct, frozen=True):
    """An installed engine to remove."""

    id: str


class EngineRemoved(msgspec.Struct, frozen=True):
    """The engine that was removed, and how much it took on the disk."""

    id: str
    size_bytes: int


class AllowingEngine(msgspec.Struct, frozen=True):
    """An engine to use again for a model with which it failed; without a model, for all of these."""

    id: str
    model: str | None = None


class EngineAllowed(msgspec.Struct, frozen=True):
    """The models for which the engine may be used again."""

    id: str
    models: tuple[str, ...]


def not_running() -> GatewayError:
    """The error of a command that needs a running app, if none is running."""
    return GatewayError(
        ErrorCode.APP_NOT_RUNNING,
        "PowerInfer Tray is not running",
        "This command needs the running app.",
        "Start it: powerinfer-tray serve",
    )


def failed_unexpectedly(exc: Exception) -> GatewayError:
    """The error of a command whose work failed by a fault of the app."""
    return GatewayError(
        ErrorCode.INTERNAL_ERROR, "The command failed unexpectedly", repr(exc), "See the app's log."
    )


class AppCommands(Protocol):
    """What a command can ask for. Every method blocks; an `AppError` says why it was not done."""

    def remove(self, wish: Removing) -> Removed:
        """Remove a model; a server that has it is stopped first."""

    def embed(self, wish: TextsToEmbed) -> TextEmbeddings:
        """Embed texts with the server that is open, or with one that lives as long as this call."""

    def run_diagnostics(self, wish: Examining) -> Examined:
        """Check everything that a start of the server depends on."""

    def change(self, wish: Changing) -> Changed:
        """Save a setting and apply it; returns when the engine has been told, if the setting concerns it."""

    def download(self, wish: Downloading, tell: Tell, cancelled: Cancellation) -> Arriving:
        """Download a model, and tell `Arriving` as it comes in; all its files, once they are here.

        When it is cancelled, the download pauses and a `DownloadError` says how much is there.
        """

    def load(self, wish: Loading) -> Loaded:
        """Load a model into the server that is open; returns when it answers.

        A wait that is given up stops nothing: the model is loaded all the same.
        """

    def unload(self, wish: Unloading) -> Unloaded:
        """End the engine of one model; returns when its memory is free."""

    def tune(self, wish: Measuring, tell: Tell, cancelled: Cancellation) -> Tuned:
        """Measure a server started for this call, and tell `Measured`; a running server is stopped meanwhile.

        When it is cancelled, it returns what has been measured by then.
        """

    def list_engines(self, wish: ListingEngines) -> EngineList:
        """All engines that are installed or available, and which one suits this computer."""

    def install_engine(self, wish: InstallingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        """Download, unpack and test an engine, and tell `EngineArriving`; returns once it can be used.

        When it is cancelled, the download pauses and a `DownloadError` says how much is there; what follows
        a download is called off.
        """

    def prove_engine(self, wish: ProvingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        """Test an installed engine again with each quantization, and tell `EngineArriving`."""

    def remove_engine(self, wish: RemovingEngine) -> EngineRemoved:
        """Delete an installed engine that no model runs on."""

    def allow_engine(self, wish: AllowingEngine) -> EngineAllowed:
        """Use an engine again for models with which it failed."""
