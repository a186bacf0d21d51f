"""What of the Windows package can be told without Windows; `proof_windows.py` does the rest under Wine."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path, PureWindowsPath
from typing import cast

import pytest

import versions
import windows
from freeze import PackagingError
from tests.packaging.wine.lock import windows_lock
from tests.packaging.wine.traces import difference, parse_registry
from tray_app import __version__
from tray_app.settings.keys import KEYS
from tray_app.system.autostart import NAME, RunKey

ROOT = Path(__file__).parents[2]
SCRIPT = windows.SCRIPT.read_text(encoding="utf-8")
RUN_LOCK = r"""
numpy==2.4 ; python_full_version < '3.12' \
    --hash=sha256:aa \
    --hash=sha256:ab
    # via powerinfer-tray (pyproject.toml)
numpy==2.5 ; python_full_version >= '3.12' \
    --hash=sha256:ba
    # via powerinfer-tray (pyproject.toml)
jeepney==0.9 ; sys_platform == 'linux' \
    --hash=sha256:ca
    # via keyring
"""
DEV_LOCK = r"""
pefile==2 ; sys_platform == 'win32' \
    --hash=sha256:da
    # via pyinstaller
pyinstaller==6 \
    --hash=sha256:ea
    # via powerinfer-tray (pyproject.toml:dev)
ruff==1 \
    --hash=sha256:fa
    # via powerinfer-tray (pyproject.toml:dev)
setuptools==8 \
    --hash=sha256:a1
    # via
    #   -c requirements.lock
    #   pefile
"""
REGISTRY = r"""WINE REGISTRY Version 2
;; All keys relative to \\User\\S-1-5-21-0-0-0-1000

[Software\\Microsoft\\Windows\\CurrentVersion\\Run] 1700000000
#time=1da1b2c3
"PowerInferTray"="\"C:\\app.exe\" --background"
@="default"

[Software\\Long]
"Data"=hex:01,02,\
  03
"""


def defined(name: str) -> str:
    """The value that the installer's script gives to a name."""
    found = re.search(rf'^!define {name} "(.*)"$', SCRIPT, re.MULTILINE)
    assert found, name
    return found[1]


def test_the_installer_removes_what_the_app_makes() -> None:
    assert (defined("RUN_KEY"), defined("RUN_VALUE")) == (RunKey.KEY, NAME)
    assert defined("APPROVED_KEY") == RunKey.APPROVED
    assert defined("DATA") == r"$LOCALAPPDATA\PowerInferTray"  # as platformdirs has it
    assert defined("MODELS") == r"$PROFILE\.PowerInfer"
    keys = re.findall(r"!insertmacro FORGET (\S+)", SCRIPT)
    assert set(keys) == {key.name for key in KEYS}


def test_the_installer_knows_the_programs() -> None:
    assert (defined("CONSOLE"), defined("WINDOWED")) == windows.PROGRAMS


def test_nsis_is_told_paths_as_its_own_system_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(windows, "run_tool", lambda command, **_: told.append(command))

    windows.make_installer(cast("Path", PureWindowsPath(r"D:\build\app")), Path("setup.exe"))

    assert re.findall(r"^\s*File (.*)$", SCRIPT, re.MULTILINE) == ['/r "${FILES}"']
    assert r"-DFILES=D:\build\app\*" in told[0]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Debian's makensis")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "xx_XX.UTF-8", None])
def test_an_installer_is_made_in_any_folder_whatever_the_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str | None
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    if locale is not None:
        monkeypatch.setenv("LC_ALL", locale)
    folder = tmp_path / "é 使う app"
    folder.mkdir()
    for name in windows.PROGRAMS:
        (folder / name).write_bytes(b"MZ")

    setup = windows.make_installer(folder, tmp_path / "ç setup.exe", quick=True)

    assert setup.read_bytes()[:2] == b"MZ"


def test_the_installer_speaks_three_languages() -> None:
    languages = {"ENGLISH", "FRENCH", "JAPANESE"}
    texts: dict[str, set[str]] = {}
    for name, language in re.findall(r"^LangString (\w+) \$\{LANG_(\w+)\}", SCRIPT, re.MULTILINE):
        texts.setdefault(name, set()).add(language)
    assert texts
    assert all(told == languages for told in texts.values()), texts


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.1.0", (0, 1, 0, 0)),
        ("1.2", (1, 2, 0, 0)),
        ("2.0.0rc3", (2, 0, 0, 0)),
        ("3.1.4.dev5", (3, 1, 4, 0)),
    ],
)
def test_windows_compares_four_numbers(version: str, expected: tuple[int, ...]) -> None:
    assert versions.numbers(version) == expected


def test_a_program_carries_its_version() -> None:
    text = windows.version_resource("powerinfer-tray.exe", "PowerInfer Tray")

    compile(text, "version", "eval")  # PyInstaller evaluates it
    assert f'StringStruct("ProductVersion", "{__version__}")' in text
    assert f"filevers={versions.numbers(__version__)}" in text


