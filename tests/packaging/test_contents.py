"""What goes into a package and what stays out, by name."""

from __future__ import annotations

import ctypes
import importlib
import json
import shutil
import subprocess
from pathlib import Path

import multidict
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import contents
import licenses
import sbom
from tray_app.ui import chat_pictures

QT = "PySide6/Qt"
LANGUAGES = {"fr", "ja"}


@pytest.mark.parametrize(
    "name",
    [
        f"{QT}/plugins/platforms/libqxcb.so",
        f"{QT}/plugins/platforms/libqwayland.so",
        f"{QT}/plugins/platforms/libqcocoa.dylib",
        "PySide6\\plugins\\platforms\\qwindows.dll",
        "PySide6\\plugins\\styles\\qmodernwindowsstyle.dll",
        f"{QT}/plugins/platforminputcontexts/libibusplatforminputcontextplugin.so",
        f"{QT}/translations/qtbase_ja.qm",
        f"{QT}/lib/libQt6Widgets.so.6",
        f"{QT}/lib/libQt6OpenGL.so.6",
        f"{QT}/lib/libQt6OpenGLWidgets.so.6",
        "libQt6Core.so.6",
        "numpy/_core/_multiarray_umath.so",
        "resources/translations/powerinfer_tray_fr.qm",
    ],
)
def test_what_the_app_needs_stays(name: str) -> None:
    assert contents.is_used(name, LANGUAGES)


@pytest.mark.parametrize(
    "name",
    [
        f"{QT}/plugins/platforms/libqeglfs.so",
        f"{QT}/plugins/platforms/libqminimal.so",
        f"{QT}/plugins/platformthemes/libqgtk3.so",
        f"{QT}/plugins/tls/libqopensslbackend.so",
        f"{QT}/plugins/sqldrivers/libqsqlite.so",
        "PySide6\\plugins\\imageformats\\qtiff.dll",
        "PySide6\\opengl32sw.dll",
        "PySide6\\Qt6Network.dll",
        f"{QT}/translations/qtbase_de.qm",
        f"{QT}/translations/qt_help_fr.qm",
        f"{QT}/lib/libQt6Network.so.6",
        f"{QT}/lib/libQt6EglFSDeviceIntegration.so.6",
        f"{QT}/lib/QtNetwork.framework/Versions/A/QtNetwork",
        "libQt6Network.so.6",
        "pyqtgraph/icons/peegee/peegee_512px@2x.png",
    ],
)
def test_what_no_part_of_it_uses_is_left_out(name: str) -> None:
    assert not contents.is_used(name, LANGUAGES)


def test_a_package_reads_the_pictures_that_a_chat_takes() -> None:
    in_qt_itself = {"png", "bmp"}

    assert {kind.decode() for kind in chat_pictures._FORMATS} - in_qt_itself == set(contents.PICTURES)
    assert {f"q{kind}" for kind in contents.PICTURES} <= contents.PLUGINS["imageformats"]


def test_rich_finds_the_colors_of_python_and_no_other_language() -> None:
    used = [
        importlib.import_module(f"pygments.{name}").__name__
        for name in ("lexers", "lexers.python", "styles.monokai", "token")
    ]

    assert all(map(contents.is_used_module, [*used, "tray_app.cli.main"]))
    assert not contents.is_used_module("pygments.lexers.haskell")


@pytest.mark.skipif(shutil.which("strip") is None, reason="needs binutils")
def test_libraries_lose_what_debuggers_read_unless_a_wheel_has_patched_them(tmp_path: Path) -> None:
    source = next(Path(multidict.__file__).parent.glob("_multidict.*.so"))

    name, copy, kind = contents.without_debug_information(
        ("multidict/_multidict.so", str(source), "EXTENSION"), tmp_path
    )

    assert (name, kind) == ("multidict/_multidict.so", "EXTENSION")
    assert Path(copy).stat().st_size < source.stat().st_size
    ctypes.CDLL(copy)
    for row in (
        ("numpy/_core/_multiarray_umath.so", "/venv/a.so", "EXTENSION"),
        ("numpy.libs/libscipy_openblas64_-aa.so", "/venv/a.so", "BINARY"),
        ("PySide6/Qt/lib/libQt6Core.so.6", "/venv/a.so.6", "BINARY"),
        ("libssl.so.3", "/lib/x86_64-linux-gnu/libssl.so.3", "BINARY"),
        ("resources/bin/linux-x86_64/server", "/programs/server", "BINARY"),
        ("libQt6Core.so.6", "PySide6/Qt/lib/libQt6Core.so.6", "SYMLINK"),
    ):
        assert contents.without_debug_information(row, tmp_path) == row


