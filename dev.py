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
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Command = Sequence[str | Path]

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DEPENDABOT = ROOT / ".github" / "dependabot.yml"
OLDEST, NEWEST = (3, 11), (3, 13)
"""The versions of Python that the tests run with, and that all locked packages have wheels for."""
RUN_LOCK, DEV_LOCK = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
OF_OTHER_PYTHONS = ("PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONPATH")
"""Variables that put modules of another Python, or another copy of the sources, before those in `.venv`, or
take away docstrings, of which help texts are made."""
PIP_MAY_KNOW = set(
    "CACHE_DIR CERT CLIENT_CERT CONFIG_FILE DEFAULT_TIMEOUT EXTRA_INDEX_URL FIND_LINKS INDEX_URL "
    "KEYRING_PROVIDER NO_CACHE_DIR NO_INDEX NO_INPUT PROXY RETRIES TIMEOUT TRUSTED_HOST".split()
)
"""What a person's `PIP_…` variables may say: where packages come from, not what is installed and where."""

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
# What downloads are compared with, the server that all download from, and what checks other commits out.
RIVALS = "aria2 git iproute2 nginx-light".split()
# What takes programs and ICU's data apart, tells the time of the sources, and makes packages for Linux.
PACKAGE_TOOLS = "binutils dpkg-dev git icu-devtools squashfs-tools".split()
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
REFUSED_BY_SUDO = 1
"""sudo's exit code if the person may not use it, or the password is wrong."""
TESTS_FAILED = 1
"""pytest's exit code when tests have run and some failed."""
MOST_RUN_AGAIN = 5
PACKAGES = ("linux", "macos", "windows", "windows-wine", "listings")
"""What `package` makes."""
LAST_FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code.

    Without `match`, so that a Python that is too old can read this file and say so.
    """
    name, rest = "".join(arguments[:1]), arguments[1:]
    forget_other_pythons()
    if name == "run":
        prepare(packages=[*ENGINE_LIBRARIES, *(QT_LIBRARIES if has_display() else [])], lock=RUN_LOCK)
        run_app(rest)
    if name in MODULES:
        module, packages = MODULES[name]
        prepare(packages=packages, lock=DEV_LOCK)
        return call([PYTHON, "-m", *module, *rest])
    if name == "test":
        prepare(packages=[*DESKTOP, *PACKAGE_TOOLS, *LISTING_TOOLS, "nsis"], lock=DEV_LOCK)
        return run_tests(rest)
    if name == "package" and rest[:1] and rest[0] in PACKAGES:
        return package(rest)
    if name in CHECKS and not rest:
        prepare(packages=[], lock=DEV_LOCK)
        return CHECKS[name]()
    asked = not {"-h", "--help", "help"}.isdisjoint(arguments)
    print(__doc__, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


def forget_other_pythons() -> None:
    """Take away what the environment tells every Python and pip: `.venv` has what is needed, nothing else."""
    for name in [*os.environ]:
        if name in OF_OTHER_PYTHONS or (name.startswith("PIP_") and name[4:] not in PIP_MAY_KNOW):
            del os.environ[name]


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
    if not arguments:  # it also names tests that have failed once and are no more
        LAST_FAILED.unlink(missing_ok=True)
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
    if arguments[0] == "windows-wine":
        if arguments[1:] or sys.platform != "linux" or os.geteuid() != 0:
            sys.exit(
                "The Windows package is built and tested under Wine on Debian, as root. Type it there, alone."
            )
        prepare(packages=[*libraries, *TEST_DESKTOP, *WINE_TOOLS], lock=DEV_LOCK)
        return call([PYTHON, "-m", "pytest", "-v", "-rP", "tests/packaging/proof_windows.py"])
    if arguments[0] == "listings":
        prepare(packages=LISTING_TOOLS, lock=DEV_LOCK)
        return call([PYTHON, ROOT / "packaging" / "listings.py", *arguments[1:]], Path.cwd())
    proof = [*TEST_DESKTOP, "mmdebstrap"] if "--prove" in arguments else []
    prepare(packages=[*libraries, *PACKAGE_TOOLS, *proof], lock=DEV_LOCK)
    return call([PYTHON, ROOT / "packaging" / "package.py", *arguments], Path.cwd())


def check() -> int:
    """Every check, so that one run shows all that is wrong; 1 if any failed."""
    schema: Command = [PYTHON, "-m", "check_jsonschema", "--quiet", "--builtin-schema"]
    tools: list[Command] = [
        [tool("ruff"), "format", "--check", "--quiet"],
        [tool("ruff"), "check", "--quiet"],
        [PYTHON, "-m", "mypy"],
        [PYTHON, "-c", "import importlinter.cli; importlinter.cli.lint_imports_command()"],
        [PYTHON, "-m", "tools.translations", "check"],
        [*schema, "vendor.github-workflows", *WORKFLOWS],
        [*schema, "vendor.dependabot", DEPENDABOT],
        [tool("zizmor"), "--offline", "--quiet", "--pedantic", *WORKFLOWS, DEPENDABOT],
    ]
    return max([call(command) != 0 for command in tools])


def audit() -> int:
    """Ask for known flaws of the locked packages."""
    ask: list[str | Path] = [PYTHON, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes"]
    return call([*ask, "--requirement", RUN_LOCK])


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


CHECKS = {"check": check, "audit": audit, "lock": lock}
"""Commands without arguments."""


def tool(name: str) -> Path:
    """A compiled program that the locked packages have put into `.venv`.

    Those in Python are run as modules: their scripts name the folder that they were installed in.
    """
    return PYTHON.with_name(f"{name}{PYTHON.suffix}")


def prepare(*, packages: list[str], lock: Path) -> None:
    """Bring system packages and `.venv` to what is asked; takes milliseconds if they are there already."""
    if is_prepared(lock):
        install_packages(packages)
        return
    with one_at_a_time():
        usable = is_usable()
        if not usable:
            refuse_other_pythons()
            if missing_venv_module():
                packages = [*packages, f"python3.{sys.version_info.minor}-venv"]
        install_packages(packages)
        if not is_prepared(lock):  # by another terminal, meanwhile
            install_locked(lock, anew=not usable)


def is_prepared(lock: Path) -> bool:
    """Whether `.venv` has what this lock file says."""
    stamp = stamp_of(lock)
    return PYTHON.exists() and stamp.exists() and stamp.read_text() == fingerprint(lock)


def is_usable() -> bool:
    """Whether packages can be installed into `.venv`.

    Not if its Python has been replaced, as by an upgrade of the system. Nor where an installation was cut
    short: pip writes `RECORD` last, and names what it is replacing `~…`. It could not mend such a package.
    """
    pip: Command = [PYTHON, "-P", "-m", "pip", "--version"]
    if not PYTHON.exists() or subprocess.run(pip, check=False, capture_output=True).returncode:
        return False
    cut_short = [path for path in in_site_packages("*.dist-info") if not (path / "RECORD").exists()]
    return not cut_short and not in_site_packages("~*")


def in_site_packages(pattern: str) -> list[Path]:
    """What lies in the folder of the installed packages; its place differs on Windows."""
    return [*VENV.glob(f"lib/python*/site-packages/{pattern}"), *VENV.glob(f"Lib/site-packages/{pattern}")]


def stamp_of(lock: Path) -> Path:
    """Where it is written that this lock file is installed."""
    return VENV / f"{lock.name}.installed"


def fingerprint(lock: Path) -> str:
    """Another one for other packages and for another Python, as after an upgrade of the system."""
    told = lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + os.fsencode(os.path.realpath(PYTHON))
    return hashlib.sha256(told).hexdigest()


def install_locked(lock: Path, *, anew: bool) -> None:
    """Install exactly what the lock file says, and the app where it lies."""
    print(f"Preparing {VENV} (once, with up to 500 MB to download) …", file=sys.stderr, flush=True)
    # -P: a module in the current folder must not take the place of one of theirs.
    if anew:
        must([sys.executable, "-P", "-m", "venv", "--clear", VENV])
    stamp = stamp_of(lock)
    stamp.unlink(missing_ok=True)
    pip: list[str | Path] = [PYTHON, "-P", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    pip.append("--no-user")  # whatever pip's settings say
    must(
        [*pip, "--require-hashes", "-r", lock],
        hint="Check the internet connection and the proxy. Then try again.",
    )
    must([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT])
    # Relative, so that the folder can be moved, and in ASCII, which Python can read in every locale.
    for link in in_site_packages("*powerinfer_tray.pth"):
        link.write_text(os.path.relpath(ROOT, link.parent))
    stamp.write_text(fingerprint(lock))
    if lock == RUN_LOCK:
        print('Ready. Where the app says "powerinfer-tray", type "python3 dev.py run".', file=sys.stderr)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait while another terminal sets this folder up. Windows cannot lock this way: there, nobody waits."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with Path(__file__).open() as this:
        try:
            fcntl.flock(this, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another terminal that sets this folder up …", file=sys.stderr, flush=True)
            fcntl.flock(this, fcntl.LOCK_EX)
        except OSError:  # some network drives cannot lock
            pass
        yield


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
    if not names or not all(map(shutil.which, ("apt-get", "dpkg-query"))):
        return
    missing = sorted(set(names) - installed_packages())
    if not missing:
        return
    install = f"apt-get install --yes --no-install-recommends {' '.join(missing)}"
    proxies = apt_proxies()
    rights = privileges()
    if rights is None:
        refuse_without_rights(install, proxies, way="sudo sh" if shutil.which("sudo") else "su -")
    print(f"Installing system packages: {' '.join(missing)}", file=sys.stderr, flush=True)
    # sudo drops the variables that it is not told to keep.
    keep = [f"--preserve-env={','.join(proxies)}"] if rights and proxies else []
    # An old list of packages is enough where one of the sources does not answer.
    quiet = f"apt-get update >{os.devnull}; {install} >{os.devnull}"
    command = [*rights, *keep, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", quiet]
    values = {name: os.environ[given] for name, given in proxies.items()}
    code = wait(command, environ={**os.environ, **values})
    if rights and code == REFUSED_BY_SUDO:
        refuse_without_rights(install, proxies, way="su -")
    if code:
        sys.exit(
            f"The system packages were not installed (apt-get: {code}). Read its messages above, "
            "check the internet connection and the proxy, then try again."
        )


def refuse_without_rights(install: str, proxies: dict[str, str], *, way: str) -> NoReturn:
    """Stop, and say what a person who has the rights can type; `proxies` as `apt_proxies` gives them."""
    exports = "".join(f"export {name}='${given}'; " for name, given in proxies.items())
    sys.exit(
        "System packages are missing. Type this one command, or ask an administrator to do it. "
        f'Then try again.\n\n    {way} -c "{exports}apt-get update; {install}"\n'
    )


def apt_proxies() -> dict[str, str]:
    """The variables that apt reads proxies from, each with the one that is set: apt ignores capitals."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    found = {name: name if os.environ.get(name) else name.upper() for name in names}
    return {name: given for name, given in found.items() if os.environ.get(given)}


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


def must(command: Command, *, hint: str = "") -> None:
    """Run a command of the set-up, or stop with its exit code; its error messages stay visible."""
    result = wait(command)
    if result:
        sys.exit(f"This command failed ({result}): {' '.join(map(str, command))}\n{hint}".rstrip())


def wait(command: Command, *, environ: dict[str, str] | None = None) -> int:
    """Run a command of the set-up to its end; its exit code.

    Ctrl-C reaches it as well. It ends by itself, because a package manager must not be killed halfway.
    """
    process = subprocess.Popen(command, env=environ)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


def call(command: Command, folder: Path = ROOT) -> int:
    """Run a tool in the project's folder, or where a person's own paths are meant; its exit code.

    Ctrl-C reaches the tool as well, which ends by itself, and may have something to say first.
    """
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PATH": search_path()})
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def search_path() -> str:
    """Where tools are looked for. Debian keeps some, such as ICU's, where only root looks for them."""
    path = os.environ.get("PATH") or os.defpath
    return path if os.name == "nt" else os.pathsep.join([path, "/usr/sbin", "/sbin"])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on from here.", file=sys.stderr)
        sys.exit(130)
