"""An app without engine, network and disk: shows the snapshots that a test gives it, notes what is asked.

The functions `make_…` build the frozen values of the app with defaults that read well in a test.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import threading
import time
import weakref
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from psygnal import Signal

from tests.fakes.engines_shown import FakeEngines
from tests.fakes.texts_searched import FakeSearch
from tray_app.app.diagnostic_findings import DiagnosticReport, ModelFinding, PortFinding, SettingsFinding
from tray_app.app.model_manager import DownloadPreview, SmallerTypes
from tray_app.app.server_status import ServerState, ServerStatus, Wishes, planned_url, server_state
from tray_app.app.status import AppStatus, ProblemSource, problems_of
from tray_app.chats.store import ChatStore
from tray_app.download.progress import Phase, Progress
from tray_app.engine.access import Address
from tray_app.engine.devices import Device
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import LaunchPlan, plan_launch
from tray_app.engine.lifecycle import State
from tray_app.engine.pool import PoolSnapshot
from tray_app.engine.pooled_engine import EngineStatus
from tray_app.engine.program import Engine
from tray_app.engine.report import ModelReport
from tray_app.engine.resource_usage import ResourceUsage
from tray_app.engine.snapshot import EngineSnapshot
from tray_app.errors import ErrorCode, ModelError
from tray_app.gateway.public_client import ChatPiece, Embeddings
from tray_app.models.catalog import CatalogEntry
from tray_app.models.disk_use import DiskUse
from tray_app.models.header import Heads, ModelHeader, Purpose
from tray_app.models.hub import SearchPage, Sort
from tray_app.models.integrity import Check
from tray_app.models.memory import Fit, MemoryBudget, MemoryEstimate, Verdict
from tray_app.models.model import Contents, Model
from tray_app.models.outdated import Freshness
from tray_app.models.recommend import Recommendation
from tray_app.models.references import NotInstalledError
from tray_app.models.removal import Removal
from tray_app.settings.keystore import Keeper, KeptKeys, KeyLocation
from tray_app.settings.model_settings import effective
from tray_app.settings.schema import Settings
from tray_app.system.engine_id import MAIN_ENGINE, EngineId
from tray_app.system.host import Host, System
from tray_app.system.logs import Lines
from tray_app.system.nvidia import Gpu
from tray_app.system.paths import AppPaths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tray_app.app.diagnostic_findings import FoundProblem
    from tray_app.app.discovery import RepositoryReport
    from tray_app.app.tuning import EngineOption
    from tray_app.chats.conversation import Conversation
    from tray_app.engine.launch_plan import Plan
    from tray_app.errors import AppError, EngineError
    from tray_app.models.found.found_model import FoundModel
    from tray_app.models.import_modes import How
    from tray_app.models.importing import OnProgress
    from tray_app.models.model import Unusable
    from tray_app.models.model_files import Partial
    from tray_app.models.outdated import Comparison
    from tray_app.settings.keys import KeyChanges
    from tray_app.system.ports import PortOwner

MODELS = Path("/models")
DIMENSIONS = 64
PIECES = (
    *(ChatPiece(word, model_id="bamboo") for word in ("The ", "**lazy** ", "dog ", "sleeps.")),
    ChatPiece(finish_reason="stop", model_id="bamboo"),
    ChatPiece(tokens=4, tokens_per_s=21.5, model_id="bamboo"),
)
"""What the app answers in a chat unless a test says otherwise."""


def make_host(*, gpu: bool = False, system: System = System.LINUX, machine: str = "x86_64") -> Host:
    return Host(
        system=system,
        machine=machine,
        translated=False,
        physical_cores=4,
        logical_cores=8,
        memory_bytes=16 * 2**30,
        gpus=(Gpu("NVIDIA GeForce", 8 * 2**30),) if gpu else (),
    )


def make_model(name: str = "Bamboo 7B Q4_0", file_name: str = "bamboo.gguf", *, sparse: bool = True) -> Model:
    header = ModelHeader(
        sparse=sparse,
        architecture="bamboo",
        context_length=4096,
        embedding_length=4096,
        block_count=32,
        heads=Heads(query=32, kv_in_all_layers=32 * 8, key_length=128, value_length=128),
        quantization="Q4_0",
        chat_template=None,
        implied_size_bytes=4_680_000_000,
    )
    return Model(file_name.removesuffix(".gguf"), name, MODELS / file_name, 4_680_000_000, header)


def make_engine(kind: EngineKind = EngineKind.LLAMA_CPP, *flags: str) -> Engine:
    return Engine(kind, (f"/opt/{kind}/server",), "1.2", frozenset(flags))


def make_plan(settings: Settings | None = None, engine: Engine | None = None) -> LaunchPlan:
    return plan_launch(settings or Settings(), make_model(), engine or make_engine(), make_host())


def make_snapshot(
    state: State = State.STOPPED,
    *,
    failure: EngineError | None = None,
    since_s: float = 0,
    plan: LaunchPlan | None = None,
    restarts: int = 0,
) -> EngineSnapshot:
    lives = state in (State.LOADING, State.READY)
    return EngineSnapshot(
        engine=MAIN_ENGINE,
        state=state,
        plan=plan or (None if state in (State.STOPPED, State.STOPPING) else make_plan()),
        run=1,
        address=Address("127.0.0.1", 45678, "a-key") if lives else None,
        pid=4711 if lives else None,
        since_s=since_s,
        restarts=restarts,
        failure=failure,
    )


def make_loaded(
    name: str = "BGE M3 Q8_0",
    state: State = State.READY,
    *,
    plan: LaunchPlan | None = None,
    failure: EngineError | None = None,
    since_s: float = 0,
    **changes: Any,
) -> EngineStatus:
    """A model that is loaded besides the chosen one; its id is its name in small letters with hyphens."""
    model_id = name.lower().replace(" ", "-")
    model = make_model(name, f"{model_id}.gguf", sparse=False)
    plan = plan or plan_launch(Settings(), model, make_engine(), make_host())
    engine = replace(
        make_snapshot(state, failure=failure, since_s=since_s, plan=plan), engine=EngineId.of_model(model_id)
    )
    values: dict[str, Any] = {
        "told": plan,
        "expected_bytes": 1_500_000_000,
        "memory_bytes": 1_200_000_000,
    } | changes
    return EngineStatus(model_id, engine, **values)


def with_engines(status: AppStatus, *others: EngineStatus, **main: Any) -> AppStatus:
    """The same status with other models beside the chosen one, of which `main` are other values."""
    pool = replace(status.pool, main=replace(status.pool.main, **main), others=others)
    return replace(status, pool=pool)


def make_status(
    state: State = State.STOPPED,
    *,
    model_name: str | None = "Bamboo 7B Q4_0",
    engine: EngineSnapshot | None = None,
    settings: Settings | None = None,
    downloads: tuple[Progress, ...] = (),
    problem: AppError | None = None,
) -> AppStatus:
    """The status of an app whose engine is in this state, as `App` would make it."""
    settings = settings or Settings(model="bamboo" if model_name else "")
    engine = engine or make_snapshot(state)
    is_open = engine.state not in (State.STOPPED, State.STOPPING)
    return AppStatus(
        settings=settings,
        pool=PoolSnapshot(
            EngineStatus(_model_id_of(engine.plan), engine, told=engine.plan), budget_bytes=12 * 2**30
        ),
        model_name=model_name,
        server=ServerStatus(
            server_state(engine, Wishes(), is_open=is_open), planned_url(settings) if is_open else None
        ),
        downloads=downloads,
        problems=problems_of(engine, {ProblemSource.START: problem}),
    )


def _model_id_of(plan: Plan | None) -> str | None:
    return plan.model.id if isinstance(plan, LaunchPlan) else None


def make_sleeping(*, on_demand: bool = True, problem: AppError | None = None) -> AppStatus:
    """The status of an app whose server is asleep."""
    status = make_status(settings=Settings(model="bamboo", start_on_demand=on_demand), problem=problem)
    return replace(status, server=ServerStatus(ServerState.ASLEEP, planned_url(status.settings)))


def make_progress(
    phase: Phase = Phase.DOWNLOADING,
    *,
    number: int = 1,
    name: str = "tiny.gguf",
    received_bytes: int = 2_012_400_000,
    total_bytes: int | None = 4_680_000_000,
    error: AppError | None = None,
) -> Progress:
    moving = phase is Phase.DOWNLOADING
    return Progress(
        id=number,
        name=name,
        phase=phase,
        received_bytes=received_bytes,
        total_bytes=total_bytes,
        rate_bytes_per_s=12_300_000 if moving else 0,
        remaining_s=180 if moving else None,
        path=MODELS / name,
        resumed=False,
        sha256=None,
        error=error,
    )


CATALOG = (
    CatalogEntry(
        id="test",
        name="Built-in test model",
        file_name="test.gguf",
        size_bytes=383_040,
        note="Comes with the app to check the installation. Its answers have no meaning.",
    ),
    CatalogEntry(
        id="bamboo",
        name="Bamboo 7B Q4_0",
        file_name="bamboo.gguf",
        source="hf:PowerInfer/bamboo/bamboo.gguf",
        size_bytes=4_680_000_000,
        purpose=Purpose.EMBEDDING,
        languages=("en",),
        note="Sparse 7B model for embeddings and text completion, in 4 bits.",
    ),
    CatalogEntry(
        id="tiny",
        name="Tiny",
        file_name="tiny.gguf",
        source="hf:owner/tiny/tiny.gguf",
        size_bytes=900_000_000,
        note="A small dense model.",
    ),
)


def make_report(*problems: FoundProblem, **changes: Any) -> DiagnosticReport:
    """What the doctor finds on a machine without a fault."""
    return replace(
        DiagnosticReport(
            versions={"PowerInfer Tray": "1.2", "Qt": "6.11"},
            host=make_host(gpu=True),
            cards=(Device("NVIDIA GeForce", 8 << 30, used=None),),
            engines=(),
            model=ModelFinding("bamboo", str(MODELS / "bamboo.gguf"), "fits: 5.0 GiB of 14 that can be used"),
            port=PortFinding(8080, free=True, ours=False, owners=(), nearest_free=None),
            settings=SettingsFinding("/fake/settings.toml", {}, ()),
            folders=(),
            running=None,
            last_failure=None,
            network=(),
            problems=problems,
        ),
        **changes,
    )


class FakeLibrary:
    """Models that are nowhere."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.models = models
        self.catalog: tuple[CatalogEntry, ...] = CATALOG
        self.unusable: tuple[Unusable, ...] = ()
        self.partials: tuple[Partial, ...] = ()
        self.folder = MODELS  # which is nowhere

    def contents(self) -> Contents:
        return Contents(self.models, self.unusable, self.partials)

    def find(self, reference: str) -> Model:
        for model in self.models:
            if reference in (model.id, str(model.path)):
                return model
        for entry in CATALOG:
            if entry.id == reference:
                raise NotInstalledError(entry)
        raise ModelError(ErrorCode.MODEL_NOT_FOUND, f"There is no model {reference}")


