"""Someone who looks at a desktop's screen and presses keys."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.desktop import Desktop
    from tests.fakes.sni_host import SniHost

PATIENCE_S = 30.0
_TO_THE_TAB_COMPARE = ("Tab", "Tab", "Right")
_SAVE_DIALOG = "^Save the picture$"


class Person:
    """Knows the windows by their titles, and the app by its menu and its keys."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop

    def turn_to(self, title: str) -> None:
        """Wait for a window, and write in it from now on."""
        self._desktop.run(
            "xdotool", "search", "--sync", "--onlyvisible", "--name", title, "windowfocus", "--sync"
        )

    def press(self, *keys: str) -> None:
        """Press these, one after the other."""
        self._desktop.run("xdotool", "key", *keys)

    def write(self, text: str) -> None:
        """Type this."""
        self._desktop.run("xdotool", "type", text)

    def sees(self, title: str) -> bool:
        """Whether a window with such a title is on the screen now."""
        search = ["xdotool", "search", "--onlyvisible", "--name", title]
        environ = os.environ | self._desktop.environ
        return subprocess.run(search, env=environ, stdout=subprocess.DEVNULL, check=False).returncode == 0

    def embed_and_save_the_plot(self, host: SniHost, file: Path) -> None:
        """With the server ready: embed the text that the page suggests, and save the plot of its vector."""
        host.click("Open Embeddings")
        self.turn_to("^PowerInfer Tray")
        self.press(*_TO_THE_TAB_COMPARE, "alt+e")

        def asks_for_a_name() -> bool:
            self.press("alt+p")  # does nothing until the button, and so the plot, is there
            return self.sees(_SAVE_DIALOG)

        wait_until(asks_for_a_name, "there is a plot")
        self.turn_to(_SAVE_DIALOG)
        self.press("ctrl+a")  # the last key may have come to the dialog
        self.write(str(file))
        self.press("Return")
        wait_until(file.exists, "the plot is saved")


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Look again and again, as a person does: neither a button nor a file announces itself."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s, f"in {PATIENCE_S:.0f} s, it did not happen that {what}"
        time.sleep(0.1)
