"""What a package holds: rules over the names of its files and modules. Main thread of the build.

Names are those inside the bundle, with `/`. The spec applies the rules; `freeze.py` checks what came out.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Row = tuple[str, str, str]
"""A file for the package as PyInstaller lists it: its name there, where it comes from, its kind."""

APP = "powerinfer-tray"
TITLE = "PowerInfer Tray"
APP_ID = "org.powerinfer-tray.app"

UNUSED_MODULES = {
    "of the standard library: what optional imports bring along, and nothing here calls": (
        "curses doctest ensurepip idlelib lib2to3 pydoc_data readline sqlite3 test tkinter unittest venv"
    ),
    "of Qt: pyqtgraph imports these if they are there, and does without": (
        "PySide6.QtNetwork PySide6.QtTest"
    ),
    "of libraries: large parts that other programs than ours use": (
        "numpy.f2py numpy.testing pyqtgraph.examples pyqtgraph.opengl"
    ),
}
"""Modules that stay out, by reason."""

HIDDEN_MODULES = ["PySide6.QtOpenGL", "PySide6.QtOpenGLWidgets"]
"""Modules that PyInstaller does not see: pyqtgraph imports these by names that it puts together.

All of our own are added, as some are imported by name too.
"""

PLUGINS = {
    # Screens; `qoffscreen` is for a look without one.
    "platforms": {"qxcb", "qwayland", "qwindows", "qcocoa", "qoffscreen"},
    # Japanese, and dead keys.
    "platforminputcontexts": {"composeplatforminputcontextplugin", "ibusplatforminputcontextplugin"},
    # The desktop's own file dialog. GTK's theme would need all of GTK.
    "platformthemes": {"qxdgdesktopportal"},
    "styles": {"qmodernwindowsstyle", "qmacstyle"},
    # Icon themes of Linux desktops are drawings.
    "iconengines": {"qsvgicon"},
    # Symbols, and the pictures that a chat takes.
    "imageformats": {"qsvg", "qgif", "qjpeg", "qwebp"},
    "wayland-shell-integration": {"xdg-shell"},
    "wayland-decoration-client": {"adwaita", "bradient"},
}
"""The Qt plugins that stay, by kind. All others go, with the libraries that only they load."""

PICTURES = ("gif", "jpeg", "webp")
"""The kinds of pictures that a chat takes and that Qt reads with plugins; it reads PNG and BMP without."""
_PLUGIN = re.compile(r"^PySide6/(?:Qt/)?plugins/(?P<kind>[^/]+)/(?:lib)?(?P<name>[^/.]+)\.(?:so|dll|dylib)$")
_QT_LANGUAGE = re.compile(r"^PySide6/(?:Qt/)?translations/(?P<name>[^/]+)\.qm$")
_UNUSED_FILE = re.compile(
    r"""
    (^|/)(lib)?Qt6?(EglFS\w*|EglFs\w*|Network|Pdf|Qml\w*|Quick\w*|Test|VirtualKeyboard|WlShell\w*)
        (\.framework/.*|\.so\.6|\.dll)$
    | ^PySide6/opengl32sw\.dll$     # draws OpenGL without a graphics card: our widgets need neither
    | ^pyqtgraph/icons/peegee/      # the icon of programs that have none of their own
    """,
    re.VERBOSE,
)

_UNUSED_MODULE = re.compile(
    # `rich` colors nothing but Python for us.
    r"^pygments\.(lexers|styles)\.(?!(_mapping|default|monokai|python|special)$)"
)

_OF_THE_SYSTEM = re.compile(
    r"""
    ^lib(
        stdc\+\+ | gcc_s | gomp     # those of the graphics drivers
        | X11 | X11-xcb | Xau | Xdmcp | Xext | Xrender | bsd | md | xkbcommon | xkbcommon-x11
        | fontconfig | freetype | expat | png16 | harfbuzz | graphite2 | brotli\w+
        | glib-2\.0 | gio-2\.0 | gmodule-2\.0 | gobject-2\.0 | gthread-2\.0 | pcre2-8
        | selinux | mount | blkid | dbus-1 | systemd | cap | gcrypt | gpg-error | lz4 | z
    )\.so""",
    re.VERBOSE,
)
"""Libraries of a Linux desktop that must be those of the machine: they share its settings and services."""

# Wheels with libraries of others in them, whose paths were changed afterwards: `strip` damages such files.
_PATCHED = re.compile(r"^(numpy|PySide6|shiboken6)/|(^|/)[^/]+\.libs/")
_LIBRARY = re.compile(r"\.so(\.[0-9.]+)?$")
_PYTHON = re.compile(r"^libpython3\.\d+\.so")
_SOURCES = Path(__file__).resolve().parents[1]

_EVERYWHERE = [
    r"resources/catalog\.toml",
    r"resources/engines\.toml",
    *(rf"resources/proof-models/proof-{kind}\.gguf" for kind in ("F16", "Q8_0", "Q4_0", "Q4_K")),
    r"resources/proof-models/vectors\.json",
    r"resources/test-model/test\.gguf",
    r"resources/icons/app\.svg",
    r"resources/icons/app-32\.png",
    r"resources/icons/symbols/chevron\.svg",
    r"licenses\.txt",
    r"sbom\.cdx\.json",
    r"PySide6/QtWidgets\.[^/]*(so|pyd)",
    r"PySide6/QtOpenGL\.[^/]*(so|pyd)",
    r"PySide6/QtOpenGLWidgets\.[^/]*(so|pyd)",
]
_LLAMA_CPP = r"xllamacpp/xllamacpp\.[^/]*(so|pyd)"
REQUIRED = {
    "linux": [
        *_EVERYWHERE,
        r"PySide6/Qt/plugins/platforms/libqxcb\.so",
        r"PySide6/Qt/plugins/platforms/libqwayland\.so",
        r"PySide6/Qt/plugins/wayland-shell-integration/libxdg-shell\.so",
        r"PySide6/Qt/plugins/platforminputcontexts/libibusplatforminputcontextplugin\.so",
        r"PySide6/Qt/plugins/platforms/libqoffscreen\.so",
        *(rf"PySide6/Qt/plugins/imageformats/libq{kind}\.so" for kind in ("svg", *PICTURES)),
        r"PySide6/Qt/plugins/iconengines/libqsvgicon\.so",
        r"libxcb-cursor\.so\.0",
        r"libxcb-icccm\.so\.4",
        r"libxcb-keysyms\.so\.1",
    ],
    "macos": [
        *_EVERYWHERE,
        r"PySide6/Qt/plugins/platforms/libqcocoa\.dylib",
        r"PySide6/Qt/plugins/styles/libqmacstyle\.dylib",
        *(rf"PySide6/Qt/plugins/imageformats/libq{kind}\.dylib" for kind in ("svg", *PICTURES)),
    ],
    "windows": [
        *_EVERYWHERE,
        r"PySide6/plugins/platforms/qwindows\.dll",
        r"PySide6/plugins/styles/qmodernwindowsstyle\.dll",
        *(rf"PySide6/plugins/imageformats/q{kind}\.dll" for kind in ("svg", *PICTURES)),
        # Not every Windows has Microsoft's C++ runtime.
        *(rf"{name}140\.dll" for name in ("msvcp", "vcruntime", "vcomp")),
        r"vcruntime140_1\.dll",
    ],
}
"""For each system, patterns of which each must match a file: without it, the app does not start or work."""


def is_used(name: str, languages: Iterable[str]) -> bool:
    """Whether a file that PyInstaller found belongs into the package. `languages`: besides English."""
    name = name.replace("\\", "/")
    if plugin := _PLUGIN.match(name):
        return plugin["name"] in PLUGINS.get(plugin["kind"], ())
    if language := _QT_LANGUAGE.match(name):
        return language["name"] in {f"qtbase_{code}" for code in languages}
    return not _UNUSED_FILE.search(name)


def is_used_module(name: str) -> bool:
    """Whether a module in Python that PyInstaller found belongs into the package."""
    return not _UNUSED_MODULE.match(name)


def without_unneeded(rows: Sequence[Row], imports: Callable[[str], Iterable[str]]) -> list[Row]:
    """PyInstaller's list of binaries for Linux, without libraries that the package is better off without.

    These are those of `_OF_THE_SYSTEM`, and those of this machine that nothing in the list loads any more.
    `imports` tells the file names of the libraries that a file loads.
    """
    ours = [row for row in rows if not _OF_THE_SYSTEM.match(row[0])]
    libraries = {row[0]: row for row in ours if row[2] == "BINARY" and _from_the_system(row[1])}
    needed = [row for row in ours if row[0] not in libraries]
    # No file names Python's own library: the program that PyInstaller makes loads it.
    needed += [libraries.pop(name) for name in [*libraries] if _PYTHON.match(name)]
    for row in needed:  # grows as it goes
        if row[2] != "SYMLINK":
            needed += [libraries.pop(name) for name in imports(row[1]) if name in libraries]
    return needed


def _from_the_system(source: str) -> bool:
    """Whether a file is of the system, and not of sources with their `.venv` in a folder such as /usr/src."""
    file = Path(source)
    return file.parts[:2] in {("/", "lib"), ("/", "usr")} and not file.is_relative_to(_SOURCES)


def languages(translations: Path) -> set[str]:
    """The languages, besides English, that a folder of translations holds."""
    return {file.stem.rpartition("_")[2] for file in translations.glob("*.qm")}


def missing(
    names: Iterable[str], system: str, *, llama_cpp: bool, languages: Iterable[str] = ()
) -> list[str]:
    """The patterns of what the package of a system must hold, and that no file of it matches."""
    files = [name.replace("\\", "/") for name in names]
    wanted = [*REQUIRED[system]]
    if llama_cpp:
        wanted.append(_LLAMA_CPP)
    for code in languages:  # our texts, and those of Qt's own dialogs
        wanted += [rf"resources/translations/.*_{code}\.qm", rf"PySide6/(Qt/)?translations/qtbase_{code}\.qm"]
    return [pattern for pattern in wanted if not any(re.fullmatch(pattern, name) for name in files)]


def unresolved(log: str) -> list[str]:
    """What PyInstaller's log says of libraries that it did not find and a file of the package needs.

    PyInstaller only warns; the app would abort at its start on a machine that has not got them either.
    """
    warning = re.compile(
        r"Library not found: could not resolve '(?P<library>[^']+)', dependency of '(?P<file>[^']+)'"
    )
    found = [(row["library"], row["file"].replace("\\", "/")) for row in warning.finditer(log)]
    return [
        f"{library}, needed by {file}"
        for library, file in found
        if not library.startswith("api-ms-win-")  # a name that Windows 10 itself leads to a library
        and is_used(file[file.rfind("PySide6/") :] if "PySide6/" in file else file, ())
    ]


def closure() -> dict[str, importlib.metadata.Distribution]:
    """The app's distribution and all that it needs on this machine, by name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = [APP]
    while wanted:
        this = importlib.metadata.distribution(wanted.pop())
        if this.name in found:
            continue
        found[this.name] = this
        needs = map(Requirement, this.requires or ())
        wanted += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def has_llama_cpp() -> bool:
    """Whether llama.cpp comes with the app on this machine."""
    return "xllamacpp" in closure()


def strangers() -> list[str]:
    """Top-level modules that are installed here, but that the app does not need: tools of developers.

    Libraries import some of them if they are there; without this the package would hold a type checker.
    """
    family = closure().keys()
    modules = importlib.metadata.packages_distributions()
    return sorted(module for module, owners in modules.items() if not family & set(owners))


def without_debug_information(row: Row, work: Path) -> Row:
    """The same file of PyInstaller's list, without what only a debugger reads; a copy if it is a library.

    Those of the system have none, and those that wheels have patched are left as they are.
    """
    name, source, kind = row
    if kind == "SYMLINK" or not _LIBRARY.search(name) or _PATCHED.search(name) or _from_the_system(source):
        return row
    copy = work / "stripped" / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["strip", "--strip-unneeded", "-o", copy, source], check=True)
    return name, str(copy), kind
