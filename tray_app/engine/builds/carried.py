"""The build that a package brings along, as its makers publish it: installed when the app first runs. Any
thread.

That it was right where the package was made says nothing of this machine, so it is proven here like any
other. It is tried once: a person who removes it has decided, and where it does not work, the engine that
comes with the app goes on.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from tray_app.errors import AppError, ErrorCode
from tray_app.system.files import private_folder, read_regular, write_atomically
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.engine.builds.installing import BuildInstaller
    from tray_app.engine.builds.store import EngineStore

_log = logging.getLogger(__name__)

_TRIED = ".carried"
"""The file in the store's folder with the name of the archive that was tried last. No build can have this
name."""
_ANOTHER_TIME = frozenset(
    {
        ErrorCode.DOWNLOAD_PAUSED,
        ErrorCode.INSTALLATION_UNDER_WAY,
        ErrorCode.ENGINES_LOCKED,
        ErrorCode.ENGINE_NOT_STORED,
        ErrorCode.NOT_ENOUGH_SPACE,
        ErrorCode.SYSTEM_RESOURCES_EXHAUSTED,
    }
)
"""Errors that tell nothing about the build: the app was ended, or the computer was short of something."""


def carried_archive(folder: Path | None = None) -> Path | None:
    """The archive in this package; None in one that was made without, and for an app run from its sources.

    `folder` stands in for the package's in tests.
    """
    folder = folder or resources() / "engines"
    return min(folder.iterdir(), default=None) if folder.is_dir() else None


def install_carried(archive: Path, store: EngineStore, installer: BuildInstaller) -> None:
    """Install it, unless that was tried before; returns when it is installed, or will not be.

    It takes seconds, on a busy machine a minute. What goes wrong is logged and not shown: nobody has asked.
    """
    if _tried(store) == archive.name:
        return
    try:
        if any(each.source.endswith(f"/{archive.name}") for each in store.installed()):
            _note(store, archive)
            return
        if installer.installation() is not None:  # a person wants another one, and comes first
            return
        installer.install_file(archive)
        build = installer.wait()
    except AppError as exc:
        if exc.code in _ANOTHER_TIME:
            _log.info("%s is not installed yet: %s", archive.name, exc.title)
            return
        _log.info("%s, which came with the app, is not used: %s", archive.name, exc)
        installer.cancel()
    else:
        _log.info("%s, which came with the app, is installed: speed %s", build.id, build.speed)
    _note(store, archive)


def _tried(store: EngineStore) -> str:
    with suppress(OSError, ValueError):
        return read_regular(store.folder / _TRIED).decode()
    return ""


def _note(store: EngineStore, archive: Path) -> None:
    try:
        private_folder(store.folder)
        write_atomically(store.folder / _TRIED, archive.name.encode())
    except OSError as exc:
        _log.info("It will be tried again at the next start: %s", exc)
