"""A Windows CPython for tests under Wine, made without Windows.

The DLL and the compiled modules are python.org's own, out of a wheel that carries them; the modules in Python
are those of the interpreter that runs this, so both must be of the same minor version. Releases are built on
Windows.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from tests.packaging.wine.disk import COMPILER, SHIMS, compile_dll, exported_names, write_forwards

VERSION = f"{sys.version_info.major}{sys.version_info.minor}"
FULL_VERSION = ".".join(map(str, sys.version_info[:3]))

_DONOR = "panda3d==1.10.16"
_DONOR_SHA256 = {
    "311": "37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82",
    "312": "f6493e2ecc0d1b7c1556a999556e5278cbc9484fe5fe1e159a1ccc02b870b18f",
    "313": "0e505261bb58d8402d0099c291f1a3459acfdd38f3e7d666e72aa2e1ea5dc46f",
}
_NOT_NEEDED = (
    "site-packages",
    "dist-packages",
    "__pycache__",
    "lib-dynload",
    "test",
    "idlelib",
    "turtledemo",
    "config-*",
)
# It asks a service that Wine does not have, and waits.
_BREAKS_UNDER_WINE = "_wmi.pyd"


def make_python(folder: Path, lock: str, project: Path, work: Path) -> Path:
    """Put a Windows CPython with the packages of `lock` and the project into `folder`; its `python.exe`.

    `work` keeps what is fetched for it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    modules, library = folder / "DLLs", folder / "Lib"
    modules.mkdir(parents=True)
    _unpack_donor(_donor(work), folder, modules)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=shutil.ignore_patterns(*_NOT_NEEDED))
    packages = library / "site-packages"
    packages.mkdir()
    _write_license(library / "LICENSE.txt")
    name = f'-DPYTHON_DLL=L"python{VERSION}.dll"'
    options = ("-O2", "-s", "-municode", name)
    subprocess.run((COMPILER, *options, "-o", folder / "python.exe", SHIMS / "python.c"), check=True)
    _make_stable_abi(folder)
    _install(lock, packages, work)
    _install_project(project, packages, work)
    return folder / "python.exe"


def _donor(work: Path) -> Path:
    work.mkdir(parents=True, exist_ok=True)
    pip("download", "--no-deps", "--dest", str(work), _DONOR)
    (wheel,) = work.glob(f"panda3d-*-cp{VERSION}-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != _DONOR_SHA256[VERSION]:
        sys.exit(f"{wheel.name} is not the file that is expected: its SHA-256 is {digest}.")
    return wheel


def _unpack_donor(wheel: Path, folder: Path, modules: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            if not entry.startswith("deploy_libs/") or not entry.endswith((".dll", ".pyd")):
                continue
            name = entry.removeprefix("deploy_libs/")
            if name.startswith("api-ms-") or name == _BREAKS_UNDER_WINE:
                continue
            beside_program = re.match(r"python\d+\.dll|vcruntime|msvcp", name, re.IGNORECASE)
            ((folder if beside_program else modules) / name).write_bytes(archive.read(entry))


def _write_license(file: Path) -> None:
    """Python's license, which Debian keeps elsewhere than Python does."""
    if not file.exists():
        debian = Path(f"/usr/share/doc/python3.{sys.version_info.minor}/copyright")
        shutil.copyfile(debian, file)


def _make_stable_abi(folder: Path) -> None:
    """Write `python3.dll`, which modules for any version load: it forwards to the version's own DLL."""
    definition = folder / "python3.def"
    names = exported_names(folder / f"python{VERSION}.dll")
    write_forwards(definition, "python3.dll", {name: f"python{VERSION}.{name}" for name in names})
    compile_dll(folder / "python3.dll", definition)
    definition.unlink()


def _install(lock: str, target: Path, work: Path) -> None:
    requirements = work / "windows.lock"
    requirements.write_text(lock)
    pip("install", "--no-deps", "--require-hashes", "--target", str(target), "-r", str(requirements))


def _install_project(project: Path, target: Path, work: Path) -> None:
    """Install the project too: packaging asks what it needs, and what is there for other reasons."""
    build = (sys.executable, "-m", "pip", "-qq", "wheel", "--no-deps", "--no-build-isolation")
    subprocess.run((*build, "--wheel-dir", str(work), str(project)), check=True)
    (wheel,) = work.glob(f"powerinfer_tray-{importlib.metadata.version('powerinfer-tray')}-*.whl")
    pip("install", "--no-deps", "--target", str(target), str(wheel))


def pip(command: str, *arguments: str) -> None:
    """Run pip for a 64-bit Windows with this Python version, on the index that this machine is set up for."""
    target = (
        "--only-binary=:all:",
        "--platform=win_amd64",
        "--implementation=cp",
        f"--python-version={VERSION}",
    )
    call = (sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check")
    subprocess.run((*call, command, *target, *arguments), check=True)
