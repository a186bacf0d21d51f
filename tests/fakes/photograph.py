"""Saves a picture of the screen, as a program: `python -m tests.fakes.photograph FILE`."""

from __future__ import annotations

import sys

from PySide6.QtGui import QGuiApplication


def main(path: str) -> int:
    app = QGuiApplication([])
    saved = app.primaryScreen().grabWindow(0).save(path)
    return 0 if saved else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
