"""Where the app keeps its things, and where its own resources lie. Pure; nothing is created here.

`POWERINFER_TRAY_HOME=DIR` puts everything below DIR; else each system's own places are used, and models
go to `~/.PowerInfer`, the folder of the 4D component, so that its downloads are found.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from tray_app.system.environment import bundle_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME_VARIABLE = "POWERINFER_TRAY_HOME"


@dataclass(frozen=True, slots=True)
class AppPaths:
    """The folders and files of one installation. Nothing is created before it is needed."""

    settings_file: Path
    state: Path
    logs: Path
    models: Path
    """Where models go unless the setting `models_folder` names another place."""

    @property
    def own_models_file(self) -> Path:
        """Where a person may list models besides those of the catalogue."""
        return self.settings_file.with_name("models.toml")

    @property
    def keys(self) -> Path:
        """Where keys are that a person keeps in files."""
        return self.settings_file.with_name("keys")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> AppPaths:
        """The paths that hold for a process with these environment variables."""
        if home := environ.get(HOME_VARIABLE):
            return cls.below(expanded(home).absolute())
        places = platformdirs.PlatformDirs("PowerInferTray", appauthor=False)
        return cls(
            settings_file=places.user_config_path / "settings.toml",
            state=places.user_state_path,
            logs=places.user_log_path,
            models=Path.home() / ".PowerInfer",
        )

    @classmethod
    def below(cls, folder: Path) -> AppPaths:
        """The paths of an installation that keeps everything in one folder."""
        return cls(
            settings_file=folder / "settings.toml",
            state=folder / "state",
            logs=folder / "logs",
            models=folder / "models",
        )


def resources() -> Path:
    """The folder `resources`: inside the package in a wheel or a frozen app, beside it in a source tree."""
    if bundle := bundle_folder():
        return bundle / "resources"
    package = Path(__file__).resolve().parents[1]
    inside = package / "resources"
    return inside if inside.is_dir() else package.parent / "resources"


def expanded(path: Path | str) -> Path:
    """A path with a home folder in place of `~`, or as it is where there is no such user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path's raises for an unknown user
