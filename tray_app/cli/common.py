"""What the terminal commands share: how they open the app, what they print, what they show while they work.

Any thread. File names, models and what servers say were written by strangers: they are printed as they are,
never as colours, pictures or commands to the terminal.
"""

from __future__ import annotations

import difflib
import io
import json
import os
import re
import sys
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TextIO, cast

import msgspec
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars
from typer.core import TyperCommand

from tray_app.app.root import App
from tray_app.app.selftest import SENTENCE
from tray_app.app.server_status import ServerState
from tray_app.download.progress import Phase
from tray_app.errors import AppError
from tray_app.models.catalog import load_all
from tray_app.models.library import library_of
from tray_app.phrases import phrase, visible
from tray_app.system.paths import AppPaths, resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.progress import TaskID

    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.models.library import Library
    from tray_app.settings.store import SettingsStore

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
_LIKE_AN_OPTION = re.compile(r"--?[A-Za-z][A-Za-z-]*(?:=.*)?")


class TakesTexts(TyperCommand):
    """A command whose arguments are texts or names of files: `-5 degrees` is one like any other.

    A word that looks like an option, and is none of this command, is refused, for it is mistyped more often
    than meant. After `--` every word is a text.
    """

    ignore_unknown_options = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click's, for the words of a command line."""
        options = [name for parameter in self.get_params(ctx) for name in parameter.opts]
        for word in takewhile(lambda word: word != "--", args):
            name = word.partition("=")[0]
            if _LIKE_AN_OPTION.fullmatch(word) and name not in options:
                near = difflib.get_close_matches(name, options, n=1)
                meant = f" Did you mean {near[0]}?" if near else ""
                ctx.fail(f"There is no option {name}.{meant} If it is a text, put -- before it.")
        return super().parse_args(ctx, args)


class OutputError(AppError):
    """The terminal, the pipe or the file that the output goes to does not take it."""

    def __init__(self, exc: OSError) -> None:
        super().__init__(phrase("The output could not be written: {reason}", reason=exc.strerror or exc))


def echo(text: object = "", *, err: bool = False) -> None:
    """Print a text of one or more lines, see `visible`; every command prints with this."""
    typer.echo(visible(str(text)), err=err)


def plain_console(*, stderr: bool = False) -> Console:
    """A console that takes no text for markup: `[red]` and `:smile:` are parts of names."""
    return Console(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)


def print_json(document: object) -> None:
    """Print a document for programs."""
    typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())


class _Checked:
    """Standard output whose failures are told from those of the files that a command works with."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as exc:
            raise OutputError(exc) from exc

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as exc:
            raise OutputError(exc) from exc


@contextmanager
def checked_output() -> Iterator[None]:
    """Print in UTF-8, and raise `OutputError` if standard output does not take what is printed.

    Pipes would get the old code page on Windows, which lacks letters of people's folders.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    before = sys.stdout
    if before is None:  # it was closed when this program began
        yield
        return
    sys.stdout = cast("TextIO", _Checked(before))
    try:
        yield
        sys.stdout.flush()
    except OutputError:
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), before.fileno())  # else Python tries again when it ends, and complains
        raise
    finally:
        sys.stdout = before


@contextmanager
def headless_app(overrides: Mapping[str, Any] | None = None) -> Iterator[App]:
    """An app that lives as long as the block. In a terminal somebody is there to mend broken files first."""
    app = App.on_this_machine(overrides)
    try:
        if problem := app.store.problem or app.catalog_problem:
            raise problem
        yield app
    finally:
        app.close()


def open_library(store: SettingsStore) -> Library:
    """The models of the person who runs this process, by the names that these settings give them."""
    paths = AppPaths.from_environment(os.environ)
    catalog, _ = load_all(resources() / "catalog.toml", paths.own_models_file)
    return library_of(lambda: store.current, paths, catalog)


class ProgressBars:
    """A live bar for each download; in a pipe or a file, a line for every quarter."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[int, TaskID] = {}
        self._quarters: dict[int, int] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(visible(text), markup=False, emoji=False, highlight=False)

    def show(self, downloads: tuple[Progress, ...]) -> None:
        """Bring the bars to what the downloads are now."""
        for progress in downloads:
            if progress.id not in self._tasks:
                self._tasks[progress.id] = self._bars.add_task(visible(progress.name))
            self._bars.update(
                self._tasks[progress.id],
                completed=progress.received_bytes,
                total=progress.total_bytes,
                visible=progress.phase in (Phase.CONNECTING, Phase.DOWNLOADING, Phase.VERIFYING),
                description=visible(_description(progress)),
            )
            if not self._console.is_terminal and progress.phase.active:
                self._say_quarters(progress)

    def _say_quarters(self, progress: Progress) -> None:
        quarters = 4 * progress.received_bytes // progress.total_bytes if progress.total_bytes else 0
        if quarters > self._quarters.get(progress.id, 0):
            self._quarters[progress.id] = quarters
            self.say(f"  {progress.name}: {25 * quarters} % of {progress.total_bytes:,} bytes")


class WorkBar:
    """A live bar for work that is counted in bytes or parts; nothing in a pipe or a file."""

    def __init__(self, console: Console, title: str) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bars.add_task(visible(title), total=None)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, done: int, total: int) -> None:
        """So much is done, of so much."""
        self._bars.update(self._task, completed=done, total=total)


def _description(progress: Progress) -> str:
    if progress.error:
        return f"{progress.name}: {progress.error.title}, trying again"
    return f"{progress.name}: {progress.phase}" if progress.phase is not Phase.DOWNLOADING else progress.name


class SelftestView(ProgressBars):
    """The steps of the self-test, with a bar while it downloads."""

    def step(self, text: str) -> None:
        """See `selftest.Listener`."""
        self.say(text)

    def progress(self, progress: Progress) -> None:
        """See `selftest.Listener`."""
        self.show((progress,))


class ServeView(ProgressBars):
    """What `serve` prints: a line for each change of state, a bar while the model is downloaded."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._seen = ServerState.STOPPED

    def show_status(self, status: AppStatus) -> None:
        """Bring the terminal to this status."""
        self.show(status.downloads)
        server = status.server
        if server.state is self._seen:
            return
        self._seen = server.state
        match server.state:
            case ServerState.STARTING:
                self.say(f"Loading {status.model_name} …")
            case ServerState.READY if server.base_url:
                self.say(f"Ready: {status.model_name} at {server.base_url}\n")
                self.say(f"Try it from another terminal:\n\n  {curl_line(server.base_url)}\n")
                self.say("Press Ctrl-C to stop.")
            case ServerState.ASLEEP:
                wakes = "a request starts it" if status.settings.start_on_demand else "powerinfer-tray start"
                self.say(f"The server is asleep, because nobody asked it for anything: {wakes}.")
            case ServerState.RESTARTING:
                self.say(f"The server has stopped and is started again.\n{status.problem or ''}")
            case ServerState.WAITING:
                self.say(f"The server waits.\n{status.problem or ''}")
            case ServerState.FAILED if status.engine.gave_up:
                self.say(f"The server is given up; a request tries it again.\n{status.problem or ''}")
            case _:
                pass


def curl_line(base_url: str) -> str:
    """A command that embeds a sentence, to paste into any shell."""
    body = json.dumps({"input": SENTENCE})
    return f"curl {base_url}/embeddings -H 'Content-Type: application/json' -d '{body}'"
