"""The terminal command `tune`. Main thread."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tray_app.app.tuning import one_thread_only, tune, tuning_obstacle
from tray_app.cli.common import (
    Json,  # noqa: TC001 - typer reads it at run time
    WorkBar,
    echo,
    headless_app,
    plain_console,
    print_json,
)
from tray_app.gateway.client import find_running
from tray_app.models.library import NotInstalledError
from tray_app.settings.model_settings import effective, with_values
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.app.root import App
    from tray_app.app.tuning import Threads, Tuning


def tune_threads(
    model: Annotated[
        str | None, typer.Option(help="A model file, or a catalogue id; else the chosen one.")
    ] = None,
    *,
    apply: Annotated[bool, typer.Option(help="Keep the best in the settings.")] = False,
    as_json: Json = False,
) -> None:
    """Measure with how many threads the model is fastest. A running server rests meanwhile."""
    cancelled = threading.Event()
    overrides: dict[str, Any] = {"port": free_port(), "network": "local"} | (
        {"model": model} if model else {}
    )
    with headless_app(overrides) as app:
        _refuse_what_cannot_be_tuned(app)
    with (
        _server_at_rest(),
        headless_app(overrides) as app,
        WorkBar(plain_console(stderr=True), "Measuring") as bar,
    ):
        app.start_server()  # may download: Ctrl-C ends that at once
        with _interrupts(cancelled):
            tuning = tune(
                app,
                effective(app.store.current, app.chosen_id()),
                app.host,
                cancelled,
                lambda samples, total: bar.show(len(samples), total),
            )
        if apply and tuning.advice != tuning.present:
            app.store.replace(with_values(app.store.current, app.chosen_id(), _settings(tuning.advice)))
    if as_json:
        print_json(_document(tuning, applied=apply))
    else:
        _print_table(tuning, applied=apply)
    raise typer.Exit(0 if tuning.complete else 1)


def _print_table(tuning: Tuning, *, applied: bool) -> None:
    echo("threads  embeddings/s  tokens/s")
    for sample in tuning.samples:
        tokens = "-" if sample.tokens_per_s is None else f"{sample.tokens_per_s:.1f}"
        echo(f"{sample.threads:7}  {sample.embeddings_per_s:12.2f}  {tokens:>8}")
    advice = tuning.advice
    if not tuning.complete:
        echo("Stopped before all were measured.")
    elif advice == tuning.present:
        echo(f"Keep what is set ({_words(advice)}): nothing is faster by more than 5 %.")
    elif applied:
        echo(f"Set: {_words(advice)}. A running app takes it up when it is next started.")
    else:
        echo(f"Best: {_words(advice)}. To set it: powerinfer-tray tune --apply")


def _words(threads: Threads) -> str:
    return f"threads = {threads.generation}, threads_batch = {threads.prompt}"


def _document(tuning: Tuning, *, applied: bool) -> dict[str, Any]:
    return {
        "complete": tuning.complete,
        "samples": [dataclasses.asdict(sample) for sample in tuning.samples],
        "present": _settings(tuning.present),
        "best": _settings(tuning.advice),
        "keep": tuning.advice == tuning.present,
        "applied": applied and tuning.advice != tuning.present,
    }


def _settings(threads: Threads) -> dict[str, int]:
    return {"threads": threads.generation, "threads_batch": threads.prompt}


def _refuse_what_cannot_be_tuned(app: App) -> None:
    """Before a server is stopped or a model downloaded for nothing: `EngineError`, or why it cannot start."""
    try:
        obstacle = tuning_obstacle(app.preview(app.store.current))
    except NotInstalledError as exc:
        obstacle = one_thread_only() if exc.entry.sparse else None
    if obstacle:
        raise obstacle


@contextmanager
def _server_at_rest() -> Iterator[None]:
    """Two engines would measure each other: the server of a running app stops for as long as the block."""
    running = find_running(AppPaths.from_environment(os.environ).state)
    serves = running is not None and running.status().serving
    if running and serves:
        running.stop()
    try:
        yield
    finally:
        if running and serves:
            running.start()


@contextmanager
def _interrupts(cancelled: threading.Event) -> Iterator[None]:
    """Ctrl-C ends the measuring, not the cleaning up; a second one ends the command."""

    def cancel(*_: object) -> None:
        cancelled.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
