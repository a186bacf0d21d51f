"""The frozen app is believed only after it has proven itself. PyInstaller itself is not run here."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import engines
import freeze
import package
from freeze import Frozen, PackagingError

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = "windows" if sys.platform == "linux" else "linux"

posix = pytest.mark.skipif(sys.platform == "win32", reason="makes a shell script")


def app_that(folder: Path, commands: str) -> Frozen:
    frozen = Frozen.of("linux", folder)
    frozen.folder.mkdir()
    frozen.program.write_text(f"#!/bin/sh\n{commands}\n")
    frozen.program.chmod(0o755)
    return frozen


@posix
def test_an_app_proves_itself_by_its_own_self_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app_that(tmp_path, '[ "$*" = "selftest --json" ] && echo \'{\n  "ok": true\n}\'').prove()

    assert '{ "ok": true }' in capsys.readouterr().out


@posix
def test_an_app_whose_self_test_fails_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"failed \(3\):\nno engine"):
        app_that(tmp_path, "echo no engine >&2; exit 3").prove()


def test_each_system_has_its_own_layout(tmp_path: Path) -> None:
    places = {system: Frozen.of(system, tmp_path) for system in ("linux", "windows", "macos")}

    programs = {system: place.program.relative_to(tmp_path).as_posix() for system, place in places.items()}
    assert programs == {
        "linux": "powerinfer-tray/powerinfer-tray",
        "windows": "powerinfer-tray/powerinfer-tray.exe",
        "macos": "PowerInfer Tray.app/Contents/MacOS/powerinfer-tray",
    }


def test_packages_are_made_on_their_own_system() -> None:
    with pytest.raises(PackagingError, match=f"Packages for {ELSEWHERE} are made on {ELSEWHERE}"):
        package.make(ELSEWHERE, None)


def test_a_tool_that_is_missing_is_named_before_anything_is_frozen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = package.this_platform().partition("-")[0]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engines, "gather", lambda *_: pytest.fail("it has begun"))

    with pytest.raises(PackagingError, match=r"Not on the PATH: .*\. Install "):
        package.make(system, None)


def test_only_the_debian_package_can_be_proven(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dev.py package", "macos", "--prove"])

    with pytest.raises(SystemExit):
        package.main()
    assert "--prove is for linux" in capsys.readouterr().err


def test_a_tool_that_fails_says_why() -> None:
    code = "import sys; print('on it'); sys.exit('no key')"

    with pytest.raises(PackagingError, match=r"failed \(1\):\non it\nno key"):
        freeze.run_tool([sys.executable, "-c", code])


def test_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(PackagingError, match=r"no-such-tool cannot be run: .*Is it installed"):
        freeze.run_tool(["no-such-tool", "--version"])


@pytest.mark.parametrize("told", ["", "yesterday"])
def test_without_a_time_of_the_sources_it_is_said_how_to_give_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", told)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))  # sources that were unpacked from an archive

    with pytest.raises(PackagingError, match="Set SOURCE_DATE_EPOCH"):
        freeze.source_date()


def test_the_time_of_the_sources_is_that_of_the_last_commit_or_as_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    log = ["git", "-C", str(freeze.ROOT), "log", "-1", "--format=%ct"]
    assert freeze.source_date() == int(subprocess.run(log, capture_output=True, check=True).stdout)

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert freeze.source_date() == 1700000000


def test_what_one_system_leaves_is_not_in_the_way_of_another() -> None:
    places = {freeze.place(system) for system in package.MAKERS}
    assert len(places) == len(package.MAKERS)
    assert not any(one in other.parents for one in places for other in places)
