"""Several models at one address, on real engines: as clients, newcomers and attackers use them."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import ollama
import openai
import psutil
import pytest
from openai import OpenAI

from tests.fakes.apps import DEADLINE_S, leases, ready, real_app, wait_for_leases, wait_for_status
from tests.fakes.crowds import request_of
from tests.fakes.errors import coded
from tests.fakes.processes import all_ended, halt
from tests.fakes.program import command_here, gone, running
from tests.fakes.several_models import (
    BUDGET_GIB,
    DIMENSIONS,
    ask_all,
    engines_below,
    engines_watched,
    install_models,
    mixed,
)
from tests.fakes.tiny_models import BERT_DIMENSIONS, CHAT_DIMENSIONS, bert_model_bytes, chat_model_bytes
from tray_app.app.server import ServerDelays
from tray_app.app.server_status import ServerState
from tray_app.errors import AppError, ErrorCode
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.app.root import App
    from tray_app.app.status import AppStatus

CHAT: Any = {"messages": [{"role": "user", "content": "Hi"}]}
KILLS = 2


@pytest.fixture(autouse=True)
def models(private_home: Path) -> Path:
    """The models folder, with a chat model that writes digits and a model that only embeds."""
    folder = private_home / "models"
    install_models(folder)
    return folder


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[App, OpenAI]]:
    """An app whose address is open, with no engine yet, and a client of it."""
    with real_app(start_on_demand=True, **settings) as app:
        app.begin()
        url = app.status().server.base_url
        with OpenAI(base_url=url, api_key="none", max_retries=0, timeout=DEADLINE_S) as client:
            yield app, client


def dimensions(client: OpenAI, model: str) -> int:
    """The length of a vector, which tells who has answered."""
    answer = client.embeddings.create(model=model, input="Hello")
    assert answer.model in (model, "test")
    return len(answer.data[0].embedding)


def refused(client: OpenAI, model: str) -> tuple[int, str | None, str]:
    """Status, code and message of the error for a request that names this model."""
    with pytest.raises(openai.APIStatusError) as caught:
        dimensions(client, model)
    return caught.value.status_code, caught.value.code, caught.value.message


def states(client: OpenAI) -> dict[str, str]:
    """By id, the state of each model that is listed."""
    return {model.id: model.to_dict()["meta"]["state"] for model in client.models.list()}  # type: ignore[index]


def pids(app: App) -> dict[str | None, int | None]:
    """By the id of its model, the process of each engine."""
    return {each.model_id: each.engine.pid for each in app.status().pool.engines if each.engine.pid}


@contextmanager
def asking(client: OpenAI, path: str, body: object) -> Iterator[socket.socket]:
    """Somebody who has sent a request, and leaves with the end of the block."""
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port or 0), DEADLINE_S) as wire:
        wire.sendall(request_of(f"/v1{path}", body))
        yield wire


# Names


@pytest.mark.client(
    "openai Python",
    "embeddings with one model and chat with another at the same time",
    how="each by its name, its file name or one of its other names",
)
def test_vectors_of_one_model_and_a_stream_of_another_at_the_same_time_by_every_name() -> None:
    with serving(default_embedding="bge", default_chat="digits.gguf") as (app, client):
        assert states(client) == {"bge": "not loaded", "digits": "not loaded", "test": "sleeping"}
        assert client.models.retrieve("digits.gguf").to_dict()["meta"]["state"] == "not loaded"  # type: ignore[index]
        assert pids(app) == {}
        app.change_own("digits", aliases=("writer",))
        app.change_own("bge", aliases=("reader",))
        for embeds, writes in (
            ("bge", "digits"),
            ("reader", "writer"),
            ("BGE.gguf", "digits.GGUF"),
            ("text-embedding-3-small", "gpt-4o-mini"),
        ):
            with client.chat.completions.create(
                model=writes, max_tokens=40, temperature=0, stream=True, **CHAT
            ) as stream:
                first = next(iter(stream))
                vectors = client.embeddings.create(model=embeds, input=["a", "b"])
                pieces = [first, *stream]
            assert [len(each.embedding) for each in vectors.data] == [BERT_DIMENSIONS] * 2
            assert (vectors.model, {each.model for each in pieces}) == (embeds, {writes})
            text = "".join(each.choices[0].delta.content or "" for each in pieces if each.choices)
            assert re.fullmatch(r"[0-9]{10,}", text), text
        assert states(client) == {"bge": "loaded", "digits": "loaded", "test": "sleeping"}
        assert client.models.retrieve("writer").to_dict()["meta"]["state"] == "loaded"  # type: ignore[index]
        # The name of an installed model means that model, whatever the defaults.
        assert dimensions(client, "digits") == CHAT_DIMENSIONS
        told = (
            client.completions.create(model="test", prompt="Hi", max_tokens=20, temperature=0).choices[0].text
        )
        assert re.search(r"[a-z]", told), told


@pytest.mark.client(
    "openai Python",
    "an unknown model with strict names",
    works=False,
    how="404 with the available models",
)
def test_where_names_are_strict_only_installed_ones_are_answered(models: Path) -> None:
    with serving(strict_models=True) as (app, client):
        (models / "late.gguf").write_bytes(chat_model_bytes())
        assert dimensions(client, "late") == CHAT_DIMENSIONS  # it has come a moment ago
        status, code, message = refused(client, "gpt-4o-mini")
        assert (status, code) == (404, "model_not_found")
        assert all(repr(name) in message for name in ("test", "digits", "bge", "late"))
        assert dimensions(client, "") == DIMENSIONS["test"]
        gone_with_file = threading.Event()

        def look(status: AppStatus) -> None:
            if status.pool.of("late") is None:
                gone_with_file.set()

        app.changed.connect(look)
        (models / "late.gguf").unlink()
        assert gone_with_file.wait(DEADLINE_S)
        assert refused(client, "late")[:2] == (404, "model_file_missing")


@pytest.mark.parametrize("tag", ["", ":latest"])
def test_no_other_model_answers_for_one_that_is_not_downloaded_or_not_whole(models: Path, tag: str) -> None:
    (models / "half.gguf").write_bytes(chat_model_bytes()[:-1000])
    with serving() as (_, client):
        assert refused(client, "smollm2-360m" + tag)[:2] == (404, "model_not_downloaded")
        assert refused(client, "half" + tag)[:2] == (503, "model_file_incomplete")


@pytest.mark.parametrize("chosen", ["test", "digits"])
def test_a_file_that_is_replaced_is_the_new_model_for_the_next_request(models: Path, chosen: str) -> None:
    with serving(model=chosen) as (app, client):
        assert dimensions(client, "digits") == CHAT_DIMENSIONS
        unloaded = threading.Event()

        def look(status: AppStatus) -> None:
            if status.pool.of("digits") is None:
                unloaded.set()

        app.changed.connect(look)
        (models / "arriving").write_bytes(bert_model_bytes())
        (models / "arriving").replace(models / "digits.gguf")
        assert unloaded.wait(DEADLINE_S)
        assert dimensions(client, "digits") == BERT_DIMENSIONS


def test_a_model_of_another_folder_is_not_loaded_beside_others(models: Path, tmp_path: Path) -> None:
    stranger, twin = tmp_path / "stranger.gguf", tmp_path / "digits.gguf"
    for each in (stranger, twin):
        each.write_bytes(bert_model_bytes())
    with serving() as (app, client):
        for each in (stranger, twin):
            with pytest.raises(AppError, check=coded(ErrorCode.MODEL_NOT_IN_FOLDER)):
                app.load_model(str(each))
        assert pids(app) == {}
        assert app.load_model(str(models / ".." / models.name / "digits.gguf")) == "digits"
        assert dimensions(client, "digits") == CHAT_DIMENSIONS
    with serving(model=str(stranger)) as (app, client):
        assert app.load_model(str(stranger)) == "stranger"
        assert dimensions(client, "stranger") == BERT_DIMENSIONS


@pytest.mark.client(
    "ollama Python",
    "embed, list, ps, show with several models",
    how="each by its name, with or without `:latest`",
)
def test_programs_for_ollama_find_models_by_name_and_tag() -> None:
    with serving(strict_models=True) as (_, client):
        host = str(client.base_url).partition("/v1")[0]
        with ollama.Client(host=host) as program:
            listed = {each.model: each for each in program.list().models}
            assert set(listed) == {"bge:latest", "digits:latest", "test:latest"}
            assert program.ps().models == []
            bge = program.show("BGE:latest")
            details = listed["bge:latest"].details
            assert details == bge.details
            assert details
            assert (details.family, details.families) == ("bert", ["bert"])
            assert details.parameter_size
            assert details.quantization_level
            assert bge.capabilities == ["embedding"]
            assert bge.modelinfo
            assert bge.modelinfo["bert.embedding_length"] == BERT_DIMENSIONS
            assert (listed["bge:latest"].size or 0) > 0
            assert program.show("digits").capabilities == ["completion"]
            for name in ("bge:latest", "bge", "bge.gguf:latest"):
                assert len(program.embed(model=name, input="x").embeddings[0]) == BERT_DIMENSIONS
            assert dimensions(client, "bge:latest") == BERT_DIMENSIONS  # as VS Code asks what it has found
            assert [each.model for each in program.ps().models] == ["bge:latest"]
            with pytest.raises(ollama.ResponseError, match="'llama3:latest'") as refusal:
                program.chat(model="llama3:latest", messages=CHAT["messages"])
            assert refusal.value.status_code == 404


# What is wrong with one model disturbs no other


@pytest.mark.client(
    "openai Python", "a name shared by two models", works=False, how="400 with the names to use"
)
@pytest.mark.client(
    "openai Python",
    "a model whose file is damaged",
    works=False,
    how="503; other models keep answering",
)
def test_files_of_one_name_and_damaged_ones_have_clear_errors_and_disturb_nothing(models: Path) -> None:
    for folder, content in (("a", chat_model_bytes()), ("b", bert_model_bytes())):
        (models / folder).mkdir()
        (models / folder / "same.gguf").write_bytes(content)
    (models / "half.gguf").write_bytes(chat_model_bytes()[:150_000])
    (models / "noise.gguf").write_bytes(b"GGUF" + bytes(2000))
    with serving() as (app, client):
        ids = sorted(name for name in states(client) if name.startswith("same-"))
        status, code, message = refused(client, "same.gguf")
        assert (status, code, len(ids)) == (400, "model_ambiguous", 2)
        assert all(name in message for name in ids)
        assert {dimensions(client, name) for name in ids} == {CHAT_DIMENSIONS, BERT_DIMENSIONS}
        assert dimensions(client, "b/same.gguf") == BERT_DIMENSIONS
        status, code, message = refused(client, "half")
        assert (status, code) == (503, "model_file_incomplete")
        assert "90,864 are missing" in message
        assert refused(client, "noise.gguf")[0] == 503
        assert dimensions(client, "bge") == BERT_DIMENSIONS
        # The settings may mean what is ambiguous or absent: then only requests that mean it have the error.
        app.change(default_embedding="same")
        assert refused(client, "gpt-4o-mini")[:2] == (503, "model_ambiguous")
        app.change(default_embedding="absent")
        status, code, message = refused(client, "")
        assert (status, code) == (503, "model_not_found")
        assert "'absent' is not installed" in message
        assert dimensions(client, "bge") == BERT_DIMENSIONS


@pytest.mark.parametrize("chosen", ["same", "absent"])
def test_a_chosen_model_that_cannot_be_found_is_in_nobodys_way(models: Path, chosen: str) -> None:
    for folder in ("a", "b"):
        (models / folder).mkdir()
        (models / folder / "same.gguf").write_bytes(chat_model_bytes())
    with serving(model=chosen) as (_, client):
        assert dimensions(client, "bge") == BERT_DIMENSIONS
        code = "model_ambiguous" if chosen == "same" else "model_not_found"
        assert refused(client, "")[:2] == (503, code)


@pytest.mark.warns("does not know the argument")
def test_a_bad_argument_of_one_model_is_told_to_those_who_ask_for_it_alone() -> None:
    with serving() as (app, client):
        dimensions(client, "bge")
        app.change_own("digits", extra_arguments=("--no-such-option",))
        before = pids(app)
        for _ in range(2):
            status, code, message = refused(client, "digits")
            assert (status, code) == (503, "engine_argument_unknown")
            assert "--no-such-option" in message
            assert dimensions(client, "bge") == BERT_DIMENSIONS
        assert before.items() <= pids(app).items()
        assert states(client)["digits"] == "failed"
        app.change_own("digits", extra_arguments=())
        assert dimensions(client, "digits") == CHAT_DIMENSIONS


@pytest.mark.client(
    "openai Python",
    "a model that does not fit in memory next to the kept ones",
    works=False,
    how="503 with the models to unload",
)
def test_a_model_that_does_not_fit_says_how_much_and_what_would_have_to_go() -> None:
    with serving(memory_budget=BUDGET_GIB) as (app, client):
        for name in ("test", "digits"):
            app.change_own(name, keep_loaded=True)
            dimensions(client, name)
        status, code, message = refused(client, "bge")
        assert (status, code) == (503, "model_does_not_fit")
        assert "0.04 GiB" in message
        assert "0.10 GiB" in message
        assert re.search(r"would have to be unloaded: (test|digits)\.", message)
        assert states(client) == {"bge": "not loaded", "digits": "loaded", "test": "loaded"}
        app.change_own("digits", keep_loaded=False)
        assert dimensions(client, "bge") == BERT_DIMENSIONS
        assert states(client) == {"bge": "loaded", "digits": "not loaded", "test": "loaded"}
        app.change_own("digits", extra_arguments=("-np", "400"))
        status, code, message = refused(client, "digits")  # larger than the budget
        assert (status, code) == (503, "model_does_not_fit")
        assert "would have to be unloaded" not in message


# Memory


def test_a_smaller_budget_unloads_at_once_what_is_too_much_but_nothing_that_is_kept() -> None:
    with serving() as (app, client):
        for name in ("bge", "digits", "test"):
            dimensions(client, name)
        app.change_own("bge", keep_loaded=True)
        app.change(memory_budget=BUDGET_GIB)
        wait_for_status(app, lambda status: status.pool.of("digits") is None)
        assert set(pids(app)) == {"bge", "test"}
        assert dimensions(client, "digits") == CHAT_DIMENSIONS  # the chosen model is put to sleep for it
        assert set(pids(app)) == {"bge", "digits"}


def test_a_chosen_model_that_does_not_fit_says_so_while_others_answer() -> None:
    with serving(memory_budget=BUDGET_GIB) as (app, client):
        for name in ("bge", "digits"):
            app.change_own(name, keep_loaded=True)
            dimensions(client, name)
        with pytest.raises(AppError, check=coded(ErrorCode.MODEL_DOES_NOT_FIT)):
            app.restart_server()
        for _ in range(2):
            status, code, message = refused(client, "test")
            assert (status, code) == (503, "model_does_not_fit")
            assert "powerinfer-tray unload" in message
        assert dimensions(client, "digits") == CHAT_DIMENSIONS


def test_a_crowd_gets_the_models_that_it_names_within_the_budget() -> None:
    with serving(memory_budget=BUDGET_GIB) as (app, client):
        with engines_watched(psutil.Process().pid) as seen:
            answers = ask_all(str(client.base_url), mixed(100), 16)
        assert (answers.errors, answers.wrong) == ([], [])
        assert sum(map(len, answers.waits_ms.values())) == 100
        assert set(seen.loads) == set(DIMENSIONS)
        assert seen.peak_bytes <= BUDGET_GIB * 2**30
        assert leases(app) == 0


def test_what_is_kept_stays_and_each_model_has_its_own_time_to_idle() -> None:
    delays = ServerDelays(idle_minute_s=0.5)
    with serving(memory_budget=BUDGET_GIB, delays=delays) as (app, client):
        app.change_own("digits", keep_loaded=True, idle_minutes=1)
        dimensions(client, "digits")
        kept = pids(app)["digits"]
        for name in ("bge", "test", "bge"):
            assert dimensions(client, name) == DIMENSIONS[name]
        assert pids(app)["digits"] == kept
        app.change_own("bge", idle_minutes=1)
        dimensions(client, "bge")
        wait_for_status(app, lambda status: status.pool.of("bge") is None)
        assert pids(app) == {"digits": kept}


def test_what_is_kept_is_loaded_whenever_the_server_starts() -> None:
    def everything_is_loaded(_: AppStatus) -> bool:
        return pids(app).keys() == DIMENSIONS.keys()

    with serving() as (app, _):
        app.change_own("digits", keep_loaded=True)
        app.start_server()
        app.load_model("bge", keep=True)
        wait_for_status(app, everything_is_loaded)
        with app.without_server():
            assert pids(app) == {}
        wait_for_status(app, everything_is_loaded)
        for start in (app.start_server, app.restart_server):
            app.stop_server()
            start()
            wait_for_status(app, everything_is_loaded)


def test_a_server_whose_engine_does_not_end_in_time_is_started_again() -> None:
    with serving(delays=ServerDelays(stop_s=0)) as (app, client):
        dimensions(client, "test")
        psutil.Process(pids(app)["test"]).suspend()  # else it may have ended before anybody looks
        with pytest.raises(AppError, check=coded(ErrorCode.ENGINE_STILL_RUNNING)), app.without_server():
            pytest.fail("two engines would measure each other")
        assert dimensions(client, "test") == DIMENSIONS["test"]


# Engines that die


@pytest.mark.warns("engine digits")
def test_kill_9_of_one_engine_leaves_the_others_answering_and_it_comes_back() -> None:
    with serving() as (app, client), ThreadPoolExecutor(1) as threads:
        for name in DIMENSIONS:
            dimensions(client, name)
        before = pids(app)
        others = ["test", "bge"] * 20
        answers = threads.submit(ask_all, str(client.base_url), others, 4)
        psutil.Process(before["digits"]).kill()
        wait_for_status(app, lambda status: before["digits"] not in pids_of(status))
        assert dimensions(client, "digits") == CHAT_DIMENSIONS
        found = answers.result(DEADLINE_S)
        assert (found.errors, found.wrong) == ([], [])
        after = pids(app)
        assert (after["test"], after["bge"]) == (before["test"], before["bge"])
        assert after["digits"] != before["digits"]


@contextmanager
def program_with(*names: str) -> Iterator[Any]:
    """A program that has loaded these models; its engines besides."""
    words = [word for name in names for word in ("--model", name)]
    with running("serve", *words, "--port", str(free_port())) as program:
        program.lines_with("Ready", *(f"Loaded {name}" for name in names[1:]))
        engines = engines_below(program.process.pid)
        assert sorted(engines.values()) == sorted(names)
        yield program, list(engines)


def test_kill_9_of_an_app_with_three_engines_leaves_none_of_them_and_those_of_other_homes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with program_with("test", "digits") as (_, others):
        install_models(tmp_path / "models")
        monkeypatch.setenv("POWERINFER_TRAY_HOME", str(tmp_path))
        for _ in range(KILLS):
            with program_with("test", "digits", "bge") as (program, engines):
                program.process.kill()
                assert gone(engines)
        assert all(each.is_running() for each in others)


# Settings, and what people do


def test_a_settings_file_from_before_starts_the_same_server(private_home: Path) -> None:
    file = private_home / "settings.toml"
    file.write_text(
        'model = "digits"\nctx_size = 512\nthreads = 3\nbatch_size = 64\nidle_minutes = 5\n'
        'extra_arguments = ["--n-keep", "4"]\n[models.digits]\npooling = "mean"\naliases = ["gpt-4o-mini"]\n',
        encoding="utf-8",
    )
    with real_app(model="digits", threads=3) as app:
        plan: Any = ready(app) and app.wait_until_ready(DEADLINE_S)
        words = " ".join(plan.argv[plan.argv.index("--ctx-size") :])
    assert words == (  # as written by the version before several models
        "--ctx-size 2048 --threads 3 --threads-batch 3 --alias digits --batch-size 512 --pooling mean"
        " --n-parallel 4 --kv-unified --kv-unified-per-slot 512 --cache-ram-mib 1 --n-keep 4"
    )


def test_a_change_for_one_model_restarts_that_one_alone() -> None:
    with serving() as (app, client):
        for name in DIMENSIONS:
            dimensions(client, name)
        before = pids(app)
        for name in ("digits", "test"):
            app.change_own(name, batch_size=64)
            assert dimensions(client, name) == DIMENSIONS[name]
            after = pids(app)
            assert {each for each in DIMENSIONS if after[each] != before[each]} == {name}
            before = after
        app.change_own("bge", temperature=0.1)  # no engine is told this
        app.change_own("bge", idle_minutes=3, keep_loaded=True)
        assert pids(app) == before


def test_settings_that_one_model_cannot_have_are_said_to_be_its_and_keep_no_other_from_theirs() -> None:
    with serving() as (app, client):
        for name in DIMENSIONS:
            dimensions(client, name)
        for spoilt, size in (("bge", 64), ("test", 128)):
            before = pids(app)
            with pytest.raises(AppError, check=coded(ErrorCode.ENGINE_NOT_FOUND)) as caught:
                app.change_own(spoilt, engine="/no/such/engine")
            assert spoilt == "test" or caught.value.title.startswith(
                "bge is still running with its old settings"
            )
            with pytest.raises(AppError, check=coded(ErrorCode.ENGINE_NOT_FOUND)):
                app.change_own("digits", batch_size=size)
            assert dimensions(client, "digits") == CHAT_DIMENSIONS
            assert pids(app)["digits"] != before["digits"]
            app.change_own(spoilt, engine="auto")


def test_a_request_for_a_model_that_has_failed_is_told_which_one_why_and_what_to_do() -> None:
    with serving() as (app, client):
        app.change_own("digits", extra_arguments=("--no-such-flag",))
        refused(client, "digits")  # this one has waited for the engine
        status, code, message = refused(client, "digits")
        assert (status, code) == (503, "engine_argument_unknown")
        assert "'digits'" in message
        assert "Remove it from “Extra arguments”" in message


def test_a_model_that_is_unloaded_says_so_to_all_who_use_or_wait_for_it() -> None:
    with serving() as (app, client), ThreadPoolExecutor(8) as threads:
        dimensions(client, "bge")
        dimensions(client, "digits")
        engine = halt(pids(app)["digits"])
        using = [threads.submit(refused, client, "digits") for _ in range(3)]
        wait_for_leases(app, 3)
        app.unload_model("digits")
        assert {each.result(DEADLINE_S)[0] for each in using} <= {502, 503}
        assert not engine.is_running()
        assert dimensions(client, "bge") == BERT_DIMENSIONS
        waiting = threads.submit(refused, client, "digits")
        wait_for_status(app, lambda _: "digits" in pids(app))
        halt(pids(app)["digits"])  # or it might be ready before it is unloaded
        app.unload_model("digits")
        assert waiting.result(DEADLINE_S)[:2] == (503, "start_called_off")
        wait_for_leases(app, 0)
        assert dimensions(client, "digits") == CHAT_DIMENSIONS


def test_a_persons_stop_ends_all_engines_and_closes_the_address() -> None:
    with serving() as (app, client):
        for name in DIMENSIONS:
            dimensions(client, name)
        engines = [psutil.Process(pid) for pid in pids(app).values()]
        app.stop_server()
        assert all_ended(engines)
        with pytest.raises(openai.APIConnectionError):
            client.models.list()
        with pytest.raises(AppError, check=coded(ErrorCode.SERVER_NOT_RUNNING)):
            app.load_model("digits")


def document(*arguments: str) -> Any:
    told = command_here(*arguments, "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    return json.loads(told.stdout)


def test_models_are_loaded_listed_and_unloaded_from_a_terminal_beside_requests() -> None:
    port = free_port()
    end = threading.Event()
    with (
        running("serve", "--model", "test", "--port", str(port)) as program,
        OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        program.line_with("Ready")

        def ask_until_end() -> set[int]:
            found = set()
            while not end.wait(0.01):
                found.add(dimensions(client, "test"))
            return found

        asked = threads.submit(ask_until_end)
        try:
            assert command_here("load", "bge").returncode == 0
            rows = {row["model"]: row for row in document("ps")["engines"]}
            assert {name: row["state"] for name, row in rows.items()} == {"test": "ready", "bge": "ready"}
            assert all(row["memory_bytes"] > 2**20 and row["device"] for row in rows.values())
            assert (rows["bge"]["chosen"], rows["test"]["chosen"]) == (False, True)
            assert [row["model"] for row in document("status")["engines"]] == ["test", "bge"]
            assert command_here("unload", "bge").returncode == 0
            assert states(client)["bge"] == "not loaded"
        finally:
            end.set()
        assert asked.result(DEADLINE_S) == {DIMENSIONS["test"]}


# Clients that leave


def test_after_clients_that_leave_at_any_moment_no_engine_counts_as_used() -> None:
    chance = random.Random(11)  # noqa: S311 - the same each time
    long = {"prompt": "Hi", "max_tokens": 400, "stream": True}

    def leave(number: int) -> None:
        name = list(DIMENSIONS)[number % 3]
        path, body = chance.choice(
            [("/embeddings", {"model": name, "input": "x"}), ("/completions", {"model": name, **long})]
        )
        with asking(client, path, body) as wire, suppress(TimeoutError):
            wire.settimeout(chance.choice([0.001, 0.02, 0.3]))
            wire.recv(100)  # until some of the answer has come, or patience has ended

    delays = ServerDelays(idle_minute_s=0.5)
    with serving(memory_budget=BUDGET_GIB, idle_minutes=1, delays=delays) as (app, client):
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(leave, range(200)))
        wait_for_leases(app, 0)
        assert {dimensions(client, name) for name in DIMENSIONS} == set(DIMENSIONS.values())
        wait_for_status(app, lambda status: not pids_of(status))
        assert app.status().server.state is ServerState.ASLEEP


def pids_of(status: AppStatus) -> list[int]:
    return [each.engine.pid for each in status.pool.engines if each.engine.pid]