@pytest.mark.parametrize("system", sorted(contents.REQUIRED))
def test_rules_do_not_contradict_each_other(system: str) -> None:
    for pattern in contents.REQUIRED[system]:
        name = pattern.replace("\\", "").replace("[^/]*(so|pyd)", "abi3.so")
        assert contents.is_used(name, LANGUAGES), name
        assert contents.missing([name], system, llama_cpp=True).count(pattern) == 0


def test_a_package_that_lacks_a_plugin_is_found_out() -> None:
    names = [
        pattern.replace("\\", "").replace("[^/]*(so|pyd)", "abi3.so")
        for pattern in contents.REQUIRED["linux"]
    ]

    assert contents.missing(names, "linux", llama_cpp=False) == []
    assert contents.missing(names, "linux", llama_cpp=True) == [r"xllamacpp/xllamacpp\.[^/]*(so|pyd)"]
    assert contents.missing(names, "linux", llama_cpp=False, languages=["ja"]) == [
        r"resources/translations/.*_ja\.qm",
        r"PySide6/(Qt/)?translations/qtbase_ja\.qm",
    ]
    assert contents.missing(names[:-1], "linux", llama_cpp=False) == contents.REQUIRED["linux"][-1:]


def test_a_missing_library_fails_the_build_if_what_needs_it_is_used() -> None:
    warning = (
        "12 WARNING: Library not found: could not resolve '{}', dependency of '/a/PySide6/Qt/plugins/{}'.\n"
    )
    gtk = warning.format("libgtk-3.so.0", "platformthemes/libqgtk3.so")
    xcb = warning.format("libxcb-icccm.so.4", "platforms/libqxcb.so")

    assert contents.unresolved(gtk) == []
    assert contents.unresolved(gtk + xcb) == [
        "libxcb-icccm.so.4, needed by /a/PySide6/Qt/plugins/platforms/libqxcb.so"
    ]


def test_libraries_of_the_machine_and_those_that_nothing_loads_are_left_out() -> None:
    rows = [
        ("PySide6/Qt/plugins/platforms/libqxcb.so", "/venv/libqxcb.so", "BINARY"),
        ("libQt6Core.so.6", "PySide6/Qt/lib/libQt6Core.so.6", "SYMLINK"),
        ("libxcb-cursor.so.0", "/lib/x86_64-linux-gnu/libxcb-cursor.so.0", "BINARY"),
        ("libxcb-util.so.1", "/usr/lib/x86_64-linux-gnu/libxcb-util.so.1", "BINARY"),
        ("libstdc++.so.6", "/lib/x86_64-linux-gnu/libstdc++.so.6", "BINARY"),
        ("libpango-1.0.so.0", "/lib/x86_64-linux-gnu/libpango-1.0.so.0", "BINARY"),
        ("libpython3.11.so.1.0", "/opt/python/lib/libpython3.11.so.1.0", "BINARY"),
    ]
    loads = {
        "/venv/libqxcb.so": ["libxcb-cursor.so.0", "libstdc++.so.6", "libc.so.6"],
        "/lib/x86_64-linux-gnu/libxcb-cursor.so.0": ["libxcb-util.so.1"],
    }

    kept = contents.without_unneeded(rows, lambda file: loads.get(file, []))

    assert {name for name, _, _ in kept} == {
        "PySide6/Qt/plugins/platforms/libqxcb.so",
        "libQt6Core.so.6",
        "libxcb-cursor.so.0",
        "libxcb-util.so.1",
        "libpython3.11.so.1.0",
    }


