#!/usr/bin/env python3
"""Sets a machine up and works on the project. Standard library only; Python 3.11 to 3.13.

    python3 dev.py run [ARGS]     the app (ARGS as for powerinfer-tray)
    python3 dev.py test [ARGS]    all tests (ARGS as for pytest)
    python3 dev.py fuzz MINUTES [TARGET]  random inputs for everything from outside
    python3 dev.py check          format, lint, types, import contracts, workflows, translations
    python3 dev.py translate      update the translations from the sources
    python3 dev.py docs           update the tables in the documents
    python3 dev.py catalogue      check the catalog's sizes and digests; needs the network
    python3 dev.py bench [ARGS]   all benchmarks in one table (--full, --save, a part)
    python3 dev.py bench --compare COMMIT [PART]  ratios of this tree and a commit, run in turns
    python3 dev.py package SYSTEM  packages for linux, macos or windows, in dist/
    python3 dev.py package windows-wine  the Windows package, built and tested under Wine
    python3 dev.py package listings OWNER/NAME  what winget, Homebrew and apt need of a release
    python3 dev.py lock           update the lock files from pyproject.toml
    python3 dev.py audit          check the locked packages for known flaws; needs the network
    python3 dev.py screenshots    take the pictures in docs/screenshots again

The first call makes `.venv` and installs exactly what the lock files say. On a Debian-like system it also
installs missing system libraries; without the rights for that, it prints the one command to type.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DEPENDABOT = ROOT / ".github" / "dependabot.yml"
OLDEST, NEWEST = (3, 11), (3, 13)
"""The versions of Python that the tests run with, and that all locked packages have wheels for."""
RUN_LOCK, DEV_LOCK = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"

# What the embedded llama.cpp loads at run time.
ENGINE_LIBRARIES = ["libgomp1"]
# What Qt's X11 and Wayland plugins load at run time; its wheel brings everything else but a font.
QT_LIBRARIES = (
    "fonts-dejavu-core libdbus-1-3 libegl1 libfontconfig1 libfreetype6 libgl1 libglib2.0-0 libx11-6 "
    "libx11-xcb1 libxcb-cursor0 libxcb-glx0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 "
    "libxcb-render-util0 libxcb-shape0 libxcb-shm0 libxcb-sync1 libxcb-util1 libxcb-xfixes0 libxcb-xkb1 "
    "libwayland-cursor0 libxkbcommon-x11-0 libxkbcommon0"
).split()
# A desktop for the tests: X server, window manager, tray host, session bus, pointer, fonts with Japanese.
TEST_DESKTOP = "curl dbus fonts-ipafont-gothic libglib2.0-bin openbox trayer xdotool xvfb".split()
# What downloads are compared with, and the server that all download from.
RIVALS = "aria2 iproute2 nginx-light".split()
# What takes programs and ICU's data apart, and makes packages for Linux.
PACKAGE_TOOLS = "binutils dpkg-dev icu-devtools squashfs-tools".split()
# What makes and signs a repository for apt.
LISTING_TOOLS = "apt-utils gpg gpg-agent".split()
# What makes, signs and runs the Windows package without Windows.
WINE_TOOLS = "gcc-mingw-w64-x86-64 nsis openssl osslsigncode wine wine64".split()

# Tests run in several processes, as many as tests/conftest.py says. A file stays in one, for its tests share
# what is slow to start; in order, so that the slow files, which are in the first folder, are not the last.
SIDE_BY_SIDE = ["--numprocesses=auto", "--dist=loadfile", "--no-loadscope-reorder"]

DESKTOP = [*ENGINE_LIBRARIES, *QT_LIBRARIES, *TEST_DESKTOP]
MODULES: dict[str, tuple[list[str], list[str]]] = {
    "fuzz": (["tests.fuzz"], ENGINE_LIBRARIES),
    "translate": (["tools.translations", "update"], []),
    "docs": (["tools"], []),
    "catalogue": (["tools.catalogue"], []),
    "bench": (["tests.benchmarks"], [*DESKTOP, *RIVALS]),
    "screenshots": (["tests.screenshots"], [*DESKTOP, "fonts-inter"]),
}
"""Commands that are a module, with the packages of the system that it needs."""
TESTS_FAILED = 1
"""pytest's exit code when tests have run and some failed."""
MOST_RUN_AGAIN = 5
LAST_FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"

