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
    from tray_app.models.model import Contents, Model
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
    """The settings in effect."""

    @property
    def current(self) -> Settings:
        """All of them; `AppProtocol.apply` replaces them as a whole."""


class LibraryProtocol(Protocol):
    """The models in the models folder."""

    @property
    def folder(self) -> Path:
        """The folder, which may be missing."""

    @property
    def catalog(self) -> tuple[CatalogEntry, ...]:
        """The recommended models."""

    def find(self, reference: str) -> Model:
        """The model with an id, a file name or a path."""

    def contents(self) -> Contents:
        """The models, unusable files and unfinished downloads in the folder."""


class DownloadsProtocol(Protocol):
    """The queue of downloads, by their numbers."""

    def snapshot(self) -> tuple[Progress, ...]:
        """All of them now."""

    def pause(self, number: int) -> None:
        """Pause a download."""

    def resume(self, number: int) -> None:
        """Resume a paused or failed download."""

    def cancel(self, number: int) -> None:
        """Cancel a download; what has arrived stays."""

    def discard(self, number: int) -> None:
        """Cancel a download and delete what has arrived."""


class ModelsProtocol(Protocol):
    """What people do with models besides running one. Every call may take long."""

    def survey(self, models: Iterable[Model], offers: Iterable[CatalogEntry]) -> Mapping[str, ModelReport]:
        """Whether and on which engine each model runs on this computer, by id."""

    def recommended(self, languages: Sequence[str]) -> tuple[Recommendation, ...]:
        """The models that suit this computer and these languages (ISO 639-1), best first."""

    def preview_download(self, reference: str) -> DownloadPreview:
        """What a model is, and the disk space that its download takes."""

    def smaller_types(self, reference: str) -> SmallerTypes:
        """The quantizations to which a model can be made smaller."""

    def import_model(self, path: Path, how: How, on_bytes: OnProgress) -> tuple[Path, ...]:
        """Copy, move or link a file into the models folder; its path there, and those of its other parts."""

    def verify_model(self, reference: str, on_bytes: OnProgress) -> Check:
        """Check the files of a model against their SHA-256, or else their headers."""

    def quantize(self, reference: str, target: Path, type_name: str, on_tensor: OnProgress) -> Path:
        """Make a smaller copy of a model."""

    def discard_partial(self, final: Path) -> None:
        """Delete the part of a download that is no longer in the queue."""

    def discard_arrived(self, model: Path) -> None:
        """Delete the complete files of a split model whose download was discarded."""


class DiscoveryProtocol(Protocol):
    """Models on Hugging Face or its mirror. Every call asks the network and may take long."""

    def search(self, words: str, *, sort: Sort = ..., page: str = "") -> SearchPage:
        """Repositories with these words in their names; `page` is `SearchPage.next` of the page before."""

    def examine(self, reference: str) -> RepositoryReport:
        """The models of a repository, and which of their files suits this computer best."""


class UpkeepProtocol(Protocol):
    """Models of other apps, the space that models take, and newer files. Every call may take long."""

    def found(self) -> tuple[FoundModel, ...]:
        """The models of other apps that are not listed yet."""

    def adopt(self, references: Sequence[str]) -> tuple[Model, ...]:
        """Use models of other apps from where they are."""

    def disk_use(self) -> DiskUse:
        """The disk space that each model takes, and when it was last used."""

    def outdated(self) -> tuple[Comparison, ...]:
        """Ask the sources of all models whether their files have changed there."""

    def newer(self) -> Mapping[str, str]:
        """By id, the address of the newer file, for models that had one at the last `outdated`."""