@pytest.mark.parametrize("folder", ["/usr/src/app", "/usr/local/src/powerinfer tray"])
def test_sources_in_a_folder_of_the_system_are_not_of_the_system(
    folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(contents, "_SOURCES", Path(folder))
    packages = f"{folder}/.venv/lib/python3.12/site-packages"
    row = ("PySide6/Qt/plugins/platforms/libqxcb.so", f"{packages}/PySide6/libqxcb.so", "BINARY")

    assert contents.without_unneeded([row], lambda _: []) == [row]
    # Those of the system have no debug information; this one would be stripped, and is not there.
    with pytest.raises(subprocess.CalledProcessError):
        contents.without_debug_information(("a.so", f"{packages}/a.so", "EXTENSION"), tmp_path)


def test_pythons_own_library_stays_though_it_is_the_systems_and_no_file_names_it() -> None:
    folder = "/usr/lib/x86_64-linux-gnu"
    rows = [
        ("libpython3.11.so.1.0", f"{folder}/libpython3.11.so.1.0", "BINARY"),
        ("libneeded.so.1", f"{folder}/libneeded.so.1", "BINARY"),
    ]

    kept = contents.without_unneeded(rows, {rows[0][1]: ["libneeded.so.1"], rows[1][1]: []}.__getitem__)

    assert kept == rows


def test_tools_of_developers_are_strangers_and_what_the_app_imports_is_not() -> None:
    strangers = contents.strangers()

    assert {"pytest", "mypy", "hypothesis", "openai"} <= set(strangers)
    assert not {"PySide6", "numpy", "xllamacpp", "keyring", "typer", "tray_app"} & set(strangers)


def test_every_part_has_a_license() -> None:
    family = contents.closure()

    texts = {name: licenses.of_distribution(part) for name, part in family.items()}

    assert [name for name, text in texts.items() if not text.strip()] == []
    assert "The ggml authors" in texts["xllamacpp"]
    assert "Lesser General Public License" in texts["PySide6_Essentials"]
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in licenses.of_python()


def test_the_document_names_every_part_first_and_refuses_one_without_a_license() -> None:
    document = licenses.document({"beta 2": "text of beta", "Alpha 1": "text of alpha"})

    assert document.index("Alpha 1") < document.index("beta 2") < document.index("text of alpha")
    with pytest.raises(ValueError, match="no license for Gamma 3"):
        licenses.document({"Gamma 3": " \n"})


def test_the_bill_of_materials_is_valid_and_names_the_parts_as_scanners_know_them(tmp_path: Path) -> None:
    binaries = [("resources/bin/linux-x86_64/server", "/somewhere/server", "BINARY")]
    text = sbom.write(tmp_path, binaries).read_text("utf-8")
    bill = json.loads(text)

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    names = {component["purl"].partition("@")[0] for component in bill["components"]}
    assert {"pkg:pypi/aiohttp", "pkg:pypi/xllamacpp", "pkg:generic/python", "pkg:generic/qt"} <= names
    assert {"pkg:github/ggml-org/llama.cpp", "pkg:github/sjtu-ipads/powerinfer"} <= names
    assert bill["metadata"]["component"]["name"] == "powerinfer-tray"
    assert text == sbom.write(tmp_path, binaries).read_text("utf-8")  # the same sources give the same bytes


def test_an_archive_that_is_carried_has_a_license_and_its_release_in_the_bill(tmp_path: Path) -> None:
    carried = tmp_path / "llama-b11194-bin-ubuntu-x64.tar.gz"

    text = licenses.write(tmp_path, (), carried).read_text("utf-8")
    bill = json.loads(sbom.write(tmp_path, (), carried).read_text("utf-8"))

    title = f"llama.cpp, as published ({carried.name})"
    assert text.count(title) == 2  # in the list, and above the text
    assert "The ggml authors" in text.rpartition(title)[2].partition("====\n\n")[2][:600]
    purls = {component["purl"] for component in bill["components"]}
    assert "pkg:github/ggml-org/llama.cpp@b11194" in purls


@pytest.mark.skipif(not Path("/usr/bin/dpkg-query").exists(), reason="not a Debian")
def test_libraries_of_the_system_are_named_with_their_package_and_version() -> None:
    (library,) = {str(path) for path in Path("/usr/lib").glob("*/libgomp.so.1")}

    assert licenses.debian_packages([library, "/somewhere/else.so"]).keys() == {"libgomp1"}
    assert licenses.debian_packages([]) == {}
