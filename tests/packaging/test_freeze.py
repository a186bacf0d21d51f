"""The frozen app is believed only after it has proven itself. PyInstaller itself is not run here."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import engines
import freeze
import linux
import package
import parts
from freeze import Frozen, PackagingError
from tray_app import __version__
from tray_app.app.release import package_name

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


@posix
def test_an_app_whose_self_test_does_not_end_is_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze, "_SELFTEST_TIMEOUT_S", 0.1)

    with pytest.raises(PackagingError, match=r"did not end in 0\.1 s"):
        app_that(tmp_path, "exec sleep 60").prove()


@posix
def test_an_app_that_the_disk_does_not_let_run_is_named(tmp_path: Path) -> None:
    app = app_that(tmp_path, "true")
    app.program.chmod(0o644)

    with pytest.raises(PackagingError, match=r"powerinfer-tray cannot be run: .*programs may run from"):
        app.prove()


@posix
def test_what_an_app_says_may_be_in_any_encoding(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"failed \(3\):\nd.faut"):
        app_that(tmp_path, r"printf 'd\351faut' >&2; exit 3").prove()


@posix
def test_what_is_frozen_is_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_pyinstaller(*_: object) -> str:
        app = app_that(tmp_path, "true")
        app.program.chmod(0o700)
        app.data.mkdir(mode=0o700)
        (app.data / "licenses.txt").touch(mode=0o600)
        (app.data / "link").symlink_to("/nowhere")
        return ""

    monkeypatch.setattr(freeze, "_run_pyinstaller", run_pyinstaller)
    monkeypatch.setattr(freeze, "place", lambda _: tmp_path)
    monkeypatch.setattr("contents.missing", lambda *_, **__: [])

    app = freeze.freeze("linux")

    places = (app.folder, app.program, app.data, app.data / "licenses.txt")
    assert [stat.S_IMODE(path.stat().st_mode) for path in places] == [0o755, 0o755, 0o755, 0o644]


def test_a_persons_variables_for_python_do_not_change_what_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FrozenError(Exception):
        pass

    def run(_: object, *, env: dict[str, str], **__: object) -> None:
        told = {name: value for name, value in env.items() if name.startswith("PYTHON")}
        assert told == {"PYTHONHASHSEED": "0"}
        assert Path(env["PYINSTALLER_CONFIG_DIR"]).is_relative_to(tmp_path)
        raise FrozenError

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(freeze, "BUILD", tmp_path)
    monkeypatch.setattr("subprocess.run", run)
    for name in ("PYTHONOPTIMIZE", "PYTHONNODEBUGRANGES", "PYTHONINSPECT", "PYTHONHASHSEED"):
        monkeypatch.setenv(name, "2")

    with pytest.raises(FrozenError):
        freeze.freeze("linux")


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


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`dist`, into which the real command puts one small package; what takes minutes is left out.

    With the file `fails` beside it, the tool ends in the middle.
    """
    system = package.this_platform().partition("-")[0]

    def maker(_frozen: object, folder: Path) -> list[Path]:
        folder.mkdir(exist_ok=True)
        file = folder / name_of_package(system)
        file.write_text("half")
        if (tmp_path / "fails").exists():
            raise PackagingError("the tool has failed")
        file.write_text("whole")
        return [file]

    frozen = SimpleNamespace(folder=tmp_path / "frozen", prove=lambda: None)
    monkeypatch.setattr(sys, "argv", ["dev.py package", system])
    monkeypatch.setattr(freeze, "BUILD", tmp_path / "build")
    monkeypatch.setattr(package, "DIST", tmp_path / "dist")
    monkeypatch.setattr(package, "NEEDED", {system: ((), "")})
    monkeypatch.setattr(package, "MAKERS", {system: maker})
    monkeypatch.setattr(engines, "gather", lambda *_: False)
    monkeypatch.setattr(engines, "carry_llama_cpp", lambda *_: None)
    monkeypatch.setattr(freeze, "freeze", lambda *_: frozen)
    monkeypatch.setattr(parts, "weigh", lambda _: [])
    monkeypatch.setattr(parts, "table", lambda _: "")
    return tmp_path / "dist"


def name_of_package(system: str) -> str:
    return package_name(__version__, package.KINDS[system][-1], linux.host_machine())