class EnginesProtocol(Protocol):
    """What people do with engines. Progress is in `AppStatus.installation`; every call may take long."""

    @property
    def changed(self) -> SignalInstance:
        """Emits from any thread when `overview` has changed."""

    def overview(self) -> EnginesOverview:
        """The installed and the available engines, and which of them suits this computer."""

    def install(self, build_id: str) -> None:
        """Begin to download a published build, which is tested before it is used."""

    def install_file(self, path: Path) -> None:
        """Begin to install an archive, a program or a folder on this computer."""

    def pause(self) -> None:
        """Pause the installation."""

    def resume(self) -> None:
        """Resume the installation, or try it again."""

    def cancel(self) -> None:
        """Cancel the installation, or forget one that has failed."""

    def put_off(self, build_id: str) -> None:
        """Do not recommend a build again."""

    def remove(self, build_id: str) -> int:
        """Delete an installed build that is not in use; its size in bytes."""

    def prove(self, build_id: str) -> None:
        """Test again whether an installed build gives right answers on this computer."""

    def allow_again(self, build_id: str) -> tuple[str, ...]:
        """Use a build again for the models with which it has failed; their ids."""


class UpdatesProtocol(Protocol):
    """Newer versions of this app. What is known is in `AppStatus.updates`; every call may take long."""

    def skip(self) -> None:
        """Do not mention the available version again."""

    def download(self) -> None:
        """Check the signature of the digests of its package, and begin to download that."""

    def cancel(self) -> None:
        """Cancel the download, and delete what has arrived."""


class ChatsProtocol(Protocol):
    """The saved conversations. Every call may take long."""

    @property
    def folder(self) -> Path:
        """The folder with their files."""

    def new(self) -> Conversation:
        """An empty conversation, which has no file yet."""

    def summaries(self) -> tuple[Summary, ...]:
        """All of them, the one saved last first."""

    def problems(self) -> tuple[Problem, ...]:
        """Files that cannot be read, or only partly."""

    def read(self, conversation_id: str) -> Conversation:
        """A conversation, as far as it can be read."""

    def save(self, conversation: Conversation) -> Conversation:
        """Save a conversation; the saved one, which has a title."""

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title; an empty one stands for its first line."""

    def delete(self, conversation_id: str, *, for_good: bool = False) -> None:
        """Move a conversation to the trash, or delete it permanently."""

    def export(self, conversation_id: str, path: Path) -> None:
        """Write a conversation as Markdown (.md), JSON (.json) or as it is saved (.jsonl)."""

    def search(self, words: str) -> tuple[Found, ...]:
        """The conversations that contain all of these words, newest first."""


class SearchProtocol(Protocol):
    """Collections of a person's own texts. Every call may take long."""

    def collections(self) -> tuple[Collection, ...]:
        """All that can be read, by name."""

    def problems(self) -> tuple[Skipped, ...]:
        """Collections that cannot be read, by their folders."""

    def create(self, name: str) -> Collection:
        """A new collection without texts."""

    def rename(self, collection_id: str, name: str) -> Collection:
        """Give a collection another name."""

    def delete(self, collection_id: str) -> None:
        """Delete a collection permanently; the files that its texts came from stay."""

    def add_files(
        self, collection_id: str, paths: Sequence[Path], tell: Callable[[int, int], object], cancelled: Event
    ) -> AddReport:
        """Embed files and those in folders; what is embedded stays. `tell` gets texts done and all texts."""

    def add_texts(
        self,
        collection_id: str,
        texts: Iterable[str],
        tell: Callable[[int, int], object],
        cancelled: Event,
    ) -> AddReport:
        """Embed texts that a person has pasted; otherwise as `add_files`."""

    def find(self, collection_id: str, query: str, limit: int = 20) -> tuple[Hit, ...]:
        """The nearest texts, nearest first."""

    def coordinates(self, collection_id: str, *, query: str = "") -> MapOfTexts:
        """The texts as points of a plane, with the question among them; of many texts, only some."""

    def is_current(self, collection: Collection) -> bool:
        """Whether the model is still the one that embedded these texts."""

    def rebuild(self, collection_id: str, tell: Callable[[int, int], object], cancelled: Event) -> AddReport:
        """Embed all texts again with the current embedding model; otherwise as `add_files`."""

    def export(self, collection_id: str, path: Path) -> None:
        """Write texts and vectors to a .csv, .jsonl or .npz file."""


