"""What the terminal commands share: who does their work, and how it is waited for and cancelled. Any thread.

What only some commands need is imported where it is used, here and in all modules of this package: a script
may ask for the status each second.
"""

from __future__ import annotations

import difflib
import logging
import os
import queue
import re
import signal
import threading
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from typer.core import TyperCommand, TyperGroup

from tray_app.cli.output import echo
from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import phrase
from tray_app.system.paths import AppPaths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tray_app.app.root import App
    from tray_app.app.workspace import Workspace
    from tray_app.gateway.control.client import ControlClient
    from tray_app.gateway.control.commands import AppCommands, Cancellation, Tell
    from tray_app.settings.schema import Settings

_WAIT_S = 0.5
"""So often the main thread looks up. It alone handles signals, and not every one interrupts a wait: none does
on Windows, and elsewhere not one that comes just before the wait begins, or to another thread."""

T = TypeVar("T")

_LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Variables with the language of a terminal, the strongest first."""
_LANGUAGE = re.compile(r"([a-z]{2})(?:[_.@-]|$)", re.IGNORECASE | re.ASCII)

_TEXTS = (str, list[str])
_NO_VALUE = ""
"""What help shows behind a flag, where typer would show the type of a value."""
_ANY_NUMBER = -1
"""What click calls a number of arguments without limit."""
_LIKE_AN_OPTION = re.compile(r"--?[A-Za-z][A-Za-z-]*(?:=.*)?")


class CommandGroup(TyperGroup):
    """Commands that start fast: what is typed as it is to be, flags and texts, is not converted.

    For that, typer loads pydantic, which takes longer than all the rest of a short command, also to convert
    nothing.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """As click's."""
        command: Any = super().get_command(ctx, cmd_name)
        if command:
            _without_value(command.get_help_option(ctx))
            for parameter in command.params:
                if parameter.type_descriptor.annotation in _TEXTS:
                    parameter.get_runtime_param = _AsTyped
                elif parameter.type_descriptor.annotation is bool:
                    parameter.metavar = _NO_VALUE
        return command

    def get_help_option(self, ctx: Any) -> Any:
        """As click's."""
        return _without_value(super().get_help_option(ctx))


def _without_value(flag: Any) -> Any:
    """The flag, False where it is not given."""
    if flag:
        flag.default, flag.metavar = False, _NO_VALUE
    return flag


class _AsTyped:
    """In the place of a conversion of typer's, for texts."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ARG002 - typer names them
        several = param.multiple or param.nargs == _ANY_NUMBER
        return () if several and value is None else value


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
                ctx.fail(f"There is no option {name}.{meant} To use it as text, put -- before it.")
        return super().parse_args(ctx, args)


def own_paths() -> AppPaths:
    """Where the files of this person's app are."""
    return AppPaths.from_environment(os.environ)


def find_app() -> ControlClient | None:
    """The app that runs for this person; None if there is none. Errors as `find_running`."""
    from tray_app.gateway.control.client import find_running

    return find_running(own_paths().state)


@contextmanager
def headless_app(overrides: Mapping[str, Any] | None = None) -> Iterator[App]:
    """An app that lives as long as the block, for `serve`: it is the one that runs then."""
    from tray_app.app.root import App

    app = App.on_this_machine(overrides)
    try:
        _refuse_faulty_files(app)
        yield app
    finally:
        app.close()


@contextmanager
def open_workspace(*, tolerant: bool = False) -> Iterator[Workspace]:
    """The settings, models and downloads here, for work that needs no running app.

    In a terminal somebody is there to mend files that have faults first, unless the block is `tolerant`.
    """
    from tray_app.app.workspace import Workspace

    workspace = Workspace.of_environment(os.environ)
    logger, warnings = logging.getLogger("tray_app"), _Warnings(logging.WARNING)
    logger.addHandler(warnings)
    try:
        if not tolerant:
            _refuse_faulty_files(workspace)
        yield workspace
    finally:
        workspace.close()
        logger.removeHandler(warnings)


def _refuse_faulty_files(workspace: Workspace) -> None:
    if problem := workspace.store.problem or workspace.catalog_problem:
        raise problem


class _Warnings(logging.Handler):
    """Prints what would otherwise be in the app's log, which is the app's to write."""

    def emit(self, record: logging.LogRecord) -> None:
        echo(f"Warning: {record.getMessage()}", err=True)


