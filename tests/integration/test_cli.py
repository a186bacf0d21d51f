"""The terminal commands: what they print, where, and how they end."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.fakes.models import HTML_PAGE, write_truncated_model
from tests.fakes.program import COMMAND, DEADLINE_S, command_here, powerinfer_tray, running
from tray_app import __version__
from tray_app.gateway.control import client
from tray_app.system.ports import free_port


def test_version() -> None:
    assert powerinfer_tray("--version").stdout == f"powerinfer-tray {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["serve", "--port", "0"], ["settings", "set", "port"], ["embed"]]
)
def test_wrong_usage_ends_with_2_and_says_so_on_stderr(arguments: list[str]) -> None:
    result = command_here(*arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert "Usage" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux may have no display")
@pytest.mark.parametrize(
    ("source", "instead"),
    [
        ("hf:owner/repo/a.gguf", "download hf:owner/repo/a.gguf"),
        ("my model.gguf", 'serve --model "my model.gguf"'),
    ],
)
def test_a_model_that_no_window_can_show_is_told_with_the_command_for_it(
    monkeypatch: pytest.MonkeyPatch, source: str, instead: str
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    result = powerinfer_tray(source)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Error: There is no display for a window\nRun: powerinfer-tray {instead}\n"


def test_pipes_get_utf8_whatever_the_system_would_choose(
    private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")  # Windows' choice, which cannot write the home's name

    result = powerinfer_tray("settings", "path")

    assert result.stdout.strip() == str(private_home / "settings.toml"), result.stderr


NO_ROOM = "Error: The output could not be written: No space left on device\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a file that is always full")
@pytest.mark.parametrize(
    "command",
    ["models list", "models list --json", "models info nothing --json", "settings show", "--help", "doctor"],
)
def test_a_full_disk_ends_every_command_with_one_line(command: str) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*COMMAND, *command.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (result.returncode, result.stderr) == (1, NO_ROOM)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no shell that everybody has")
@pytest.mark.parametrize("command", ["models list", "settings show --json"])
def test_a_pipe_that_nobody_reads_ends_a_command_with_one_line(command: str) -> None:
    line = f"set -o pipefail; {shlex.join([*COMMAND, *command.split()])} | true"
    result = subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "Error: The output could not be written: Broken pipe\n")


@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_a_command_ends_also_where_nobody_can_be_told() -> None:
    line = f"{shlex.join([*COMMAND, 'models', 'list'])} > /dev/full 2> /dev/full"
    # Where output is buffered, Python writes it again as it ends.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    assert subprocess.run(["/bin/bash", "-c", line], check=False, env=environ).returncode == 1


def test_the_selftest_passes_and_prints_one_json_document() -> None:
    result = powerinfer_tray("selftest", "--json")

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["ok"] is True
    assert report["download"] == {"bytes": 383040, "resumed": True, "sha256": report["download"]["sha256"]}
    assert report["engine"]["kind"] == "llama.cpp"
    assert report["embedding"]["dimensions"] == 64
    assert report["embedding"]["norm"] == pytest.approx(1.0, abs=1e-4)
    assert report["embedding"]["ms"] > 0
    assert report["orphans"] == 0


def test_embed_starts_a_server_of_its_own_when_none_runs() -> None:
    result = command_here("embed", "one", "two", "--json")

    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert [len(vector) for vector in answer["embeddings"]] == [64, 64]


def test_a_text_may_begin_with_a_dash() -> None:
    texts = ["-5 degrees", "- an item", "--json is an option", "-", "--", "--jsn"]

    result = command_here("embed", "--json", *texts)

    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)["embeddings"]) == len(texts) - 1  # -- is no text


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["embed", "--jsn", "x"], "--json"),
        (["models", "remove", "--forgood", "x"], "--for-good"),
        (["models", "verify", "--jso"], "--json"),
        (["quantize", "--josn", "a", "b", "c"], "--json"),
    ],
)
def test_a_mistyped_option_is_no_text(arguments: list[str], meant: str) -> None:
    result = command_here(*arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert f"Did you mean {meant}?" in result.stderr


def test_a_models_name_may_begin_with_a_dash() -> None:
    result = command_here("models", "info", "-5.gguf")

    assert result.returncode == 1
    assert "There is no model -5.gguf" in result.stderr


@pytest.mark.parametrize("before", [[], ["--"]])
def test_a_settings_value_may_begin_with_a_dash(before: list[str]) -> None:
    done = command_here("settings", "set", "extra_arguments", *before, "--pooling mean -ngl 0")

    assert done.returncode == 0, done.stderr
    got = command_here("settings", "get", "extra_arguments").stdout
    assert json.loads(got) == ["--pooling", "mean", "-ngl", "0"]
    assert "cannot be -1" in command_here("settings", "set", "temperature", *before, "-1").stderr


def test_an_argument_that_the_app_decides_is_refused_and_the_setting_is_named() -> None:
    command_here("settings", "set", "extra_arguments", "--model.path /other.gguf")

    result = command_here("embed", "x")

    assert result.returncode == 1
    assert "“Extra arguments” cannot contain --model.path" in result.stderr
    assert "Set “Model” instead." in result.stderr


def test_the_server_that_embed_starts_is_not_for_the_network() -> None:
    command_here("settings", "set", "network", "lan")

    result = command_here("embed", "one", "--json")

    assert result.returncode == 0, result.stderr


def test_status_and_embed_ask_the_app_that_runs() -> None:
    port = free_port()
    with running("serve", "--model", "test", "--port", str(port)) as program:
        program.line_with("Ready")
        status = json.loads(command_here("status", "--json").stdout)
        embedding = command_here("embed", "hello")
        program.interrupt()

    assert (status["state"], status["base_url"]) == ("ready", f"http://127.0.0.1:{port}/v1")
    assert "64 dimensions" in embedding.stdout
    assert "built-in test model" not in embedding.stderr


def test_status_without_an_app_says_that_none_runs() -> None:
    result = command_here("status", "--json")

    assert (result.returncode, json.loads(result.stdout)["running"]) == (0, False)


def test_the_running_app_is_stopped_started_restarted_and_ended() -> None:
    def state() -> str:
        return str(json.loads(command_here("status", "--json").stdout)["state"])

    with running("serve", "--model", "test", "--port", str(free_port())) as program:
        program.line_with("Ready")
        assert command_here("stop").returncode == 0
        assert state() in {"stopping", "stopped"}
        assert command_here("start").returncode == 0
        program.line_with("Ready")
        assert command_here("restart").returncode == 0
        program.line_with("Ready")
        assert powerinfer_tray("quit").returncode == 0
        assert program.process.wait(60) == 0
        assert state() == "stopped"


@pytest.mark.parametrize(("command", "code"), [("start", 1), ("restart", 1), ("stop", 0), ("quit", 0)])
def test_where_no_app_runs_nothing_can_be_told_to_start_and_nothing_needs_to_stop(
    command: str, code: int
) -> None:
    result = command_here(command)

    assert result.returncode == code
    assert ("PowerInfer Tray is not running" in result.stderr) if code else ("Not running" in result.stdout)


def test_a_key_that_cannot_be_kept_is_said_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    result = powerinfer_tray("key", "set", "gateway", text="sk-secret-of-mine\n")

    assert result.returncode == 1
    assert "no keychain" in result.stderr
    assert "sk-secret" not in result.stdout + result.stderr


def test_a_running_app_takes_up_a_setting_at_once() -> None:
    port = free_port()
    with running("serve", "--model", "test", "--port", str(port)) as program:
        program.line_with("Ready")
        changed = command_here("settings", "set", "metrics", "on")
        assert changed.stdout == "metrics = true\nApplied to the running app.\n"
        assert requests.get(f"http://127.0.0.1:{port}/metrics", timeout=20).status_code == 200


def test_settings_are_set_and_got_and_shown(private_home: Path) -> None:
    assert command_here("settings", "set", "ctx_size", "4096").returncode == 0

    assert command_here("settings", "get", "ctx_size").stdout == "4096\n"
    assert json.loads(command_here("settings", "show", "--json").stdout)["ctx_size"] == 4096
    assert command_here("settings", "path").stdout.strip() == str(private_home / "settings.toml")


def fails(*arguments: str) -> str:
    """The error of a command that must fail with exit code 1 and nothing on stdout but, perhaps, progress."""
    return error_of(command_here(*arguments))


def fails_here(*arguments: str) -> str:
    """The same of a command that is run in this process."""
    return error_of(command_here(*arguments))


def error_of(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "does not exist.gguf"

    assert str(missing) in fails_here("serve", "--model", str(missing), "--port", str(free_port()))


def test_an_html_page_named_gguf_is_recognised(tmp_path: Path) -> None:
    page = tmp_path / "page.gguf"
    page.write_bytes(HTML_PAGE)

    assert "HTML" in fails_here("serve", "--model", str(page), "--port", str(free_port()))


def test_a_truncated_model_is_recognised_before_it_is_loaded(tmp_path: Path) -> None:
    model = tmp_path / "short.gguf"
    write_truncated_model(model)

    assert "missing" in fails_here("serve", "--model", str(model), "--port", str(free_port()))


def test_an_engine_that_is_no_program_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a program")

    assert "notes.txt" in fails_here(
        "serve", "--model", "test", "--engine", str(text), "--port", str(free_port())
    )


def test_a_setting_of_the_wrong_type_is_refused_and_nothing_is_saved(private_home: Path) -> None:
    assert "a whole number" in fails_here("settings", "set", "ctx_size", "big")
    assert not (private_home / "settings.toml").exists()


def test_a_settings_file_with_a_wrong_value_is_reported_and_kept(private_home: Path) -> None:
    (private_home / "settings.toml").write_text("ctx_size = 'big'\nmine = 1\n")

    assert "line 1" in fails_here("serve", "--model", "test", "--port", str(free_port()))
    assert (private_home / "settings.toml").read_text() == "ctx_size = 'big'\nmine = 1\n"


def test_an_unreachable_host_is_named() -> None:
    error = fails_here("download", f"http://127.0.0.1:{free_port()}/model.gguf")

    assert "127.0.0.1" in error


def test_with_json_an_error_is_a_document_too() -> None:
    result = command_here("download", "not a source", "--json")

    assert result.returncode == 1
    assert json.loads(result.stdout)["ok"] is False


@pytest.mark.skipif(sys.platform != "linux", reason="changes what happens at login")
def test_launch_at_login_is_what_the_system_has_also_after_the_file_was_edited(private_home: Path) -> None:
    entry = private_home / "config" / "autostart" / "powerinfer-tray.desktop"

    def setting() -> str:
        return command_here("settings", "get", "launch_at_login").stdout.strip()

    command_here("settings", "set", "launch_at_login", "on")
    seen = [(setting(), entry.exists())]
    entry.unlink()  # as the system's own settings do
    seen.append((setting(), entry.exists()))
    command_here("settings", "set", "launch_at_login", "on")
    command_here("settings", "set", "launch_at_login", "off")
    seen.append((setting(), entry.exists()))

    assert seen == [("true", True), ("false", False), ("false", False)]


def test_a_second_app_does_not_take_the_first_ones_place() -> None:
    first_port, second_port = free_port(), free_port()
    with running("serve", "--model", "test", "--port", str(first_port)) as first:
        first.line_with("Ready")
        error = fails("serve", "--model", "test", "--port", str(second_port))
        status = json.loads(command_here("status", "--json").stdout)
        first.interrupt()

    assert f"PowerInfer Tray is already running (PID {first.process.pid})" in error
    assert f"It uses port {first_port}." in error
    assert "powerinfer-tray quit" in error
    assert status["base_url"] == f"http://127.0.0.1:{first_port}/v1"


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("POWERINFER_TRAY_HOME", str(tmp_path / "file"))

    error = fails("serve", "--model", "test")

    assert str(tmp_path / "file") in error
    assert "POWERINFER_TRAY_HOME" in error


def test_a_second_serve_leaves_it_to_the_app_that_runs() -> None:
    port = free_port()
    with running("serve", "--model", "test", "--port", str(port)) as program:
        program.line_with("Ready")
        for arguments in ([], ["--model", "test", "--port", str(port)]):
            second = command_here("serve", *arguments)
            assert second.returncode == 0, second.stderr
            assert f"is already running (PID {program.process.pid})" in second.stdout
            assert f"http://127.0.0.1:{port}/v1" in second.stdout


def test_serve_starts_the_server_of_an_app_that_has_stopped_it() -> None:
    port = free_port()
    with running("serve", "--model", "test", "--port", str(port)) as program:
        program.line_with("Ready")
        powerinfer_tray("stop")
        assert powerinfer_tray("serve").returncode == 0
        program.line_with("Ready")


def test_the_port_of_another_home_is_said_to_be_another_powerinfer_tray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with running("serve", "--model", "test", "--port", str(port)) as program:
        program.line_with("Ready")
        monkeypatch.setenv("POWERINFER_TRAY_HOME", str(tmp_path))
        second = powerinfer_tray("serve", "--model", "test", "--port", str(port))
    assert second.returncode == 1
    assert f"Port {port} is in use by another PowerInfer Tray (PID {program.process.pid})" in second.stderr
    assert "is free" in second.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no process in its tracks")
def test_an_app_that_does_not_answer_is_not_said_to_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_STATUS_S", 0.5)  # how long a command waits
    commands = (["status", "--json"], ["stop"], ["serve"], ["doctor"])
    with running("serve", "--model", "test", "--port", str(free_port())) as program:
        program.line_with("Ready")
        program.process.send_signal(signal.SIGSTOP)
        results = [command_here(*command) for command in commands]
        program.process.send_signal(signal.SIGCONT)
        assert powerinfer_tray("stop").returncode == 0

    for command, result in zip(commands, results, strict=True):
        told = result.stdout + result.stderr
        assert result.returncode == 1, (command, told)
        assert f"PowerInfer Tray is running (PID {program.process.pid}) but not responding" in told, command
        assert "Not running" not in told


@pytest.mark.skipif(sys.platform == "win32", reason="signals are inherited on POSIX systems")
@pytest.mark.parametrize(("ignoring", "outlives"), [("HUP", True), ("INT TERM", False)])
def test_serve_outlives_its_terminal_only_if_it_was_started_with_nohup(
    ignoring: str, *, outlives: bool
) -> None:
    port = free_port()
    with running("serve", "--model", "test", "--port", str(port), ignoring=ignoring) as program:
        program.line_with("Ready")
        program.process.send_signal(signal.SIGHUP)
        if outlives:
            assert "dimensions" in command_here("embed", "hello").stdout
            program.interrupt()
        assert program.process.wait(DEADLINE_S) == 0


def test_what_could_not_be_read_of_the_settings_is_told_when_the_file_is_written_anew(
    private_home: Path,
) -> None:
    file = private_home / "settings.toml"
    file.write_text("network: lan\nport = 9000\n", encoding="utf-8")

    done = command_here("settings", "set", "connections", "4")

    kept = f"{file}.broken"
    assert (done.returncode, Path(kept).read_text("utf-8")) == (0, "network: lan\nport = 9000\n")
    assert "line 1" in done.stderr
    assert kept in done.stderr.replace("\n", "")
    assert command_here("settings", "set", "connections", "5").stderr == ""
