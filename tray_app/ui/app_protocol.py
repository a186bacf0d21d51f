"""What windows need of the app, as types: `App` has all of it, and so has the fake that tests use instead.

Every method may be called by any thread, and raises an `AppError` that says what could not be done. The
contracts stand once, at `App`, `ModelManager`, `SearchManager`, `DownloadQueue`, `Library` and `ChatStore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tray_app.app.tuning import TuningTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from threading import Event

    from psygnal import SignalInstance

    from tray_app.app.diagnostic_findings import DiagnosticReport
    from tray_app.app.discovery import RepositoryReport
    from tray_app.app.engine_manager import EnginesOverview
    from tray_app.app.model_manager import DownloadPreview, SmallerTypes
    from tray_app.app.status import AppStatus
    from tray_app.app.tuning import EngineOption
    from tray_app.chats.conversation import Conversation, Summary
    from tray_app.chats.finding import Found
    from tray_app.chats.store import Problem
    from tray_app.download.progress import Progress
    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.report import ModelReport
    from tray_app.engine.resource_usage import ResourceUsage
    from tray_app.gateway.public_client import ChatPiece
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.disk_use import DiskUse
    from tray_app.models.found.found_model import FoundModel
    from tray_app.models.hub import SearchPage, Sort
    from tray_app.models.import_modes import How
    from tray_app.models.importing import OnProgress
    from tray_app.models.integrity import Check
    from tray_app.models.library import Contents, Model
    from tray_app.models.outdated import Comparison
    from tray_app.models.recommend import Recommendation
    from tray_app.models.removal import Removal
    from tray_app.search.collection import AddReport, Collection, Hit, MapOfTexts, Skipped
    from tray_app.settings.keys import KeyChanges
    from tray_app.settings.keystore import KeptKeys
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host
    from tray_app.system.logs import Lines
    from tray_app.system.paths import AppPaths
    from tray_app.system.ports import PortOwner


class StoreProtocol(Protocol):
    """The settings in force."""

    @property
    def current(self) -> Settings:
        """They are replaced as a whole: by `apply`."""


class LibraryProtocol(Protocol):
    """The models of the folder that is chosen now."""

    @property
    def folder(self) -> Path:
        """The folder, whether it is there or not."""

    @property
    def catalog(self) -> tuple[CatalogEntry, ...]:
        """The models on offer."""

    def find(self, reference: str) -> Model:
        """The model of an id, a file name or a path."""

    def contents(self) -> Contents:
        """What is in the folder, good or bad."""


class DownloadsProtocol(Protocol):
    """The queue of downloads, by their numbers."""

    def snapshot(self) -> tuple[Progress, ...]:
        """All of them now."""

    def pause(self, number: int) -> None:
        """Halt one that can go on later."""

    def resume(self, number: int) -> None:
        """Let one go on."""

    def cancel(self, number: int) -> None:
        """Give one up; what has arrived stays."""

    def discard(self, number: int) -> None:
        """Give one up and delete what has arrived."""


class ModelsProtocol(Protocol):
    """What people do with models besides serving one. All of it may take long."""

    def survey(self, models: Iterable[Model], offers: Iterable[CatalogEntry]) -> Mapping[str, ModelReport]:
        """What would become of models on this machine, by id."""

    def recommended(self, languages: Sequence[str]) -> tuple[Recommendation, ...]:
        """What suits this machine and a person who speaks these languages."""

    def preview_download(self, reference: str) -> DownloadPreview:
        """What a download would bring and take."""

    def smaller_types(self, reference: str) -> SmallerTypes:
        """What a model can be quantized to."""

    def import_model(self, path: Path, how: How, on_bytes: OnProgress) -> tuple[Path, ...]:
        """Bring a file of this computer into the models folder."""

    def verify_model(self, reference: str, on_bytes: OnProgress) -> Check:
        """Look whether a model is whole."""

    def quantize(self, reference: str, target: Path, type_name: str, on_tensor: OnProgress) -> Path:
        """Make a smaller copy of a model."""

    def discard_partial(self, final: Path) -> None:
        """Delete what a forgotten download has left."""

    def discard_arrived(self, model: Path) -> None:
        """Delete the files of a split model that have come."""


class DiscoveryProtocol(Protocol):
    """Models that are on Hugging Face or its mirror. All of it asks the network, and may take long."""

    def search(self, words: str, *, sort: Sort = ..., page: str = "") -> SearchPage:
        """Repositories that have these words in their names."""

    def examine(self, reference: str) -> RepositoryReport:
        """What a repository has, and what of it suits this machine."""


class UpkeepProtocol(Protocol):
    """Models of other apps, the space that models take, and newer files. All of it may take long."""

    def found(self) -> tuple[FoundModel, ...]:
        """The models of other apps that are not listed yet."""

    def adopt(self, references: Sequence[str]) -> tuple[Model, ...]:
        """Use models of other apps from where they are."""

    def disk_use(self) -> DiskUse:
        """What each model takes, and when it was last used."""

    def outdated(self) -> tuple[Comparison, ...]:
        """Ask the sources of models whether their files have changed."""

    def newer(self) -> Mapping[str, str]:
        """By the ids of models that had a newer file at the last look, where that is."""


class EnginesProtocol(Protocol):
    """What people do with engines. What goes on of it is in `AppStatus.installation`; all may take long."""

    @property
    def changed(self) -> SignalInstance:
        """Emits when `overview` would give something else, from any thread."""

    def overview(self) -> EnginesOverview:
        """What is installed, what is on offer, and what suits this machine."""

    def install(self, build_id: str) -> None:
        """Begin to fetch a published build, which is proven before it is used."""

    def install_file(self, path: Path) -> None:
        """Begin to install an archive, a program or a folder of this computer."""

    def pause(self) -> None:
        """Halt the installation."""

    def resume(self) -> None:
        """Let it go on."""

    def cancel(self) -> None:
        """Give it up, or forget that it has failed."""

    def put_off(self, build_id: str) -> None:
        """Do not offer a build any more."""

    def remove(self, build_id: str) -> int:
        """Delete an installed build that does not run; the bytes that it had."""

    def prove(self, build_id: str) -> None:
        """Look anew whether an installed build computes right on this machine."""

    def allow_again(self, build_id: str) -> tuple[str, ...]:
        """Use a build again also for models with which it has failed; their ids."""


class UpdatesProtocol(Protocol):
    """Newer versions of this app. What there is to say is in `AppStatus.updates`; all may take long."""

    def skip(self) -> None:
        """Say no more of the version that is available."""

    def download(self) -> None:
        """Check the signature of its package, and begin to fetch it."""

    def cancel(self) -> None:
        """Give that up, and delete what has arrived."""


class ChatsProtocol(Protocol):
    """The conversations that are kept. All of it may take long."""

    @property
    def folder(self) -> Path:
        """Where their files are."""

    def new(self) -> Conversation:
        """An empty conversation, which has no file yet."""

    def summaries(self) -> tuple[Summary, ...]:
        """All of them, the one that was saved last first."""

    def problems(self) -> tuple[Problem, ...]:
        """Files that cannot be read, or only in part."""

    def read(self, conversation_id: str) -> Conversation:
        """One of them, as far as it can be read."""

    def save(self, conversation: Conversation) -> Conversation:
        """Write one; what is kept of it."""

    def rename(self, conversation_id: str, title: str) -> None:
        """Give one another title; an empty one is again its first line."""

    def delete(self, conversation_id: str, *, for_good: bool = False) -> None:
        """Put one into the trash, or delete it for good."""

    def export(self, conversation_id: str, path: Path) -> None:
        """Write one as Markdown (.md), JSON (.json) or as it is kept (.jsonl)."""

    def search(self, words: str) -> tuple[Found, ...]:
        """Those that have all of these words, newest first."""


class SearchProtocol(Protocol):
    """Collections of a person's own texts. All of it may take long."""

    def collections(self) -> tuple[Collection, ...]:
        """All that can be read, by name."""

    def problems(self) -> tuple[Skipped, ...]:
        """Collections that cannot be read, by their folders."""

    def create(self, name: str) -> Collection:
        """A collection without texts."""

    def rename(self, collection_id: str, name: str) -> Collection:
        """Give a collection another name."""

    def delete(self, collection_id: str) -> None:
        """Delete a collection for good; the files that its texts came from stay."""

    def add_files(
        self, collection_id: str, paths: Sequence[Path], tell: Callable[[int, int], object], cancelled: Event
    ) -> AddReport:
        """Embed files, and those in folders; what is embedded stays whatever happens then."""

    def add_texts(
        self,
        collection_id: str,
        texts: Iterable[str],
        tell: Callable[[int, int], object],
        cancelled: Event,
    ) -> AddReport:
        """Embed texts that a person has pasted."""

    def find(self, collection_id: str, query: str, limit: int = 20) -> tuple[Hit, ...]:
        """The nearest texts, the best first."""

    def coordinates(self, collection_id: str, most: int = 2000, query: str = "") -> MapOfTexts:
        """The texts as points, and a question among them."""

    def is_current(self, collection: Collection) -> bool:
        """Whether the model would make the same vectors now."""

    def rebuild(self, collection_id: str, tell: Callable[[int, int], object], cancelled: Event) -> AddReport:
        """Embed all texts anew with the model that is asked for embeddings now."""

    def export(self, collection_id: str, path: Path) -> None:
        """Write texts and vectors to a file: .csv, .jsonl or .npz."""


