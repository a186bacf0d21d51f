"""The settings file: nothing of it is lost, whatever is in it."""

import errno
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from msgspec.structs import replace

from tests.fakes.errors import coded
from tray_app.errors import ErrorCode, SettingsError
from tray_app.settings import store as store_module
from tray_app.settings import toml_text
from tray_app.settings.schema import Settings
from tray_app.settings.store import SettingsStore
from tray_app.system.files import read_regular


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Réglages 設定" / "settings.toml"


def written(file: Path, text: str) -> SettingsStore:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return SettingsStore(file)


def test_without_a_file_the_defaults_hold_and_none_is_made(file: Path) -> None:
    store = SettingsStore(file)

    assert (store.current, store.problem, file.exists()) == (Settings(), None, False)


def test_what_is_saved_is_loaded_again(file: Path) -> None:
    chosen = Settings(
        port=9000, model="モデル.gguf", threads=3, vram_budget=4.5, extra_arguments=("-a", "b c")
    )

    SettingsStore(file).replace(chosen)

    assert SettingsStore(file).current == chosen


def test_comments_order_and_unknown_keys_are_kept(file: Path) -> None:
    store = written(file, "# mine\nversion = 3\nfuture = 1\nport = 9000 # mine too\n[later]\nx = 'é'\n")

    store.replace(replace(store.current, port=9001, ctx_size=4096))

    expected = "# mine\nversion = 3\nfuture = 1\nport = 9001 # mine too\nctx_size = 4096\n[later]\nx = 'é'\n"
    assert file.read_text(encoding="utf-8") == expected


def test_the_file_before_the_last_change_is_kept_beside_it(file: Path) -> None:
    store = written(file, "port = 9000\n")

    store.replace(replace(store.current, port=9001))

    assert file.with_name("settings.toml.bak").read_text() == "port = 9000\n"


def test_a_change_that_another_program_made_to_the_file_survives(file: Path) -> None:
    store = written(file, "port = 9000\n")
    file.write_text("port = 9000\nctx_size = 1024\n")

    store.replace(replace(store.current, temperature=0.1))

    assert SettingsStore(file).current == Settings(port=9000, ctx_size=1024, temperature=0.1)


def test_a_wrong_value_is_named_with_its_line_and_only_it_falls_back(file: Path) -> None:
    store = written(file, "ctx_size = 4096\n# x\nport = 'abc'\nthreads = 0\n")

    assert store.current == Settings(ctx_size=4096)
    assert store.problem
    assert "line 3: The setting port cannot be 'abc'" in store.problem.message
    assert "line 4: The setting threads cannot be 0" in store.problem.message


@pytest.mark.parametrize("text", ["port = \n", "[[[", 'model = "open\n', "\ufeffport 8080"])
def test_a_file_that_is_no_toml_is_reported_with_its_line_and_left_alone(file: Path, text: str) -> None:
    store = written(file, text)

    assert store.current == Settings()
    assert store.problem
    assert "line 1" in store.problem.message
    assert file.read_text(encoding="utf-8") == text


def test_a_file_that_is_no_text_is_reported(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\x00port")

    assert SettingsStore(file).problem


def test_a_file_as_editors_of_windows_save_it_is_read_and_keeps_its_line_ends(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes("\ufeff# mine\r\nversion = 3\r\nport = 9000\r\n".encode())
    store = SettingsStore(file)

    store.replace(replace(store.current, port=9001, ctx_size=4096))

    assert store.problem is None
    assert file.read_bytes() == b"# mine\r\nversion = 3\r\nport = 9001\r\nctx_size = 4096\r\n"


def test_saving_over_a_broken_file_keeps_a_copy_of_it(file: Path) -> None:
    store = written(file, "[[[")

    store.replace(replace(store.current, port=9001))

    assert file.with_name("settings.toml.broken").read_text() == "[[["
    assert SettingsStore(file).current == Settings(port=9001)
    assert store.problem is None


def test_a_file_is_read_once_for_the_lines_of_all_its_wrong_values(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    statements = toml_text._statements

    def note(text: str) -> Iterator[object]:
        read.append(text)
        return statements(text)

    monkeypatch.setattr(toml_text, "_statements", note)

    store = written(file, "".join(f'[models."m{number}"]\nthreads = 0\n' for number in range(50)))

    assert store.problem
    assert "line 2, model m0:" in store.problem.message
    assert "line 100, model m49:" in store.problem.message
    assert len(read) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[models]\na = 1\nm = { engine = 'auto', threads = 0 }\n", 3),
        ("models.m.threads = 0\n", 1),
        ("[models.o]\nthreads = 2\n\n[models.m]\nthreads = 0\n", 5),
        ("[models]\n# none\no.threads = 2\nm.threads = 0\n", 4),
        ("models = { o = {}, m = { threads = 0 } }", 1),
    ],
)
def test_the_line_of_a_value_is_named_however_its_table_is_written(text: str, line: int) -> None:
    assert toml_text.Lines(text).of(("models", "m", "threads")) == line


def test_choosing_the_default_mends_a_wrong_value(file: Path) -> None:
    store = written(file, "version = 3\nport = 'abc'\n")

    store.replace(replace(store.current, port=8080))

    assert file.read_text() == "version = 3\nport = 8080\n"
    assert store.problem is None


def test_a_file_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    store = SettingsStore(tmp_path / "state" / "settings.toml")

    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTINGS_NOT_SAVED)):
        store.replace(Settings(port=9001))

    assert store.current == Settings()


