"""Proves the Debian package in a minimal Debian: it installs, works, is clicked, and leaves nothing behind.

Not part of the test suite: `python3 dev.py package linux --prove` runs it, as root, on a package just made.
Its tests tell one story, in their order. Nothing of a desktop is installed in the small system: the display
and the session bus are this machine's, so what the package neither brings nor names is missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.fakes.desktop import desktop, photograph
from tests.fakes.person import Person
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.desktop import Desktop

PACKAGE = Path(os.environ["POWERINFER_TRAY_DEB"])
TARBALL = Path(os.environ["POWERINFER_TRAY_TARBALL"])
PROGRAM = "/usr/lib/powerinfer-tray/powerinfer-tray"
HOME = "/home/Zoë 太郎"
PICTURE = Path(__file__).parents[1] / "artifacts" / "linux-package.png"
START_LIMIT_S = 1.2
DIMENSIONS = 64
"""Of the built-in model's embeddings."""
SIZE_LIMIT_BYTES = 250_000_000
DOWNLOAD_LIMIT_BYTES = 80_000_000
"""Of the .deb, with llama.cpp's own build in it, which is 17 MB."""
# What the package manager writes about its own work, and lists that all packages share.
_BOOKKEEPING = ("var/lib/apt/", "var/lib/dpkg/", "var/cache/", "var/log/", "etc/ld.so.cache", "tmp/")

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class SmallSystem:
    """A root folder with a Debian in it; programs run there in a mount namespace that ends with the tests."""

    path: Path
    holder: int
    """The process that keeps the namespace."""

    def command(self, *argv: str, environ: dict[str, str] | None = None) -> list[str]:
        """What runs a program inside, with the system's environment and what is given."""
        plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": HOME, **(environ or {})}
        words = [f"{name}={value}" for name, value in plain.items()]
        enter = ["nsenter", f"--target={self.holder}", "--mount", "chroot", str(self.path)]
        return [*enter, "/usr/bin/env", "-i", *words, *argv]

    def run(self, *argv: str) -> str:
        """The output of a program that succeeds."""
        environ = {"DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            self.command(*argv, environ=environ), capture_output=True, check=False, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def files(self) -> set[str]:
        """Everything that is there but for the package manager's notes."""
        names = set()
        for folder, below, files in os.walk(self.path):
            here = os.path.relpath(folder, self.path)
            names |= {os.path.normpath(f"{here}/{name}") for name in (*below, *files)}
        return {name for name in names if not f"{name}/".startswith(_BOOKKEEPING)}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallSystem]:
    root = tmp_path_factory.mktemp("proof") / "root"
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if line)
    subprocess.run(["mmdebstrap", "--quiet", "--variant=apt", release["VERSION_CODENAME"], root], check=True)
    with _namespace(root) as holder:
        small = SmallSystem(root, holder)
        (root / HOME.lstrip("/")).mkdir(parents=True)
        small.run("apt-get", "update", "--quiet")
        yield small
    shutil.rmtree(root)


