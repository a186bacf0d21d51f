"""The terminal commands: ask a running app through its control address, or do the work headless. Main thread.

Exit codes: 0 success, 1 failed with a message on stderr, 2 wrong usage. With `--json`, stdout carries
exactly one JSON document.

What only some commands need is imported where it is used: a script may ask for the status each second.
"""

from __future__ import annotations

import math
import queue
import signal
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tray_app import __version__
from tray_app.cli.common import (
    CommandGroup,
    TakesTexts,
    app_commands,
    do_long_work,
    find_app,
    headless_app,
    next_of,
    open_workspace,
    signals_to,
    waiting_for,
)
from tray_app.cli.models import models_commands, quantize
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    OutputError,
    checked_output,
    echo,
    print_json,
)
from tray_app.cli.settings import key_commands, settings_commands
from tray_app.cli.tune import tune_threads
from tray_app.download.connection_scaler import MOST_CONNECTIONS
from tray_app.errors import AppError, ErrorCode, ErrorDocument, GatewayError, ModelError
from tray_app.phrases import presentable
from tray_app.system.paths import expanded

if TYPE_CHECKING:
    from tray_app.app.root import App
    from tray_app.app.status import AppStatus
    from tray_app.gateway.client import ControlClient
    from tray_app.gateway.commands import Examined, Examining
    from tray_app.gateway.documents import StatusDocument

commands = typer.Typer(
    cls=CommandGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Download a model, serve it to OpenAI clients, ask it. Without a command the tray app starts.",
)
commands.add_typer(settings_commands, name="settings")
commands.add_typer(key_commands, name="key")
commands.add_typer(models_commands, name="models")
commands.command(cls=TakesTexts)(quantize)
commands.command("tune")(tune_threads)


def run(arguments: list[str]) -> int:
    """Run one command line; its exit code."""
    try:
        with checked_output():
            return _run(arguments)
    except OutputError as exc:
        _complain(exc)
        return 1


def _run(arguments: list[str]) -> int:
    _end_by_ctrl_c()
    try:
        commands(args=arguments, prog_name="powerinfer-tray")
    except OutputError:
        raise
    except AppError as exc:
        if "--json" in arguments:
            print_json({"ok": False, "error": ErrorDocument.of(exc)})
        _complain(exc)
        return 1
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    return 0


def _complain(error: AppError) -> None:
    with suppress(OSError):  # then there is nobody to be told
        echo(f"Error: {error}", err=True)


def _end_by_ctrl_c() -> None:
    """Whoever starts us may ignore Ctrl-C, as scripts do for what runs behind them: that is inherited."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@commands.callback(invoke_without_command=True)
def _options(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False
) -> None:
    if version:
        echo(f"powerinfer-tray {__version__}")
        raise typer.Exit


@commands.command()
def serve(
    model: Annotated[
        str | None, typer.Option(help="A model file, an id, or another name of a model.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The public port.")] = None,
    engine: Annotated[str | None, typer.Option(help="powerinfer, llama.cpp, or a server program.")] = None,
) -> None:
    """Serve a model until Ctrl-C, without a window. If the app runs already, it is told to serve."""
    chosen = {"model": model, "port": port, "engine": engine}
    overrides = {name: value for name, value in chosen.items() if value is not None}
    if running := find_app():
        _leave_it_to(running, overrides)
        return
    with headless_app(overrides) as app:
        _serve(app)


@commands.command()
def download(
    source: Annotated[
        str, typer.Argument(help="A URL, hf:owner/repo/file, hf.co/owner/repo:QUANT, or a catalogue id.")
    ],
    to: Annotated[str | None, typer.Option(help="The folder; without it, the models folder.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The digest that the file must have.")] = None,
    connections: Annotated[
        int | None, typer.Option(min=1, max=MOST_CONNECTIONS, help="At most so many at once.")
    ] = None,
    limit: Annotated[
        str | None, typer.Option(metavar="RATE", help="At most this speed: 500k, 2.5MB/s.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Download a model file. Ctrl-C pauses: the same command goes on, after any interruption."""
    from tray_app.cli.progress import ProgressBars, plain_console
    from tray_app.download.throttle import parse_rate
    from tray_app.gateway.commands import Downloading

    wish = Downloading(
        source,
        expanded(to).absolute() if to else None,
        sha256,
        connections,
        None if limit is None else parse_rate(limit),
    )
    with app_commands() as app, ProgressBars(plain_console(stderr=True)) as bar:
        result = do_long_work(partial(app.download, wish), lambda now: bar.show(now.files)).files
    size_bytes = sum(part.received_bytes for part in result)
    if as_json:
        print_json(
            {
                "path": presentable(result[0].path),
                "bytes": size_bytes,
                "sha256": result[0].sha256,
                "resumed": any(part.resumed for part in result),
                "files": [{"path": presentable(part.path), "sha256": part.sha256} for part in result],
            }
        )
    else:
        more = f" and {len(result) - 1} more files of it" if len(result) > 1 else ""
        echo(f"Saved {result[0].path}{more} ({size_bytes:,} bytes)")


