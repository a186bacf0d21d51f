"""Proves the Windows package under Wine: frozen, installed, used, upgraded, removed without a trace.

Not part of the test suite: `python3 dev.py package windows-wine` runs it, as root, on a bare Debian. Its
tests tell one story, in their order. What only a real Windows shows stands in `docs/verification.md`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import urllib.request
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import freeze
import parts
import windows
from freeze import Frozen
from tests.fakes.desktop import desktop, photograph
from tests.packaging.wine.disk import SHIMS, Wine, compile_program
from tests.packaging.wine.interpreter import FULL_VERSION, make_python
from tests.packaging.wine.lock import windows_lock
from tests.packaging.wine.signing import Authority
from tests.packaging.wine.traces import difference, snapshot
from tray_app import __version__
from tray_app.system.autostart import RunKey
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fakes.desktop import Desktop

ROOT = freeze.ROOT
WORK = freeze.BUILD / "wine"
PICTURE = ROOT / "tests" / "artifacts" / "windows-package.png"
TOOLS = ("pyinstaller", "cyclonedx-python-lib", "pytest", "pytest-timeout", "pytest-qt")
NEXT_VERSION = "99.0.1"
SIZE_LIMIT_BYTES = 170_000_000
DOWNLOAD_LIMIT_BYTES = 55_000_000
SCREEN = (1280, 900)
ICON = (SCREEN[0] - 11, SCREEN[1] - 10)
"""Where the only icon of Wine's panel stands: in the corner."""
QUIT = (ICON[0] - 100, ICON[1] - 14)
"""The last entry of its menu, which opens upwards from the pointer."""

TERMINAL, TRAY = windows.PROGRAMS
PERSON = "users/root"
HOME = f"{PERSON}/AppData/Local/Programs/PowerInfer Tray"
DATA = f"{PERSON}/AppData/Local/PowerInferTray"
MODELS = f"{PERSON}/.PowerInfer"
UNPACK_ENGINE = ROOT / "tests" / "packaging" / "wine" / "unpack_engine.py"
UNINSTALL_KEY = "HKCU/Software/Microsoft/Windows/CurrentVersion/Uninstall/PowerInferTray"
RUN_VALUE = "HKCU/Software/Microsoft/Windows/CurrentVersion/Run/PowerInferTray"
STARTED_TIMEOUT_S = 60.0
_FREEZE_TIMEOUT_S = 800.0

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True)
class Machine:
    """A Windows on which the package is tried."""

    wine: Wine
    setup: Path
    """The installer of this version."""

    @property
    def home(self) -> Path:
        """The folder of the installed app."""
        return self.wine.disk / HOME

    def install(self, setup: Path) -> None:
        """Install silently, as software for many machines does; the exit code alone would prove nothing."""
        assert self.wine.start(setup, "/S").wait(timeout=STARTED_TIMEOUT_S * 5) == 0

    def uninstall(self, *options: str) -> None:
        """Uninstall silently. The uninstaller goes on in a copy of itself, so all that runs is waited for."""
        self.wine.start(self.home / "uninstall.exe", "/S", *options).wait(timeout=STARTED_TIMEOUT_S)
        self.wine.settle()

    def tell(self, *arguments: str) -> str:
        """What the installed terminal command prints."""
        done = self.wine.run(self.home / TERMINAL, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serve(self) -> None:
        """Let the running app start its server, and wait until it is ready."""
        self.tell("start")
        wait_until(
            lambda: json.loads(self.tell("status", "--json"))["state"] == "ready", "the server is ready"
        )

    def own_processes(self) -> list[str]:
        """The app's processes that run, wherever they were started from."""
        return [name for name in self.wine.processes() if name in windows.PROGRAMS]

    @contextmanager
    def tray(self, screen: Desktop) -> Iterator[None]:
        """The installed app in the tray of a desktop, until something else ends it or the block does."""
        control = self.wine.disk / DATA / "control.json"
        control.unlink(missing_ok=True)  # of an app that had no time for that
        desktop_of_wine = ("explorer", f"/desktop=proof,{SCREEN[0]}x{SCREEN[1]}")
        program = "C:\\" + f"{HOME}/{TRAY}".replace("/", "\\")
        self.wine.start(*desktop_of_wine, program, "--background", DISPLAY=screen.environ["DISPLAY"])
        try:
            wait_until(control.exists, "the app answers")
            yield
        finally:
            self.wine.end()


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = STARTED_TIMEOUT_S) -> None:
    """Look again and again: a Windows program cannot tell us anything from inside Wine."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, f"in {timeout_s:.0f} s, it did not happen that {what}"
        time.sleep(0.05)


def digests(folder: Path) -> dict[str, str]:
    """Every file below a folder, and the digest of its content."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.fixture(scope="module")