def test_a_value_can_be_written_that_is_in_effect_already_and_taken_out_again(file: Path) -> None:
    store = SettingsStore(file, {"check_for_updates": True})
    assert not store.says("check_for_updates")

    store.write("check_for_updates", False)
    assert file.read_text(encoding="utf-8") == "version = 3\ncheck_for_updates = false\n"
    assert (store.current, store.says("check_for_updates")) == (Settings(), True)
    store.write("check_for_updates", True)
    store.write("check_for_updates", None)

    assert file.read_text(encoding="utf-8") == "version = 3\n"
    assert (store.current, store.says("check_for_updates")) == (Settings(), False)


def test_overrides_hold_for_this_run_and_are_never_saved(file: Path) -> None:
    store = SettingsStore(file, {"port": 9999})

    store.replace(replace(store.current, ctx_size=4096))

    assert store.current == Settings(port=9999, ctx_size=4096)
    assert SettingsStore(file).current == Settings(ctx_size=4096)


def test_an_override_is_not_saved_in_place_of_a_wrong_value(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("port = 'abc'\n")
    store = SettingsStore(file, {"port": 9999})

    store.replace(replace(store.current, ctx_size=4096))

    assert "9999" not in file.read_text()
    assert store.problem


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_a_file_that_others_may_not_read_stays_so(file: Path) -> None:
    store = written(file, "port = 9000\n")
    file.chmod(0o600)

    store.replace(replace(store.current, extra_arguments=("--api-key", "secret")))

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("version = 3\nport = 9000\n")
    file.parent.mkdir()
    file.symlink_to(real)
    store = SettingsStore(file)

    store.replace(replace(store.current, port=9001))

    assert file.is_symlink()
    assert real.read_text() == "version = 3\nport = 9001\n"


CHANGE = textwrap.dedent("""
    import sys
    from pathlib import Path
    from msgspec.structs import replace
    from tray_app.settings.store import SettingsStore

    store = SettingsStore(Path(sys.argv[1]))
    sys.stdin.readline()  # all begin in one moment
    for value in range(20):
        store.replace(replace(store.current, **{sys.argv[2]: int(sys.argv[3]) + value}))
""")
FIRST = {
    "port": 9000,
    "ctx_size": 1000,
    "threads": 100,
    "vram_budget": 100,
}


def test_of_four_programs_that_change_the_settings_at_once_none_loses_a_change(file: Path) -> None:
    written(file, "# mine\n")
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", CHANGE, str(file), name, str(first)], stdin=subprocess.PIPE, text=True
        )
        for name, first in FIRST.items()
    ]
    for program in programs:
        assert program.stdin
        program.stdin.close()
    assert [program.wait(60) for program in programs] == [0] * len(programs)

    saved = SettingsStore(file)
    assert saved.problem is None
    assert {name: getattr(saved.current, name) - first for name, first in FIRST.items()} == dict.fromkeys(
        FIRST, 19
    )
    assert {path.name for path in file.parent.iterdir()} == {
        "settings.toml",
        "settings.toml.bak",
        "settings.toml.v1",
    }


