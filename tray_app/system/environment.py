"""The environment variables for programs that this app starts. Any thread.

A frozen app (PyInstaller) finds its bundled libraries through variables that child processes inherit. A
native engine, or `xdg-open`, would then load libraries that were made for another program.

An engine reads untrusted files, so it gets only the variables that it needs, and no keys.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from tray_app.system.kernel32 import kernel32

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SAVED = "_ORIG"
"""PyInstaller's bootloader saves a variable that it replaces under its name with this suffix."""
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "LIBPATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH")
_OF_THE_STARTER = ("_PYI_", "_MEIPASS2")

_FOR_ENGINES = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "TZ", "LANG", "LANGUAGE", "TMPDIR", "TEMP", "TMP"),
        *_LIBRARY_PATHS,
        # For drivers of graphics cards: where their parts and their compiled kernels are.
        *(
            "DYLD_FALLBACK_LIBRARY_PATH",
            "XDG_DATA_HOME",
            "XDG_DATA_DIRS",
            "XDG_CONFIG_HOME",
            "XDG_CONFIG_DIRS",
        ),
        *("XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "GPU_DEVICE_ORDINAL"),
        # For Windows: its own libraries need some of these.
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
"""Prefixes of variables for graphics cards, computing libraries and the processor. Not `LLAMA_`:
`LLAMA_ARG_…` would override arguments of this app."""
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
"""Names that are never passed on, even with such a prefix: NVIDIA_API_KEY is a secret."""

_SPINS = "GOMP_SPINCOUNT"
_SPINS_OF_ENGINES = "1000"
"""How often a thread of an engine looks whether the others have come as far, before it gives its core away.

GNU's OpenMP (llama.cpp on Linux) by itself looks 300,000 times, which takes milliseconds, at the end of each
of a model's many small steps: engines and other programs on the same cores then keep each other waiting. With
no look at all, each step would begin with waking a thread.
"""
_HOW_THREADS_WAIT = frozenset((_SPINS, "OMP_WAIT_POLICY"))

KEY_VARIABLE = "POWERINFER_TRAY_KEY_"
"""The prefix of the variables with this app's keys."""
HUGGING_FACE_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Hugging Face's variables for its token; the older one last."""


def clean_environment(env: Mapping[str, str], bundle: Path | None) -> dict[str, str]:
    """`env` for a child process, without the changes of PyInstaller's bootloader.

    `bundle` is the folder with the app's own libraries; None if the app is not frozen, and `env` is then
    returned unchanged. In lists of paths, such as PATH, entries inside the bundle are removed.
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
    """The environment for a program of the system: without the bootloader's changes and this app's keys."""
    return without_keys(inherited_environment())


def engine_environment() -> dict[str, str]:
    """The environment for an engine, or any program that reads models: only what it needs, no secrets."""
    return beside_others(for_engines(inherited_environment()))


def inherited_environment() -> dict[str, str]:
    """The environment of this process without the bootloader's changes."""
    return clean_environment(os.environ, bundle_folder())


def for_engines(env: Mapping[str, str]) -> dict[str, str]:
    """The variables in `env` that engines, their libraries and drivers of graphics cards read."""
    return {
        name: value
        for name, value in env.items()
        if (name in _FOR_ENGINES or name.startswith(_FAMILIES_FOR_ENGINES)) and not _SECRET.search(name)
    }


def beside_others(env: Mapping[str, str]) -> dict[str, str]:
    """`env` for an engine that shares the processor with others, unless the person says how its threads
    wait.
    """
    return {_SPINS: _SPINS_OF_ENGINES, **env} if _HOW_THREADS_WAIT.isdisjoint(env) else dict(env)


def without_keys(env: Mapping[str, str]) -> dict[str, str]:
    """`env` without the variables with this app's keys."""
    return {
        name: value
        for name, value in env.items()
        if not name.startswith(KEY_VARIABLE) and name not in HUGGING_FACE_VARIABLES
    }


def adopt_clean_environment() -> None:
    """Make the clean environment that of this process, for programs that libraries start (Qt starts
    `xdg-open`).

    To be called once, after Qt has found its plugins through the environment. Does nothing on Windows: there
    the system starts such programs, and PATH may still be needed to find libraries.
    """
    if sys.platform != "win32":
        clean = clean_environment(os.environ, bundle_folder())
        for name in set(os.environ) - set(clean):
            del os.environ[name]
        os.environ.update(clean)


def bundle_folder() -> Path | None:
    """The folder with a frozen app's own libraries; None for an app that runs from source or a wheel."""
    folder = getattr(sys, "_MEIPASS", None)
    return Path(folder) if folder else None


@contextmanager
def system_libraries(bundle: Path | None, library: Any = None) -> Iterator[None]:
    """On Windows, let programs that are started in this block search DLLs in the system's folders.

    A frozen app has set its own DLL folder, which child processes inherit. `library` is a fake of
    kernel32 in tests.
    """
    library = library or kernel32()
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