def wine() -> Iterator[Wine]:
    wine = Wine(WORK / "prefix")
    wine.create()
    yield wine
    wine.end()


@pytest.fixture(scope="module")
def python() -> Path:
    """A Windows Python with all that is locked."""
    run, development = ((ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock"))
    lock = windows_lock(run, development, TOOLS, FULL_VERSION)
    return make_python(WORK / "python", lock, ROOT, WORK / "fetched")


@pytest.fixture(scope="module")
def frozen(wine: Wine, python: Path) -> Frozen:
    script = ROOT / "packaging" / "freeze.py"
    date = str(freeze.source_date())  # there is no git in there
    done = wine.run(python, script, "windows", timeout_s=_FREEZE_TIMEOUT_S, SOURCE_DATE_EPOCH=date)
    assert done.returncode == 0, done.stdout + done.stderr
    return Frozen.of("windows", freeze.place("windows"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.throwaway(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def machine(wine: Wine, frozen: Frozen, authority: Authority) -> Machine:
    windows.sign_programs(frozen.folder, authority.command)
    setup = windows.make_installer(
        frozen.folder, WORK / f"powerinfer-tray-{__version__}-setup.exe", sign=authority.command
    )
    return Machine(wine, setup)


@pytest.fixture(scope="module")
def next_setup(machine: Machine, frozen: Frozen) -> Path:
    """The installer of a later version of the same app."""
    return windows.make_installer(
        frozen.folder,
        machine.setup.with_name(f"powerinfer-tray-{NEXT_VERSION}-setup.exe"),
        version=NEXT_VERSION,
        quick=True,
    )


@pytest.fixture(scope="module")
def fresh(machine: Machine) -> dict[str, str]:
    """The disk before anything is installed."""
    # Windows' own places for programs, which are there before the first one.
    (machine.wine.disk / HOME).parent.mkdir(parents=True, exist_ok=True)
    for key in (UNINSTALL_KEY.rpartition("/")[0], f"HKCU\\{RunKey.APPROVED}"):
        machine.wine.run("reg", "add", key.replace("/", "\\"))
    machine.wine.settle()
    return snapshot(machine.wine.folder)


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    with desktop(tmp_path_factory.mktemp("desktop")) as made:
        yield made


def test_code_for_windows_works_with_a_real_kernel(wine: Wine, python: Path) -> None:
    files = ["tests/unit/test_windows_job.py", "tests/unit/test_process.py", "tests/unit/test_awake.py"]

    done = wine.run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files)

    print(done.stdout)
    assert done.returncode == 0


def test_the_frozen_apps_self_test_passes(wine: Wine, frozen: Frozen) -> None:
    began_s = time.monotonic()
    done = wine.run(frozen.program, "selftest", "--json")
    print(f"{time.monotonic() - began_s:.1f} s: {done.stdout}")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["engine"]["kind"] == "llama.cpp"
    assert report["orphans"] == 0


def test_it_is_not_larger_than_it_should_be(frozen: Frozen, machine: Machine) -> None:
    size_bytes = freeze.size_bytes(frozen.folder)

    download_bytes = machine.setup.stat().st_size
    print(f"{size_bytes / 1e6:.0f} MB unpacked, {download_bytes / 1e6:.1f} MB to download")
    print(parts.table(parts.weigh(frozen)))
    assert size_bytes <= SIZE_LIMIT_BYTES
    assert download_bytes <= DOWNLOAD_LIMIT_BYTES


def test_its_programs_say_what_they_are(wine: Wine, python: Path, frozen: Frozen) -> None:
    code = (
        "import pefile, sys\n"
        "from PyInstaller.utils.win32.versioninfo import read_version_info_from_executable as info\n"
        "for path in sys.argv[1:]:\n"
        "    print(info(path), 'SUBSYSTEM', pefile.PE(path).OPTIONAL_HEADER.Subsystem)\n"
    )
    both = wine.run(python, "-c", code, *(frozen.folder / name for name in windows.PROGRAMS)).stdout
    terminal, tray = both.split("SUBSYSTEM")[:2]

    for text, name in ((terminal, TERMINAL), (tray, TRAY)):
        assert f"'ProductVersion', '{__version__}'" in text
        assert f"'OriginalFilename', '{name}'" in text
        assert "'FileDescription', 'PowerInfer Tray'" in text
    console, windowed = "SUBSYSTEM 3", "SUBSYSTEM 2"
    assert console in both
    assert windowed in both


def test_signatures_hold_until_a_byte_is_changed(
    machine: Machine, frozen: Frozen, authority: Authority, tmp_path: Path
) -> None:
    for file in (machine.setup, *(frozen.folder / name for name in windows.PROGRAMS)):
        assert authority.verifies(file), file.name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        other = tmp_path / file.name
        other.write_bytes(content)
        assert not authority.verifies(other), file.name


def test_it_installs_silently_for_one_person(
    machine: Machine, frozen: Frozen, authority: Authority, fresh: dict[str, str]
) -> None:
    began_s = time.monotonic()
    machine.install(machine.setup)
    print(f"installed in {time.monotonic() - began_s:.1f} s")

    installed = digests(machine.home)
    del installed["uninstall.exe"]
    assert installed == digests(frozen.folder)
    assert authority.verifies(machine.home / "uninstall.exe")
    machine.wine.settle()
    now = snapshot(machine.wine.folder)
    assert now[f"{UNINSTALL_KEY}/DisplayVersion"] == f'"{__version__}"'
    assert now[f"{UNINSTALL_KEY}/Publisher"] == '"PowerInfer Tray"'
    size_kib = int(now[f"{UNINSTALL_KEY}/EstimatedSize"].removeprefix("dword:"), 16)
    assert size_kib == pytest.approx(freeze.size_bytes(frozen.folder) / 1024, rel=0.05)
    shortcut = f"{PERSON}/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/PowerInfer Tray.lnk"
    expected = (HOME, shortcut, UNINSTALL_KEY)
    assert not difference(fresh, now).without(*expected), "it is elsewhere too"
    assert shortcut in now


def test_a_person_starts_it_and_clicks_its_menu(machine: Machine, screen: Desktop) -> None:
    began_s = time.monotonic()
    with machine.tray(screen):
        print(f"start to answering: {time.monotonic() - began_s:.1f} s")
        click(screen, ICON, button=3)
        screen.run("xdotool", "search", "--sync", "--onlyvisible", "--name", "^Tray menu")
        screen.run("xdotool", "mousemove", *map(str, QUIT))
        photograph(screen, PICTURE)
        click(screen, QUIT, button=1)
        wait_until(lambda: not machine.own_processes(), "the app has quit")


def test_it_serves_and_an_upgrade_ends_and_replaces_it(
    machine: Machine, screen: Desktop, next_setup: Path, frozen: Frozen
) -> None:
    port = free_port()
    for name, value in (("port", str(port)), ("model", "test"), ("launch_at_login", "true")):
        machine.tell("settings", "set", name, value)
    stale = machine.home / "_internal" / "stale.py"
    stale.write_text("")
    with machine.tray(screen):
        machine.serve()
        assert sorted(machine.own_processes()) == [TRAY, TERMINAL]  # the app, and the engine's process
        assert len(embedding(port)) == 64

        machine.install(next_setup)

        assert machine.own_processes() == []
    installed = digests(machine.home)
    del installed["uninstall.exe"]
    assert installed == digests(frozen.folder)
    assert machine.tell("settings", "get", "port").strip() == str(port)


def test_what_does_not_quit_is_ended_by_its_path_not_by_its_name(
    machine: Machine, frozen: Frozen, next_setup: Path, tmp_path: Path
) -> None:
    """Both serve from a home of their own, so that `quit` finds neither."""
    here = serving(machine.wine, machine.home, tmp_path / "here")
    elsewhere = serving(machine.wine, frozen.folder, tmp_path / "elsewhere")
    began_s = time.monotonic()
    machine.install(next_setup)
    print(f"insisted for {time.monotonic() - began_s:.1f} s")

    here.wait(timeout=STARTED_TIMEOUT_S)
    assert elsewhere.poll() is None
    machine.wine.end()


def test_a_program_of_somebody_else_in_the_same_folder_is_not_ended(
    machine: Machine, next_setup: Path
) -> None:
    tool = machine.home / "a tool of mine.exe"
    shutil.copy(machine.wine.disk / "windows" / "system32" / "ping.exe", tool)
    running = machine.wine.start(tool, "-n", "600", "127.0.0.1")
    machine.install(next_setup)

    assert running.poll() is None
    machine.wine.end()
    tool.unlink()


def test_removing_it_ends_it_and_leaves_what_is_the_persons(
    machine: Machine, screen: Desktop, fresh: dict[str, str]
) -> None:
    model = machine.wine.disk / MODELS / "mine.gguf"
    model.parent.mkdir(exist_ok=True)
    model.write_bytes(b"GGUF")
    with machine.tray(screen):
        machine.serve()
        run_key = RUN_VALUE.rpartition("/")[0].replace("/", "\\")
        assert TRAY in machine.wine.run("reg", "query", run_key).stdout  # it is launched at login

        machine.uninstall()

    now = snapshot(machine.wine.folder)
    assert not difference(fresh, now).without(DATA, MODELS)
    assert f"{DATA}/settings.toml" in now
    assert model.exists()


def test_purging_it_leaves_nothing_and_takes_nothing_through_a_link(
    machine: Machine, fresh: dict[str, str], tmp_path: Path
) -> None:
    machine.install(machine.setup)
    machine.tell("settings", "set", "port", "8099")
    key = machine.wine.run(machine.home / TERMINAL, "key", "set", "gateway", text="secret-of-this-proof\n")
    assert key.returncode == 0, key.stderr

    moved = tmp_path / "another disk"
    moved.mkdir()
    (moved / "mine.gguf").write_bytes(b"GGUF")
    link = machine.wine.disk / MODELS / "moved"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(moved)

    machine.uninstall("/PURGE")

    assert (moved / "mine.gguf").exists()
    # WORKAROUND: Wine 8 shows a link as Windows does and cannot remove it, nor the folder around it.
    link.unlink()
    link.parent.rmdir()
    assert not difference(fresh, snapshot(machine.wine.folder))


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        (None, {"kind": "llama-server", "machines": ["x86_64"], "cards": [["Vulkan0", "Wine's card"]]}),
        (b"\x64\xaa", {"code": "engine_for_other_machine"}),  # its header says ARM64
    ],
    ids=["for this machine", "for another machine"],
)
def test_an_engine_in_a_zip_is_unpacked_and_looked_at(
    wine: Wine, python: Path, tmp_path: Path, changed: bytes | None, seen: dict[str, object]
) -> None:
    program = tmp_path / "llama-server.exe"
    compile_program(program, SHIMS / "llama_server.c")
    if changed:
        content = bytearray(program.read_bytes())
        machine = int.from_bytes(content[0x3C:0x40], "little") + len(b"PE\0\0")
        content[machine : machine + len(changed)] = changed
        program.write_bytes(content)
    archive = tmp_path / "llama-b1-bin-win-vulkan-x64.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(program, "build/bin/llama-server.exe")
        packed.writestr("build/bin/ggml-vulkan.dll", b"")

    done = wine.run(python, UNPACK_ENGINE, archive, tmp_path / "unpacked")

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == seen


def serving(wine: Wine, folder: Path, home: Path) -> subprocess.Popen[bytes]:
    """A server in a terminal, from the programs in a folder, with a home of its own."""
    server = wine.start(
        folder / TERMINAL, "serve", "--port", str(free_port()), POWERINFER_TRAY_HOME=str(home)
    )
    control = home / "state" / "control.json"
    wait_until(lambda: control.exists() or server.poll() is not None, "the server answers")
    assert server.poll() is None, f"it ended with {server.poll()}"
    return server


def click(screen: Desktop, place: tuple[int, int], *, button: int) -> None:
    """Move the pointer and click, as a person does."""
    screen.run("xdotool", "mousemove", *map(str, place), "click", str(button))


def embedding(port: int) -> list[float]:
    """The embedding of a word by the server on this port."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/embeddings",
        json.dumps({"input": "hello"}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http
        vector: list[float] = json.load(answer)["data"][0]["embedding"]
    return vector
