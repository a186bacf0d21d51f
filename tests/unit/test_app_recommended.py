"""Which models are recommended with the engines that are really on a machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.fakes.builds import FakeBuilds
from tests.fakes.launches import FAKE_ENGINE, PC
from tray_app.app import model_manager
from tray_app.app.model_manager import ModelManager
from tray_app.engine.finding import EngineFinder
from tray_app.models.catalog import load_catalog
from tray_app.models.library import Library, builtin_model
from tray_app.settings.schema import Settings
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def recommended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The ids of what is recommended; the PATH has nothing but what is in the test's folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(model_manager, "free_bytes", lambda _folder: 100 << 30)
    library = Library(tmp_path / "models", load_catalog(resources() / "catalog.toml"), builtin_model())
    unused = cast("Any", None)

    def ids(*languages: str, **chosen: Any) -> list[str]:
        care = ModelManager(
            library=lambda: library,
            settings=lambda: Settings(**chosen),
            fetch=unused,
            served=lambda: None,
            engines=EngineFinder(PC, FakeBuilds()),
            host=PC,
            forget=unused,
        )
        return [each.entry.id for each in care.recommended(languages)]

    return ids


def test_on_a_machine_without_powerinfer_no_model_is_recommended_that_needs_it(
    recommended: Callable[..., list[str]],
) -> None:
    assert recommended("ja") == ["bge-m3", "gemma-3-4b"]


@pytest.mark.skipif(sys.platform == "win32", reason="makes a shell script")
def test_on_one_that_has_it_bamboo_is_first(recommended: Callable[..., list[str]], tmp_path: Path) -> None:
    program, *words = FAKE_ENGINE
    server = tmp_path / "powerinfer-server"
    quoted = " ".join(f"'{word}'" for word in (program, *words))
    server.write_text(f'#!/bin/sh\nexec {quoted} --like powerinfer "$@"\n')
    server.chmod(0o755)

    assert recommended("en")[0] == "bamboo-7b-q4"


def test_for_a_server_on_another_machine_nothing_is_recommended(
    recommended: Callable[..., list[str]],
) -> None:
    assert recommended("en", engine="remote") == []
