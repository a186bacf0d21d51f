"""What `dev.py` says before anything is installed."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pip
import pytest

import dev
from tests.conftest import pytest_xdist_auto_num_workers
from tests.fakes import build_back_end


def test_without_a_command_the_usage_is_shown() -> None:
    result = subprocess.run([sys.executable, dev.__file__], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr.strip()) == (2, (dev.__doc__ or "").strip())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["package"], 2),
        (["package", "linus"], 2),
        (["package", "--prove"], 2),
        (["chekc"], 2),
        (["check", "all"], 2),
        (["package", "--help"], 0),
        (["package", "-h"], 0),
        (["check", "--help"], 0),
        (["--help"], 0),
        (["help"], 0),
    ],
)
def test_the_usage_is_shown_before_anything_is_installed(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "prepare", lambda **_: pytest.fail("it has begun"))

    assert dev.main(arguments) == code

    shown = capsys.readouterr()
    assert (shown.err if code else shown.out).strip() == (dev.__doc__ or "").strip()


@pytest.mark.parametrize(("arguments", "user"), [(["windows-wine", "--prove"], 0), (["windows-wine"], 1000)])
def test_the_windows_package_is_not_begun_where_its_proof_cannot_run(
    arguments: list[str], user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "prepare", lambda **_: pytest.fail("it has begun"))
    monkeypatch.setattr("os.geteuid", lambda: user, raising=False)

    with pytest.raises(SystemExit, match=r"under Wine on Debian, as root"):
        dev.main(["package", *arguments])


def test_another_python_is_refused_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(dev, "NEWEST", (3, 10))
    monkeypatch.setattr(dev, "install_packages", lambda _: pytest.fail("it has begun"))

    with pytest.raises(SystemExit, match=rf"this is {sys.version.split()[0]}\.\nInstall .* dev\.py run"):
        dev.prepare(packages=[], lock=dev.RUN_LOCK)


def test_every_python_that_is_promised_is_tested() -> None:
    project = tomllib.loads((dev.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = [f"3.{minor}" for minor in range(dev.OLDEST[1], dev.NEWEST[1] + 1)]
    (tests,) = (path for path in dev.WORKFLOWS if path.name == "tests.yml")

    assert project["requires-python"] == f">={promised[0]},<3.{dev.NEWEST[1] + 1}"
    assert re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"])) == promised
    assert set(re.findall(r'"(3\.\d+)"', tests.read_text(encoding="utf-8"))) == set(promised)
    assert f"Python {promised[0]} to {promised[-1]}" in (dev.__doc__ or "")


@pytest.mark.parametrize(
    ("python", "tool"), [("bin/python", "bin/ruff"), ("Scripts/python.exe", "Scripts/ruff.exe")]
)
def test_a_tool_lies_beside_python(python: str, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "PYTHON", Path(python))

    assert dev.tool("ruff") == Path(tool)


@pytest.fixture
def bare_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all programs of a system that has `apt-get` and `dpkg-query`, and no package.

    `apt-get` notes how it was called, and what proxies it was told, and fails if the file `broken` is there.
    """
    note = 'echo "$* http=$http_proxy" >> "$0.log"; ! test -e "$0.broken"'
    for name, does in [("apt-get", note), ("dpkg-query", "true")]:
        program(tmp_path / name, does)
    for name in ("sh", "env", "test"):
        (tmp_path / name).symlink_to(shutil.which(name) or pytest.skip(f"no {name}"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def program(path: Path, does: str) -> None:
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="there is no apt")


@POSIX
@pytest.mark.parametrize(("sudo", "way"), [(True, "sudo sh -c"), (False, "su - -c")])
def test_without_rights_the_one_command_to_type_is_printed(
    sudo: bool, way: str, bare_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "installed_packages", lambda: {"libgl1"})
    if sudo:
        program(bare_debian / "sudo", "exit 1")

    with pytest.raises(SystemExit) as caught:
        dev.install_packages(["libgl1", "libegl1", "libgomp1"])

    # The lists of packages are updated as well: on a new system there are none.
    command = f'{way} "apt-get update; apt-get install --yes --no-install-recommends libegl1 libgomp1"'
    assert f"\n    {command}\n" in str(caught.value)


@POSIX
def test_the_printed_command_works_as_it_is(bare_debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hands on the person's proxy, which root's shell does not know, and shows no password."""
    monkeypatch.setenv("HTTP_PROXY", "http://zoe:secret@proxy:3128")
    with pytest.raises(SystemExit) as caught:
        dev.install_packages(["libgl1"])
    program(bare_debian / "su", 'shift; unset HTTP_PROXY; exec sh "$@"')

    typed = str(caught.value).splitlines()[2].strip()
    subprocess.run([bare_debian / "sh", "-c", typed], check=True)

    assert "secret" not in typed
    asked, installed = (bare_debian / "apt-get.log").read_text().splitlines()
    assert asked == "update http=http://zoe:secret@proxy:3128"
    assert installed == ("install --yes --no-install-recommends libgl1 http=http://zoe:secret@proxy:3128")


@POSIX
def test_apt_is_told_the_proxy_whose_name_is_in_capitals(
    bare_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    # As sudo does, this one keeps nothing but what it is told to.
    program(
        bare_debian / "sudo",
        'case "$1" in --n*) exit;; --preserve-env=http_proxy) shift;; *) unset http_proxy;; esac\nexec "$@"',
    )

    dev.install_packages(["libgl1"])

    assert (
        "install --yes --no-install-recommends libgl1 http=http://proxy:3128"
        in (bare_debian / "apt-get.log").read_text()
    )


@POSIX
def test_whoever_may_not_use_sudo_is_told_the_command_for_root(
    bare_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(bare_debian / "sudo", "exit 1")
    monkeypatch.setattr(dev, "privileges", lambda: ["sudo"])  # there is a terminal to ask for the password

    with pytest.raises(SystemExit, match=r'su - -c "apt-get update; apt-get install .*libgl1"'):
        dev.install_packages(["libgl1"])


@POSIX
def test_where_apt_fails_its_messages_are_referred_to(
    bare_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (bare_debian / "apt-get.broken").touch()

    with pytest.raises(SystemExit, match=r"not installed \(apt-get: 1\).*internet connection"):
        dev.install_packages(["libgl1"])


@POSIX
def test_a_system_with_dpkg_alone_is_left_alone(bare_debian: Path) -> None:
    """Fedora has dpkg as a tool, and small images of Ubuntu have no apt."""
    (bare_debian / "apt-get").unlink()

    dev.install_packages(["libgl1"])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sudo")
@pytest.mark.parametrize(("code", "rights"), [(0, ["sudo"]), (1, None)])
def test_sudo_is_used_unasked_where_it_needs_no_password(
    code: int, rights: list[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text(f"#!/bin/sh\nexit {code}\n")
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert dev.privileges() == rights  # pytest's standard input is no terminal


def test_a_system_without_dpkg_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(dev, "installed_packages", lambda: pytest.fail("dpkg was asked"))

    dev.install_packages(["libgl1"])


@pytest.mark.skipif(not Path("/usr/bin/dpkg-query").exists(), reason="not a Debian-like system")
def test_packages_and_what_they_provide_count_as_installed() -> None:
    installed = dev.installed_packages()

    assert {"libc6", "awk"} <= installed  # awk is provided by mawk or gawk


@pytest.mark.parametrize(
    ("variables", "expected"), [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "w"}, True)]
)
def test_a_display_is_known_by_its_variable(
    variables: dict[str, str],
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert dev.has_display() is expected


def test_the_locks_pin_every_package_with_digests() -> None:
    for lock in (dev.RUN_LOCK, dev.DEV_LOCK):
        lines = lock.read_text().splitlines()
        pins = [line for line in lines if line and line[0].isalnum()]
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)


def test_a_module_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "psutil.py").write_text("raise SystemExit('a module of the current folder was run')")
    commands: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, command: commands.append(command))
    monkeypatch.setattr(dev, "PYTHON", Path(sys.executable))
    run_app: Any = dev.run_app  # which never comes back
    run_app(["doctor", "--json"])

    run = subprocess.run(commands[0], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert "a module of the current folder" not in run.stderr
    assert run.stdout.startswith("{")


def test_all_tests_share_the_processors_and_those_of_one_file_a_process() -> None:
    several = (os.cpu_count() or 1) + 1
    for arguments, processes in [
        (["tests"], several),
        (["tests/unit", "tests/unit/test_dev.py"], several),
        (["tests/unit/test_dev.py"], 0),
        (["tests/unit/test_dev.py::test_a_tool_lies_beside_python[bin/python-bin/ruff]"], 0),
    ]:
        given: Any = SimpleNamespace(args=[str(dev.ROOT / argument) for argument in arguments])
        assert pytest_xdist_auto_num_workers(given) == processes


@pytest.mark.skipif(sys.platform == "win32", reason="processes there have no groups that get Ctrl-C")
def test_ctrl_c_ends_the_tool_which_still_says_what_it_has_found() -> None:
    tool = (
        "import signal, sys, time\n"
        "def end(*_): time.sleep(0.5); print('2 failed'); sys.exit(7)\n"
        "signal.signal(signal.SIGINT, end)\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    script = f"import sys, dev; sys.exit(dev.call([sys.executable, '-c', {tool!r}]))"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(
        command, cwd=dev.ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    os.killpg(process.pid, signal.SIGINT)

    assert process.communicate(timeout=30) == ("2 failed\n", "")
    assert process.returncode == 7


@POSIX
@pytest.mark.parametrize("path", ["/usr/bin:/bin", None])
def test_tools_are_found_that_only_root_looks_for(
    path: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On Debian, `package linux` did not find ICU's tools unless root typed it."""
    monkeypatch.delenv("PATH")
    if path:
        monkeypatch.setenv("PATH", path)

    dev.call([sys.executable, "-c", "import os; print(os.environ['PATH'])"])

    found = capfd.readouterr().out.strip().split(os.pathsep)
    assert "/usr/sbin" in found
    assert found.index("/bin") < found.index("/usr/sbin")


@pytest.mark.parametrize(
    ("failed", "codes", "code"),
    [
        (["a.py::test_x"], [1, 0], 0),
        (["a.py::test_x"], [1, 1], 1),
        ([f"a.py::test_{number}" for number in range(6)], [1], 1),
        ([], [0], 0),
        ([], [2], 2),
    ],
    ids=["passes-alone", "broken", "many", "none", "interrupted"],
)
def test_the_few_tests_that_failed_are_run_once_more_alone_and_named(
    failed: list[str],
    codes: list[int],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cache = tmp_path / "lastfailed"
    cache.write_text(json.dumps({"a.py::test_that_is_no_more": True}))
    monkeypatch.setattr(dev, "LAST_FAILED", cache)
    calls: list[dev.Command] = []

    def call(command: dev.Command) -> int:
        calls.append(command)
        known = json.loads(cache.read_text()) if cache.exists() else {}  # pytest adds to it
        cache.write_text(json.dumps({**known, **dict.fromkeys(failed, True)}))
        return codes[len(calls) - 1]

    monkeypatch.setattr(dev, "call", call)

    assert dev.run_tests([]) == code
    assert len(calls) == len(codes)
    assert ["--last-failed" in command for command in calls[1:]] == [True] * (len(codes) - 1)
    told = capsys.readouterr().out
    assert ("so to be mended" in told) == (codes == [1, 0])
    assert "no_more" not in told


def test_tests_that_somebody_names_are_run_once_and_earlier_failures_are_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter([1])
    monkeypatch.setattr(dev, "call", lambda _: next(codes))
    monkeypatch.setattr(dev, "LAST_FAILED", tmp_path / "lastfailed")
    (tmp_path / "lastfailed").touch()

    assert dev.run_tests(["tests/unit"]) == 1
    assert (tmp_path / "lastfailed").exists()


@pytest.mark.parametrize(
    "arguments", [["listings", "owner/name", "release"], ["linux", "--powerinfer", "build"]]
)
def test_a_folder_for_packages_is_one_of_where_it_is_typed(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[tuple[dev.Command, Path]] = []
    monkeypatch.setattr(dev, "prepare", lambda **_: None)
    monkeypatch.setattr(dev, "call", lambda command, folder=dev.ROOT: called.append((command, folder)))
    monkeypatch.chdir(tmp_path)

    dev.package(arguments)

    ((command, folder),) = called
    assert folder.samefile(tmp_path)
    assert Path(command[1]).is_absolute()


def test_a_python_that_is_too_old_can_read_the_file_that_refuses_it() -> None:
    source = Path(dev.__file__).read_text(encoding="utf-8")

    ast.parse(source, feature_version=(3, 8))  # macOS has 3.9

    assert "Command" not in vars(dev)  # what newer versions alone can compute is there for checkers only


# What .venv has been through


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an `é`, set up but for its packages; what would be installed is ignored."""
    root = tmp_path / "Zoë 太郎"
    (root / "tray_app").mkdir(parents=True)
    (root / "tray_app" / "__init__.py").write_text("print('here')")
    for name in ("run.lock", "pyproject.toml"):
        (root / name).touch()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / ".venv"], check=True)
    monkeypatch.setattr(dev, "ROOT", root)
    monkeypatch.setattr(dev, "VENV", root / ".venv")
    monkeypatch.setattr(dev, "PYTHON", root / dev.PYTHON.relative_to(Path(dev.__file__).parent))
    monkeypatch.setattr(dev, "install_packages", lambda _: None)
    packages = site_packages(root)
    (packages / "pip").mkdir()
    (packages / "pip" / "__main__.py").touch()
    (packages / "_editable_impl_powerinfer_tray.pth").write_text(str(root), encoding="utf-8")
    return root


def site_packages(root: Path) -> Path:
    (found,) = {
        path
        for pattern in ("lib/python*", "Lib")
        for path in (root / ".venv").glob(f"{pattern}/site-packages")
    }
    return found


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to set up: `venv` where it was made anew, then `pip`."""
    done: list[str] = []
    monkeypatch.setattr(dev, "must", lambda command, **_: done.append(command[3]))
    return done


def prepare(root: Path) -> None:
    dev.prepare(packages=[], lock=root / "run.lock")


def test_what_is_prepared_is_left_alone(project: Path, commands: list[str]) -> None:
    prepare(project)
    prepare(project)

    assert commands == ["pip", "pip"]


def test_other_locked_packages_are_installed_over_the_old_ones(project: Path, commands: list[str]) -> None:
    prepare(project)
    commands.clear()
    (project / "run.lock").write_text("another")

    prepare(project)

    assert commands == ["pip", "pip"]


@pytest.mark.parametrize("left", ["numpy-2.4.6.dist-info", "~umpy", "pip/__main__.py", "python"])
def test_what_was_cut_short_is_made_anew(left: str, project: Path, commands: list[str]) -> None:
    """pip took a package whose files are half there for installed, and could not replace it later."""
    match left:
        case "python":  # of a system that has been upgraded since
            prepare(project)
            commands.clear()
            dev.PYTHON.unlink()
            dev.PYTHON.symlink_to(project / "python-of-last-year")
        case "pip/__main__.py":
            (site_packages(project) / left).unlink()
        case _:
            (site_packages(project) / left).mkdir()

    prepare(project)

    assert commands == ["venv", "pip", "pip"]


def test_an_installation_that_fails_is_done_again(
    project: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as offline:
        offline.setattr(dev, "must", lambda _, *, hint="": sys.exit(hint))
        with pytest.raises(SystemExit, match="internet connection"):
            prepare(project)

    prepare(project)

    assert commands == ["pip", "pip"]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with the wheel of a library, and the lock file that names it."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel = folder / "locked-1-py3-none-any.whl"
    build_back_end.write_wheel(wheel, {"locked.py": "print('locked')"})
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "Zoë 太郎" / "run.lock").write_text(f"locked==1 --hash=sha256:{digest}\n")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="its python.exe lies in the folder")
def test_what_a_person_has_set_for_other_pythons_does_not_change_what_is_installed(
    project: Path, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "back_end"\nbackend-path = ["."]\n'
    )
    shutil.copy(build_back_end.__file__, project / "back_end.py")
    shutil.rmtree(site_packages(project) / "pip")
    shutil.copytree(Path(pip.__file__).parent, site_packages(project) / "pip")
    # A folder whose modules have the names of Python's own, and one where the same library is already.
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    (here / "zipfile.py").write_text("raise SystemExit('a module of the current folder was run')")
    monkeypatch.chdir(here)
    (elsewhere / "locked-1.dist-info").mkdir(parents=True)
    (elsewhere / "locked-1.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: locked\nVersion: 1\n"
    )
    (elsewhere / "tray_app.py").write_text("print('elsewhere')")
    (elsewhere / "sitecustomize.py").write_text("raise SystemExit('sitecustomize was run')")
    (tmp_path / "pip.conf").write_text("[install]\nuser = true\n")
    for name, value in {
        "PYTHONPATH": str(elsewhere),
        "PYTHONOPTIMIZE": "2",
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_FIND_LINKS": f"{wheels} ",
        "PIP_NO_INDEX": "1",
        "PIP_TARGET": str(tmp_path / "target"),
        "PIP_USER": "1",
        "PIP_DRY_RUN": "1",
        "PIP_REQUIRE_HASHES": "1",
        "PIP_REQUIREMENT": str(tmp_path / "more.txt"),
        "PIP_REQUIRE_VIRTUALENV": "1",
    }.items():
        monkeypatch.setenv(name, value)

    dev.forget_other_pythons()
    prepare(project)

    for module, says in {"tray_app": "here\n", "locked": "locked\n"}.items():
        command: list[str | Path] = [
            dev.PYTHON,
            "-P",
            "-c",
            f"import sys, {module}; sys.exit(sys.flags.optimize)",
        ]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (run.stdout, run.returncode) == (says, 0), run.stderr
    assert not (tmp_path / "target").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="its python.exe lies in the folder")
def test_the_folder_can_be_moved_and_its_name_read_in_any_locale(project: Path, commands: list[str]) -> None:
    prepare(project)
    commands.clear()
    moved = project.rename(project.with_name("Mes œuvres"))

    for values in ({"LC_ALL": "C"}, {"LC_ALL": "POSIX", "LANG": "C"}, {}):
        command = [str(moved / ".venv" / "bin" / "python"), "-P", "-m", "tray_app"]
        environ = {"PATH": os.environ["PATH"], **values}
        run = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert run.stdout.startswith("here"), run.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="nobody waits there")
def test_two_terminals_set_up_one_after_the_other() -> None:
    script = "import dev\nwith dev.one_at_a_time(): print('done')"
    pipe = subprocess.PIPE
    with dev.one_at_a_time():
        second = subprocess.Popen(
            [sys.executable, "-c", script], cwd=dev.ROOT, stdout=pipe, stderr=pipe, text=True
        )
        assert second.stderr is not None
        said = second.stderr.readline()

    assert "Waiting for another terminal" in said
    assert second.communicate(timeout=30)[0] == "done\n"


@POSIX
def test_ctrl_c_lets_the_package_manager_end_by_itself(bare_debian: Path, tmp_path: Path) -> None:
    program(
        bare_debian / "apt-get",
        'trap \'echo ended > "$0.log"; exit 1\' INT; echo ready >&2; while :; do read -r _ < "$0.wait"; done',
    )
    os.mkfifo(bare_debian / "apt-get.wait")
    program(bare_debian / "sudo", 'test "$1" = --non-interactive || exec "$@"')
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(dev.__file__, folder)
    process = subprocess.Popen(
        [sys.executable, folder / "dev.py", "run"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    while process.stderr.readline() != "ready\n":
        assert process.poll() is None

    os.killpg(process.pid, signal.SIGINT)

    assert "Traceback" not in (said := process.communicate(timeout=30)[1])
    assert "The same command goes on" in said
    assert process.returncode == 130
    assert (bare_debian / "apt-get.log").read_text() == "ended\n"
