"""The entry: no argument starts the tray app, else the terminal commands; child processes start here too.

Child processes must start fast and light, so nothing is imported before it is known what is asked.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHILDREN = ("exec-child", "llamacpp-child", "template-child", "pdf-child")
_FIRST_TIMEOUT_S = 15.0
_FIRST_LOOK_S = 0.1


def main() -> int:
    """Run what the command line asks for; the process's exit code."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _CHILDREN:
        return _child(*arguments)
    from tray_app.system.paths import ensure_home

    ensure_home(os.environ)
    match arguments:
        case [] | ["--background"]:
            return _tray(arguments)
        case [source] if _is_source(source):
            return _tray([_from_anywhere(source)]) if _has_display() else _name_command_for(source)
        case _:
            from tray_app.cli.main import run

            return run(arguments)


def _child(role: str, *arguments: str) -> int:
    match role:
        case "exec-child":
            from tray_app.system.trampoline import exec_child as child
        case "llamacpp-child":
            from tray_app.engine.llamacpp_child import main as child
        case "template-child":
            from tray_app.gateway.powerinfer.template_child import main as child
        case _:
            from tray_app.search.pdf_child import main as child
    return child([*arguments])


def _has_display() -> bool:
    """Whether a window could be shown; only on Linux may there be none."""
    return sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def _is_source(word: str) -> bool:
    """Whether a person means a model, and no command: an address, or a file."""
    if not set(word) & set(".:/"):  # most commands; the module below takes a moment to import
        return False
    from tray_app.download.address import is_address

    return word.lower().endswith(".gguf") or is_address(word)


def _name_command_for(source: str) -> int:
    """Say what to type where there is no window for a model."""
    from tray_app.cli.output import echo, typed
    from tray_app.download.address import is_address

    command = "download" if is_address(source) else "serve --model"
    echo(f"Error: There is no display for a window\nRun: powerinfer-tray {command} {typed(source)}", err=True)
    return 1


def _from_anywhere(source: str) -> str:
    """The same source for an app that runs in another folder."""
    from tray_app.download.address import is_address
    from tray_app.system.paths import expanded

    return source if is_address(source) else str(expanded(source).absolute())


def _tray(arguments: list[str]) -> int:
    if not _has_display():
        from tray_app.cli.main import run

        print("There is no display for a tray icon, so the server runs in this terminal.", file=sys.stderr)
        return run(["serve"])
    from tray_app.errors import AppError

    try:
        return _only_tray(arguments)
    except AppError as exc:
        print(f"Error: {exc}", file=sys.stderr)
        from tray_app.ui.application import show_failure

        show_failure(exc)
        return 1


def _only_tray(arguments: list[str]) -> int:
    """The tray app, unless it runs already. `AppError` if it cannot start, as where it may write nothing."""
    from tray_app.system.paths import AppPaths
    from tray_app.system.single_instance import SingleInstanceLock

    state = AppPaths.from_environment(os.environ).state
    lock = SingleInstanceLock(state, "tray")
    first = lock.acquire()
    if not first:
        _await_the_first(state)
    if _runs_already(arguments):
        return 0
    if not first:
        print("PowerInfer Tray is already running but not responding.", file=sys.stderr)
        return 1
    if sys.platform == "linux" and not _display_answers():
        return 1
    gc.disable()  # a tenth of the time to the icon; then `GarbageTimer` collects
    from tray_app.app.root import App
    from tray_app.ui.sources import leave_sources_alone

    leave_sources_alone()
    from tray_app.ui.application import run_tray

    try:
        return run_tray(App.on_this_machine(), arguments)
    finally:
        lock.release()


def _display_answers() -> bool:
    """Whether a window can be shown, before Qt ends the process because it cannot; if not, says why."""
    from tray_app.system.display import display_answers

    if display_answers(os.environ):
        return True
    names = " or ".join(filter(None, map(os.environ.get, ("WAYLAND_DISPLAY", "DISPLAY"))))
    print(
        f"The display {names} does not answer, or belongs to another person, as after su or sudo.\n"
        "Start the app as the person who is logged in, or run its server in this terminal: "
        "powerinfer-tray serve",
        file=sys.stderr,
    )
    return False


def _await_the_first(state: Path) -> None:
    """Wait until the tray app that was started just before us can be asked; not for ever."""
    from tray_app.gateway.control.client import find_running
    from tray_app.gateway.loopback import SlowAnswerError

    deadline_s = time.monotonic() + _FIRST_TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            if find_running(state):
                return
        except SlowAnswerError:
            continue  # it is there, and busy with its start
        time.sleep(_FIRST_LOOK_S)  # another process, with which we share but a file


def _runs_already(arguments: list[str]) -> bool:
    """Whether this person's tray app runs already; its window is shown, unless we start in the background.

    It is told which model we were asked for.

    Asked before anything is built: two apps must not look after one engine.
    """
    from tray_app.errors import GatewayError
    from tray_app.gateway.control.client import find_running
    from tray_app.system.paths import AppPaths

    running = find_running(AppPaths.from_environment(os.environ).state)
    if running is None or "--background" in arguments:
        return running is not None
    try:
        running.show(arguments[0] if arguments else "")
    except GatewayError:  # a `serve` in a terminal has no window: the tray comes up beside it
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