class AppProtocol(TuningTarget, Protocol):
    """The one object that the window and the tray talk to."""

    @property
    def changed(self) -> SignalInstance:
        """Emits an `AppStatus` from any thread after every change."""

    @property
    def paths(self) -> AppPaths:
        """Where the app keeps its files."""

    @property
    def host(self) -> Host:
        """The computer: processor, memory, graphics cards, system."""

    @property
    def store(self) -> StoreProtocol:
        """The settings."""

    @property
    def library(self) -> LibraryProtocol:
        """The installed models."""

    @property
    def models(self) -> ModelsProtocol:
        """Downloads, imports, checks and quantizations of models."""

    @property
    def discovery(self) -> DiscoveryProtocol:
        """The search for models on Hugging Face."""

    @property
    def upkeep(self) -> UpkeepProtocol:
        """Disk space, models of other apps, and newer files."""

    @property
    def chats(self) -> ChatsProtocol:
        """The saved conversations."""

    @property
    def engines(self) -> EnginesProtocol:
        """The engines that are installed and available."""

    @property
    def updates(self) -> UpdatesProtocol:
        """Newer versions of this app."""

    @property
    def search(self) -> SearchProtocol:
        """The person's own texts."""

    @property
    def downloads(self) -> DownloadsProtocol:
        """The queue of downloads."""

    @property
    def models_folder(self) -> Path:
        """The models folder."""

    @property
    def app_lines(self) -> Lines:
        """What the app logs."""

    @property
    def engine_lines(self) -> Lines:
        """What the engine prints."""

    def chosen_id(self) -> str | None:
        """The id of the chosen model, or None; may take long."""

    def status(self) -> AppStatus:
        """Everything that can be shown now."""

    def begin(self) -> None:
        """Do what the settings ask for at the start of the app."""

    def start_server(self) -> None:
        """Start the server; may take long."""

    def stop_server(self) -> None:
        """Stop the server; may take long."""

    def restart_server(self) -> None:
        """Stop the server, then start it; may take long."""

    def answer_origin(self, origin: str, *, allow: bool) -> None:
        """Allow an app or a web page to use the server from now on, or refuse it; may take long."""

    def answer_update_question(self, *, wanted: bool) -> None:
        """Check for new versions from now on, or never, and do not ask again; may take long."""

    def refresh_login(self) -> None:
        """Look again whether the system starts this app at login."""

    def apply(self, new: Settings, keys: KeyChanges | None = None) -> None:
        """Save settings and keys, and act on what has changed; may take long."""

    def load_model(self, reference: str) -> str:
        """Load a model beside others, and wait until it is ready; its id. May take long."""

    def unload_model(self, reference: str) -> str:
        """Unload a model, and wait until it is unloaded; its id. May take long."""

    def stream_chat(self, conversation: Conversation, cancelled: Event) -> Iterator[ChatPiece]:
        """The answer to the last message, piece by piece; it ends as soon as `cancelled` is set."""

    def can_see(self, model_id: str) -> bool:
        """Whether a model takes pictures; an empty id stands for the default chat model. May take long."""

    def move_to_free_port(self) -> None:
        """Set the port to the nearest free one, and start the server there; may take long."""

    def kept_keys(self) -> KeptKeys:
        """Which keys are kept, and where; may take long."""

    def engine_options(self, settings: Settings) -> tuple[EngineOption, ...]:
        """The engines that can run the chosen model; may take long."""

    def preview(self, settings: Settings, keys: KeyChanges | None = None) -> Plan:
        """What the engine would be started with, given these settings; may take long."""

    def port_owners(self, port: int) -> tuple[PortOwner, ...]:
        """The programs that use this port, other than this server; may take long."""

    def resource_usage(self) -> ResourceUsage | None:
        """The memory and processor time that all engines take now; may take long."""

    def run_diagnostics(self) -> DiagnosticReport:
        """Check all that the server depends on; may take long."""

    def download(self, source: str, *, projector: str = "") -> tuple[int, ...]:
        """Queue the download of an address or a model of the catalog, and of the projector at an address.

        The numbers of the downloads. May take long.
        """

    def remove_model(self, reference: str, *, for_good: bool = False) -> Removal:
        """Move a model to the trash, or delete it permanently; may take long."""

    def open_control(
        self, quit_app: Callable[[], None], show_window: Callable[[str], None] | None = None
    ) -> None:
        """Let terminal commands and a second start of the app talk to this one."""

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop and release everything, within this time."""
