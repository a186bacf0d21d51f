"""The shell steps of the workflows, run as their runner does; GitHub itself is a stand-in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML  # as check-jsonschema reads them

import dev
from tray_app import __version__
from tray_app.app.release import PackageKind, package_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BASH = shutil.which("bash") or ""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the tools of the runner that drafts releases"
)

TRIAL = "1.2.0rc1"
OWNER = "o-wner/power.infer_tray"


def steps() -> Iterator[tuple[str, str]]:
    """The name of each step of the workflows, and what it runs."""
    for file in dev.WORKFLOWS:
        workflow: dict[str, Any] = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
        for job in workflow["jobs"].values():
            yield from ((step.get("name", ""), step["run"]) for step in job["steps"] if "run" in step)


def run(name: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the step of this name in a folder."""
    (script,) = (script for step, script in steps() if step == name)
    return bash("-eo", "pipefail", "-c", script, folder=folder, **environ)


def bash(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    values = {**os.environ, "GITHUB_REPOSITORY": OWNER, **environ}
    return subprocess.run(
        [_BASH, *arguments], cwd=folder, env=values, check=False, capture_output=True, text=True
    )


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A folder with what a trial has brought, small."""
    folder = tmp_path / "a release é" / "dist"
    folder.mkdir(parents=True)
    for kind in PackageKind:
        for name in {package_name(TRIAL, kind, machine) for machine in ("x86_64", "arm64")}:
            (folder / name).write_text(name)
    return folder


def test_every_step_can_be_read_by_bash(tmp_path: Path) -> None:
    for name, script in steps():
        assert bash("-n", "-c", script, folder=tmp_path).stderr == "", name


@pytest.mark.parametrize(
    ("tag", "code"), [(f"v{__version__}", 0), ("v9", 1), (__version__, 1), (f"v{__version__}rc1", 1)]
)
def test_a_tag_that_is_not_the_version_is_told_apart(tag: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    done = run("The tag names the version", dev.ROOT, GITHUB_REF_NAME=tag, PATH=path)

    assert done.returncode == code, done.stderr
    assert (f"::error::The tag is {tag}, but" in done.stdout) == bool(code)


@pytest.mark.parametrize(("version", "is_trial"), [("1.2.0", False), (TRIAL, True), ("1.2.0.post1", True)])
def test_a_trial_does_not_become_the_latest_release(
    version: str, *, is_trial: bool, dist: Path, tmp_path: Path
) -> None:
    """The app asks for the latest one, and tells of versions with numbers alone."""
    (tmp_path / "gh").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "gh").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    done = run("Draft", dist.parent, GITHUB_REF_NAME=f"v{version}", PATH=path)

    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert ("--prerelease" in told) == is_trial
    assert {f"dist/{file.name}" for file in dist.iterdir()} <= set(told)
    assert "" not in told


def test_what_the_release_says_is_how_to_check_it(dist: Path) -> None:
    noted = run("Note the digests", dist)
    said = run(
        "Say whether the packages are signed, and how to check them", dist.parent, MACOS="true", WINDOWS=""
    )

    assert (noted.returncode, said.returncode) == (0, 0), noted.stderr + said.stderr
    notes = (dist.parent / "notes.md").read_text(encoding="utf-8")
    assert "- macOS: signed\n" in notes
    assert "- Windows: **not signed**" in notes
    assert f"--repo {OWNER}`" in notes
    check = "sha256sum --check --ignore-missing SHA256SUMS"
    assert f"`{check}`" in notes
    assert bash("-c", check, folder=dist).returncode == 0
    (dist / package_name(TRIAL, PackageKind.SETUP, "x86_64")).write_text("changed")
    assert bash("-c", check, folder=dist).returncode != 0
