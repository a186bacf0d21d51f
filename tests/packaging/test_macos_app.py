"""The Mac app as PyInstaller lays it out, and what Apple's tools are told; signing itself needs a Mac."""

from __future__ import annotations

import plistlib
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from PyInstaller.building import osx
from PyInstaller.config import CONF

import contents
import engines
import freeze
import macos
from macos import Signer
from tests.fakes.programs import fat
from tray_app import __version__
from tray_app.system.autostart import LABEL

if TYPE_CHECKING:
    from freeze import Frozen

BOTH_MACS = fat(0x0100_0007, 0x0100_000C)
PLATFORM = "macos-arm64"
IDENTITY = "Developer ID Application: Somebody (TEAM)"


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Frozen:
    """What PyInstaller's last step makes of a few files, with the signing left out.

    The parameter, if any, is the kind that it takes PowerInfer's programs for.
    """
    programs = getattr(request, "param", "BINARY")
    monkeypatch.setattr(osx, "is_darwin", True)
    monkeypatch.setattr(osx, "osxutils", SimpleNamespace(sign_binary=lambda *_, **__: None), raising=False)
    # Also left out: rewriting where libraries are looked for.
    monkeypatch.setattr(osx, "process_collected_binary", lambda source, *_, **__: source)
    monkeypatch.setattr(osx.BUNDLE, "upx_exclude", [], raising=False)
    places: dict[str, Any] = {
        "specpath": "",
        "distpath": tmp_path / "dist",
        "workpath": tmp_path,
        "specnm": "x",
    }
    monkeypatch.setattr("PyInstaller.config.CONF", CONF | {key: str(value) for key, value in places.items()})
    code, data = tmp_path / contents.APP, tmp_path / "data"
    code.write_bytes(BOTH_MACS)
    data.write_text("data")
    files = {
        contents.APP: (code, "EXECUTABLE"),
        f"resources/bin/{PLATFORM}/server": (code, programs),
        f"resources/bin/{PLATFORM}/quantize": (code, programs),
        "resources/catalog.toml": (data, "DATA"),
        "licenses.txt": (data, "DATA"),
        "sbom.cdx.json": (data, "DATA"),
        "PySide6/Qt/plugins/platforms/libqcocoa.dylib": (code, "BINARY"),
        "PySide6/Qt/lib/QtCore.framework/Versions/A/QtCore": (code, "BINARY"),
        "PySide6/Qt/lib/QtCore.framework/Versions/A/Resources/Info.plist": (data, "DATA"),
        "xllamacpp/xllamacpp.abi3.so": (code, "EXTENSION"),
        "xllamacpp-1.dist-info/METADATA": (data, "DATA"),
    }
    osx.BUNDLE(
        [(name, str(source), kind) for name, (source, kind) in files.items()],
        name=f"{contents.TITLE}.app",
        icon=str(freeze.ROOT / "resources" / "icons" / "app.icns"),
        bundle_identifier=contents.APP_ID,
        version=__version__,
        info_plist=macos.info_plist(__version__),
    )
    return freeze.Frozen.of("macos", tmp_path / "dist")


def test_the_app_says_what_macos_asks(frozen: Frozen) -> None:
    said = plistlib.loads((frozen.folder / "Contents" / "Info.plist").read_bytes())

    assert said["CFBundleIdentifier"] == LABEL == contents.APP_ID
    assert said["CFBundleExecutable"] == contents.APP
    assert said["CFBundleName"] == said["CFBundleDisplayName"] == "PowerInfer Tray"
    assert said["CFBundleVersion"] == said["CFBundleShortVersionString"] == __version__
    assert said["LSUIElement"] is True
    assert said["LSMinimumSystemVersion"] == macos.MINIMUM_SYSTEM
    assert said["LSBackgroundOnly"] is False
    assert (frozen.data / said["CFBundleIconFile"]).read_bytes()[:4] == b"icns"


def test_a_trial_has_the_numbers_of_its_release() -> None:
    """Apple's keys are three numbers with dots between, which macOS compares."""
    said = macos.info_plist("1.2.0rc1")

    assert said["CFBundleVersion"] == said["CFBundleShortVersionString"] == "1.2.0"


def test_programs_lie_where_code_is_signed_and_the_app_looks(frozen: Frozen) -> None:
    engines.check_places(frozen.code, PLATFORM)

    assert frozen.program.is_file()
    assert not (frozen.data / "resources/catalog.toml").is_symlink()
    assert (frozen.code / "resources/catalog.toml").read_text() == "data"
    assert {"licenses.txt", "resources/catalog.toml", "xllamacpp/xllamacpp.abi3.so"} <= frozen.names()


@pytest.mark.parametrize("frozen", ["DATA"], indirect=True)
def test_a_program_that_was_taken_for_data_is_found_out(frozen: Frozen) -> None:
    with pytest.raises(freeze.PackagingError, match="Not where the app looks for it"):
        engines.check_places(frozen.code, PLATFORM)


def test_everything_is_signed_once_from_the_inside_out(frozen: Frozen) -> None:
    app = frozen.folder
    signer = Signer(IDENTITY, Path("rights.plist"))

    signed = [Path(command[-1]) for command in signer.commands(app, macos.code_in(app))]

    framework = frozen.code / "PySide6/Qt/lib/QtCore.framework"
    assert len(signed) == len(set(signed))
    assert signed.index(framework / "Versions/A/QtCore") < signed.index(framework) < signed.index(app)
    assert signed[-1] == app  # with it, its main program
    assert frozen.program not in signed
    assert set(macos.code_in(app)) - {frozen.program} <= set(signed)


def test_a_framework_in_a_framework_is_signed_first() -> None:
    outer = Path("An.app/Contents/Frameworks/Outer.framework")
    inner = outer / "Versions/A/Helpers/Inner.framework"
    code = [outer / "Versions/A/Outer", inner / "Versions/A/Inner"]

    signed = [
        command[-1] for command in Signer(IDENTITY, Path("rights.plist")).commands(Path("An.app"), code)
    ]

    assert signed[-3:] == [str(inner), str(outer), "An.app"]


def test_only_the_app_has_entitlements_and_all_code_the_hardened_runtime() -> None:
    signer = Signer(IDENTITY, Path("rights.plist"))

    library, app = signer.command(Path("a.dylib")), signer.command(Path("An.app"), main=True)

    hardened = ["codesign", "--force", "--sign", IDENTITY, "--timestamp", "--options", "runtime"]
    assert library == [*hardened, "a.dylib"]
    assert app == [*hardened, "--entitlements", "rights.plist", "An.app"]


def test_an_ad_hoc_signature_is_without_the_hardened_runtime() -> None:
    assert Signer(macos.AD_HOC, Path("rights.plist")).command(Path("An.app"), main=True) == [
        "codesign",
        "--force",
        "--sign",
        "-",
        "An.app",
    ]