def test_a_folder_that_qt_misreads_is_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "ROOT", made.with_name('a "project"'))

    with pytest.raises(PackagingError, match=r'double quote, such as .*a "project"\. Rename'):
        package.make(package.this_platform().partition("-")[0], None)


def test_only_whole_packages_of_this_run_lie_in_the_folder(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # the second over what the first has left
        assert package.main() == 0
        (file,) = made.iterdir()
        assert file.read_text() == "whole"
    (made.parent / "fails").touch()

    assert package.main() == 1

    assert "the tool has failed" in capsys.readouterr().err
    assert [*made.iterdir()] == []


@pytest.mark.parametrize("place", ["dist", "build"])
def test_a_place_that_cannot_be_written_is_named(
    made: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made.with_name(place)
    file.write_text("in the way")

    assert package.main() == 1

    told = capsys.readouterr().err
    assert str(file) in told
    assert "try again" in told


@posix
def test_a_folder_that_is_read_only_is_named_before_anything_is_frozen(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the one is that root has made and an ordinary user is to write."""
    made.mkdir()

    def temporary_file(*, dir: Path) -> None:  # noqa: A002  root may write everywhere
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", temporary_file)
    monkeypatch.setattr(freeze, "freeze", lambda *_: pytest.fail("it has begun"))

    assert package.main() == 1
    assert f"{made}: {os.strerror(errno.EACCES)}. See whether it can be written" in capsys.readouterr().err


def test_a_full_disk_is_said(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(freeze, "freeze", full)

    assert package.main() == 1
    assert f"{os.strerror(errno.ENOSPC)}. See whether" in capsys.readouterr().err
    assert [*made.iterdir()] == []


def test_two_terminals_make_packages_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze, "BUILD", tmp_path / "build")
    script = (
        "import sys; from pathlib import Path; import freeze, package; freeze.BUILD = Path(sys.argv[1])\n"
        "with package.one_at_a_time(): print('done')"
    )
    pipe = subprocess.PIPE
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(freeze.SPEC.parent), str(freeze.ROOT)))}
    with package.one_at_a_time():
        command = [sys.executable, "-c", script, str(freeze.BUILD)]
        second = subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True)
        assert second.stderr is not None
        said = second.stderr.readline()

    assert "Waiting for another terminal" in said
    assert second.communicate(timeout=30)[0] == "done\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a proof")
def test_the_proof_is_refused_before_minutes_are_spent_on_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dev.py package", "linux", "--prove"])
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(package, "make", lambda *_: pytest.fail("it has begun"))

    with pytest.raises(SystemExit):
        package.main()
    assert "only root can" in capsys.readouterr().err


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


@pytest.mark.parametrize(
    "told", ["", "yesterday", "-1", "1.5", "1e9", "\u0664\u0662", "4294967296", "9" * 30]
)
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

    for told, seconds in {"1700000000": 1700000000, " 1700000000\n": 1700000000, "0": 0}.items():
        monkeypatch.setenv("SOURCE_DATE_EPOCH", told)
        assert freeze.source_date() == seconds


def test_a_git_that_also_shows_signatures_tells_the_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As somebody may have set in their own configuration."""
    (tmp_path / "gitconfig").write_text("[log]\nshowSignature = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    commit = f"tree {'4b825dc642cb6eb9a060e54bf8d69288fbee4904'}\nauthor a <a@b> 1 +0000\n"
    commit += "committer a <a@b> 1700000000 +0000\ngpgsig -----BEGIN PGP SIGNATURE-----\n none\n"
    commit += " -----END PGP SIGNATURE-----\n\nsigned\n"
    subprocess.run([*git, "mktree"], input=b"", check=True, capture_output=True)
    write = [*git, "hash-object", "-t", "commit", "-w", "--stdin"]
    made = subprocess.run(write, input=commit, text=True, check=True, capture_output=True).stdout.strip()
    subprocess.run([*git, "update-ref", "HEAD", made], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    assert freeze.source_date() == 1700000000


def test_what_one_system_leaves_is_not_in_the_way_of_another() -> None:
    places = {freeze.place(system) for system in package.MAKERS}
    assert len(places) == len(package.MAKERS)
    assert not any(one in other.parents for one in places for other in places)