def test_a_lock_that_is_never_given_back_is_told_and_changes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_LOCK_TIMEOUT_S", 0.1)
    store = written(file, "version = 3\nport = 9000\n")
    with FileLock(file.with_name(".settings.toml.lock")), pytest.raises(SettingsError) as caught:
        store.replace(replace(store.current, port=9001))
    assert caught.value.code is ErrorCode.SETTINGS_LOCKED
    assert ".settings.toml.lock" in caught.value.message
    assert (store.current.port, file.read_text()) == (9000, "version = 3\nport = 9000\n")

    store.replace(replace(store.current, port=9001))
    assert file.read_text() == "version = 3\nport = 9001\n"


def test_a_file_that_cannot_be_read_for_a_moment_is_not_replaced(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "version = 3\nport = 9000\nthreads = 3\n"
    store = written(file, text)
    faults = [PermissionError(errno.EACCES, "Another program has it open", str(file))]

    def read(path: Path, most_bytes: int) -> bytes:
        if faults:
            raise faults.pop()
        return read_regular(path, most_bytes)

    monkeypatch.setattr(store_module, "read_regular", read)
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTINGS_NOT_SAVED)):
        store.change(temperature=0.1)

    assert file.read_text() == text
    assert store.current == Settings(port=9000, threads=3)


def test_a_lock_that_a_program_has_left_behind_is_nobodys(file: Path) -> None:
    store = written(file, "version = 3\nport = 9000\n")
    file.with_name(".settings.toml.lock").touch()
    store.replace(replace(store.current, port=9001))
    assert file.read_text() == "version = 3\nport = 9001\n"


@pytest.mark.parametrize("folder", ["models", "./models", "~nobody-here/models"])
def test_a_folder_in_the_file_that_depends_on_where_one_is_is_reported(file: Path, folder: str) -> None:
    store = written(file, f"version = 3\nport = 9000\nmodels_folder = '{folder}'\n")
    assert store.current == Settings(port=9000)
    assert store.problem
    assert "line 3" in store.problem.message
    assert "full path of a folder" in store.problem.message


NOTHING_SAID = ["", "# mine\n", "port = 9000\n", "version = 1\n", "version = 'mine'\n", "ctx_size = 'big'\n"]


@pytest.mark.parametrize("text", NOTHING_SAID)
def test_a_file_of_before_contexts_of_auto_keeps_the_context_that_it_meant(file: Path, text: str) -> None:
    store = written(file, text)
    assert store.current.ctx_size == 2048

    store.replace(replace(store.current, temperature=0.1))

    assert SettingsStore(file).current.ctx_size == 2048
    assert SettingsStore(file).problem is None
    assert "version = 3\n" in file.read_text()


def test_a_context_that_such_a_file_names_stays(file: Path) -> None:
    assert written(file, "ctx_size = 4096\n").current.ctx_size == 4096


def test_a_new_file_has_a_context_of_auto_and_says_its_version(file: Path) -> None:
    SettingsStore(file).replace(Settings(port=9001))

    assert file.read_text() == "version = 3\nport = 9001\n"
    assert SettingsStore(file).current == Settings(port=9001)
    assert SettingsStore(file).current.ctx_size == "auto"


def test_auto_can_be_chosen_in_a_file_of_before(file: Path) -> None:
    store = written(file, "port = 9000\n")

    store.replace(replace(store.current, ctx_size="auto"))

    assert SettingsStore(file).current == Settings(port=9000)


def test_the_file_of_before_is_kept_for_good(file: Path) -> None:
    store = written(file, "port = 9000\n")

    for port in (9001, 9002, 9003):
        store.replace(replace(store.current, port=port))

    assert file.with_name("settings.toml.v1").read_text() == "port = 9000\n"
    assert "port = 9002" in file.with_name("settings.toml.bak").read_text()


def test_reading_a_file_of_before_does_not_write_it(file: Path) -> None:
    written(file, "port = 9000\n").reload()

    assert file.read_text() == "port = 9000\n"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_of_a_newer_version_is_used_as_far_as_it_is_understood_and_never_written(file: Path) -> None:
    text = "version = 4\nport = 9000\nctx_size = { least = 1 }\nnew_idea = true\n"
    store = written(file, text)

    assert store.current == Settings(port=9000)
    assert store.problem
    assert store.problem.code is ErrorCode.SETTINGS_FILE_NEWER
    assert "version 4, but this app supports version 3" in store.problem.message
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTINGS_FILE_NEWER)):
        store.replace(replace(store.current, port=9001))
    assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]