class AppProtocol(TuningTarget, Protocol):
    """The one object that windows talk to."""

    @property
    def changed(self) -> SignalInstance:
        """Emits an `AppStatus` after every change, from any thread."""

    @property
    def paths(self) -> AppPaths:
        """Where the app keeps its files."""

    @property
    def host(self) -> Host:
        """The machine."""

    @property
    def store(self) -> StoreProtocol:
        """The settings."""

    @property
    def library(self) -> LibraryProtocol:
        """The models that are here."""

    @property
    def models(self) -> ModelsProtocol:
        """The care for models."""

    @property
    def discovery(self) -> DiscoveryProtocol:
        """The search for models that are not here."""

    @property
    def upkeep(self) -> UpkeepProtocol:
        """What models take, and where others are."""

    @property
    def chats(self) -> ChatsProtocol:
        """The conversations with models."""

    @property
    def engines(self) -> EnginesProtocol:
        """The care for engines."""

    @property
    def updates(self) -> UpdatesProtocol:
        """The care for newer versions."""

    @property
    def search(self) -> SearchProtocol:
        """The person's own texts."""

    @property
    def downloads(self) -> DownloadsProtocol:
        """What is being downloaded."""

    @property
    def models_folder(self) -> Path:
        """Where models are and go."""

    @property
    def app_lines(self) -> Lines:
        """What the app logs."""

    @property
    def engine_lines(self) -> Lines:
        """What the engine prints."""

    def chosen_id(self) -> str | None:
        """The id of the chosen model; may take long."""

    def status(self) -> AppStatus:
        """Everything there is to show now."""

    def begin(self) -> None:
        """Do what the settings ask for when the app starts."""

    def start_server(self) -> None:
        """Start the server; may take long."""

    def stop_server(self) -> None:
        """Stop the server; may take long."""

    def restart_server(self) -> None:
        """Stop the server, then start it; may take long."""

    def answer_origin(self, origin: str, *, allow: bool) -> None:
        """Let an app or a web page in for good, or refuse it; may take long."""

    def answer_update_question(self, *, wanted: bool) -> None:
        """Tell of new versions from now on, or not, and ask no more; may take long."""

    def refresh_login(self) -> None:
        """Look again at what the system does at login."""

    def apply(self, new: Settings, keys: KeyChanges | None = None) -> None:
        """Save settings and keys, and act on what is different; may take long."""

    def load_model(self, reference: str) -> str:
        """Load a model beside others, and wait until it answers; its id; may take long."""

    def unload_model(self, reference: str) -> str:
        """End the engine of a model, and wait for that; its id; may take long."""

    def stream_chat(self, conversation: Conversation, cancelled: Event) -> Iterator[ChatPiece]:
        """The answer to the last message, in pieces as they come; it ends at once when `cancelled` is set."""

    def can_see(self, model_id: str) -> bool:
        """Whether a model takes pictures; empty: the one that answers where none is named. May take long."""

    def move_to_free_port(self) -> None:
        """Offer the server at the nearest free port; may take long."""

    def kept_keys(self) -> KeptKeys:
        """The keys that there are, and where; may take long."""

    def engine_options(self, settings: Settings) -> tuple[EngineOption, ...]:
        """The engines among which the chosen model has a choice; may take long."""

    def preview(self, settings: Settings, keys: KeyChanges | None = None) -> Plan:
        """What the engine would be started with; may take long."""

    def port_owners(self, port: int) -> tuple[PortOwner, ...]:
        """Who keeps the public address from having this port; may take long."""

    def resource_usage(self) -> ResourceUsage | None:
        """What all engines take of this machine now; may take long."""

    def run_diagnostics(self) -> DiagnosticReport:
        """Look at all that the server depends on; may take long."""

    def download(self, source: str, *, projector: str = "") -> tuple[int, ...]:
        """Queue a download from an address or of a model on offer, with a projector at that address; may take
        long.
        """

    def remove_model(self, reference: str, *, for_good: bool = False) -> Removal:
        """Put a model into the trash, or delete it; may take long."""

    def open_control(
        self, quit_app: Callable[[], None], show_window: Callable[[str], None] | None = None
    ) -> None:
        """Let terminal commands and a second start ask this app."""

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop everything and free it."""