Command = Sequence[str | Path]


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code."""
    match arguments:
        case ["run", *rest]:
            prepare(packages=[*ENGINE_LIBRARIES, *(QT_LIBRARIES if has_display() else [])], lock=RUN_LOCK)
            run_app(rest)
        case [name, *rest] if name in MODULES:
            module, packages = MODULES[name]
            prepare(packages=packages, lock=DEV_LOCK)
            code = call([PYTHON, "-m", *module, *rest])
        case ["test", *rest]:
            prepare(packages=[*DESKTOP, *PACKAGE_TOOLS, *LISTING_TOOLS, "nsis"], lock=DEV_LOCK)
            code = run_tests(rest)
        case ["check"]:
            prepare(packages=[], lock=DEV_LOCK)
            code = check()
        case ["package", *rest]:
            code = package(rest)
        case ["audit"]:
            prepare(packages=[], lock=DEV_LOCK)
            audit: list[str | Path] = [tool("pip-audit"), "--strict", "--disable-pip", "--require-hashes"]
            code = call([*audit, "--requirement", RUN_LOCK])
        case ["lock"]:
            prepare(packages=[], lock=DEV_LOCK)
            code = lock()
        case _:
            print(__doc__, file=sys.stderr)
            code = 2
    return code


def run_app(arguments: list[str]) -> NoReturn:
    """Become the app, so that signals reach it alone; on Windows, which has no exec, wait for it."""
    # -P: a module in the current folder must not take the place of a library.
    command = [str(PYTHON), "-P", "-m", "tray_app", *arguments]
    if os.name == "nt":
        sys.exit(subprocess.run(command, check=False).returncode)
    os.execv(PYTHON, command)


def run_tests(arguments: list[str]) -> int:
    """Run the tests. When all are run, the few that failed are run once more, alone.

    Real processes and clocks on a busy machine fail now and then. What fails again is broken; what does not
    is named, because a test that only passes alone has a defect of its own. As Python's own tests do it.
    """
    # They start the app hundreds of times, which is to be compiled once.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    code = call([PYTHON, "-m", "pytest", *SIDE_BY_SIDE, *arguments])
    if code != TESTS_FAILED or arguments:
        return code
    failed = sorted(json.loads(LAST_FAILED.read_text(encoding="utf-8")))
    if len(failed) > MOST_RUN_AGAIN:
        return code
    print(f"\nOnce more, alone: {', '.join(failed)}", flush=True)
    code = call([PYTHON, "-m", "pytest", "--last-failed", "--numprocesses=0"])
    if code == 0:
        print("\nPassed only when run alone, so to be mended:", *failed, sep="\n  ")
    return code


def package(arguments: list[str]) -> int:
    """Make packages; those for Windows also under Wine, with the proof that they work."""
    libraries = [*ENGINE_LIBRARIES, *QT_LIBRARIES]
    if arguments == ["windows-wine"]:
        prepare(packages=[*libraries, *TEST_DESKTOP, *WINE_TOOLS], lock=DEV_LOCK)
        return call([PYTHON, "-m", "pytest", "-v", "-rP", "tests/packaging/proof_windows.py"])
    if arguments[:1] == ["listings"]:
        prepare(packages=LISTING_TOOLS, lock=DEV_LOCK)
        return call([PYTHON, "packaging/listings.py", *arguments[1:]])
    proof = [*TEST_DESKTOP, "mmdebstrap"] if "--prove" in arguments else []
    prepare(packages=[*libraries, *PACKAGE_TOOLS, *proof], lock=DEV_LOCK)
    return call([PYTHON, "packaging/package.py", *arguments])


def check() -> int:
    """Every check, so that one run shows all that is wrong; 1 if any failed."""
    tools: list[Command] = [
        [tool("ruff"), "format", "--check", "--quiet"],
        [tool("ruff"), "check", "--quiet"],
        [tool("mypy")],
        [tool("lint-imports")],
        [PYTHON, "-m", "tools.translations", "check"],
        [tool("check-jsonschema"), "--quiet", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
        [tool("check-jsonschema"), "--quiet", "--builtin-schema", "vendor.dependabot", DEPENDABOT],
        [tool("zizmor"), "--offline", "--quiet", "--pedantic", *WORKFLOWS, DEPENDABOT],
    ]
    return max([call(command) != 0 for command in tools])


def lock() -> int:
    """Resolve pyproject.toml for all systems and Python versions at once, with the digest of every file."""
    compile_lock: list[str | Path] = [
        tool("uv"),
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--generate-hashes",
        "--upgrade",
    ]
    compile_lock += ["--no-header", "--no-emit-index-url", "--group", "build", "pyproject.toml"]
    return call([*compile_lock, "-o", RUN_LOCK.name]) or call(
        [*compile_lock, "--group", "dev", "-c", RUN_LOCK.name, "-o", DEV_LOCK.name]
    )


def tool(name: str) -> Path:
    """A program that the locked packages have put into `.venv`."""
    return PYTHON.with_name(f"{name}{PYTHON.suffix}")


def prepare(*, packages: list[str], lock: Path) -> None:
    """Bring system packages and `.venv` to what is asked; takes milliseconds if they are there already."""
    if not PYTHON.exists():
        refuse_other_pythons()
        if missing_venv_module():
            packages = [*packages, f"python3.{sys.version_info.minor}-venv"]
    install_packages(packages)
    stamp = VENV / f"{lock.name}.installed"
    wanted = hashlib.sha256(lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Preparing {VENV} (once) …", file=sys.stderr, flush=True)
    if not PYTHON.exists() or call([PYTHON, "-c", "import pip"]) != 0:
        must([sys.executable, "-m", "venv", "--clear", VENV])
    pip: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    must([*pip, "--require-hashes", "-r", lock])
    must([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT])
    stamp.write_text(wanted)


def refuse_other_pythons() -> None:
    """Stop where the locked packages could not be installed, before half a gigabyte of them is fetched."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    oldest, newest = (".".join(map(str, version)) for version in (OLDEST, NEWEST))
    python = f"py -{newest}" if os.name == "nt" else f"python{newest}"
    sys.exit(
        f"PowerInfer Tray needs Python {oldest} to {newest}; this is {sys.version.split()[0]}.\n"
        f"Install one of these, and call dev.py with it: {python} dev.py run"
    )