def test_the_runtime_is_bundled_once_at_the_top_and_the_newest() -> None:
    versions = {"old": (14, 29), "new": (14, 44)}
    rows = [
        ("VCRUNTIME140.dll", "old", "BINARY"),
        (r"PySide6\VCRUNTIME140.dll", "new", "BINARY"),
        (r"shiboken6\VCOMP140.DLL", "old", "BINARY"),
        (r"numpy.libs\msvcp140-a4c2229b.dll", "its own", "BINARY"),
        (r"PySide6\Qt6Core.dll", "qt", "BINARY"),
    ]

    assert windows.with_one_runtime(rows, versions.__getitem__) == [
        rows[3],
        rows[4],
        ("vcruntime140.dll", "new", "BINARY"),
        ("vcomp140.dll", "old", "BINARY"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Debian's makensis")
def test_a_command_that_signs_may_have_any_quotes_and_blanks(tmp_path: Path) -> None:
    folder = tmp_path / "my é program's `folder` in $HOME"
    folder.mkdir()
    log, tool = folder / "log", folder / "sign.py"
    tool.write_text(
        "import sys\nopen(sys.argv[-1], 'rb').close()\n"
        f"open({str(log)!r}, 'a').write(f'{{sys.argv[1:-1]}}\\n')\n",
        encoding="utf-8",
    )
    for name in windows.PROGRAMS:
        (folder / name).write_bytes(b"MZ")
    words = ['a "name"', "it's", "$HOME", "%PATH%"]
    command = shlex.join([sys.executable, "-X", "utf8", str(tool), *words])

    windows.sign_programs(folder, command)
    windows.make_installer(folder, folder / "app-setup.exe", sign=command, quick=True)

    both_programs, uninstaller, installer = len(windows.PROGRAMS), 1, 1
    assert log.read_text().splitlines() == [str(words)] * (both_programs + uninstaller + installer)


def test_a_signature_that_fails_stops_the_build_and_says_why(tmp_path: Path) -> None:
    command = f"{sys.executable} -c \"import sys; sys.exit('no key: ' + sys.argv[1])\""

    with pytest.raises(PackagingError, match=r"no key: .*powerinfer-tray\.exe"):
        windows.sign_programs(tmp_path, command)


def test_without_a_command_nothing_is_signed(tmp_path: Path) -> None:
    windows.sign_programs(tmp_path, "")


@pytest.mark.parametrize(("python", "numpy"), [("3.11.7", "2.4"), ("3.12.0", "2.5")])
def test_the_lock_for_windows_has_what_holds_there_with_its_digests(python: str, numpy: str) -> None:
    digests = {
        "2.4": " \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab",
        "2.5": " \\\n    --hash=sha256:ba",
    }

    assert windows_lock(RUN_LOCK, DEV_LOCK, (), python) == f"numpy=={numpy}{digests[numpy]}\n"


def test_tools_come_with_their_needs_and_nothing_else() -> None:
    lock = windows_lock("", DEV_LOCK, ["pyinstaller"], "3.11.7")

    assert re.findall(r"^\w+", lock, re.MULTILINE) == ["pefile", "pyinstaller", "setuptools"]


def test_every_locked_package_for_windows_has_a_digest() -> None:
    locks = [(ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock")]
    lock = windows_lock(locks[0], locks[1], ["pyinstaller"], "3.11.7")

    assert {"pyside6-essentials", "xllamacpp", "numpy", "pyinstaller", "pefile"} <= set(
        re.findall(r"^[\w-]+", lock, re.MULTILINE)
    )
    assert "jeepney" not in lock
    assert all("--hash=" in entry for entry in re.split(r"\n(?=\w)", lock))


def test_a_registry_is_read_to_the_last_value() -> None:
    run = "Software/Microsoft/Windows/CurrentVersion/Run"

    assert parse_registry(REGISTRY) == {
        run: "",
        f"{run}/PowerInferTray": r'"\"C:\\app.exe\" --background"',
        f"{run}/@": '"default"',
        "Software/Long": "",
        "Software/Long/Data": "hex:01,02,  03",
    }


def test_a_difference_is_what_came_went_and_changed_but_windows_own_bookkeeping() -> None:
    before = {"users/root/a": "1", "users/root/b": "1", "windows/temp/x": "1"}
    after = {"users/root/b": "2", "HKCU/Software/New": "", "HKLM/System/Clock": "9"}

    found = difference(before, after)

    assert (found.added, found.removed, found.changed) == (
        ("HKCU/Software/New",),
        ("users/root/a",),
        ("users/root/b",),
    )
    assert found.without("HKCU/Software", "users/root") == difference({}, {})
    assert found.without("users/root/", "HKCU/Soft").added == ("HKCU/Software/New",)
