"""Checks the engines: which there are, which would run and why, and whether one that runs computes correctly.

Any thread; runs programs for their help, and may take seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.app.diagnostic_findings import EngineFinding, FoundProblem, Repetition
from tray_app.app.public_address import client_key
from tray_app.engine import lastfailure
from tray_app.engine.builds.choice import advise
from tray_app.engine.builds.offers import published_builds
from tray_app.engine.builds.wording import why_it_runs
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import BuildSetting, engine_setting
from tray_app.engine.ineffective_settings import ignored_settings, without_effect
from tray_app.engine.lifecycle import State
from tray_app.errors import AppError, EngineError, ErrorCode
from tray_app.gateway.public_client import request_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tray_app.app.diagnostic_findings import ModelFinding
    from tray_app.app.diagnostic_inputs import DiagnosticInputs, Notes
    from tray_app.engine.finding import EngineFinder
    from tray_app.engine.lastfailure import NotedFailure
    from tray_app.engine.program import Engine
    from tray_app.gateway.public_client import Embeddings
    from tray_app.phrases import Text
    from tray_app.system.paths import AppPaths

_REPEATED = "One text, asked for again and again."
_TIMES = 10
_ANSWER_TIMEOUT_S = 60.0
"""Long enough for a large model on a slow machine with a few other requests before this one."""


def engine_findings(inputs: DiagnosticInputs, notes: Notes) -> tuple[EngineFinding, ...]:
    """All engines and all programs that may be one; after `check_model`, which knows the chosen one."""
    finder, wanted = inputs.finder, engine_setting((notes.settings or inputs.settings).engine)
    found = []
    if embedded := finder.embedded():
        found.append(_engine_finding(embedded, notes))
    if wanted is EngineKind.LLAMA_SERVER and notes.engine:
        found.append(_engine_finding(notes.engine, notes))
    found += _build_findings(inputs.finder, notes)
    named = [wanted] if isinstance(wanted, Path) else []
    for path in dict.fromkeys((*named, *finder.candidates())):
        try:
            found.append(_engine_finding(finder.probe(path), notes))
        except EngineError as exc:
            problem = FoundProblem.of(exc, stops=path in named)
            found.append(EngineFinding(str(path), None, None, (), (), chosen=False, problem=problem))
    return tuple(found)


def _build_findings(finder: EngineFinder, notes: Notes) -> Iterator[EngineFinding]:
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


def _engine_finding(engine: Engine, notes: Notes) -> EngineFinding:
    return EngineFinding(
        program="comes with this app" if engine.kind is EngineKind.LLAMA_CPP else engine.command[0],
        kind=engine.name,
        version=engine.version,
        machines=engine.machines,
        flags=tuple(sorted(engine.flags)),
        chosen=notes.engine is not None and engine.command == notes.engine.command,
        problem=None,
    )


def choice_of_engine(inputs: DiagnosticInputs, notes: Notes) -> str | None:
    """Which engine runs the chosen model, and why; None if none does."""
    if notes.engine is None:
        return None
    wanted = engine_setting((notes.settings or inputs.settings).engine)
    return str(why_it_runs(notes.engine, wanted))


def advice_on_engines(inputs: DiagnosticInputs, notes: Notes) -> str | None:
    """What had best be installed; None, with the reason in `notes`, if that cannot be told."""
    try:
        builds = published_builds(mirror=inputs.settings.engines_address)
        return str(advise(inputs.host, builds, inputs.finder.unchanged_builds()).sentence)
    except EngineError as exc:
        notes.add(exc, stops=False)
        return None


def settings_without_effect(inputs: DiagnosticInputs, notes: Notes) -> dict[str, Text]:
    """The changed settings that have no effect on the engine that would run, by name, with the reasons.

    Empty if it is not known which engine would run.
    """
    if notes.engine is None:
        return {}
    settings = notes.settings or inputs.settings
    return ignored_settings(settings, without_effect(notes.engine, inputs.host, sparse=notes.sparse))


def last_failure(paths: AppPaths, model: ModelFinding | None) -> NotedFailure | None:
    """The last failure of the chosen model, else the newest of any."""
    failures = lastfailure.read(paths.state)
    newest = next(reversed(failures.values()), None)
    return failures.get(model.name, newest) if model else newest


def check_answers(inputs: DiagnosticInputs, notes: Notes) -> Repetition | None:
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


def ask_again(embed_texts: Callable[[Sequence[str]], Embeddings]) -> Repetition:
    """Ask a server for the embedding of one text several times; `GatewayError` if it does not answer."""
    return Repetition.of([embed_texts([_REPEATED]).vectors[0] for _ in range(_TIMES)])


def differing_answers(found: Repetition) -> EngineError:
    """The error for a PowerInfer server whose answers differ."""
    return EngineError(
        ErrorCode.ANSWERS_DIFFER,
        "PowerInfer gives wrong results",
        f"The answers to the same text must be equal, but: {found}.",
        "Use another version of PowerInfer's server, or a regular GGUF model. Then create "
        "the embeddings again.",
    )