@commands.command(cls=TakesTexts)
def embed(
    texts: Annotated[list[str], typer.Argument(help="One or more texts.")], *, as_json: Json = False
) -> None:
    """Embed texts with the running server, or else with one that is started for this."""
    from tray_app.gateway.commands import TextsToEmbed

    with app_commands() as app:
        answer = app.embed(TextsToEmbed(tuple(texts)))
    if answer.by_test_model:
        _tell_of_test_model()
    if as_json:
        print_json(
            {
                "dimensions": answer.dimensions,
                "tokens": answer.tokens,
                "ms": round(answer.elapsed_ms, 3),
                "embeddings": answer.vectors,
            }
        )
        return
    echo(f"{answer.dimensions} dimensions, {answer.tokens} tokens, {answer.elapsed_ms:.1f} ms")
    for text, vector in zip(texts, answer.vectors, strict=True):
        first = ", ".join(f"{x:+.4f}" for x in vector[:6])
        echo(f"{text!r}: norm {math.hypot(*vector):.4f}: {first}, …")


@commands.command()
def status(*, as_json: Json = False) -> None:
    """Say what the running app does."""
    running = find_app()
    told = running.status() if running else _nothing_runs()
    if as_json:
        print_json(told)
    elif running:
        _print_status(told)
    else:
        echo("Not running. Start it with: powerinfer-tray serve")


def _nothing_runs() -> StatusDocument:
    from tray_app.app.server_status import ServerState
    from tray_app.engine.lifecycle import State
    from tray_app.gateway.documents import StatusDocument

    return StatusDocument(running=False, state=State.STOPPED, server=ServerState.STOPPED)


def _print_status(told: StatusDocument) -> None:
    address = f" · {told.base_url}" if told.base_url else ""
    echo(f"{told.server}: {told.model or 'no model chosen'}{address}")
    for download in told.downloads:
        echo(f"{download.phase}: {download.name} {download.received_bytes:,} bytes")
    for problem in told.problems:
        lines = (problem.title, problem.message, *problem.evidence, problem.hint)
        echo("\n".join(filter(None, lines)))


@commands.command()
def start() -> None:
    """Start the server of the running app; returns when it has been told to."""
    running = _app_to_control()
    with waiting_for(running):
        running.start()


@commands.command()
def stop() -> None:
    """Stop the server of the running app. The app goes on."""
    if running := find_app():
        running.stop()
    else:
        echo("Not running.")


@commands.command()
def restart() -> None:
    """Stop the server of the running app and start it again."""
    running = _app_to_control()
    with waiting_for(running):
        running.restart()


@commands.command("quit")
def quit_app() -> None:
    """End the running app, its server and its downloads, which go on next time."""
    if running := find_app():
        running.quit()
    else:
        echo("Not running.")


@commands.command()
def selftest(*, as_json: Json = False) -> None:
    """Check the installation: download, serve and embed with the built-in test model."""
    from tray_app.app.selftest import run_selftest
    from tray_app.cli.progress import SelftestView, plain_console
    from tray_app.system.host import detect_host

    with SelftestView(plain_console(stderr=as_json)) as view:
        report = run_selftest(detect_host(), view)
    if as_json:
        print_json(report)
    else:
        echo(report.verdict)
    raise typer.Exit(0 if report.ok else 1)


@commands.command()
def doctor(
    *,
    network: Annotated[bool, typer.Option(help="Also ask whether downloads could come in.")] = False,
    as_json: Json = False,
) -> None:
    """Look at all that the server depends on, and say what is wrong and what to do. Starts nothing."""
    from tray_app.gateway.commands import Examining

    found = _examined(Examining(network))
    if as_json:
        print_json(found.document)
    else:
        echo(found.report)
    raise typer.Exit(0 if found.ok else 1)


