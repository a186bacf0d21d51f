"""Looks at all that a start of the server depends on, and starts none. Any thread; takes a second or two.

A PowerInfer engine that runs is asked for embeddings, which takes as long as it takes to compute them.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from tray_app import __version__
from tray_app.app.diagnostic_report import (
    HIDDEN,
    SECRET_NAME,
    DiagnosticReport,
    EngineFinding,
    FolderFinding,
    ModelFinding,
    NetworkFinding,
    PastFailure,
    PortFinding,
    Problem,
    Repetition,
    RunningApp,
    SettingsFinding,
)
from tray_app.app.public_address import check_client_key, client_key, listening_address
from tray_app.engine import lastfailure
from tray_app.engine.devices import merge_devices
from tray_app.engine.ineffective_settings import ignored_settings, without_effect
from tray_app.engine.kinds import EngineFinder, EngineKind, choose_engine
from tray_app.engine.launch_plan import plan_launch, plan_remote
from tray_app.engine.lifecycle import State
from tray_app.engine.report import look_for_engine, report_on
from tray_app.errors import AppError, DownloadError, EngineError, GatewayError, ModelError, SettingsError
from tray_app.gateway.client import SlowAnswerError, find_running, request_embeddings
from tray_app.models.catalog import load_all
from tray_app.models.library import NotInstalledError, library_of
from tray_app.models.memory import Fit
from tray_app.phrases import presentable
from tray_app.settings.keys import GATEWAY, KEYS, REMOTE, can_be_guessed
from tray_app.settings.keystore import KeyStore
from tray_app.settings.model_settings import aliases_of, effective
from tray_app.settings.schema import FIELDS, list_text
from tray_app.settings.store import SettingsStore
from tray_app.system.disk import disk_space
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths, expanded, resources
from tray_app.system.ports import PortInUseError, port_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tray_app.download.session import Session
    from tray_app.engine.kinds import Engine
    from tray_app.gateway.client import Embeddings
    from tray_app.models.library import Library, Model
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings
    from tray_app.system.disk import DiskSpace
    from tray_app.system.host import Host

_GB = 1e9
_LIBRARIES = {"Qt": "PySide6-Essentials", "llama.cpp": "xllamacpp"}
_NETWORK_TIMEOUT_S = (5.0, 10.0)
_REPEATED = "One text, asked for again and again."
_TIMES = 10
_ANSWER_TIMEOUT_S = 60.0
"""A large model on a slow machine reads the text in a few seconds; requests before ours take theirs."""


@dataclass(frozen=True, slots=True)
class DiagnosticInputs:
    """What is looked at. `known_errors` are errors that are known before."""

    paths: AppPaths
    host: Host
    settings: Settings
    library: Library
    finder: EngineFinder
    secrets: KeyStore
    running: RunningApp | None
    known_errors: tuple[AppError, ...] = ()


@dataclass(slots=True)
class _Notes:
    """What has been found so far."""

    model: ModelFinding | None = None
    engine: Engine | None = None
    sparse: bool = False
    settings: Settings | None = None
    """Those in force for the model, once it is known."""
    problems: list[Problem] = field(default_factory=list)

    def add(self, error: AppError, *, stops: bool) -> None:
        known = ((problem.title, problem.message) for problem in self.problems)
        if (error.title, error.message) not in known:
            self.problems.append(Problem.of(error, stops=stops))


def collect_inputs(environ: Mapping[str, str]) -> DiagnosticInputs:
    """The machine and the settings of the person who runs this process."""
    paths, host = AppPaths.from_environment(environ), detect_host()
    store = SettingsStore(paths.settings_file)
    catalog, catalog_problem = load_all(resources() / "catalog.toml", paths.own_models_file)
    silent: AppError | None = None
    try:
        running = _running_app(paths.state)
    except AppError as exc:
        running, silent = None, exc
    return DiagnosticInputs(
        paths=paths,
        host=host,
        settings=store.current,
        library=library_of(lambda: store.current, paths, catalog),
        finder=EngineFinder(host),
        secrets=KeyStore(paths.keys, environ),
        running=running,
        known_errors=tuple(filter(None, (store.problem, catalog_problem, silent))),
    )


def run_diagnostics(patient: DiagnosticInputs, session: Session | None = None) -> DiagnosticReport:
    """Look at everything; with a `session`, also whether the servers on the internet can be reached."""
    notes = _Notes()
    for complaint in patient.known_errors:
        notes.add(complaint, stops=True)
    _look_at_model(patient, notes)
    for error in patient.library.hidden_aliases(aliases_of(patient.settings)).values():
        notes.add(error, stops=False)
    keys = _look_at_keys(patient, notes)
    port = _look_at_port(patient, notes)
    given_up = patient.running.problem if patient.running else None
    if given_up and given_up not in notes.problems:
        notes.problems.append(given_up)
    repetition = _look_at_answers(patient, notes)
    return DiagnosticReport(
        versions=versions(),
        host=patient.host,
        cards=merge_devices(patient.host.gpus, notes.engine.devices if notes.engine else None),
        engines=_engines(patient, notes),
        model=notes.model,
        port=port,
        settings=_settings_finding(patient, notes),
        folders=_look_at_folders(patient, notes),
        running=patient.running,
        last_failure=_last_failure(patient.paths),
        network=_look_at_network(patient, notes, session) if session else (),
        keys=keys,
        problems=tuple(sorted(notes.problems, key=lambda problem: not problem.stops)),
        repetition=repetition,
    )


def ignored_by(patient: DiagnosticInputs) -> dict[str, Text]:
    """The settings that a person has changed without effect on what would run, with the reasons.

    Nothing where it is not known what would run.
    """
    notes = _Notes()
    _look_at_model(patient, notes)
    return _ignored(patient, notes)


def ask_again(embed_texts: Callable[[Sequence[str]], Embeddings]) -> Repetition:
    """Ask a server for the embedding of one text several times; `GatewayError` if it does not answer."""
    return Repetition.of([embed_texts([_REPEATED]).vectors[0] for _ in range(_TIMES)])


def _running_app(state_dir: Path) -> RunningApp | None:
    """The app that runs. Of what it says only a failure that stays counts; the rest may be over by now."""
    client = find_running(state_dir)
    if client is None:
        return None
    try:
        status = client.status()
    except SlowAnswerError:
        raise
    except GatewayError:  # it has ended this moment
        return None
    problem = None
    if status.state == State.FAILED and (told := status.problem):
        problem = Problem(told.title, told.message, told.hint, stops=True)
    return RunningApp(client.pid, status.state, status.serving, status.base_url, problem, status.engine.kind)


def versions() -> dict[str, str]:
    """The versions of the app and of what it is made of, as far as they are installed."""
    found = {"PowerInfer Tray": __version__, "Python": platform.python_version()}
    for name, distribution in _LIBRARIES.items():
        try:
            found[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _look_at_model(patient: DiagnosticInputs, notes: _Notes) -> None:
    settings = patient.settings
    try:
        if settings.engine == EngineKind.REMOTE:
            notes.engine = plan_remote(settings, "").engine
        elif settings.model:
            _look_at_file(patient, patient.library.find(settings.model), notes)
        else:
            notes.add(
                ModelError(
                    "No model is chosen yet",
                    "«serve» takes the built-in test model then, whose answers mean nothing.",
                    "Choose one on the page Models, or: powerinfer-tray settings set model ID",
                ),
                stops=False,
            )
    except NotInstalledError as exc:
        _look_at_download(patient, exc, notes)
    except AppError as exc:
        notes.add(exc, stops=True)


def _look_at_file(patient: DiagnosticInputs, model: Model, notes: _Notes) -> None:
    settings, host = effective(patient.settings, model.id), patient.host
    notes.settings, notes.sparse = settings, model.header.sparse
    choice = look_for_engine(settings, patient.finder, sparse=model.header.sparse)
    found = report_on(model, settings, choice, host)
    notes.model, notes.engine = (
        ModelFinding(model.id, presentable(model.path), found.verdict.text),
        found.engine,
    )
    if found.obstacle:
        raise found.obstacle
    if found.engine:
        plan_launch(settings, model, found.engine, host)
    if found.verdict.fit is Fit.TOO_LARGE:
        notes.add(
            ModelError(
                f"{model.name} may be too large for this machine",
                f"It {found.verdict.text}.",
                "Lower the context size, or choose a smaller model.",
            ),
            stops=False,
        )


def _look_at_download(patient: DiagnosticInputs, missing: NotInstalledError, notes: _Notes) -> None:
    entry = missing.entry
    settings = effective(patient.settings, entry.id)
    notes.settings, notes.sparse = settings, entry.sparse
    notes.model = ModelFinding(entry.id, None, None)
    notes.add(missing, stops=False)
    try:
        notes.engine = choose_engine(settings.engine, entry.sparse, patient.finder)
    except EngineError as exc:
        notes.add(exc, stops=True)
    room = _room(patient.library.folder)
    if room is not None and room.usable_bytes < entry.size_bytes:
        notes.add(
            DownloadError(
                f"There is no room for {entry.name}",
                f"It has {entry.size_bytes / _GB:.1f} GB; {room.free_bytes / _GB:.1f} GB are free in"
                f" {patient.library.folder}, of which {room.reserve_bytes / _GB:.1f} GB are left to others.",
                "Free some space, or choose another models folder in the settings.",
            ),
            stops=True,
        )


def _look_at_answers(patient: DiagnosticInputs, notes: _Notes) -> Repetition | None:
    """Whether PowerInfer, if it runs now, computes rightly: it has lost sums without a word before."""
    running = patient.running
    if not running or running.engine != EngineKind.POWERINFER or running.state != State.READY:
        return None
    base_url = running.base_url or ""  # where an engine is ready, the address is open
    try:
        key = client_key(patient.settings, patient.secrets)
        found = ask_again(
            lambda texts: request_embeddings(base_url, texts, key=key, timeout_s=_ANSWER_TIMEOUT_S)
        )
    except AppError as exc:
        notes.add(exc, stops=False)
        return None
    if not found.same:
        notes.add(differing_answers(found), stops=True)
    return found


def differing_answers(found: Repetition) -> EngineError:
    """What to tell of a PowerInfer server whose answers differ."""
    return EngineError(
        "PowerInfer computes wrongly",
        f"The answers to one text must be equal, but: {found}.",
        "Use another build of PowerInfer's server, or a dense model (GGUF). Make its embeddings again.",
    )


def _look_at_keys(patient: DiagnosticInputs, notes: _Notes) -> dict[str, str]:
    """Where keys are, never what they are. The keychain may ask a person, so only for a key that is used."""
    settings, running = patient.settings, patient.running
    try:
        key = check_client_key(settings, patient.secrets)
        if key and can_be_guessed(key):
            notes.add(_guessable(), stops=False)
    except AppError as exc:  # an app that serves has a key, perhaps from a variable that is not set here
        notes.add(exc, stops=not (running and running.serving))
    used = {GATEWAY: settings.network == "lan", REMOTE: settings.engine == EngineKind.REMOTE}
    places = {}
    for each in KEYS:
        with suppress(AppError):  # of the key that is needed, it has been said
            if place := patient.secrets.where(each.name, ask_keychain=used.get(each, False)):
                places[each.name] = str(place.words)
    return places


def _guessable() -> SettingsError:
    return SettingsError(
        "The API key of the local network can be guessed",
        "It is short, or built of a pattern, and everybody in the network may try keys.",
        "Set another: in the settings under Network, where Generate makes one, or with powerinfer-tray key "
        "set gateway. Then give it to your clients.",
    )


def _look_at_port(patient: DiagnosticInputs, notes: _Notes) -> PortFinding:
    number, running = patient.settings.port, patient.running
    if running and running.base_url:  # perhaps on a port that was chosen for this run
        number = urlsplit(running.base_url).port or number
        return PortFinding(number, free=False, ours=True, owners=(), nearest_free=None)
    obstacle = port_obstacle(number, listening_address(patient.settings))
    if obstacle is None:
        return PortFinding(number, free=True, ours=False, owners=(), nearest_free=None)
    notes.add(obstacle, stops=True)
    owners = obstacle.owners if isinstance(obstacle, PortInUseError) else ()
    return PortFinding(number, False, False, tuple(map(str, owners)), obstacle.nearest_free)


def _engines(patient: DiagnosticInputs, notes: _Notes) -> tuple[EngineFinding, ...]:
    finder, wanted = patient.finder, (notes.settings or patient.settings).engine
    found = []
    if embedded := finder.embedded():
        found.append(_engine_finding(embedded, notes))
    named = [] if wanted == "auto" or wanted in set(EngineKind) else [expanded(wanted)]
    for path in dict.fromkeys((*named, *finder.candidates())):
        try:
            found.append(_engine_finding(finder.probe(path), notes))
        except EngineError as exc:
            problem = Problem.of(exc, stops=path in named)
            found.append(EngineFinding(str(path), None, None, (), (), chosen=False, problem=problem))
    return tuple(found)


def _engine_finding(engine: Engine, notes: _Notes) -> EngineFinding:
    return EngineFinding(
        program="comes with this app" if engine.kind is EngineKind.LLAMA_CPP else engine.command[0],
        kind=engine.kind,
        version=engine.version,
        machines=engine.machines,
        flags=tuple(sorted(engine.flags)),
        chosen=engine == notes.engine,
        problem=None,
    )


def _look_at_folders(patient: DiagnosticInputs, notes: _Notes) -> tuple[FolderFinding, ...]:
    paths, chosen = patient.paths, patient.settings.models_folder
    folders = (
        _folder("models", patient.library.folder),
        _folder("state", paths.state),
        _folder("logs", paths.logs),
        _folder("settings", paths.settings_file.parent),
    )
    for folder in folders:
        if folder.purpose == "models" and chosen and not folder.exists:
            notes.add(
                ModelError(
                    "The models folder is not there",
                    f"{folder.path} is missing. Is its drive connected?",
                    "Connect the drive, or choose another models folder in the settings.",
                ),
                stops=False,
            )
        elif not folder.writable:
            notes.add(
                SettingsError(
                    f"The {folder.purpose} folder cannot be written to",
                    f"The system does not let this app write to {folder.path}.",
                    "Give yourself the permission, or set POWERINFER_TRAY_HOME to another folder.",
                ),
                stops=folder.purpose != "models",
            )
    return folders


def _folder(purpose: str, path: Path) -> FolderFinding:
    exists, nearest = os.path.isdir(path), _nearest(path)  # noqa: PTH112 Path's raises where permission is lacking
    writable = _can_write(path) if exists else nearest.is_dir() and os.access(nearest, os.W_OK)
    room = _room(path)
    return FolderFinding(purpose, str(path), exists, writable, room.free_bytes if room else None)


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _room(folder: Path) -> DiskSpace | None:
    try:
        return disk_space(_nearest(folder))
    except OSError:
        return None


def _nearest(path: Path) -> Path:
    """The folder itself, or the first above it that is there."""
    return next((each for each in (path, *path.parents) if os.path.exists(each)), path)  # noqa: PTH110 as above


def _settings_finding(patient: DiagnosticInputs, notes: _Notes) -> SettingsFinding:
    ignored = _ignored(patient, notes)
    return SettingsFinding(
        str(patient.paths.settings_file),
        _changed(patient.settings),
        tuple(ignored),
        {name: str(reason) for name, reason in ignored.items()},
        {model_id: _as_shown(own) for model_id, own in patient.settings.models.items()},
    )


def _ignored(patient: DiagnosticInputs, notes: _Notes) -> dict[str, Text]:
    if notes.engine is None:
        return {}
    settings = notes.settings or patient.settings
    return ignored_settings(settings, without_effect(notes.engine, patient.host, sparse=notes.sparse))


def _changed(settings: Settings) -> dict[str, str]:
    """What differs from the defaults, as it is typed."""
    values = msgspec.structs.asdict(settings)
    changed = {each.name: values[each.name] for each in FIELDS if values[each.name] != each.default}
    return _as_shown(changed)


def _as_shown(values: Mapping[str, object]) -> dict[str, str]:
    """Values as they are typed, without secrets."""
    return {name: HIDDEN if SECRET_NAME.search(name) else _as_typed(value) for name, value in values.items()}


def _as_typed(value: object) -> str:
    return list_text(value) if isinstance(value, tuple) else str(value)


def _last_failure(paths: AppPaths) -> PastFailure | None:
    noted = lastfailure.read(paths.state)
    return PastFailure(noted.title, noted.message, noted.at_s) if noted else None


def _look_at_network(
    patient: DiagnosticInputs, notes: _Notes, session: Session
) -> tuple[NetworkFinding, ...]:
    """Whether downloads could come in, over the system's proxy and with its certificates."""
    address = patient.settings.hf_endpoint
    began_s = time.perf_counter()
    try:
        for answer in session.get_hops(address, {}, _NETWORK_TIMEOUT_S):
            answer.close()
    except DownloadError as exc:
        notes.add(exc, stops=False)
        return (NetworkFinding(address, None),)
    return (NetworkFinding(address, (time.perf_counter() - began_s) * 1000),)