def missing_venv_module() -> bool:
    """Debian splits `ensurepip` from Python: without it, a virtual environment has no pip."""
    return importlib.util.find_spec("ensurepip") is None


def install_packages(names: list[str]) -> None:
    """Install what is missing of these Debian packages; on other systems there is nothing to do."""
    if not names or shutil.which("dpkg-query") is None:
        return
    missing = sorted(set(names) - installed_packages())
    if not missing:
        return
    apt = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing]
    rights = privileges()
    if rights is None:
        sys.exit(f"System libraries are missing. Install them, then try again:\n\n    sudo {' '.join(apt)}\n")
    print(f"Installing system packages: {' '.join(missing)}", file=sys.stderr, flush=True)
    must([*rights, "apt-get", "update", "--quiet"], output=subprocess.DEVNULL)
    must([*rights, "env", "DEBIAN_FRONTEND=noninteractive", *apt], output=subprocess.DEVNULL)


def installed_packages() -> set[str]:
    """Names of the installed Debian packages and of what they provide (Ubuntu's libglib2.0-0t64, for one)."""
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status},${Package},${Provides}\n"]
    rows = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    installed = [row.split(",")[1:] for row in rows if row.startswith("installed,")]
    return {name.split()[0] for row in installed for name in row if name.strip()}


def privileges() -> list[str] | None:
    """What to put before a command that needs root; None if there is no way to ask."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    # Where nobody can be asked, as in CI, sudo may need no password.
    probe = ["sudo", "--non-interactive", "true"]
    willing = (
        sys.stdin.isatty() or subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0
    )
    return ["sudo"] if willing else None


def has_display() -> bool:
    """Whether a window could be shown; only on Linux may there be none."""
    return sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def must(command: Command, *, output: int | None = None) -> None:
    """Run a command of the set-up, or stop with its exit code; its error messages stay visible."""
    if result := subprocess.run(command, stdout=output, check=False).returncode:
        sys.exit(f"This command failed ({result}): {' '.join(map(str, command))}")


def call(command: Command) -> int:
    """Run a tool in the project's folder; its exit code.

    Ctrl-C reaches the tool as well, which ends by itself, and may have something to say first.
    """
    process = subprocess.Popen(command, cwd=ROOT)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
