"""The terminal commands: ask a running app through its control address, or do the work headless. Main thread.

Exit codes: 0 success, 1 failed with a message on stderr, 2 wrong usage. With `--json`, stdout carries
exactly one JSON document.

What only some commands need is imported where it is used: a script may ask for the status each second.
"""

from __future__ import annotations

import io
import math
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tray_app import __version__
from tray_app.cli.common import (
    CommandGroup,
    TakesTexts,
    app_commands,
    do_long_work,
    find_app,
    open_workspace,
    tell_of_test_model,
)
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    OutputError,
    checked_output,
    echo,
    print_json,
)
from tray_app.cli.quantize import quantize
from tray_app.cli.running import load, ps, quit_app, restart, start, status, stop, unload
from tray_app.cli.serve import serve
from tray_app.cli.tune import tune_threads
from tray_app.download.connection_scaler import MOST_CONNECTIONS
from tray_app.errors import AppError, ErrorDocument
from tray_app.phrases import presentable
from tray_app.system.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.gateway.control.commands import Examined, Examining


class _Commands(Mapping[str, Any]):
    """All commands: those of a word, and the groups, each of which is built when somebody asks for it.

    To read the functions of all 38 commands takes a tenth of a short one's time.
    """

    GROUPS = ("settings", "key", "models", "engines")

    def __init__(self, of_a_word: Mapping[str, Any]) -> None:
        self._of_a_word = of_a_word
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name in self.GROUPS and name not in self._built:
            self._built[name] = typer.main.get_group(_group(name))
            self._built[name].name = name
        return self._built[name] if name in self._built else self._of_a_word[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._of_a_word, *self.GROUPS))

    def __len__(self) -> int:
        return len(self._of_a_word) + len(self.GROUPS)


def _group(name: str) -> typer.Typer:
    match name:
        case "settings":
            from tray_app.cli.settings import settings_commands as group
        case "key":
            from tray_app.cli.settings import key_commands as group
        case "models":
            from tray_app.cli.models import models_commands as group
        case _:
            from tray_app.cli.engines import engine_commands as group
    return group


class _AllCommands(CommandGroup):
    """The program's own."""

    def __init__(self, **given: Any) -> None:
        """As typer makes it."""
        super().__init__(**given)
        self.commands: Any = _Commands(self.commands)


commands = typer.Typer(
    cls=_AllCommands,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Run language models on this computer and use them from any OpenAI client. Without a "
    "command, the tray app starts.",
)
commands.command()(serve)
commands.command()(status)
commands.command()(ps)
commands.command(cls=TakesTexts)(load)
commands.command(cls=TakesTexts)(unload)
commands.command()(start)
commands.command()(stop)
commands.command()(restart)
commands.command("quit")(quit_app)
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
    try:
        echo(f"Error: {error}", err=True)
    except OSError:  # then there is nobody to be told: Python would try again as it ends, and exit with 120
        sys.stderr = io.StringIO()


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
def download(
    source: Annotated[
        str,
        typer.Argument(
            help="A URL, hf:owner/repo, hf:owner/repo/file, hf.co/owner/repo:QUANT, or the ID of a model in "
            "the catalog."
        ),
    ],
    to: Annotated[
        str | None, typer.Option(help="The folder to save it in. Default: the models folder.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="The expected SHA-256 of the file.")] = None,
    connections: Annotated[
        int | None, typer.Option(min=1, max=MOST_CONNECTIONS, help="The most connections at the same time.")
    ] = None,
    limit: Annotated[
        str | None, typer.Option(metavar="RATE", help="The highest speed, such as 500k or 2.5MB/s.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Download a model. Ctrl-C pauses. Run the same command again to continue."""
    from tray_app.cli.progress import DownloadView, plain_console
    from tray_app.download.throttle import parse_rate
    from tray_app.gateway.control.commands import Downloading

    wish = Downloading(
        source,
        expanded(to).absolute() if to else None,
        sha256,
        connections,
        None if limit is None else parse_rate(limit),
    )
    with app_commands() as app, DownloadView(plain_console(stderr=True)) as view:
        arrived = do_long_work(partial(app.download, wish), view.show_download)
    result = arrived.files
    size_bytes = sum(part.received_bytes for part in result)
    if as_json:
        print_json(
            {
                "path": presentable(result[0].path),
                "bytes": size_bytes,
                "sha256": result[0].sha256,
                "resumed": any(part.resumed for part in result),
                "files": [{"path": presentable(part.path), "sha256": part.sha256} for part in result],
                "picked": arrived.picked or None,
            }
        )
    else:
        more = f" and {len(result) - 1} more files of it" if len(result) > 1 else ""
        echo(f"Saved {result[0].path}{more} ({size_bytes:,} bytes)")


@commands.command(cls=TakesTexts)
def embed(
    texts: Annotated[list[str], typer.Argument(help="One or more texts.")], *, as_json: Json = False
) -> None:
    """Create embeddings with the running server, or with a temporary one."""
    from tray_app.gateway.control.commands import TextsToEmbed

    with app_commands() as app:
        answer = app.embed(TextsToEmbed(tuple(texts)))
    if answer.by_test_model:
        tell_of_test_model()
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
def selftest(*, as_json: Json = False) -> None:
    """Check that downloading, serving and embedding work, using the built-in test model."""
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
    network: Annotated[
        bool, typer.Option("--network", help="Also check whether downloads would work.")
    ] = False,
    engines: Annotated[
        bool,
        typer.Option("--engines", help="Show only graphics cards, drivers and engines, but in full detail."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Find out what is wrong and how to fix it. Starts nothing."""
    from tray_app.gateway.control.commands import Examining

    if engines and network:
        raise typer.BadParameter("Use either --network or --engines, not both.")
    if engines:
        _tell_engines(as_json=as_json)
    found = _examined(Examining(network))
    if as_json:
        print_json(found.document)
    else:
        echo(found.report)
    raise typer.Exit(0 if found.ok else 1)


def _tell_engines(*, as_json: bool) -> NoReturn:
    from tray_app.app.engines_report import engines_document, engines_text

    with open_workspace(tolerant=True) as workspace:
        found = workspace.examine_engines()
    if as_json:
        print_json(engines_document(found, Path.home()))
    else:
        echo(engines_text(found, Path.home()))
    raise typer.Exit(0 if found.ok else 1)


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
