"""What terminal commands ask of whoever does the work, and what they are told: as values that travel. Pure.

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
"""Takes how far long work has come, as a value of the type that the work's docstring names."""


class Cancellation(threading.Event):
    """The wish that long work ends soon. Once it is set, it stays."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._calls: list[Callable[[], None]] = []

    def set(self) -> None:
        """Wish it. Calls what `calling` was given, on this thread: so never from a signal's handler."""
        with self._lock:
            super().set()
            calls = tuple(self._calls)
        for call in calls:
            call()

    @contextmanager
    def calling(self, call: Callable[[], None]) -> Iterator[None]:
        """Have `call` called when the wish comes during the block, or at once if it is there already."""
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
    """A model that somebody wants to be rid of."""

    path: Path
    trash: bool
    """Whether it goes to the trash, and not for good."""
    anywhere: bool
    """Whether it may be outside of the models folder."""


class Removed(msgspec.Struct, frozen=True):
    """What is gone; see `models.removal.Removal`."""

    paths: tuple[Path, ...]
    kept: tuple[Path, ...]
    trashed: bool
    stopped_server: bool
    forgotten: tuple[Path, ...] = ()


class Downloading(msgspec.Struct, frozen=True):
    """A model that somebody wants to have."""

    source: str
    folder: Path | None = None
    """Where its files go; None: the models folder."""
    sha256: str | None = None
    connections: int | None = None
    """At most so many for this download; None: as the settings say."""
    bytes_per_s: float | None = None
    """The highest speed of this download; None: as the settings say."""


class FileArriving(msgspec.Struct, frozen=True):
    """One file of a download, see `download.progress.Progress`."""

    id: int
    name: str
    phase: str
    received_bytes: int
    total_bytes: int | None
    path: Path
    resumed: bool
    sha256: str | None
    trouble: str
    """What it waits to pass before it goes on by itself; empty for nothing."""


class Arriving(msgspec.Struct, frozen=True):
    """All files of a download, in the order in which they belong together."""

    files: tuple[FileArriving, ...]
    picked: str = ""
    """Which file of a repository that is, and why; empty where there was no choice."""


class TextsToEmbed(msgspec.Struct, frozen=True):
    """Texts whose embeddings somebody wants."""

    texts: tuple[str, ...]


class TextEmbeddings(msgspec.Struct, frozen=True):
    """Their embeddings, in the order of the texts; see `client.Embeddings`."""

    vectors: tuple[tuple[float, ...], ...]
    dimensions: int
    tokens: int
    elapsed_ms: float
    by_test_model: bool
    """Whether no model was chosen, so that the built-in test model has answered."""


class Examining(msgspec.Struct, frozen=True):
    """The wish to know what is wrong."""

    network: bool
    """Whether to ask, too, if downloads could come in."""


class Examined(msgspec.Struct, frozen=True):
    """What was found: as people read it, and as `doctor --json` prints it."""

    ok: bool
    report: str
    document: msgspec.Raw


class Changing(msgspec.Struct, frozen=True):
    """A setting that shall have another value, for all models or for one."""

    name: str
    text: str | None
    """As a person has typed it; None for the default, or for a model the value for all."""
    model_id: str | None = None
    """The model whose own value it is; None for all models."""


class Changed(msgspec.Struct, frozen=True):
    """The value that the setting has now, as JSON, and what was wrong with the settings file before."""

    value: str
    complaint: str = ""
    """Empty where the file was in order."""
    copy: Path | None = None
    """Where the file of before is kept, if there was a complaint."""


class Measuring(msgspec.Struct, frozen=True):
    """The wish to know on which engine and with how many threads a model is fastest."""

    model: str = ""
    """A file or an id; empty: the chosen model."""
    apply: bool = False
    """Whether the settings shall have what is best."""


class Measured(msgspec.Struct, frozen=True):
    """How many of the engines and numbers of threads have been measured."""

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
    """As the setting `engine` calls it."""
    release: str
    embeddings_per_s: float
    tokens_per_s: float | None
    times_built_in: float | None
    """How many times as fast as the engine that comes with the app; None if one of both was not measured."""
    failure: str
    """Why it was not measured; empty if it was."""


class Tuned(msgspec.Struct, frozen=True):
    """What was measured; see `tuning.Tuning`."""

    complete: bool
    samples: tuple[SpeedSample, ...]
    present: ThreadCounts
    best: ThreadCounts
    applied: bool
    """Whether the settings have been changed to what is best."""
    engines: tuple[EngineSpeed, ...] = ()
    """Empty if there was nothing to compare."""
    present_engine: str = ""
    best_engine: str = ""


class Loading(msgspec.Struct, frozen=True):
    """A model that shall be loaded beside those that are."""

    model: str
    """An id, another name of it, or a file."""
    force: bool = False
    """Whether it is loaded also where the memory that engines may use is not enough."""


class Loaded(msgspec.Struct, frozen=True):
    """The model that has been loaded."""

    model: str
    """Its id."""
    state: str
    """That of its engine."""


class Unloading(msgspec.Struct, frozen=True):
    """A model whose engine shall end."""

    model: str
    """An id, another name of it, or a file."""


class Unloaded(msgspec.Struct, frozen=True):
    """The model that is loaded no more."""

    model: str
    """Its id."""


