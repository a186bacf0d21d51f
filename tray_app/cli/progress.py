"""What the terminal commands show while they work: bars in a terminal, lines in a pipe or a file. Any thread.

Only commands whose work takes long import it: `rich`, which draws the bars, takes a tenth of a second.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

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

from tray_app.app.server_status import ServerState
from tray_app.download.progress import Phase
from tray_app.engine.builds.installation import InstallPhase
from tray_app.gateway.control.commands import FileArriving
from tray_app.phrases import visible
from tray_app.settings.keys import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import ProgressColumn, TaskID

    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.gateway.control.commands import Arriving, EngineArriving

_INSTALLING = (InstallPhase.DOWNLOADING, InstallPhase.UNPACKING, InstallPhase.PROVING)
_AT_WORK = (Phase.CONNECTING, Phase.DOWNLOADING, Phase.VERIFYING)


def plain_console(*, stderr: bool = False) -> Console:
    """A console that takes no text for markup: `[red]` and `:smile:` are parts of names."""
    return Console(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)


class Shown(Protocol):
    """What a bar shows of a download: `Progress`, or a `FileArriving` that an app tells of."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def name(self) -> str:
        """The file's name."""

    @property
    def phase(self) -> str:
        """A `Phase`."""

    @property
    def received_bytes(self) -> int:
        """So much is here."""

    @property
    def total_bytes(self) -> int | None:
        """Of so much; None: not known."""

    @property
    def trouble(self) -> str:
        """What it waits to pass; empty for nothing."""


class ProgressBars:
    """A live bar for each download; in a pipe or a file, a line for every quarter."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = _bars(console, DownloadColumn(), TransferSpeedColumn())
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

    def show(self, downloads: Sequence[Shown]) -> None:
        """Bring the bars to what the downloads are now."""
        for progress in downloads:
            if progress.id not in self._tasks:
                self._tasks[progress.id] = self._bars.add_task(visible(progress.name))
            self._bars.update(
                self._tasks[progress.id],
                completed=progress.received_bytes,
                total=progress.total_bytes,
                visible=progress.phase in _AT_WORK,
                description=visible(_description(progress)),
            )
            if not self._console.is_terminal and progress.phase in _AT_WORK:
                self._say_quarters(progress)

    def _say_quarters(self, progress: Shown) -> None:
        quarters = 4 * progress.received_bytes // progress.total_bytes if progress.total_bytes else 0
        if quarters > self._quarters.get(progress.id, 0):
            self._quarters[progress.id] = quarters
            self.say(f"  {progress.name}: {25 * quarters} % of {progress.total_bytes:,} bytes")


class WorkBar:
    """A live bar for work that is counted in bytes or parts; nothing in a pipe or a file."""

    def __init__(self, console: Console, title: str) -> None:
        self._bars = _bars(console)
        self._task = self._bars.add_task(visible(title), total=None)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, done: int, total: int) -> None:
        """So much is done, of so much."""
        self._bars.update(self._task, completed=done, total=total)


def _bars(console: Console, *middle: ProgressColumn) -> Bars:
    """Bars with a name, how far each is, the columns of `middle`, and the time that is left."""
    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        *middle,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _description(progress: Shown) -> str:
    if progress.trouble:
        return f"{progress.name}: {progress.trouble}, retrying"
    return f"{progress.name}: {progress.phase}" if progress.phase is not Phase.DOWNLOADING else progress.name


class DownloadView(ProgressBars):
    """A download: which file was picked, where there was a choice, and how far it is."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._is_told = False

    def show_download(self, now: Arriving) -> None:
        """Bring the terminal to how far it is now."""
        if now.picked and not self._is_told:
            self._is_told = True
            self.say(now.picked)
        self.show(now.files)


class InstallationView(ProgressBars):
    """The steps in which an engine is installed, with a bar while it is downloaded."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._seen = ""

    def show_engine(self, now: EngineArriving) -> None:
        """Bring the terminal to how far it is now."""
        step = f"{now.phase} with {now.weights}" if now.weights else now.phase
        if step != self._seen and now.phase in _INSTALLING:
            self._seen = step
            self.say(f"{now.id}: {step} …")
        row = FileArriving(
            1,
            now.id,
            now.phase,
            now.received_bytes,
            now.total_bytes,
            Path(),
            resumed=False,
            sha256=None,
            trouble=now.trouble,
        )
        self.show((row,))


class SelftestView(ProgressBars):
    """The steps of the self-test, with a bar while it downloads."""

    def step(self, text: str) -> None:
        """See `SelfTestObserver`."""
        self.say(text)

    def progress(self, progress: Progress) -> None:
        """See `SelfTestObserver`."""
        self.show((progress,))


class ServeView(ProgressBars):
    """What `serve` prints: a line for each change of state, a bar while the model is downloaded."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._seen = ServerState.STOPPED
        self._notices: frozenset[str] = frozenset()

    def show_status(self, status: AppStatus) -> None:
        """Bring the terminal to this status."""
        self.show(status.downloads)
        self._show_notices(frozenset(str(each.error) for each in status.notices))
        server = status.server
        if server.state is self._seen:
            return
        self._seen = server.state
        match server.state:
            case ServerState.STARTING:
                self.say(f"Loading {status.model_name} …")
            case ServerState.READY if server.base_url:
                self.say(f"Ready: {status.model_name} at {server.base_url}\n")
                line = curl_line(server.base_url, with_key=status.settings.network == "lan")
                self.say(f"Try it from another terminal:\n\n  {line}\n")
                self.say("Press Ctrl-C to stop.")
            case ServerState.ASLEEP:
                unloaded = status.pool.main.made_room
                why = "its model was unloaded" if unloaded else "there were no requests"
                wakes = (
                    "the next request starts it"
                    if status.wakes_on_request
                    else "to start it, run: powerinfer-tray start"
                )
                self.say(f"The server is asleep because {why} ({wakes}).")
            case ServerState.RESTARTING:
                self.say(f"The server stopped and is restarting.\n{status.problem or ''}")
            case ServerState.WAITING:
                self.say(f"The server is waiting.\n{status.problem or ''}")
            case ServerState.FAILED if status.engine.gave_up:
                self.say(f"The server failed. The next request starts it again.\n{status.problem or ''}")
            case _:
                pass

    def _show_notices(self, notices: frozenset[str]) -> None:
        for notice in sorted(notices - self._notices):
            self.say(notice)
        self._notices = notices


def curl_line(base_url: str, *, with_key: bool = False) -> str:
    """A command that embeds a sentence, to paste into any shell; `with_key`: with a place for the API key."""
    from tray_app.app.selftest import SENTENCE

    body = json.dumps({"input": SENTENCE})
    key = f" -H 'Authorization: Bearer {PLACEHOLDER}'" if with_key else ""
    return f"curl {base_url}/embeddings{key} -H 'Content-Type: application/json' -d '{body}'"
