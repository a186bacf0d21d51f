"""The environment of the programs that this app starts: the system's, not a frozen app's. Any thread.

PyInstaller lets a frozen app find its bundled libraries through variables that children inherit. A native
engine, or `xdg-open`, would then load libraries that were made for another program.

An engine reads strangers' files: it is given the variables that it has a use for, and nobody's keys.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SAVED = "_ORIG"
"""What PyInstaller's starter adds to the name of a variable that it replaces."""
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "LIBPATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH")
_OF_THE_STARTER = ("_PYI_", "_MEIPASS2")

_FOR_ENGINES = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "TZ", "LANG", "LANGUAGE", "TMPDIR", "TEMP", "TMP"),
        *_LIBRARY_PATHS,
        # Where drivers of graphics cards look for their parts, and keep what they have compiled.
        *(
            "DYLD_FALLBACK_LIBRARY_PATH",
            "XDG_DATA_HOME",
            "XDG_DATA_DIRS",
            "XDG_CONFIG_HOME",
            "XDG_CONFIG_DIRS",
        ),
        *("XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "GPU_DEVICE_ORDINAL"),
        # Windows: its own libraries fail without some of these.
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "USERNAME", "PUBLIC"),
        *("HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "ALLUSERSPROFILE"),
        *("PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432", "COMMONPROGRAMFILES", "COMMONPROGRAMW6432"),
        *("COMMONPROGRAMFILES(X86)", "NUMBER_OF_PROCESSORS", "OS"),
    )
)
_FAMILIES_FOR_ENGINES = (
    "LC_",
    *("CUDA_", "NVIDIA_", "HIP_", "ROCR_", "ROCM_", "HSA_", "VK_", "MESA_", "RADV_", "MTL_", "METAL_"),
    *("SYCL_", "ONEAPI_", "ZE_", "ZES_", "MUSA_", "GGML_", "PROCESSOR_"),
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_"),
)
"""Graphics cards, libraries for computing, and the processor. Not `LLAMA_`: `LLAMA_ARG_…` would contradict
the arguments that this app gives."""
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
"""NVIDIA_API_KEY is of such a family, and a secret all the same."""

KEY_VARIABLE = "POWERINFER_TRAY_KEY_"
"""What the names of the variables begin with that give this app its keys."""
HUGGING_FACE_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Hugging Face's own, the older one last."""


def clean_environment(env: Mapping[str, str], bundle: Path | None) -> dict[str, str]:
    """`env` for a child: what the starter of a frozen app has put into it is taken out, what it hid is back.

    `bundle` is the folder with the app's own libraries, None where the app is not frozen; then `env` is good
    as it is. Of every other list of paths, as PATH, the entries inside the bundle are left out. What is clean
    stays as it is.
    """
    if bundle is None:
        return dict(env)
    clean = {}
    for name, value in env.items():
        replaced = name in _LIBRARY_PATHS and f"{name}{_SAVED}" in env
        if replaced or name.startswith(_OF_THE_STARTER):
            continue
        if name.endswith(_SAVED) and (plain := name.removesuffix(_SAVED)) in _LIBRARY_PATHS:
            if value:
                clean[plain] = value
            continue
        outside = _without(bundle, value)
        if outside or not value:
            clean[name] = outside
    return clean


def child_environment() -> dict[str, str]:
    """The environment for a program of the system: a clean one, without the keys of this app."""
    return without_keys(inherited_environment())


def engine_environment() -> dict[str, str]:
    """The environment for an engine, or any program that reads models: what it has a use for, no secrets."""
    return for_engines(inherited_environment())


def inherited_environment() -> dict[str, str]:
    """What this process was started with, without what the starter of a frozen app has put into it."""
    return clean_environment(os.environ, bundle_folder())


def for_engines(env: Mapping[str, str]) -> dict[str, str]:
    """Those variables of `env` that engines, their libraries and the drivers of graphics cards read."""
    return {
        name: value
        for name, value in env.items()
        if (name in _FOR_ENGINES or name.startswith(_FAMILIES_FOR_ENGINES)) and not _SECRET.search(name)
    }


def without_keys(env: Mapping[str, str]) -> dict[str, str]:
    """`env` without the variables that give this app its keys: an engine has no use for them."""
    return {
        name: value
        for name, value in env.items()
        if not name.startswith(KEY_VARIABLE) and name not in HUGGING_FACE_VARIABLES
    }


def adopt_clean_environment() -> None:
    """Have it for this process too, for programs that libraries start by themselves, as Qt does `xdg-open`.

    To be called once, when Qt has found its parts through the environment. Not on Windows: there the system
    starts such programs, and PATH may still be needed to find libraries.
    """
    if sys.platform != "win32":
        clean = clean_environment(os.environ, bundle_folder())
        for name in set(os.environ) - set(clean):
            del os.environ[name]
        os.environ.update(clean)


def bundle_folder() -> Path | None:
    """Where a frozen app has its own libraries; None for one that runs from its source or a wheel."""
    folder = getattr(sys, "_MEIPASS", None)
    return Path(folder) if folder else None


@contextmanager
def system_libraries(bundle: Path | None, kernel32: Any = None) -> Iterator[None]:
    """On Windows, let a program started in this block look for its DLLs where the system says.

    A frozen app has set a folder of its own, which children inherit. `kernel32` stands in for the library in
    tests.
    """
    library = kernel32 or _kernel32()
    if bundle is None or library is None:
        yield
        return
    library.SetDllDirectoryW(None)
    try:
        yield
    finally:
        library.SetDllDirectoryW(str(bundle))


def _without(bundle: Path, value: str) -> str:
    entries = value.split(os.pathsep)
    outside = [entry for entry in entries if not (entry and PurePath(entry).is_relative_to(bundle))]
    return value if len(outside) == len(entries) else os.pathsep.join(outside)


def _kernel32() -> Any:
    if sys.platform == "win32":
        return ctypes.WinDLL("kernel32")
    return None