class FakeStore:
    def __init__(self, settings: Settings) -> None:
        self.current = settings


class FakeDownloads:
    """A queue that notes what is asked of it."""

    def __init__(self, app: FakeApp) -> None:
        self._app = app

    def snapshot(self) -> tuple[Progress, ...]:
        return self._app.status().downloads

    def pause(self, number: int) -> None:
        self._app.note("pause", number)

    def resume(self, number: int) -> None:
        self._app.note("resume", number)

    def cancel(self, number: int) -> None:
        self._app.note("cancel", number)

    def discard(self, number: int) -> None:
        self._app.note("discard", number)


class FakeCare:
    """Notes what is asked of it. Long work waits for `go_on` after its first half."""

    def __init__(self, app: FakeApp) -> None:
        self._app = app
        self.go_on = threading.Event()
        self.check = Check.DIGEST
        self.called_off = threading.Event()

    def survey(self, models: Iterable[Model], offers: Iterable[CatalogEntry]) -> dict[str, ModelReport]:
        report = self._app.report
        on_offer = {entry.id: report(make_model(entry.name, entry.file_name)) for entry in offers}
        return on_offer | {model.id: report(model) for model in models}

    def recommended(self, languages: Sequence[str]) -> tuple[Recommendation, ...]:
        del languages
        verdict = self._app.report(make_model()).verdict
        return tuple(
            Recommendation(entry, verdict, "Made for PowerInfer, which is installed on this computer.")
            for entry in self._app.library.catalog
            if entry.id == "bamboo"
        )

    def preview_download(self, reference: str) -> DownloadPreview:
        self._app.note("preview_download", reference)
        return DownloadPreview(self._app.report(make_model()), 4_680_000_000, 20_000_000_000)

    def smaller_types(self, reference: str) -> SmallerTypes:
        self._app.note("smaller_types", reference)
        types = (("Q4_0", 4_000_000_000), ("F16", 60_000_000_000))
        return SmallerTypes(make_model(), types, MODELS, 20_000_000_000)

    def verify_model(self, reference: str, on_bytes: OnProgress) -> Check:
        self._app.note("verify", reference)
        self._work(on_bytes)
        return self.check

    def import_model(self, path: Path, how: How, on_bytes: OnProgress) -> tuple[Path, ...]:
        self._app.note("import", path, how)
        self._work(on_bytes)
        new = make_model(path.stem, path.name, sparse=False)
        self._app.library.models += (new,)
        return (new.path,)

    def quantize(self, reference: str, target: Path, type_name: str, on_tensor: OnProgress) -> Path:
        self._app.note("quantize", reference, target, type_name)
        self._work(on_tensor)
        self._app.library.models += (
            replace(make_model(target.stem, target.name, sparse=False), path=target),
        )
        return target

    def discard_partial(self, final: Path) -> None:
        self._app.note("discard_partial", final)

    def discard_arrived(self, model: Path) -> None:
        self._app.note("discard_arrived", model)

    def _work(self, tell: OnProgress) -> None:
        tell(1, 2)
        while not self.go_on.wait(0.01):
            try:
                tell(1, 2)
            except Exception:
                self.called_off.set()
                raise


