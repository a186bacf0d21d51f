"""Settings of single models on a real engine: they reach it, and disturb no other model."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import requests
from msgspec.structs import replace
from openai import OpenAI

from tests.fakes.errors import coded
from tests.fakes.models import write_model
from tests.fakes.random_models import Shape, write_llama
from tray_app.app.diagnostic_report import report
from tray_app.app.diagnostics import run_diagnostics
from tray_app.app.root import App
from tray_app.app.tuning import ThreadMeasurement, Threads, Tuning, threads_of
from tray_app.app.workspace import Workspace
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.errors import ErrorCode, ModelError, SettingsError
from tray_app.settings.model_settings import effective, with_own
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths, resources
from tray_app.system.ports import free_port
from tray_app.ui.tuning_operations import keep_tuning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.settings.schema import Settings

DEADLINE_S = 60.0
TINY = Shape(width=64, layers=1, heads=2, kv_heads=2, feed_forward=64, vocabulary=1000)


@pytest.fixture
def app() -> Iterator[App]:
    """An app with the test model chosen, on a port of its own, and another one with a larger context."""
    app = App(AppPaths.from_environment(os.environ), detect_host(), {"port": free_port(), "model": "test"})
    app.models_folder.mkdir(parents=True)
    write_llama(app.models_folder / "second.gguf", TINY)
    yield app
    app.close()


def own(app: App, model_id: str, **values: Any) -> Settings:
    return with_own(app.store.current, model_id, values)


def started(app: App) -> LaunchPlan:
    app.start_server()
    return ready(app)


def ready(app: App) -> LaunchPlan:
    plan = app.wait_until_ready(DEADLINE_S)
    assert isinstance(plan, LaunchPlan)
    return plan


def get(app: App, path: str) -> Any:
    answer = requests.get(f"{app.status().server.base_url}{path}", timeout=DEADLINE_S)
    answer.raise_for_status()
    return answer.json()


def test_a_context_of_its_own_reaches_the_engine_and_no_other_model(app: App) -> None:
    shutil.copyfile(app.models_folder / "second.gguf", app.models_folder / "third.gguf")
    app.apply(replace(own(app, "second", ctx_size=1024), model="third", ctx_size=2048))
    assert started(app).context_size == 2048
    assert get(app, "/../props")["default_generation_settings"]["n_ctx"] == 2048

    app.apply(replace(app.store.current, model="second"))

    assert ready(app).context_size == 1024
    assert get(app, "/../props")["default_generation_settings"]["n_ctx"] == 1024


def test_only_a_change_of_the_model_that_is_served_restarts_the_server(app: App) -> None:
    app.apply(replace(app.store.current, model="second"))
    started(app)
    before = app.status().engine.run

    app.apply(own(app, "test", ctx_size=600, threads=1))
    app.apply(own(app, "nobody", ctx_size=600))
    app.apply(own(app, "second", temperature=0.1, idle_minutes=7, aliases=("gpt-4o-mini",)))
    ready(app)
    assert app.status().engine.run == before

    app.apply(own(app, "second", ctx_size=1024))
    assert ready(app).context_size == 1024
    assert app.status().engine.run == before + 1

    app.apply(replace(app.store.current, ctx_size=2048))  # which this model does not follow
    ready(app)
    assert app.status().engine.run == before + 1


def test_its_temperature_is_that_of_its_answers(app: App) -> None:
    app.apply(replace(own(app, "test", temperature=0.0), temperature=2.0))
    started(app)
    client = OpenAI(base_url=app.status().server.base_url, api_key="none")

    def answers() -> set[str]:
        return {
            client.completions.create(model="any", prompt="Once", max_tokens=24).choices[0].text
            for _ in range(4)
        }

    assert len(answers()) == 1
    app.apply(own(app, "test", temperature=None))
    assert len(answers()) > 1


def test_an_alias_means_the_model_everywhere(app: App) -> None:
    app.apply(own(app, "second", aliases=("gpt-4o-mini", "BAAI/bge-m3")))
    app.apply(replace(app.store.current, model="GPT-4o-mini"))

    assert started(app).model.id == "second"
    assert app.status().model_name == "second"
    assert app.models.report("BAAI/bge-m3").model.id == "second"
    assert app.chosen_id() == "second"
    assert get(app, "/models")["data"][0]["id"] == "second"
    assert get(app, "/models/gpt-4o-mini")["id"] == "gpt-4o-mini"
    assert get(app, "/models/BAAI/bge-m3")["id"] == "BAAI/bge-m3"
    with pytest.raises(requests.HTTPError, match="404"):
        get(app, "/models/gpt-5")
    client = OpenAI(base_url=app.status().server.base_url, api_key="none")
    assert client.embeddings.create(model="BAAI/bge-m3", input="x").model == "BAAI/bge-m3"


def test_an_alias_that_is_the_name_of_an_installed_model_is_refused(app: App) -> None:
    for alias in ("second", "Second", "second.gguf", "test", "bge-m3-q8"):
        before = app.store.current
        if alias == "bge-m3-q8":
            alias = app.library.catalog[-1].id  # noqa: PLW2901 - not installed, but it may be
        with pytest.raises(SettingsError, check=coded(ErrorCode.ALIAS_TAKEN), match=alias) as caught:
            app.apply(own(app, "mine", aliases=(alias,)))
        assert "ID of another model" in caught.value.message
        assert app.store.current == before


def test_a_model_that_comes_later_has_its_name_and_the_doctor_tells(app: App) -> None:
    app.apply(own(app, "test", aliases=("later", "free")))
    shutil.copyfile(resources() / "test-model" / "test.gguf", app.models_folder / "later.gguf")

    assert app.library.find("later").id == "later"
    assert app.library.find("free").id == "test"
    app.apply(replace(app.store.current, notices=False))  # no other change is kept from being saved
    found = run_diagnostics(Workspace.of_environment(os.environ).diagnostic_inputs())
    assert [problem.message for problem in found.problems if "later" in problem.title] == [
        "It is the ID of another model, later."
    ]


def test_the_doctor_tells_every_alias_that_means_another_model(app: App) -> None:
    app.apply(with_own(own(app, "test", aliases=("later",)), "second", {"aliases": ("also",)}))
    for name in ("later", "also"):
        shutil.copyfile(resources() / "test-model" / "test.gguf", app.models_folder / f"{name}.gguf")

    (found,) = [each for each in app.run_diagnostics().problems if each.code is ErrorCode.ALIAS_TAKEN]
    for name in ("later", "also", "second", "test"):
        assert name in found.message


def test_an_alias_of_a_model_that_is_not_here_says_so(app: App) -> None:
    app.apply(own(app, "gone", aliases=("mine",)))

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_FOUND), match="gone") as caught:
        app.library.find("mine")
    assert "mine is another name for this model" in caught.value.message


def test_a_pooling_of_its_own_reaches_the_engine_and_changes_its_vectors(app: App) -> None:
    started(app)
    usual = app.client.embed(["The cat sat."]).vectors[0]

    for pooling in ("mean", "cls", "last"):
        app.apply(own(app, "test", pooling=pooling))
        plan = ready(app)
        assert plan.argv[plan.argv.index("--pooling") + 1] == pooling
        assert (app.client.embed(["The cat sat."]).vectors[0] == usual) is (pooling == "last")


def test_threads_that_were_found_go_where_the_model_has_them_from(app: App) -> None:
    app.apply(replace(own(app, "test", threads=3), threads_batch=2))
    assert threads_of(effective(app.store.current, app.chosen_id()), app.host).generation == 3
    samples = (ThreadMeasurement(3, 1.0, 1.0), ThreadMeasurement(2, 1.0, 1.0))
    fastest = (ThreadMeasurement(1, 1.0, 9.0), ThreadMeasurement(4, 9.0, 1.0))

    keep_tuning(app, Tuning(Threads(3, 2), samples + fastest, complete=True))

    assert app.store.current.models == {"test": {"threads": 1}}
    assert app.store.current.threads_batch == 4
    assert app.store.current.threads == "auto"


def test_a_trial_of_threads_counts_also_for_a_model_with_its_own(app: App) -> None:
    app.apply(own(app, "test", threads=2, threads_batch=2))
    started(app)

    app.try_settings({"threads": 1, "threads_batch": 1})
    plan = ready(app)
    assert plan.argv[plan.argv.index("--threads") + 1] == "1"
    app.try_settings({})
    plan = ready(app)
    assert plan.argv[plan.argv.index("--threads") + 1] == "2"


def test_a_server_of_one_command_has_what_the_model_has_of_its_own(app: App) -> None:
    app.apply(own(app, "test", threads=2, threads_batch=2, pooling="mean"))

    with app.temporary_server(app.store.current) as server:
        server.start()
        for tried, expected in (({}, "2"), ({"threads": 1, "threads_batch": 1}, "1"), ({}, "2")):
            server.try_settings(tried)
            plan = server.wait_until_ready(DEADLINE_S)
            assert isinstance(plan, LaunchPlan)
            assert plan.argv[plan.argv.index("--threads") + 1] == expected
            assert plan.argv[plan.argv.index("--pooling") + 1] == "mean"


def test_the_memory_of_a_model_is_judged_with_its_own_context(app: App) -> None:
    usual = app.models.report("second").verdict.context_size
    app.apply(own(app, "second", ctx_size=1024))

    assert app.models.report("second").verdict.context_size == 1024 != usual
    second = app.library.find("second")
    here = app.models.survey((second, app.library.find("test")), ())
    assert {name: each.verdict.context_size for name, each in here.items()} == {"second": 1024, "test": 512}


def test_a_bad_argument_of_one_model_disturbs_no_other(app: App) -> None:
    app.apply(own(app, "second", extra_arguments=("--port", "1")))
    started(app)

    with pytest.raises(SettingsError, check=coded(ErrorCode.EXTRA_ARGUMENT_NOT_ALLOWED)):
        app.preview(replace(app.store.current, model="second"))
    assert app.client.embed(["x"]).dimensions == 64


def test_the_doctor_tells_which_model_has_what_of_its_own(app: App, private_home: Path) -> None:
    app.apply(own(app, "test", ctx_size=512, vram_budget=2.0))

    found = run_diagnostics(Workspace.of_environment(os.environ).diagnostic_inputs())

    assert found.settings.models == {"test": {"ctx_size": "512", "vram_budget": "2.0"}}
    assert "test: ctx_size=512, vram_budget=2.0" in report(found, private_home)


def test_a_model_whose_file_is_broken_keeps_its_settings(app: App) -> None:
    write_model(app.models_folder / "tiny.gguf")
    app.apply(own(app, "tiny", ctx_size=512))
    (app.models_folder / "tiny.gguf").unlink()

    started(app)

    assert app.store.current.models == {"tiny": {"ctx_size": 512}}


def test_the_server_embeds_as_the_models_own_settings_say_without_a_new_start(app: App) -> None:
    started(app)
    run = app.status().engine.run_id
    base_url, _ = app._server.access()
    with OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:

        def embedded(text: str, **more: Any) -> list[float]:
            return client.embeddings.create(model="test", input=text, extra_body=more).data[0].embedding

        plain, prefixed = embedded("fox"), embedded("the fox")
        app.apply(own(app, "test", prefix_query="the ", shorter_vectors="yes"))
        assert embedded("fox", input_type="query") == pytest.approx(prefixed, abs=1e-3)
        assert embedded("fox") == pytest.approx(plain, abs=1e-3)
        assert len(embedded("fox", dimensions=16)) == 16
    assert app.status().engine.run_id == run


def test_a_model_of_the_catalogue_is_served_as_it_was_trained_to_be_until_a_person_chooses(app: App) -> None:
    entry = next(each for each in app.library.catalog if each.id == "nomic-embed-text")
    path = write_llama(app.models_folder / entry.file_name, TINY)
    os.truncate(path, entry.size_bytes)  # behind the weights, nobody looks
    app.apply(replace(app.store.current, model=entry.id))

    plan = started(app)

    assert plan.argv[plan.argv.index("--pooling") + 1] == "mean"  # such a file is read by its last token else
    base_url, _ = app._server.access()
    with OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:

        def embedded(text: str, **more: Any) -> list[float]:
            return client.embeddings.create(model=entry.id, input=text, extra_body=more).data[0].embedding

        plain, prefixed = embedded("fox"), embedded("search_query: fox")
        assert embedded("fox", input_type="query") == pytest.approx(prefixed, abs=1e-3)
        assert len(embedded("fox", dimensions=16)) == 16
        app.apply(own(app, entry.id, prefix_query=""))
        assert embedded("fox", input_type="query") == pytest.approx(plain, abs=1e-3)
        assert plain != pytest.approx(prefixed, abs=1e-3)
