"""Keys on a machine without a keychain and without a desktop: the real program, its files, its children."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

from tests.fakes.program import command_here, powerinfer_tray, running
from tray_app.app.root import App
from tray_app.settings.keys import GATEWAY, KEYS
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-of-a-server-without-desktop"
VARIABLE = GATEWAY.variables[0]


@pytest.fixture(autouse=True)
def no_keychain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def told(*arguments: str, text: str = "") -> str:
    """Everything that a command prints; the key is never in it."""
    own = text or arguments[0] not in ("settings", "status")  # a process that reads, or asks for keys
    result = powerinfer_tray(*arguments, text=text) if own else command_here(*arguments)
    printed = result.stdout + result.stderr
    assert KEY not in printed
    return printed


@pytest.mark.parametrize("none", ["fail", "null"])
def test_a_key_is_kept_in_a_file_and_removed_and_both_are_said(
    none: str, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", f"keyring.backends.{none}.Keyring")
    file = private_home / "keys" / "gateway.key"
    refused = told("key", "set", "gateway", text=f"{KEY}\n")
    assert "This system has no keychain" in refused
    assert "powerinfer-tray key set gateway --file" in refused
    assert VARIABLE in refused

    assert told("key", "set", "gateway", "--file", text=f"{KEY}\n") == f"Key saved in the file {file}.\n"
    assert file.read_text() == f"{KEY}\n"
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert told("key", "remove", "gateway") == "Removed.\n"
    assert not file.exists()
    assert "gateway, remote" in told("key", "set", "other", "--file", text=f"{KEY}\n")


@pytest.mark.parametrize("source", ["file", "environment"])
def test_the_network_is_served_with_a_key_and_nobody_else_hears_it(
    source: str, monkeypatch: pytest.MonkeyPatch, private_home: Path
) -> None:
    if source == "file":
        told("key", "set", "gateway", "--file", text=f"{KEY}\n")
    else:
        monkeypatch.setenv(VARIABLE, KEY)
        monkeypatch.setenv("HF_TOKEN", KEY)
    assert told("settings", "set", "network", "lan")
    port = free_port()
    with running("serve", "--model", "test", "--port", str(port)) as program:
        program.line_with("Ready")
        url = f"http://127.0.0.1:{port}/v1/embeddings"
        headers = {"Host": "vm.fritz.box"}
        assert requests.post(url, json={"input": "x"}, headers=headers, timeout=30).status_code == 401
        headers["Authorization"] = f"Bearer {KEY}"
        assert requests.post(url, json={"input": "x"}, headers=headers, timeout=30).status_code == 200
        engines = program.descendants()
        assert engines
        heard: list[object] = [program.process.args, *map(psutil.Process.cmdline, engines)]
        heard += map(psutil.Process.environ, engines)
        heard += [told("status", "--json"), told("status"), told("doctor"), told("embed", "x")]
        report = json.loads(told("doctor", "--json"))
        assert program.interrupt() == 0
        heard.append(program.rest())
    heard += [log.read_text() for log in (private_home / "logs").iterdir()]
    heard.append((private_home / "settings.toml").read_text())
    assert not [text for text in heard if KEY in str(text)]
    place = f"in the environment variable {VARIABLE}" if source == "environment" else "in the file "
    assert report["keys"]["gateway"].startswith(place)
    assert report["ok"]


def test_without_any_key_the_network_is_not_served_and_the_ways_are_told() -> None:
    told("settings", "set", "network", "lan")
    refused = told("serve", "--model", "test", "--port", str(free_port()))
    assert "The local network needs an API key" in refused
    assert "--file" in refused
    assert VARIABLE in refused


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_key_file_that_others_can_read_is_refused_by_server_and_doctor(private_home: Path) -> None:
    told("key", "set", "gateway", "--file", text=f"{KEY}\n")
    told("settings", "set", "network", "lan")
    (private_home / "keys" / "gateway.key").chmod(0o644)
    for command in (("serve", "--model", "test", "--port", str(free_port())), ("doctor",)):
        assert "Other users can read" in told(*command)


def test_a_variable_that_wins_is_named_when_another_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    for command in (("set", "gateway", "--file"), ("remove", "gateway")):
        assert f"The environment variable {VARIABLE} is set" in told("key", *command, text=f"{KEY}-2\n")


def test_a_token_of_the_environment_goes_to_hugging_face_and_to_no_mirror(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")
    overrides = {"hf_endpoint": "https://mirror.example"}
    app = App(AppPaths.from_environment(os.environ), detect_host(), overrides)
    try:
        tokens = {
            host: app._internet.token(f"https://{host}/a/b")
            for host in ("huggingface.co", "mirror.example", "evil.example")
        }
    finally:
        app.close()
    assert tokens == {"huggingface.co": "hf_of_the_environment", "mirror.example": None, "evil.example": None}


def test_no_command_takes_a_key_as_an_argument() -> None:
    for key in KEYS:
        assert command_here("key", "set", key.name, "sk-1").returncode == 2
