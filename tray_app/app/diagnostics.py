"""Checks everything that a start of the server depends on, without starting it. Any thread; takes a second or
two.

A running PowerInfer engine is also asked for embeddings, which takes longer.
"""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING

from tray_app import __version__
from tray_app.app.computer_checks import (
    check_folders,
    check_keys,
    check_network,
    check_port,
    settings_finding,
)
from tray_app.app.diagnostic_findings import DiagnosticReport
from tray_app.app.diagnostic_inputs import Notes
from tray_app.app.engine_checks import (
    advice_on_engines,
    check_answers,
    choice_of_engine,
    engine_findings,
    last_failure,
    settings_without_effect,
)
from tray_app.app.model_checks import check_aliases, check_defaults, check_model
from tray_app.engine.devices import merge_devices

if TYPE_CHECKING:
    from tray_app.app.diagnostic_inputs import DiagnosticInputs
    from tray_app.download.session import Session
    from tray_app.phrases import Text

_LIBRARIES = {"Qt": "PySide6-Essentials", "llama.cpp": "xllamacpp"}
"""By the names that people know, the distributions that bring them."""


def run_diagnostics(inputs: DiagnosticInputs, session: Session | None = None) -> DiagnosticReport:
    """Look at everything; with a `session`, also whether the servers on the internet can be reached."""
    notes = Notes()
    for complaint in inputs.known_errors:
        notes.add(complaint, stops=True)
    check_model(inputs, notes)
    check_defaults(inputs, notes)
    check_aliases(inputs, notes)
    keys = check_keys(inputs, notes)
    port = check_port(inputs, notes)
    given_up = inputs.running.problem if inputs.running else None
    if given_up:
        notes.note(given_up)
    repetition = check_answers(inputs, notes)
    return DiagnosticReport(
        versions=versions(),
        host=inputs.host,
        cards=merge_devices(inputs.host.gpus, notes.engine.devices if notes.engine else None),
        engines=engine_findings(inputs, notes),
        model=notes.model,
        port=port,
        settings=settings_finding(inputs, notes),
        folders=check_folders(inputs, notes),
        running=inputs.running,
        last_failure=last_failure(inputs.paths, notes.model),
        network=check_network(inputs, notes, session) if session else (),
        keys=keys,
        problems=tuple(sorted(notes.problems.values(), key=lambda problem: not problem.stops)),
        repetition=repetition,
        choice=choice_of_engine(inputs, notes),
        advice=advice_on_engines(inputs, notes),
    )


def ignored_by(inputs: DiagnosticInputs) -> dict[str, Text]:
    """The changed settings that have no effect on the engine that would run, with the reasons.

    Empty if it is not known which engine would run.
    """
    notes = Notes()
    check_model(inputs, notes)
    return settings_without_effect(inputs, notes)


def versions() -> dict[str, str]:
    """The versions of the app, of Python and of the main libraries, as far as they are installed."""
    found = {"PowerInfer Tray": __version__, "Python": platform.python_version()}
    for name, distribution in _LIBRARIES.items():
        try:
            found[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
