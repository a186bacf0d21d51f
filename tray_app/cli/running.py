"""The terminal commands for the app that runs: what it does, which models it has loaded, start and end.

Main thread.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from tray_app.cli.common import app_commands, find_app, reference_for_app, waiting_for
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    echo,
    memory_words,
    print_json,
    print_table,
)
from tray_app.errors import ModelError
from tray_app.phrases import presentable

if TYPE_CHECKING:
    from tray_app.gateway.control.client import ControlClient
    from tray_app.gateway.control.documents import EngineRow, ProblemDocument, StatusDocument

_NOT_RUNNING = "Not running. Start it with: powerinfer-tray serve"
_MINUTE_S = 60
_HOUR_S = 3600


def status(*, as_json: Json = False) -> None:
    """Show what the running app is doing."""
    told = _status()
    if as_json:
        print_json(told)
    elif told.running:
        _print_status(told)
    else:
        echo(_NOT_RUNNING)


def _print_status(told: StatusDocument) -> None:
    address = f" · {told.base_url}" if told.base_url else ""
    echo(f"{told.server}: {told.model or 'no model chosen'}{address}")
    if len(told.engines) > 1:
        for row in told.engines:
            echo(f"{row.state}: {presentable(row.model)}, {_memory(row)}")
    for download in told.downloads:
        echo(f"{download.phase}: {download.name} {download.received_bytes:,} bytes")
    for problem in (*told.problems, *told.notices):
        echo(_words(problem))
    if told.newer_version:
        echo(f"Version {presentable(told.newer_version)} is available. You have version {told.version}.")


def ps(*, as_json: Json = False) -> None:
    """List the loaded models with their engines and memory."""
    told = _status()
    if as_json:
        print_json(
            {
                "running": told.running,
                "engines": told.engines,
                "memory_used_bytes": told.memory_used_bytes,
                "memory_budget_bytes": told.memory_budget_bytes,
                "graphics_memory_used_bytes": told.graphics_memory_used_bytes,
                "graphics_memory_budget_bytes": told.graphics_memory_budget_bytes,
            }
        )
    elif told.engines:
        _print_engines(told)
    else:
        echo("No model is loaded." if told.running else _NOT_RUNNING)


def _print_engines(told: StatusDocument) -> None:
    print_table(_HEADINGS, [_cells(row) for row in told.engines], right=_NUMBERS)
    for row in told.engines:
        if row.problem:
            echo(f"{presentable(row.model)}: {_words(row.problem)}")
    used = memory_words(told.memory_used_bytes)
    if told.memory_budget_bytes is None:
        echo(f"Memory: {used}")
    else:
        echo(f"Memory: {used} of {memory_words(told.memory_budget_bytes)}")
    if told.graphics_memory_budget_bytes:
        used = memory_words(told.graphics_memory_used_bytes)
        echo(f"Graphics memory: {used} of {memory_words(told.graphics_memory_budget_bytes)}")


_HEADINGS = ("model", "state", "engine", "device", "memory", "context", "active", "tokens/s", "idle")
_NUMBERS = frozenset({"memory", "context", "active", "tokens/s", "idle"})


def _cells(row: EngineRow) -> tuple[str, ...]:
    """A line of the table. "-" is what is not known."""
    engine = f"{row.kind} {row.version}" if row.version else row.kind
    return (
        presentable(row.model),
        row.state,
        presentable(engine),
        presentable(row.device) or "-",
        _memory(row),
        str(row.context or "-"),
        str(row.active),
        f"{row.tokens_per_s:.1f}",
        "-" if row.idle_s is None else _duration(row.idle_s),
    )


def _memory(row: EngineRow) -> str:
    """What the engine takes, or while that is not known, what it is thought to need; also of a card."""
    main = _amount(row.memory_bytes, row.expected_bytes)
    card = _amount(row.graphics_memory_bytes, row.expected_graphics_bytes)
    return main if card == "-" else f"{main} + {card} VRAM"


def _amount(taken_bytes: int | None, expected_bytes: int) -> str:
    if taken_bytes is None:
        return f"~{memory_words(expected_bytes)}" if expected_bytes else "-"
    return memory_words(taken_bytes)


def _duration(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S:.0f} min"
    return f"{seconds // _HOUR_S:.0f} h"


def load(
    model: Annotated[str, typer.Argument(help="The ID, file or other name of a model.")],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Load it even if it may exceed the memory limit.")
    ] = False,
) -> None:
    """Load another model and wait until it is ready."""
    from tray_app.gateway.control.commands import Loading

    wish = Loading(reference_for_app(model), force)
    with app_commands(tolerant=True) as app:
        loaded = app.load(wish)
    echo(f"Loaded {presentable(loaded.model)}.")


def unload(
    model: Annotated[str, typer.Argument(help="The ID, file or other name of a model.")],
) -> None:
    """Unload a model. The next request for it loads it again."""
    from tray_app.gateway.control.commands import Unloading

    with suppress(ModelError):  # it may be loaded, and its drive gone
        model = reference_for_app(model)
    with app_commands(tolerant=True) as app:
        unloaded = app.unload(Unloading(model))
    echo(f"Unloaded {presentable(unloaded.model)}.")


def start() -> None:
    """Start the server of the running app."""
    running = _app_to_control()
    with waiting_for(running):
        running.start()


def stop() -> None:
    """Stop the server of the running app. The app keeps running."""
    if running := find_app():
        running.stop()
    else:
        echo("Not running.")


def restart() -> None:
    """Restart the server of the running app."""
    running = _app_to_control()
    with waiting_for(running):
        running.restart()


def quit_app() -> None:
    """Quit the running app with its server. Downloads continue next time."""
    if running := find_app():
        running.quit()
    else:
        echo("Not running.")


def _app_to_control() -> ControlClient:
    if running := find_app():
        return running
    from tray_app.gateway.control.commands import not_running

    raise not_running()


def _status() -> StatusDocument:
    """What the running app says of itself, or that none runs."""
    if running := find_app():
        return running.status()
    from tray_app.gateway.control.documents import NOT_RUNNING

    return NOT_RUNNING


def _words(problem: ProblemDocument) -> str:
    lines = (problem.title, problem.message, *problem.evidence, problem.hint)
    return "\n".join(filter(None, lines))