class ListingEngines(msgspec.Struct, frozen=True):
    """The wish to know which engines there are."""


class EngineBuild(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that is installed; see `app.engine_manager.InstalledEngine`."""

    id: str
    name: str
    """As people call it."""
    kind: str
    back_end: str
    release: str
    program: Path
    size_bytes: int
    source: str
    sha256: str
    devices: tuple[str, ...]
    """The cards that it computes with."""
    works_with: tuple[str, ...]
    """The kinds of weights with which it was proven."""
    fails_with: dict[str, str]
    """The others, with the reasons."""
    speed: float | None
    """In times of the built-in engine, at its proof."""
    in_use_by: tuple[str, ...] = ()
    changed: bool = False
    set_aside: dict[str, str] = {}
    """The models for which it is not used any more, with the reasons."""


class BrokenEngine(msgspec.Struct, frozen=True):
    """What is left of an engine that cannot be used, only removed or installed again."""

    id: str
    size_bytes: int
    problem: str


class EngineOffer(msgspec.Struct, frozen=True):
    """An engine that can be installed here."""

    id: str
    name: str
    cost: str
    """How much has to be downloaded, from where, on whose terms."""
    size_bytes: int
    address: str
    terms: tuple[str, ...]
    why_not: str
    """What speaks against it; empty for the one that suits this machine best."""


class EngineList(msgspec.Struct, frozen=True):
    """All engines of this machine."""

    installed: tuple[EngineBuild, ...]
    broken: tuple[BrokenEngine, ...]
    offers: tuple[EngineOffer, ...]
    advised: str | None
    """The id of the offer that suits this machine best, if it is better than what is there."""
    advice: str
    """In words."""
    unfinished: EngineArriving | None = None
    """What is being installed, or was begun and has not ended."""


class InstallingEngine(msgspec.Struct, frozen=True):
    """An engine that somebody wants to have."""

    name: str = ""
    """That of an offer; empty: the one that suits this machine best."""
    path: Path | None = None
    """A file or folder of this name; counts where no offer has it."""
    accepts_terms: bool = False
    """Whether the person accepts the terms of all that comes with it."""


class ProvingEngine(msgspec.Struct, frozen=True):
    """An installed engine that shall be tried again."""

    id: str


class EngineArriving(msgspec.Struct, frozen=True):
    """How far an installation is; see `engine.builds.installing.Installation`."""

    id: str
    phase: str
    received_bytes: int
    total_bytes: int | None
    weights: str
    """The kind of weights with which it is tried now; empty for none."""
    trouble: str
    """What it waits to pass before it goes on by itself; empty for nothing."""


class RemovingEngine(msgspec.Struct, frozen=True):
    """An installed engine that somebody wants to be rid of."""

    id: str


class EngineRemoved(msgspec.Struct, frozen=True):
    """The engine that is gone, and what it took on the disk."""

    id: str
    size_bytes: int


class AllowingEngine(msgspec.Struct, frozen=True):
    """An engine that shall be used again for a model with which it has failed; without one, for all."""

    id: str
    model: str | None = None


class EngineAllowed(msgspec.Struct, frozen=True):
    """The models for which the engine may be used again."""

    id: str
    models: tuple[str, ...]


def not_running() -> GatewayError:
    """What a command says that needs a running app where none is."""
    return GatewayError(
        ErrorCode.APP_NOT_RUNNING,
        "PowerInfer Tray is not running",
        "This command needs the running app.",
        "Start it: powerinfer-tray serve",
    )


def failed_unexpectedly(exc: Exception) -> GatewayError:
    """What a command says whose work failed in a way that nobody has thought of."""
    return GatewayError(
        ErrorCode.INTERNAL_ERROR, "The command failed unexpectedly", repr(exc), "See the app's log."
    )


class AppCommands(Protocol):
    """What a command can have done. Every method blocks; an `AppError` says why it was not done."""

    def remove(self, wish: Removing) -> Removed:
        """Remove a model; a server that has it is stopped first."""

    def embed(self, wish: TextsToEmbed) -> TextEmbeddings:
        """Embed texts with the server that is open, or with one that lives as long as this call."""

    def run_diagnostics(self, wish: Examining) -> Examined:
        """Look at all that a start of the server depends on."""

    def change(self, wish: Changing) -> Changed:
        """Save a setting and act on it; returns when the engine, if it is concerned, has been told."""

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
        """Measure a server of this call's own, and tell `Measured`; a server that runs is stopped meanwhile.

        When it is cancelled, it returns what has been measured by then.
        """

    def list_engines(self, wish: ListingEngines) -> EngineList:
        """All engines that are installed or on offer, and which one suits this machine."""

    def install_engine(self, wish: InstallingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        """Download, unpack and prove an engine, and tell `EngineArriving`; the engine, once it can be used.

        When it is cancelled, the download pauses and a `DownloadError` says how much is there; what follows
        a download is called off.
        """

    def prove_engine(self, wish: ProvingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        """Try an installed engine again with each kind of weights, and tell `EngineArriving`."""

    def remove_engine(self, wish: RemovingEngine) -> EngineRemoved:
        """Delete an installed engine that no model runs on."""

    def allow_engine(self, wish: AllowingEngine) -> EngineAllowed:
        """Use an engine again for models with which it failed."""