def _app_to_control() -> ControlClient:
    if running := find_app():
        return running
    raise GatewayError(
        ErrorCode.APP_NOT_RUNNING,
        "PowerInfer Tray is not running",
        "This command controls a running app.",
        "Start it: powerinfer-tray serve",
    )


def _examined(wish: Examining) -> Examined:
    """What the running app finds, which knows best; of one that does not answer, that is what is found."""
    from tray_app.app.command_service import CommandService

    try:
        running = find_app()
    except AppError as silent:
        with open_workspace(tolerant=True) as workspace:
            return CommandService(workspace).run_diagnostics(wish, silent)
    if running:
        return running.run_diagnostics(wish)
    with open_workspace(tolerant=True) as workspace:
        return CommandService(workspace).run_diagnostics(wish)


def _choose_test_model_if_none(app: App) -> None:
    from tray_app.app.workspace import TEST_MODEL
    from tray_app.engine.kinds import EngineKind, engine_setting

    settings = app.store.current
    if not settings.model and engine_setting(settings.engine) is not EngineKind.REMOTE:
        _tell_of_test_model()
        app.store.override(model=TEST_MODEL)


def _tell_of_test_model() -> None:
    echo("No model is chosen yet: using the built-in test model. Its answers mean nothing.", err=True)


def _leave_it_to(running: ControlClient, asked: dict[str, Any]) -> None:
    """Have the app serve that runs already; `GatewayError` if it does so with something else than `asked`."""
    chosen = running.status().chosen
    others = [
        name
        for name, value in asked.items()
        if not _means_the_same(value, getattr(chosen, name))
        and not (name == "model" and _is_same_model(value, chosen.model))
    ]
    if others:
        has = ", ".join(f"{name} {getattr(chosen, name)}" for name in others)
        raise GatewayError(
            ErrorCode.APP_ALREADY_RUNNING,
            f"PowerInfer Tray runs already (PID {running.pid})",
            f"It has {has}. Two of them cannot share their settings, models and logs.",
            "Change its settings, or end it first: powerinfer-tray quit",
        )
    with waiting_for(running):
        running.start()
    told = running.status()
    echo(f"PowerInfer Tray runs already (PID {running.pid}): {told.model} at {told.base_url}")
    echo("To stop its server: powerinfer-tray stop")


def _is_same_model(asked: str, chosen: str) -> bool:
    """Whether two references mean one model, by whichever of its names."""
    with open_workspace(tolerant=True) as workspace:
        library = workspace.library
        try:
            return library.id_of(asked) == library.id_of(chosen)
        except ModelError:
            return False


def _means_the_same(asked: object, chosen: object) -> bool:
    """Whether two values of a setting are equal, or two ways to write one path."""
    if asked == chosen or not isinstance(asked, str) or not isinstance(chosen, str):
        return asked == chosen
    if presentable(asked) == chosen:  # the running app tells it so
        return True
    paths = [expanded(word).absolute() for word in (asked, chosen)]
    return paths[0] == paths[1]


def _serve(app: App) -> None:
    """Start the server and show what happens to it, until a signal or a failure that stays.

    A server that has run and was given up stays: a later request tries it again.
    """
    from tray_app.app.start_job import StartCalledOffError
    from tray_app.cli.progress import ServeView, plain_console
    from tray_app.engine.lifecycle import State
    from tray_app.system.drives import DriveGoneError

    was_ready = False
    events: queue.SimpleQueue[AppStatus | AppError | None] = queue.SimpleQueue()

    def start() -> None:
        try:
            app.start_server()
        except StartCalledOffError:
            pass  # by a command from another terminal, after which the server can be started again
        except AppError as exc:
            events.put(exc)

    _choose_test_model_if_none(app)
    app.changed.connect(events.put)
    app.open_control(quit_app=lambda: events.put(None))
    with signals_to(lambda: events.put(None)), ServeView(plain_console()) as view:
        starting = threading.Thread(target=start, name="start")
        starting.start()
        try:
            while (event := next_of(events)) is not None:
                if isinstance(event, DriveGoneError):  # the server starts when it is back
                    view.say(str(event))
                    continue
                if isinstance(event, AppError):
                    raise event
                view.show_status(event)
                was_ready |= event.engine.state is State.READY
                may_recover = was_ready and event.engine.gave_up
                if event.engine.failure and event.engine.state is State.FAILED and not may_recover:
                    raise event.engine.failure
            view.say("Stopping …")
        finally:
            app.close()
            starting.join()