class FakeDiscovery:
    """A Hugging Face with what the test puts into it."""

    def __init__(self, app: FakeApp) -> None:
        self._app = app
        self.pages: dict[str, SearchPage] = {}
        """By the words that are searched for, or the page that is asked for."""
        self.sort = Sort.DOWNLOADS
        self.reports: dict[str, RepositoryReport] = {}

    def search(self, words: str, *, sort: Sort = Sort.DOWNLOADS, page: str = "") -> SearchPage:
        self._app.note("search", words, page)
        self.sort = sort
        return self.pages.get(page or words, SearchPage(()))

    def examine(self, reference: str) -> RepositoryReport:
        self._app.note("examine", reference)
        return self.reports[reference]


class FakeUpkeep:
    """Other apps, a disk and sources with what the test puts into them."""

    def __init__(self, app: FakeApp) -> None:
        self._app = app
        self.there: tuple[FoundModel, ...] = ()
        self.use = DiskUse((), 0, (), 0, 50_000_000_000)
        self.compared: tuple[Comparison, ...] = ()
        self.last: dict[str, str] = {}

    def found(self) -> tuple[FoundModel, ...]:
        self._app.note("found")
        return self.there

    def adopt(self, references: Sequence[str]) -> tuple[Model, ...]:
        self._app.note("adopt", tuple(references))
        wanted = tuple(each for each in self.there if str(each.path) in references)
        self.there = tuple(each for each in self.there if each not in wanted)
        new = tuple(
            replace(
                make_model(each.name, f"{each.name}.gguf", sparse=False), path=each.path, app=str(each.app)
            )
            for each in wanted
        )
        self._app.library.models += new
        return new

    def disk_use(self) -> DiskUse:
        self._app.note("disk_use")
        return self.use

    def outdated(self) -> tuple[Comparison, ...]:
        self._app.note("outdated")
        self.last = {each.id: each.source for each in self.compared if each.freshness is Freshness.NEWER}
        return self.compared

    def newer(self) -> dict[str, str]:
        return self.last


