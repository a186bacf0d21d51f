"""Checks everything that a start of the server depends on, without starting it. Any thread; takes a second or
two.

A running PowerInfer engine is also asked for embeddings, which takes longer.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
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
    FoundProblem,
    ModelFinding,
    NetworkFinding,
    PortFinding,
    Repetition,
    SettingsFinding,
)
from tray_app.app.public_address import check_client_key, client_key, listening_address
from tray_app.engine import lastfailure
from tray_app.engine.builds.choice import advise
from tray_app.engine.builds.offers import published_builds
from tray_app.engine.builds.wording import why_it_runs
from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.devices import merge_devices
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import BuildSetting, engine_setting
from tray_app.engine.ineffective_settings import ignored_settings, without_effect
from tray_app.engine.launch_plan import plan_launch, plan_remote
from tray_app.engine.lifecycle import State
from tray_app.engine.report import foreseen, look_for_engine, report_on
from tray_app.errors import AppError, DownloadError, EngineError, ErrorCode, Fix, ModelError, SettingsError
from tray_app.gateway.public_client import request_embeddings
from tray_app.models.file_errors import none_chosen
from tray_app.models.fit_text import fit_line, memory_reason
from tray_app.models.memory import Fit
from tray_app.models.references import NotInstalledError
from tray_app.phrases import Translate, joined, phrase, presentable
from tray_app.settings.fields import FIELDS, MODEL_REFERENCES
from tray_app.settings.keys import GATEWAY, KEYS, REMOTE, can_be_guessed
from tray_app.settings.model_settings import aliases_of, effective
from tray_app.settings.value_text import value_text
from tray_app.system.disk import disk_space, nearest_folder, not_enough_space
from tray_app.system.files import folder_not_writable
from tray_app.system.ports import PortInUseError, port_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tray_app.app.diagnostic_report import RunningApp
    from tray_app.download.session import Session
    from tray_app.engine.finding import EngineFinder
    from tray_app.engine.lastfailure import NotedFailure
    from tray_app.engine.program import Engine
    from tray_app.gateway.public_client import Embeddings
    from tray_app.models.library import Library
    from tray_app.models.model import Model
    from tray_app.phrases import Text
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings
    from tray_app.system.disk import DiskSpace
    from tray_app.system.host import Host
    from tray_app.system.paths import AppPaths

_GB = 1e9
_LIBRARIES = {"Qt": "PySide6-Essentials", "llama.cpp": "xllamacpp"}
_NETWORK_TIMEOUT_S = (5.0, 10.0)
_REPEATED = "One text, asked for again and again."
_TIMES = 10
_ANSWER_TIMEOUT_S = 60.0
"""Long enough for a large model on a slow machine with a few other requests before this one."""


@dataclass(frozen=True, slots=True)
class DiagnosticInputs:
    """What is checked. `known_errors` are errors that were found while this was collected."""

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
    """Collects findings during a run."""

    model: ModelFinding | None = None
    engine: Engine | None = None
    sparse: bool = False
    settings: Settings | None = None
    """Those in force for the model, once it is known."""
    problems: dict[ErrorCode, FoundProblem] = field(default_factory=dict)
    """One of each code: the app that runs may have met what is found here, too."""

    def add(self, error: AppError, *, stops: bool) -> None:
        self.note(FoundProblem.of(error, stops=stops))

    def note(self, problem: FoundProblem) -> None:
        known = self.problems.get(problem.code)
        if known is None or (problem.stops and not known.stops):
            self.problems[problem.code] = problem


def run_diagnostics(inputs: DiagnosticInputs, session: Session | None = None) -> DiagnosticReport:
    """Look at everything; with a `session`, also whether the servers on the internet can be reached."""
    notes = _Notes()
    for complaint in inputs.known_errors:
        notes.add(complaint, stops=True)
    _look_at_model(inputs, notes)
    _look_at_defaults(inputs, notes)
    if hidden := inputs.library.hidden_aliases(aliases_of(inputs.settings)):
        notes.add(_hidden(hidden.values()), stops=False)
    keys = _look_at_keys(inputs, notes)
    port = _look_at_port(inputs, notes)
    given_up = inputs.running.problem if inputs.running else None
    if given_up:
        notes.note(given_up)
    repetition = _look_at_answers(inputs, notes)
    engines, advice = _engines(inputs, notes), _advice(inputs, notes)
    return DiagnosticReport(
        versions=versions(),
        host=inputs.host,
        cards=merge_devices(inputs.host.gpus, notes.engine.devices if notes.engine else None),
        engines=engines,
        model=notes.model,
        port=port,
        settings=_settings_finding(inputs, notes),
        folders=_look_at_folders(inputs, notes),
        running=inputs.running,
        last_failure=_last_failure(inputs.paths, notes.model),
        network=_look_at_network(inputs, notes, session) if session else (),
        keys=keys,
        problems=tuple(sorted(notes.problems.values(), key=lambda problem: not problem.stops)),
        repetition=repetition,
        choice=_choice(inputs, notes),
        advice=advice,
    )


def ignored_by(inputs: DiagnosticInputs) -> dict[str, Text]:
    """The changed settings that have no effect on the engine that would run, with the reasons.

    Empty if it is not known which engine would run.
    """
    notes = _Notes()
    _look_at_model(inputs, notes)
    return _ignored(inputs, notes)


def ask_again(embed_texts: Callable[[Sequence[str]], Embeddings]) -> Repetition:
    """Ask a server for the embedding of one text several times; `GatewayError` if it does not answer."""
    return Repetition.of([embed_texts([_REPEATED]).vectors[0] for _ in range(_TIMES)])


def versions() -> dict[str, str]:
    """The versions of the app, of Python and of the main libraries, as far as they are installed."""
    found = {"PowerInfer Tray": __version__, "Python": platform.python_version()}
    for name, distribution in _LIBRARIES.items():
        try:
            found[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _look_at_model(inputs: DiagnosticInputs, notes: _Notes) -> None:
    settings = inputs.settings
    try:
        if engine_setting(settings.engine) is EngineKind.REMOTE:
            notes.engine = plan_remote(settings, "").engine
        elif settings.model:
            _look_at_file(inputs, inputs.library.find(settings.model), notes)
        else:
            notes.add(none_chosen(), stops=False)
            _look_at_engine(inputs)
    except NotInstalledError as exc:
        _look_at_download(inputs, exc, notes)
    except AppError as exc:
        notes.add(exc, stops=True)


def _look_at_engine(inputs: DiagnosticInputs) -> None:
    """`EngineError` if the engine of the settings cannot run the built-in model, while no other is chosen."""
    header = inputs.library.find(str(inputs.library.builtin)).header
    choice = look_for_engine(inputs.settings, inputs.finder, ModelNeeds.of(header))
    if choice.obstacle:
        raise choice.obstacle


def _look_at_defaults(inputs: DiagnosticInputs, notes: _Notes) -> None:
    """Whether there are the models that answer requests which name none."""
    settings = inputs.settings
    if engine_setting(settings.engine) is EngineKind.REMOTE:
        return
    for name in MODEL_REFERENCES:
        reference = getattr(settings, name)
        if not reference or reference == settings.model:
            continue
        try:
            inputs.library.find(reference)
        except ModelError as exc:
            title = phrase("The setting {name}: {title}", name=name, title=exc.texts[0])
            _, message, hint = exc.texts
            error = ModelError(exc.code, title, message, hint, fix=Fix.SETTING, setting=name)
            notes.add(error, stops=False)


def _look_at_file(inputs: DiagnosticInputs, model: Model, notes: _Notes) -> None:
    settings, host = model.settings_in(inputs.settings), inputs.host
    notes.settings, notes.sparse = settings, model.header.sparse
    model = inputs.library.with_projector(model, settings.projector)
    choice = look_for_engine(settings, inputs.finder, ModelNeeds.of(model.header, model.id))
    found = report_on(model, settings, choice, host)
    notes.model, notes.engine = (
        ModelFinding(model.id, presentable(model.path), fit_line(found.verdict, Translate())),
        found.engine,
    )
    if found.obstacle:
        raise found.obstacle
    if found.engine:
        plan_launch(settings, model, found.engine, host)
    if found.verdict.fit is Fit.TOO_LARGE:
        notes.add(
            ModelError(
                ErrorCode.MODEL_TOO_LARGE,
                f"{model.name} may be too large for this computer",
                memory_reason(found.verdict, Translate()),
                "Reduce the context size, or choose a smaller model.",
            ),
            stops=False,
        )


def _look_at_download(inputs: DiagnosticInputs, missing: NotInstalledError, notes: _Notes) -> None:
    entry = missing.entry
    settings = effective(inputs.settings, entry.id, entry.defaults)
    notes.settings, notes.sparse = settings, entry.sparse
    notes.model = ModelFinding(entry.id, None, None)
    notes.add(missing, stops=False)
    try:
        needs = ModelNeeds.of(foreseen(entry).header, entry.id)
        notes.engine = choose_engine(engine_setting(settings.engine), needs, inputs.finder)
    except EngineError as exc:
        notes.add(exc, stops=True)
    space = _space(inputs.library.folder)
    if space is not None and space.usable_bytes < entry.download_bytes:
        hint = "Free some space, or choose another models folder in the settings."
        notes.add(
            not_enough_space(DownloadError, space, inputs.library.folder, entry.download_bytes, hint),
            stops=True,
        )


def _look_at_answers(inputs: DiagnosticInputs, notes: _Notes) -> Repetition | None:
    """Whether a running PowerInfer computes correctly: with several threads it silently loses sums (decision
    11).
    """
    running = inputs.running
    if not running or running.engine != EngineKind.POWERINFER or running.state != State.READY:
        return None
    base_url = running.base_url or ""  # while an engine is ready, the address is open
    try:
        key = client_key(inputs.settings, inputs.secrets)
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
    """The error for a PowerInfer server whose answers differ."""
    return EngineError(
        ErrorCode.ANSWERS_DIFFER,
        "PowerInfer gives wrong results",
        f"The answers to the same text must be equal, but: {found}.",
        "Use another version of PowerInfer's server, or a regular GGUF model. Then create "
        "the embeddings again.",
    )


def _look_at_keys(inputs: DiagnosticInputs, notes: _Notes) -> dict[str, str]:
    """Where keys are kept, never the keys.

    The keychain may show a dialog, so it is asked only for keys that are in use.
    """
    settings, running = inputs.settings, inputs.running
    try:
        key = check_client_key(settings, inputs.secrets)
        if key and can_be_guessed(key):
            notes.add(_guessable(), stops=False)
    except AppError as exc:
        # A running server has its key, perhaps from a variable that is not set in this process.
        notes.add(exc, stops=not (running and running.serving))
    used = {GATEWAY: settings.network == "lan", REMOTE: engine_setting(settings.engine) is EngineKind.REMOTE}
    places = {}
    for each in KEYS:
        with suppress(AppError):  # a needed key that cannot be read was reported above
            if place := inputs.secrets.where(each.name, ask_keychain=used.get(each, False)):
                places[each.name] = str(place.words)
    return places


def _hidden(errors: Iterable[SettingsError]) -> SettingsError:
    """The error about all aliases that mean another model than the one whose they are."""
    first, *others = errors
    if not others:
        return first
    return SettingsError(
        first.code,
        "Some aliases mean a different model",
        joined(
            "\n", [phrase("{title}: {reason}", title=e.texts[0], reason=e.texts[1]) for e in (first, *others)]
        ),
        first.texts[2],
    )


def _guessable() -> SettingsError:
    return SettingsError(
        ErrorCode.KEY_GUESSABLE,
        "The API key for the local network is too easy to guess",
        "It is short or has a pattern, and anyone on the network can try keys.",
        "Set another one in the settings under “Network & access”, where “Generate” creates one, or "
        "run: powerinfer-tray key set gateway. Then enter it in your clients.",
    )


def _look_at_port(inputs: DiagnosticInputs, notes: _Notes) -> PortFinding:
    number, running = inputs.settings.port, inputs.running
    if running and running.base_url:  # its port may have been chosen with an option for this run
        number = urlsplit(running.base_url).port or number
        return PortFinding(number, free=False, ours=True, owners=(), nearest_free=None)
    obstacle = port_obstacle(number, listening_address(inputs.settings))
    if obstacle is None:
        return PortFinding(number, free=True, ours=False, owners=(), nearest_free=None)
    notes.add(obstacle, stops=True)
    owners = obstacle.owners if isinstance(obstacle, PortInUseError) else ()
    return PortFinding(number, False, False, tuple(map(str, owners)), obstacle.nearest_free)


def _engines(inputs: DiagnosticInputs, notes: _Notes) -> tuple[EngineFinding, ...]:
    finder, wanted = inputs.finder, engine_setting((notes.settings or inputs.settings).engine)
    found = []
    if embedded := finder.embedded():
        found.append(_engine_finding(embedded, notes))
    if wanted is EngineKind.LLAMA_SERVER and notes.engine:
        found.append(_engine_finding(notes.engine, notes))
    found += _builds(inputs.finder, notes)
    named = [wanted] if isinstance(wanted, Path) else []
    for path in dict.fromkeys((*named, *finder.candidates())):
        try:
            found.append(_engine_finding(finder.probe(path), notes))
        except EngineError as exc:
            problem = FoundProblem.of(exc, stops=path in named)
            found.append(EngineFinding(str(path), None, None, (), (), chosen=False, problem=problem))
    return tuple(found)


def _builds(finder: EngineFinder, notes: _Notes) -> Iterator[EngineFinding]:
    """The engines that were installed with this app."""
    try:
        builds = finder.builds()
    except EngineError as exc:
        notes.add(exc, stops=False)
        return
    for build in builds:
        try:
            yield _engine_finding(finder.of_build(build), notes)
        except EngineError as exc:
            problem = FoundProblem.of(exc, stops=False)
            name = str(BuildSetting(build.kind, build.back_end))
            yield EngineFinding(
                str(build.program), name, build.release, (), (), chosen=False, problem=problem
            )


def _choice(inputs: DiagnosticInputs, notes: _Notes) -> str | None:
    if notes.engine is None:
        return None
    wanted = engine_setting((notes.settings or inputs.settings).engine)
    return str(why_it_runs(notes.engine, wanted))


def _advice(inputs: DiagnosticInputs, notes: _Notes) -> str | None:
    try:
        builds = published_builds(mirror=inputs.settings.engines_address)
        return str(advise(inputs.host, builds, inputs.finder.unchanged_builds()).sentence)
    except EngineError as exc:
        notes.add(exc, stops=False)
        return None


def _engine_finding(engine: Engine, notes: _Notes) -> EngineFinding:
    return EngineFinding(
        program="comes with this app" if engine.kind is EngineKind.LLAMA_CPP else engine.command[0],
        kind=engine.name,
        version=engine.version,
        machines=engine.machines,
        flags=tuple(sorted(engine.flags)),
        chosen=notes.engine is not None and engine.command == notes.engine.command,
        problem=None,
    )


def _look_at_folders(inputs: DiagnosticInputs, notes: _Notes) -> tuple[FolderFinding, ...]:
    paths, chosen = inputs.paths, inputs.settings.models_folder
    folders = (
        _folder("models", inputs.library.folder),
        _folder("state", paths.state),
        _folder("logs", paths.logs),
        _folder("settings", paths.settings_file.parent),
    )
    for folder in folders:
        if folder.purpose == "models" and chosen and not folder.exists:
            notes.add(
                ModelError(
                    ErrorCode.MODELS_FOLDER_MISSING,
                    "The models folder is missing",
                    f"{folder.path} does not exist. Is its drive connected?",
                    "Connect the drive, or choose another models folder in the settings.",
                ),
                stops=False,
            )
    if closed := [folder for folder in folders if not folder.writable]:
        notes.add(
            folder_not_writable(
                SettingsError,
                joined("\n", [phrase("{purpose}: {path}", purpose=f.purpose, path=f.path) for f in closed]),
                "Give yourself permission to write, or set POWERINFER_TRAY_HOME to another folder.",
            ),
            stops=any(folder.purpose != "models" for folder in closed),
        )
    return folders


def _folder(purpose: str, path: Path) -> FolderFinding:
    exists = os.path.isdir(path)  # noqa: PTH112 Path's raises where permission is lacking
    writable = _can_write(path) if exists else _can_be_made(path)
    space = _space(path)
    return FolderFinding(purpose, str(path), exists, writable, space.free_bytes if space else None)


def _can_be_made(folder: Path) -> bool:
    try:
        nearest = nearest_folder(folder)
    except OSError:
        return False
    return nearest.is_dir() and os.access(nearest, os.W_OK)


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _space(folder: Path) -> DiskSpace | None:
    try:
        return disk_space(nearest_folder(folder))
    except OSError:
        return None


def _settings_finding(inputs: DiagnosticInputs, notes: _Notes) -> SettingsFinding:
    ignored = _ignored(inputs, notes)
    return SettingsFinding(
        str(inputs.paths.settings_file),
        _changed(inputs.settings),
        tuple(ignored),
        {name: str(reason) for name, reason in ignored.items()},
        {model_id: _as_shown(own) for model_id, own in inputs.settings.models.items()},
    )


def _ignored(inputs: DiagnosticInputs, notes: _Notes) -> dict[str, Text]:
    if notes.engine is None:
        return {}
    settings = notes.settings or inputs.settings
    return ignored_settings(settings, without_effect(notes.engine, inputs.host, sparse=notes.sparse))


def _changed(settings: Settings) -> dict[str, str]:
    """The settings that differ from their defaults, as text."""
    values = msgspec.structs.asdict(settings)
    changed = {each.name: values[each.name] for each in FIELDS if values[each.name] != each.default}
    return _as_shown(changed)


def _as_shown(values: Mapping[str, object]) -> dict[str, str]:
    """Settings as text, without secrets."""
    return {name: HIDDEN if SECRET_NAME.search(name) else value_text(value) for name, value in values.items()}


def _last_failure(paths: AppPaths, model: ModelFinding | None) -> NotedFailure | None:
    """The last failure of the chosen model, else the newest of any."""
    failures = lastfailure.read(paths.state)
    newest = next(reversed(failures.values()), None)
    return failures.get(model.name, newest) if model else newest


def _look_at_network(inputs: DiagnosticInputs, notes: _Notes, session: Session) -> tuple[NetworkFinding, ...]:
    """Whether downloads could come in, over the system's proxy and with its certificates."""
    address = inputs.settings.hf_endpoint
    began_s = time.perf_counter()
    try:
        for answer in session.get_hops(address, {}, _NETWORK_TIMEOUT_S):
            answer.close()
    except DownloadError as exc:
        notes.add(exc, stops=False)
        return (NetworkFinding(address, None),)
    return (NetworkFinding(address, (time.perf_counter() - began_s) * 1000),)
