"""Makes small wheels, and is the build back end (PEP 660) of a project that has no other."""

from __future__ import annotations

import zipfile
from pathlib import Path


def write_wheel(file: Path, modules: dict[str, str]) -> None:
    """Write a wheel, named as wheels are, of these files and their texts."""
    name, version = file.name.split("-")[:2]
    facts = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(file, "w") as wheel:
        for path, text in modules.items():
            wheel.writestr(path, text)
        for fact, text in facts.items():
            wheel.writestr(f"{name}-{version}.dist-info/{fact}", text)


def build_editable(wheel_directory: str, *_: object) -> str:
    """What pip calls to install the project of the current folder where it lies."""
    file = Path(wheel_directory, "powerinfer_tray-1-py3-none-any.whl")
    write_wheel(file, {"_editable_impl_powerinfer_tray.pth": str(Path.cwd())})
    return file.name