class FakeUpdates:
    """Notes what is asked of it."""

    def __init__(self, app: FakeApp) -> None:
        self._app = app

    def skip(self) -> None:
        self._app.note("skip_version")

    def download(self) -> None:
        self._app.note("download_version")

    def cancel(self) -> None:
        self._app.note("cancel_version")


class FakeApp:
    """What `App` promises, without consequences. `calls` are the wishes; `refuse` makes one of them fail."""

    changed = Signal(object)

    def __init__(
        self, status: AppStatus | None = None, *, host: Host | None = None, folder: Path = Path("/fake")
    ) -> None:
        self._status = status or make_status()
        self._refusals: dict[str, AppError] = {}
        self._called = threading.Condition()
        self.calls: list[tuple[Any, ...]] = []
        self.paths = AppPaths.below(folder)
        self.host = host or make_host()
        self.store = FakeStore(self._status.settings)
        self.library = FakeLibrary(
            (make_model(), make_model("Built-in test model", "test.gguf", sparse=False))
        )
        self.downloads = FakeDownloads(self)
        self.models = FakeCare(self)
        self.engines = FakeEngines(self.note)
        self.discovery = FakeDiscovery(self)
        self.upkeep = FakeUpkeep(self)
        self.updates = FakeUpdates(self)
        self.pieces: Sequence[ChatPiece] = PIECES
        """What a chat answers."""
        self.next_piece = threading.Event()
        """While it is not set, the next piece of a chat does not come."""
        self.next_piece.set()
        self.seeing: set[str] = set()
        """The models that take pictures, by their ids."""
        self.search = FakeSearch(self.note)
        self.fit = Fit.FITS
        self.obstacle: EngineError | None = None
        self.engine = make_engine()
        self.plan: Plan = make_plan()
        self.owners: dict[int, tuple[PortOwner, ...]] = {}
        self.options: tuple[EngineOption, ...] = ()
        self.kept: set[str] = set()
        self.has_keychain = True
        self.app_lines = Lines(1000)
        self.engine_lines = Lines(100_000)
        self.looks = 0
        self.memory_bytes = 5_200_000_000
        self.graphics_bytes: int | None = None
        self.quit_app: Callable[[], None] | None = None
        self.show_window: Callable[[str], None] | None = None

    def show(self, status: AppStatus) -> None:
        """Make this the snapshot that everyone sees. Any thread."""
        self._status = status
        self.store.current = status.settings
        self.changed.emit(status)

    def refuse(self, call: str, error: AppError) -> None:
        """Let this call fail."""
        self._refusals[call] = error

    def note(self, *call: Any) -> None:
        """Remember a wish, and fail if it was to be refused."""
        with self._called:
            self.calls.append(call)
            self._called.notify_all()
        if error := self._refusals.get(call[0]):
            raise error

    def wait_for_call(self, *call: Any, timeout_s: float = 20) -> None:
        """Until this wish has been uttered."""
        with self._called:
            if not self._called.wait_for(lambda: call in self.calls, timeout_s):
                raise AssertionError(f"{call} was not called, but {self.calls}")

    def status(self) -> AppStatus:
        return self._status

    def resource_usage(self) -> ResourceUsage:
        """Of an engine that computes now and then."""
        self.looks += 1
        busy_s = self.looks + math.sin(self.looks)
        return ResourceUsage((4711,), time.monotonic(), busy_s, self.memory_bytes, self.graphics_bytes)

    def begin(self) -> None:
        self.note("begin")

    def start_server(self) -> None:
        self.note("start_server")

    def restart_server(self) -> None:
        self.note("restart_server")

    def answer_update_question(self, *, wanted: bool) -> None:
        self.note("answer_update_question", wanted)

    def refresh_login(self) -> None:
        self.note("refresh_login")

    def stop_server(self) -> None:
        self.note("stop_server")

    def answer_origin(self, origin: str, *, allow: bool) -> None:
        self.note("answer_origin", origin, allow)

    def load_model(self, reference: str) -> str:
        self.note("load_model", reference)
        return reference

    def unload_model(self, reference: str) -> str:
        self.note("unload_model", reference)
        return reference

    def move_to_free_port(self) -> None:
        self.note("move_to_free_port")

    def apply(self, new: Settings, keys: KeyChanges | None = None) -> None:
        changes = {
            key: value
            for key, value in msgspec.structs.asdict(new).items()
            if value != getattr(self.store.current, key)
        }
        keys = keys or {}
        self.note("apply", {**changes, **keys})
        self.kept |= {name for name, key in keys.items() if key}
        self.kept -= {name for name, key in keys.items() if not key}
        self.show(replace(self._status, settings=new))

    def run_diagnostics(self) -> DiagnosticReport:
        return make_report()

    def port_owners(self, port: int) -> tuple[PortOwner, ...]:
        return self.owners.get(port, ())

    def kept_keys(self) -> KeptKeys:
        self.note("kept_keys")
        return KeptKeys(dict.fromkeys(self.kept, KeyLocation(Keeper.KEYCHAIN)), self.has_keychain)

    def chosen_id(self) -> str | None:
        return self.store.current.model or None

    def preview(self, settings: Settings, keys: KeyChanges | None = None) -> LaunchPlan:  # noqa: ARG002
        self.note("preview", settings)
        model = self.library.find(settings.model)
        return plan_launch(effective(settings, model.id), model, self.engine, self.host)

    @property
    def models_folder(self) -> Path:
        return MODELS

    def report(self, model: Model) -> ModelReport:
        """Of any model, with the verdict that the test has chosen."""
        need = MemoryEstimate(model.size_bytes, 0, 0)
        verdict = Verdict(
            self.fit, need, MemoryBudget(16 * 2**30), 4096, 4, 2048 if self.fit is Fit.TOO_LARGE else None
        )
        return ModelReport(model, self.engine.kind, self.engine, self.obstacle, verdict)

    def remove_model(self, reference: str, *, for_good: bool = False) -> Removal:
        self.note("remove_model", reference, for_good)
        self.library.models = tuple(model for model in self.library.models if str(model.path) != reference)
        return Removal((Path(reference),), trashed=not for_good)

    def download(self, source: str, *, projector: str = "") -> tuple[int, ...]:
        self.note("download", source, *filter(None, (projector,)))
        return (1,)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        self.note("embed", tuple(texts))
        vectors = tuple(_vector(len(text)) for text in texts)
        return Embeddings(vectors, DIMENSIONS, sum(len(text.split()) for text in texts), 3.5 * len(texts))

    def try_settings(self, values: Mapping[str, Any]) -> None:
        self.note("try_settings", dict(values))

    def engine_options(self, settings: Settings) -> tuple[EngineOption, ...]:
        assert settings is self.store.current
        return self.options

    def wait_until_ready(self, timeout_s: float) -> Plan:
        assert timeout_s > 0
        return self.plan

    def complete(self, prompt: str, max_tokens: int, cancelled: threading.Event) -> Iterator[str]:
        self.note("complete", prompt, max_tokens)
        for word in ("over ", "the ", "lazy ", "dog."):
            if not cancelled.is_set():
                yield word

    @cached_property
    def chats(self) -> ChatStore:
        """A real one, in a folder that goes with this app."""
        folder = tempfile.mkdtemp(prefix="chats-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return ChatStore(Path(folder))

    def stream_chat(self, conversation: Conversation, cancelled: threading.Event) -> Iterator[ChatPiece]:
        self.note("stream_chat", conversation)
        return self._chat_pieces(cancelled)

    def _chat_pieces(self, cancelled: threading.Event) -> Iterator[ChatPiece]:
        for piece in self.pieces:
            while not self.next_piece.wait(0.01):
                if cancelled.is_set():
                    return
            if cancelled.is_set():
                return
            yield piece

    def can_see(self, model_id: str) -> bool:
        return model_id in self.seeing

    def open_control(
        self, quit_app: Callable[[], None], show_window: Callable[[str], None] | None = None
    ) -> None:
        self.show_window = show_window
        self.quit_app = quit_app

    def close(self, timeout_s: float = 5.0) -> None:
        self.note("close", timeout_s)


def _vector(seed: int) -> tuple[float, ...]:
    """A vector of norm 1 that looks like one from a model."""
    raw = [math.sin(seed + 1.7 * n) * math.cos(0.3 * n * seed) for n in range(DIMENSIONS)]
    norm = math.sqrt(math.fsum(value * value for value in raw))
    return tuple(value / norm for value in raw)
