"""Terminal commands beside an app that runs: the app does the work, and neither disturbs the other."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
from aiohttp import web

from tests.fakes.apps import DEADLINE_S, ready, real_app, wait_for_status
from tests.fakes.commands import FakeCommands
from tests.fakes.file_server import FileServer, Stall
from tests.fakes.hub import FakeHub
from tests.fakes.models import model_bytes
from tests.fakes.program import command_here, gone, powerinfer_tray, running
from tray_app.app.server_status import ServerState
from tray_app.app.tuning import EngineMeasurement, EngineOption, ThreadMeasurement, Threads, Tuning
from tray_app.cli import main
from tray_app.gateway.control.client import find_running
from tray_app.gateway.control.commands import Cancellation, Changing, Measuring
from tray_app.gateway.control.documents import StatusDocument
from tray_app.gateway.control.routes import Control
from tray_app.settings.keys import GATEWAY
from tray_app.system.autostart import Login
from tray_app.system.logs import PrivateLogFile
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from tray_app.app.root import App
    from tray_app.gateway.control.client import ControlClient

    Run = Callable[..., CompletedProcess[str]]

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX systems")
VARIABLE = GATEWAY.variables[0]
TAKEN_UP = "Applied to the running app.\n"


@contextmanager
def app_that_is_asked() -> Iterator[tuple[App, ControlClient]]:
    """An app in this process, and a client as commands have it."""
    with real_app() as app:
        app.open_control(quit_app=lambda: None)
        client = find_running(app.paths.state)
        assert client
        yield app, client


def document(*arguments: str, code: int = 0, run: Run = command_here) -> Any:
    result = run(*arguments, "--json")
    assert result.returncode == code, result.stdout + result.stderr
    return json.loads(result.stdout)


def test_no_command_opens_a_log_for_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    looking = ["models list", "models info test", "models verify", "doctor"]
    opened: list[str] = []
    opens = PrivateLogFile._open

    def note(self: PrivateLogFile) -> Any:
        opened.append(self.baseFilename)
        return opens(self)

    monkeypatch.setattr(PrivateLogFile, "_open", note)
    with running("serve", "--model", "test", "--port", str(free_port())) as program:
        program.line_with("Ready")
        for command in [*looking, "settings set metrics on", "embed x"]:
            assert (command, main.run(command.split()), opened) == (command, 0, [])


@pytest.mark.warns("Another PowerInfer Tray writes the log files", "both run", "a third runs")
def test_of_two_apps_one_writes_the_logs_and_the_next_one_afterwards(private_home: Path) -> None:
    log = logging.getLogger("tray_app.test")
    file = private_home / "logs" / "app.log"
    with real_app(), real_app() as second:
        log.warning("both run")
        assert file.read_text("utf-8").count("both run") == 1
        assert "both run" in second.app_lines.since(0)[-1].text
    with real_app():
        log.warning("a third runs")
    assert "a third runs" in file.read_text("utf-8")


@pytest.mark.parametrize("apply", [True, False])
def test_what_tune_finds_best_is_taken_up_by_the_running_app(
    monkeypatch: pytest.MonkeyPatch, *, apply: bool
) -> None:
    samples = (ThreadMeasurement(1, 10.0, 10.0), ThreadMeasurement(2, 100.0, 100.0))
    found = Tuning(Threads(1, 1), samples, complete=True)
    monkeypatch.setattr("tray_app.app.tuning.tune", lambda *_: found)
    with app_that_is_asked() as (app, client):
        app.store.override(threads=1)
        ready(app)
        tuned = client.tune(Measuring(apply=apply), lambda _: None, Cancellation())
        plan = app.wait_until_ready(DEADLINE_S)

        assert (tuned.best.generation, tuned.applied) == (2, apply)
        assert app.store.current.threads == (2 if apply else 1)
        threads = plan.argv[plan.argv.index("--threads") + 1] if hasattr(plan, "argv") else ""
        assert threads == ("2" if apply else "1")
    saved = json.loads(command_here("settings", "show", "--json").stdout)
    assert saved["threads"] == (2 if apply else "auto")


def test_the_fastest_engine_becomes_the_models_own_and_the_comparison_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines = (
        EngineMeasurement(EngineOption("llama.cpp", "2026.10"), 100.0, 40.0),
        EngineMeasurement(EngineOption("llama.cpp-cpu", "b11194"), 190.0, 40.0),
        EngineMeasurement(EngineOption("llama.cpp-cuda", "b11194"), failure="The engine crashed"),
    )
    samples = (ThreadMeasurement(1, 190.0, 40.0),)
    found = Tuning(Threads(1, 1), samples, complete=True, present_engine="llama.cpp", engines=engines)
    monkeypatch.setattr("tray_app.app.tuning.tune", lambda *_: found)
    with app_that_is_asked() as (app, _):
        app.change(model="test")

        shown = command_here("tune")
        best = "engine = llama.cpp-cpu, threads = 1, threads_batch = 1"
        assert shown.stdout.splitlines() == [
            "engine                 embeddings/s  tokens/s  built-in = 1",
            "llama.cpp 2026.10            100.00      40.0          1.00",
            "llama.cpp-cpu b11194         190.00      40.0          1.38",
            "llama.cpp-cuda b11194  not measured: The engine crashed",
            "",
            "threads  embeddings/s  tokens/s",
            "      1        190.00      40.0",
            f"Best: {best}. To use it, run: powerinfer-tray tune --apply",
        ]
        of_one = command_here("tune", "--model", "test").stdout.splitlines()
        assert of_one[-1] == f"Best: {best}. To use it, run: powerinfer-tray tune --model test --apply"
        assert app.store.current.models == {}

        told = json.loads(command_here("tune", "--apply", "--json").stdout)
        assert (told["applied"], told["keep"], told["best"]["engine"]) == (True, False, "llama.cpp-cpu")
        assert [each["times_built_in"] and round(each["times_built_in"], 2) for each in told["engines"]] == [
            1.0,
            1.38,
            None,
        ]
        assert app.store.current.models == {"test": {"engine": "llama.cpp-cpu"}}
        assert app.store.current.engine == "auto"


def test_a_server_that_sleeps_does_so_again_after_tune_and_its_address_rested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str | None] = []
    with app_that_is_asked() as (app, client):

        def measure(*_: object) -> Tuning:
            seen.append(app.status().server.base_url)
            return Tuning(Threads(1, 1), (), complete=True)

        monkeypatch.setattr("tray_app.app.tuning.tune", measure)
        app._server.stand_by()
        client.tune(Measuring(), lambda _: None, Cancellation())
        assert app.status().server.state is ServerState.ASLEEP
    assert seen == [None]


def test_a_server_that_is_stopped_meanwhile_stays_stopped_after_tune(monkeypatch: pytest.MonkeyPatch) -> None:
    with app_that_is_asked() as (app, client):

        def measure(*_: object) -> Tuning:
            assert powerinfer_tray("stop").returncode == 0
            return Tuning(Threads(1, 1), (), complete=True)

        monkeypatch.setattr("tray_app.app.tuning.tune", measure)
        client.tune(Measuring(), lambda _: None, Cancellation())  # of a server that did not run
        assert app.status().server.state is ServerState.STOPPED
        ready(app)
        client.tune(Measuring(), lambda _: None, Cancellation())
        assert app.status().server.state is ServerState.STOPPED


def test_two_measurements_at_once_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with app_that_is_asked() as (_, client):
        inner: list[str] = []

        def measure(*_: object) -> Tuning:
            with pytest.raises(Exception, match="already running") as refused:
                client.tune(Measuring(), lambda _: None, Cancellation())
            inner.append(str(refused.value))
            return Tuning(Threads(1, 1), (), complete=True)

        monkeypatch.setattr("tray_app.app.tuning.tune", measure)
        assert client.tune(Measuring(), lambda _: None, Cancellation()).complete
    assert len(inner) == 1


def test_the_doctor_and_embed_know_the_key_that_only_the_app_has(
    monkeypatch: pytest.MonkeyPatch, private_home: Path
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    (private_home / "settings.toml").write_text("network = 'lan'\n")
    monkeypatch.setenv(VARIABLE, "sk-a-key-of-the-app-alone")
    with running("serve", "--model", "test", "--port", str(free_port())) as program:
        program.line_with("Ready")
        monkeypatch.delenv(VARIABLE)
        found = document("doctor", run=powerinfer_tray)
        embedded = command_here("embed", "hello")
    alone = document("doctor", code=1, run=powerinfer_tray)

    assert found["keys"]["gateway"] == f"in the environment variable {VARIABLE}"
    assert not [each for each in found["problems"] if "needs an API key" in each["title"]]
    assert found["running"]["pid"] == program.process.pid
    assert (embedded.returncode, "64 dimensions" in embedded.stdout) == (0, True), embedded.stderr
    assert "The local network needs an API key" in [each["title"] for each in alone["problems"]]


def test_embed_leaves_a_server_stopped_that_a_person_has_stopped() -> None:
    with app_that_is_asked() as (app, _):
        result = command_here("embed", "hello")
        status = app.status()
    assert "64 dimensions" in result.stdout, result.stderr
    assert (status.server.state, status.engine.run) == (ServerState.STOPPED, 0)


def test_a_download_is_in_the_queue_of_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with FileServer() as server, app_that_is_asked() as (app, _):
        url = server.put("/some.gguf", model_bytes()).url
        told = document("download", url, "--to", "here", "--connections", "1", "--limit", "500MB/s")
        (progress,) = app.downloads.snapshot()
    assert (told["path"], told["bytes"]) == (str(tmp_path / "here" / "some.gguf"), len(model_bytes()))
    assert progress.path == tmp_path / "here" / "some.gguf"
    assert (tmp_path / "here" / "some.gguf.sha256").exists()


def test_the_app_tells_which_file_of_a_repository_it_has_picked(private_home: Path) -> None:
    with FakeHub() as hub:
        hub.add("o/r", {"m-Q8_0.gguf": model_bytes(), "m-Q4_0.gguf": model_bytes()})
        (private_home / "settings.toml").write_text(f"hf_endpoint = '{hub.base_url}'\n")
        with app_that_is_asked() as (app, _):
            told = document("download", "hf:o/r")
            (progress,) = app.downloads.snapshot()
    assert "m-Q8_0.gguf" in told["picked"]
    assert told["path"] == str(progress.path)


@contextmanager
def stalled_download() -> Iterator[tuple[Any, Any]]:
    """A server, and the command that has begun to download from it."""
    with FileServer() as server:
        served = server.put("/some.gguf", model_bytes())
        served.always = Stall(after_bytes=1000)
        with running("download", served.url) as command:
            assert served.asked.wait(DEADLINE_S)
            yield served, command


@posix
@pytest.mark.parametrize("sign", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_pauses_the_download_of_the_app_and_the_same_command_goes_on(sign: str) -> None:
    with app_that_is_asked() as (app, _), stalled_download() as (served, command):
        command.process.send_signal(signal.Signals[sign])
        assert command.process.wait(DEADLINE_S) == 1
        output = command.rest()
        (progress,) = app.downloads.snapshot()
        served.always = None
        again = document("download", served.url)
    assert "Paused" in output
    assert "Run the same command again to continue." in output
    assert progress.phase == "paused"
    assert again["bytes"] == len(model_bytes())


@posix
@pytest.mark.parametrize("command", ["start", "restart", "settings set metrics on"])
def test_ctrl_c_ends_a_wait_and_says_that_the_app_goes_on(
    private_home: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with FileServer() as server:
        served = server.put("/mine.gguf", model_bytes())
        served.always = Stall(after_bytes=1000)
        (private_home / "models.toml").write_text(f'[[models]]\nid = "mine"\nsource = "{served.url}"\n')
        with ThreadPoolExecutor(1) as people, app_that_is_asked() as (app, _):
            app.store.override(model="mine")
            if command.startswith("settings"):
                people.submit(app.start_server)
                assert served.asked.wait(DEADLINE_S)
            with running(*command.split()) as waiting:
                assert served.asked.wait(DEADLINE_S)
                if command.startswith("settings"):
                    wait_for_status(app, lambda status: status.settings.metrics)
                waiting.process.send_signal(signal.SIGINT)
                assert waiting.process.wait(DEADLINE_S) == 130
                output = waiting.rest()
            assert app.downloads.snapshot()[0].phase.active
    assert f"The running app (PID {os.getpid()}) continues with this" in output


@posix
def test_an_app_that_is_ended_while_it_measures_leaves_nothing_behind(private_home: Path) -> None:
    with running("serve", "--model", "test", "--port", str(free_port())) as program:
        program.line_with("Ready")
        with running("tune") as command:
            state = private_home / "state" / "temporary-server"
            while not list(state.glob("engine-*.json")):
                pass
            engines = program.descendants()
            assert command_here("quit").returncode == 0
            assert program.process.wait(DEADLINE_S) == 0
            assert command.process.wait(DEADLINE_S) != 0
            assert "Traceback" not in command.rest()
    assert engines
    assert gone(engines)
    assert not list(state.glob("engine-*.json"))


@posix
@pytest.mark.parametrize("killed", [True, False])
def test_a_command_ends_with_a_reason_if_the_app_ends_meanwhile(*, killed: bool) -> None:
    with (
        running("serve", "--model", "test", "--port", str(free_port())) as program,
    ):
        program.line_with("Ready")
        with stalled_download() as (served, command):
            if killed:
                program.process.kill()
            else:
                assert command_here("quit").returncode == 0
            program.process.wait(DEADLINE_S)
            assert command.process.wait(DEADLINE_S) == 1
            output = command.rest()
            served.always = None
            alone = document("download", served.url)
    assert ("PowerInfer Tray has quit" if killed else "Run the same command again to continue.") in output
    assert "Traceback" not in output
    assert alone["bytes"] == len(model_bytes())


def test_settings_that_are_set_at_the_same_time_are_all_kept() -> None:
    changes = {
        "metrics": "on",
        "notices": "off",
        "batch_size": "256",
        "idle_minutes": "7",
        "temperature": "0.5",
        "native_routes": "on",
    }
    with app_that_is_asked() as (app, client), ThreadPoolExecutor(len(changes)) as people:
        done = [people.submit(client.change, Changing(name, text)) for name, text in changes.items()]
        assert [each.result(DEADLINE_S).value for each in done]
        current = app.store.current
    shown = json.loads(command_here("settings", "show", "--json").stdout)
    for values in (shown, {name: getattr(current, name) for name in shown}):
        assert (values["metrics"], values["notices"], values["batch_size"]) == (True, False, 256)
        assert (values["idle_minutes"], values["temperature"], values["native_routes"]) == (7, 0.5, True)


def test_a_port_that_holds_for_this_run_is_kept_for_good_when_somebody_sets_it() -> None:
    port = free_port()
    with running("serve", "--model", "test", "--port", str(port)) as program:
        program.line_with("Ready")
        command_here("settings", "set", "port", str(port))
        other = free_port()
        kept = command_here("settings", "get", "port").stdout.strip()
        command_here("settings", "set", "port", str(other))
        assert requests.get(f"http://127.0.0.1:{other}/health", timeout=DEADLINE_S).ok
    assert kept == str(port)


def test_settings_of_one_model_are_changed_by_the_app_that_runs(
    private_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.gguf").write_bytes(model_bytes())
    with app_that_is_asked() as (app, _):
        ready(app)
        run = app.status().engine.run
        for arguments, printed in (
            ("set ctx_size 512 --model ./mine.gguf", "ctx_size = 512  # for mine\n"),
            ("set aliases gpt --model test", 'aliases = ["gpt"]  # for test\n'),
            ("set pooling mean --model GPT", 'pooling = "mean"  # for test\n'),
        ):
            result = command_here("settings", *arguments.split())
            assert (result.returncode, result.stdout) == (0, printed + TAKEN_UP), result.stderr
        app.wait_until_ready(DEADLINE_S)
        assert app.status().engine.run == run + 1  # the other two concern no engine that runs
        result = command_here("settings", "unset", "pooling", "--model", "gpt")
        assert result.stdout == 'pooling = "auto"  # for test\n' + TAKEN_UP, result.stderr
        assert app.store.current.models == {"mine": {"ctx_size": 512}, "test": {"aliases": ("gpt",)}}
        refused = command_here("settings", "set", "aliases", "TEST", "--model", "mine")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "It is the ID of another model, test." in refused.stderr
        assert command_here("settings", "unset", "notices").stdout == "notices = true\n" + TAKEN_UP
    kept = tomllib.loads((private_home / "settings.toml").read_text())
    assert kept["models"] == {"mine": {"ctx_size": 512}, "test": {"aliases": ["gpt"]}}


def test_settings_of_many_models_that_are_set_at_the_same_time_are_all_kept() -> None:
    with app_that_is_asked() as (app, client), ThreadPoolExecutor(8) as people:
        wishes = [Changing("idle_minutes", str(n), f"m{n}") for n in range(1, 9)] + [
            Changing("metrics", "on")
        ]
        done = [people.submit(client.change, wish) for wish in wishes]
        assert [each.result(DEADLINE_S).value for each in done] == [*map(str, range(1, 9)), "true"]
        assert app.store.current.models == {f"m{n}": {"idle_minutes": n} for n in range(1, 9)}
        assert app.store.current.metrics


def test_what_tune_finds_best_goes_where_the_model_has_it_from(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = (ThreadMeasurement(1, 10.0, 10.0), ThreadMeasurement(2, 100.0, 100.0))
    present: list[tuple[Any, Any]] = []

    def measure(_: object, settings: Any, *__: object) -> Tuning:
        present.append((settings.threads, settings.threads_batch))
        return Tuning(Threads(1, 1), samples, complete=True)

    monkeypatch.setattr("tray_app.app.tuning.tune", measure)
    with app_that_is_asked() as (app, client):
        app.store.change(threads=1)
        client.change(Changing("threads", "3", "test"))
        client.tune(Measuring(apply=True), lambda _: None, Cancellation())
        settings = app.store.current
    assert present == [(3, "auto")]
    assert (settings.threads, settings.threads_batch, settings.models["test"]) == (1, 2, {"threads": 2})


def test_a_setting_of_a_model_that_is_saved_and_cannot_be_acted_on_says_both() -> None:
    with app_that_is_asked() as (app, _):
        ready(app)
        result = command_here("settings", "set", "extra_arguments", "--port 1", "--model", "test")
        assert (result.returncode, result.stdout) == (1, 'extra_arguments = ["--port","1"]  # for test\n')
        assert "--port" in result.stderr
        result = command_here("settings", "unset", "extra_arguments", "--model", "test")
        assert result.stdout == "extra_arguments = []  # for test\n" + TAKEN_UP, result.stderr
        assert app.client.embed(["still here"]).dimensions == 64


def test_a_setting_that_is_saved_and_cannot_be_acted_on_says_both() -> None:
    with app_that_is_asked() as (app, _):
        ready(app)
        result = command_here("settings", "set", "model", "gone")
        assert (result.returncode, result.stdout) == (1, 'model = "gone"\n')
        assert "gone" in result.stderr
        assert app.client.embed(["still here"]).dimensions == 64


@pytest.mark.skipif(sys.platform != "linux", reason="changes what happens at login")
def test_launch_at_login_is_switched_by_the_app(private_home: Path) -> None:
    entry = private_home / "config" / "autostart" / "powerinfer-tray.desktop"
    with app_that_is_asked() as (app, _):
        command_here("settings", "set", "launch_at_login", "on")
        on = (app.status().settings.launch_at_login, app.status().login, entry.exists())
        command_here("settings", "set", "launch_at_login", "off")
        off = (app.status().settings.launch_at_login, app.status().login, entry.exists())
    assert (on, off) == ((True, Login.ON, True), (False, Login.OFF, False))


class EarlierControl(Control):
    """The control address of a version that could tell its status and nothing else."""

    @contextmanager
    def running(self) -> Iterator[None]:
        assert self.open()
        try:
            yield
        finally:
            self.close()

    @asynccontextmanager
    async def _application(self) -> AsyncIterator[web.Application]:
        async with super()._application() as whole:
            early = web.Application(middlewares=list(whole.middlewares))
            for route in whole.router.routes():
                path = route.resource.canonical if route.resource else ""
                if path in EARLY and route.method != "HEAD":
                    early.router.add_route(route.method, path, route.handler)
            yield early


EARLY = ("/status", "/challenge", "/stop")


@pytest.mark.parametrize("version", ["0.0.9", ""])
@pytest.mark.parametrize(
    "command",
    [
        "embed x",
        "doctor",
        "tune --model test",
        "settings set metrics on",
        "models remove mine",
        "load test",
        "unload test",
    ],
)
def test_an_app_of_another_version_is_told_to_be_restarted(
    private_home: Path, command: str, version: str
) -> None:
    (private_home / "models").mkdir()
    (private_home / "models" / "mine.gguf").write_bytes(model_bytes())
    told = StatusDocument(running=True, state="ready", version=version)
    earlier = EarlierControl(
        private_home / "state", lambda: told, {"stop": lambda: None}, print, FakeCommands()
    )
    with earlier.running():
        result = command_here(*command.split())
        stopped = command_here("stop")
    assert (result.returncode, stopped.returncode) == (1, 0)
    assert f"A different version of PowerInfer Tray is running (PID {os.getpid()})" in result.stderr
    assert (f"Version {version} is running" if version else "An earlier version is running") in result.stderr
    assert "powerinfer-tray quit" in result.stderr
    assert (private_home / "models" / "mine.gguf").exists()


@posix
def test_after_an_app_was_killed_commands_work_by_themselves() -> None:
    with running("serve", "--model", "test", "--port", str(free_port())) as program:
        program.line_with("Ready")
        program.process.kill()
        program.process.wait()
        assert "Not running" in powerinfer_tray("status").stdout
        assert "64 dimensions" in powerinfer_tray("embed", "hello").stdout