@contextmanager
def _namespace(root: Path) -> Iterator[int]:
    """A process whose mounts nobody else sees: the small system's /proc, and our /tmp with the X socket."""
    mounts = 'mount --rbind /proc "$0/proc" && mount --bind /tmp "$0/tmp" && echo ready && exec cat'
    command = ["unshare", "--mount", "sh", "-c", mounts, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        yield holder.pid  # its input is closed afterwards, so it ends, and the mounts with it


@pytest.fixture(scope="module")
def before(system: SmallSystem) -> set[str]:
    """The files of a system that has what the package names as its dependencies, and nothing else."""
    command = ["dpkg-deb", "--field", str(PACKAGE), "Depends"]
    needs = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    system.run("apt-get", "satisfy", "--yes", "--no-install-recommends", needs.strip())
    return system.files()


@pytest.fixture(scope="module")
def installed(system: SmallSystem, before: set[str]) -> SmallSystem:
    assert "usr/bin/powerinfer-tray" not in before
    shutil.copy(PACKAGE, system.path / "root" / PACKAGE.name)
    system.run("apt-get", "install", "--yes", "--no-install-recommends", f"/root/{PACKAGE.name}")
    (system.path / "root" / PACKAGE.name).unlink()
    return system


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    with desktop(tmp_path_factory.mktemp("desktop")) as made:
        yield made


def on_the_screen(screen: Desktop) -> dict[str, str]:
    names = ("DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "QT_QPA_PLATFORM")
    return {name: screen.environ[name] for name in names}


def test_the_tarball_runs_from_wherever_it_was_unpacked(system: SmallSystem, before: set[str]) -> None:
    shutil.unpack_archive(TARBALL, system.path / HOME.lstrip("/"), filter="data")

    report = json.loads(system.run(f"{HOME}/powerinfer-tray/powerinfer-tray", "selftest", "--json"))

    assert report["ok"]
    assert {name for name in system.files() ^ before if not name.startswith(HOME.lstrip("/"))} == set()


def test_it_installs_with_what_it_names_as_dependencies(installed: SmallSystem) -> None:
    assert installed.run("powerinfer-tray", "--version").startswith("powerinfer-tray ")
    assert installed.run("dpkg-query", "--show", "--showformat=${Status}", "powerinfer-tray") == (
        "install ok installed"
    )


def test_its_self_test_passes(installed: SmallSystem) -> None:
    report = json.loads(installed.run("powerinfer-tray", "selftest", "--json"))

    print(json.dumps(report))
    assert report["ok"]
    assert report["engine"]["kind"] == "llama.cpp"
    assert report["orphans"] == 0


def test_no_library_of_its_is_missing(installed: SmallSystem) -> None:
    home = installed.path / PROGRAM.lstrip("/")
    libraries = [str(path) for path in home.parent.rglob("*.so*") if path.is_file()]
    inside = [f"/{Path(path).relative_to(installed.path)}" for path in libraries]

    answer = installed.run("env", f"LD_LIBRARY_PATH={Path(PROGRAM).parent}/_internal", "ldd", *inside)

    assert [line for line in answer.splitlines() if "not found" in line] == []


def test_it_is_not_larger_than_it_should_be(installed: SmallSystem) -> None:
    folder = (installed.path / PROGRAM.lstrip("/")).parent
    size_bytes = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())

    download_bytes = PACKAGE.stat().st_size
    print(f"{size_bytes / 1e6:.0f} MB unpacked, {download_bytes / 1e6:.1f} MB to download")
    assert size_bytes <= SIZE_LIMIT_BYTES
    assert download_bytes <= DOWNLOAD_LIMIT_BYTES


def test_a_person_starts_it_and_clicks_its_menu(installed: SmallSystem, screen: Desktop) -> None:
    command = installed.command("powerinfer-tray", "--background", environ=on_the_screen(screen))
    waited_s, used_s = [], []
    for _ in range(3):
        with screen.tray_host() as host:
            began_s = time.monotonic()
            with running(command) as app:
                host.wait_for_item()
                waited_s.append(time.monotonic() - began_s)
                used_s.append(sum(psutil.Process(app.pid).cpu_times()[:2]))
                entries = host.menu()
                assert {"Open Window", "Settings…", "Quit"} <= set(entries)
                host.click("Settings…")
                Person(screen).turn_to("^Settings")
                photograph(screen, PICTURE)
                host.click("Quit")
                assert app.wait(timeout=20) == 0

    print(
        "start to icon:",
        *(
            f"{one:.2f} s, {other:.2f} s of the processor;"
            for one, other in zip(waited_s, used_s, strict=True)
        ),
    )
    # The clock also counts what else this machine has to do.
    assert min(used_s) <= START_LIMIT_S


def test_a_person_embeds_a_text_and_saves_its_plot(
    installed: SmallSystem, screen: Desktop, tmp_path: Path
) -> None:
    picture = tmp_path / "plot.svg"  # below /tmp, which the small system has too
    for name, value in {"model": "test", "port": str(free_port())}.items():
        installed.run("powerinfer-tray", "settings", "set", name, value)
    command = installed.command("powerinfer-tray", "--background", environ=on_the_screen(screen))

    with screen.tray_host() as host, running(command) as app:
        host.wait_for_item()
        host.click("Start Server")
        host.wait_until(lambda panel: next(iter(panel.menu())).startswith("Ready"))
        Person(screen).embed_and_save_the_plot(host, picture)
        photograph(screen, PICTURE.with_name("linux-package-plots.png"))
        host.click("Quit")
        _, complaints = app.communicate(timeout=20)

    steps = [path.count("L") for path in re.findall(r' d="([^"]*)"', picture.read_text())]
    assert max(steps) >= 2 * DIMENSIONS  # for each value up or down, and along
    assert "Traceback" not in complaints
    logs = [file.read_text() for file in (installed.path / HOME.lstrip("/")).rglob("*.log*")]
    assert logs
    assert "Traceback" not in "".join(logs)


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The app, which ends with the block at the latest."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as app:
        try:
            yield app
        finally:
            app.terminate()


def test_removing_it_ends_a_running_app_and_leaves_what_is_the_persons(
    installed: SmallSystem, screen: Desktop, before: set[str]
) -> None:
    model = installed.path / HOME.lstrip("/") / ".PowerInfer" / "mine.gguf"
    model.parent.mkdir(exist_ok=True)
    model.write_bytes(b"GGUF")
    installed.run("powerinfer-tray", "settings", "set", "port", "8099")
    command = installed.command("powerinfer-tray", "--background", environ=on_the_screen(screen))

    with screen.tray_host() as host, running(command) as app:
        host.wait_for_item()
        installed.run("apt-get", "purge", "--yes", "powerinfer-tray")
        assert app.wait(timeout=20) == 0

    assert "8099" in installed.run("cat", f"{HOME}/.config/PowerInferTray/settings.toml")
    assert model.exists()
    home = HOME.lstrip("/")
    assert {name for name in installed.files() ^ before if not name.startswith(f"{home}/")} == set()
