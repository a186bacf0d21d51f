"""The entry: no argument starts the tray app, else the terminal commands; child processes start here too.

Child processes must start fast and light, so nothing is imported before it is known what is asked.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run what the command line asks for; the process's exit code."""
    arguments = sys.argv[1:]
    match arguments:
        case ["exec-child", *rest]:
            from tray_app.system.trampoline import exec_child

            return exec_child(rest)
        case ["llamacpp-child", *rest]:
            from tray_app.engine.llamacpp_child import main as llamacpp_child

            return llamacpp_child(rest)
        case [] | ["--background"]:
            return _tray(arguments)
        case _:
            from tray_app.cli import run

            return run(arguments)


def _tray(arguments: list[str]) -> int:
    if sys.platform == "linux" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        from tray_app.cli import run

        print("There is no display, so no tray icon: serving in this terminal instead.", file=sys.stderr)
        return run(["serve"])
    if _runs_already(arguments):
        return 0
    from tray_app.app import App
    from tray_app.system.environment import restore_library_paths
    from tray_app.ui.application import run_tray

    restore_library_paths()
    return run_tray(App.on_this_machine(), arguments)


def _runs_already(arguments: list[str]) -> bool:
    """Whether this person's tray app runs already; its window is shown, unless we start in the background.

    Asked before anything is built: two apps must not look after one engine.
    """
    from tray_app.errors import GatewayError
    from tray_app.gateway.client import find_running
    from tray_app.system.paths import AppPaths

    running = find_running(AppPaths.from_environment(os.environ).state)
    if running is None or "--background" in arguments:
        return running is not None
    try:
        running.show()
    except GatewayError:  # a `serve` in a terminal has no window: the tray comes up beside it
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