@contextmanager
def app_commands(*, tolerant: bool = False) -> Iterator[AppCommands]:
    """Who does the work of the block: the app that runs, else this process; `tolerant` as `open_workspace`.

    `AppError` if an app runs that cannot be asked.
    """
    running = find_app()
    if running is None:
        from tray_app.app.command_service import CommandService

        with open_workspace(tolerant=tolerant) as workspace:
            yield CommandService(workspace)
        return
    with waiting_for(running):
        yield running


@contextmanager
def waiting_for(running: ControlClient) -> Iterator[None]:
    """A block in which the app does something: Ctrl-C ends the wait, and says that the work goes on."""
    try:
        yield
    except KeyboardInterrupt:
        echo(
            f"The running app (PID {running.pid}) continues with this. To see how far it is, "
            "run: powerinfer-tray status",
            err=True,
        )
        raise


def reference_for_app(reference: str) -> str:
    """The model that a person means, as an app in another folder finds it. `ModelError` if there is none."""
    from tray_app.models.references import NotInstalledError

    with open_workspace(tolerant=True) as workspace:
        try:
            return str(workspace.library.locate(reference))
        except NotInstalledError:
            return reference


def person_language(settings: Settings) -> str:
    """The person's language (ISO 639-1): of the setting, else of the terminal, else English."""
    if settings.language != "auto":
        return settings.language
    told = next((os.environ[name] for name in _LOCALES if os.environ.get(name)), "")
    return _language_in(told) or "en"


def typed_language(text: str) -> str:
    """The language that a person has typed, as `fr`, `FR` or `fr_CA`; `SettingsError` if that is none."""
    if found := _language_in(text):
        return found
    raise SettingsError(
        ErrorCode.SETTING_VALUE_INVALID,
        "This is not a language code",
        phrase("“{text}” should be a code of two letters.", text=text),
        "For example: fr, ja",
    )


def _language_in(text: str) -> str:
    found = _LANGUAGE.match(text)
    return found[1].lower() if found else ""


def tell_of_test_model() -> None:
    """Say that what is served is no real model."""
    echo("No model is chosen yet, so the built-in test model is used. Its answers have no meaning.", err=True)


def pass_on_change(app: AppCommands | None = None) -> bool:
    """Tell a running app of changed settings or keys, unless `app`, which made the change, is that app.

    Whether an app has taken them up: also one that came up meanwhile. `AppError` as `AppCommands.change`.
    """
    from tray_app.gateway.control.client import ControlClient

    if isinstance(app, ControlClient):
        return True
    running = find_app()
    if running:
        running.reload()
    return running is not None


def do_long_work(work: Callable[[Tell, Cancellation], T], show: Callable[[Any], None]) -> T:
    """Have `work` done on another thread, and show what it tells; what it comes to.

    Ctrl-C, a termination or a closed terminal cancel it and wait until it has ended; a second one does not.
    """
    from concurrent.futures import Future

    from tray_app.gateway.control.commands import Cancellation

    events: queue.SimpleQueue[Callable[[], T | None] | None] = queue.SimpleQueue()
    cancelled, end = Cancellation(), Future[T]()

    def run() -> None:
        try:
            end.set_result(work(lambda progress: events.put(lambda: show(progress)), cancelled))
        except BaseException as exc:  # noqa: BLE001 - the top of a thread: whoever waits must hear of it
            end.set_exception(exc)
        events.put(end.result)

    with signals_to(lambda: events.put(None)):
        threading.Thread(target=run, name="command", daemon=True).start()
        while not (end.done() and events.empty()):
            if event := next_of(events):
                event()
            elif cancelled.is_set():
                raise KeyboardInterrupt
            else:
                cancelled.set()
    return end.result()


def next_of(events: queue.SimpleQueue[T]) -> T:
    """The next event, which a signal may interrupt on every system."""
    while True:
        try:
            return events.get(timeout=_WAIT_S)
        except queue.Empty:
            continue


@contextmanager
def signals_to(handler: Callable[[], object]) -> Iterator[None]:
    """Let Ctrl-C, a termination and a closed terminal call `handler` in place of ending the process."""
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    if "SIGHUP" in names and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        names.remove("SIGHUP")  # started with nohup, to outlive its terminal
    before = {name: signal.signal(getattr(signal, name), lambda *_: handler()) for name in names}
    try:
        yield
    finally:
        for name, previous in before.items():
            signal.signal(getattr(signal, name), previous)
