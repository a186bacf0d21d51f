"""The folders and files of the app, and its resources. Pure; nothing is created here.

`POWERINFER_TRAY_HOME=DIR` puts everything below DIR. Otherwise the system's usual folders are used, and
models are in `~/.PowerInfer`, the folder of the 4D component, so that its downloads are found.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import platformdirs

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.environment import bundle_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

HOME_VARIABLE = "POWERINFER_TRAY_HOME"


@dataclass(frozen=True, slots=True)
class AppPaths:
    """The folders and files of one installation. Nothing is created before it is needed."""

    settings_file: Path
    state: Path
    logs: Path
    models: Path
    """The models folder, unless the setting `models_folder` names another one."""
    engines: Path
    """The engines that were installed with this app."""
    chats: Path
    """The conversations with models, a file for each."""
    search: Path
    """The user's own texts with their vectors, a folder for each collection."""
    downloads: Path
    """The user's downloads folder, into which packages of new versions are downloaded."""

    @property
    def own_models_file(self) -> Path:
        """The user's own list of models, in addition to the catalog."""
        return self.settings_file.with_name("models.toml")

    @property
    def keys(self) -> Path:
        """The folder of keys that are stored in files."""
        return self.settings_file.with_name("keys")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> AppPaths:
        """The paths for a process with these environment variables. `AppError` for a user without a home."""
        if home := environ.get(HOME_VARIABLE):
            return cls.below(expanded(home).absolute())
        places = platformdirs.PlatformDirs("PowerInferTray", appauthor=False)
        try:
            return cls(
                settings_file=places.user_config_path / "settings.toml",
                state=places.user_state_path,
                logs=places.user_log_path,
                models=Path.home() / ".PowerInfer",
                engines=places.user_data_path / "engines",
                chats=places.user_data_path / "chats",
                search=places.user_data_path / "search",
                downloads=platformdirs.user_downloads_path(),
            )
        except RuntimeError as exc:  # of `Path.home`, and of platformdirs
            raise AppError(
                ErrorCode.NO_HOME_FOLDER,
                "You have no home folder",
                "The variable HOME is not set, and the system does not know this user.",
                phrase("Set HOME, or set {name} to a folder for all files of this app.", name=HOME_VARIABLE),
            ) from exc

    @classmethod
    def below(cls, folder: Path) -> AppPaths:
        """The paths of an installation that keeps everything in one folder."""
        return cls(
            settings_file=folder / "settings.toml",
            state=folder / "state",
            logs=folder / "logs",
            models=folder / "models",
            engines=folder / "engines",
            chats=folder / "chats",
            search=folder / "search",
            downloads=folder / "downloads",
        )


def ensure_home(environ: MutableMapping[str, str]) -> None:
    """Let the folder of `POWERINFER_TRAY_HOME` be the home of a user who has none, as in a container."""
    folder = environ.get(HOME_VARIABLE)
    if folder and os.path.expanduser("~") == "~":  # noqa: PTH111  Path's raises
        environ["HOME"] = str(expanded(folder).absolute())


def resources() -> Path:
    """The folder `resources`: inside the package in a wheel or a frozen app, beside it in a source tree."""
    if bundle := bundle_folder():
        return bundle / "resources"
    package = Path(__file__).resolve().parents[1]
    inside = package / "resources"
    return inside if inside.is_dir() else package.parent / "resources"


def expanded(path: Path | str) -> Path:
    """The path that a person has typed; it may be relative, and need not exist.

    A text may be in quotes (as Windows' “Copy as path” writes it), have spaces around it, begin with `~`,
    contain variables (`$HOME`, `%USERPROFILE%`) or be a `file:` URL. Unknown variables and users stay as they
    are. So does an absolute path that exists, because its name may look like any of this. In a `Path`, which
    a program made, only `~` is expanded.
    """
    if isinstance(path, Path):
        return Path(os.path.expanduser(path))  # noqa: PTH111  Path's raises for an unknown user
    if Path(path).is_absolute() and os.path.lexists(path):
        return Path(path)
    text = path.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    if text[:5].lower() == "file:":
        return _path_of_address(text)
    return Path(os.path.expanduser(os.path.expandvars(text)))  # noqa: PTH111  as above


def _path_of_address(text: str) -> Path:
    """The path in a URL such as `file:///home/me/my%20models`; a URL of another computer stays as it is."""
    from urllib.request import url2pathname  # half as slow to import as all the rest here, and seldom needed

    parts = urlsplit(text)
    if sys.platform == "win32" and parts.netloc:
        return Path(url2pathname(f"//{parts.netloc}{parts.path}"))
    return Path(url2pathname(parts.path)) if parts.netloc in {"", "localhost"} else Path(text)
