"""The terminal's settings of single models, as a person types them."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.fakes.models import write_model
from tests.fakes.program import command_here, running
from tray_app.settings.fields import MODEL_FIELDS
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(private_home: Path) -> Path:
    """The settings file; a model «my model» with a blank in its name is installed."""
    write_model(private_home / "models" / "my model.gguf")
    return private_home / "settings.toml"


def does(*arguments: str) -> str:
    done = command_here(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(*arguments: str) -> str:
    done = command_here(*arguments)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_a_value_of_a_model_is_set_got_shown_and_taken_back(file: Path) -> None:
    for name in ("my-model", "my model", "my model.gguf", "My-Model"):
        assert (
            does("settings", "set", "ctx_size", "1024", "--model", name)
            == "ctx_size = 1024  # for my-model\n"
        )
    does("settings", "set", "aliases", "gpt-4o-mini, embed", "--model", "my-model")
    does("settings", "set", "threads", "3")

    assert tomllib.loads(file.read_text())["models"] == {
        "my-model": {"ctx_size": 1024, "aliases": ["gpt-4o-mini", "embed"]}
    }
    assert does("settings", "get", "ctx_size", "--model", "embed") == "1024\n"
    assert does("settings", "get", "threads", "--model", "embed") == "3\n"
    assert does("settings", "get", "ctx_size") == '"auto"\n'
    shown = does("settings", "show", "--model", "gpt-4o-mini")
    assert "# my-model\n" in shown
    assert "ctx_size = 1024  # its own\n" in shown
    assert "threads = 3  # same as for all models\n" in shown
    assert "\nctx_size = 1024\n" in does("settings", "show").partition('\n[models."my-model"]\n')[2]

    assert does("settings", "unset", "ctx_size", "--model", "embed") == 'ctx_size = "auto"  # for my-model\n'
    assert tomllib.loads(file.read_text())["models"] == {"my-model": {"aliases": ["gpt-4o-mini", "embed"]}}
    does("settings", "unset", "threads")
    assert does("settings", "get", "threads") == '"auto"\n'


def test_what_the_catalogue_knows_of_a_model_holds_until_it_has_its_own(file: Path) -> None:
    assert not file.exists()
    assert does("settings", "get", "prefix_query", "--model", "nomic-embed-text") == '"search_query: "\n'
    shown = does("settings", "show", "--model", "nomic-embed-text")
    assert 'prefix_query = "search_query: "  # from the catalog\n' in shown
    assert "aliases = []  # default\n" in shown

    does("settings", "set", "prefix_query", "", "--model", "nomic-embed-text")
    assert 'prefix_query = ""  # its own\n' in does("settings", "show", "--model", "nomic-embed-text")

    unset = does("settings", "unset", "prefix_query", "--model", "nomic-embed-text")
    assert unset == 'prefix_query = "search_query: "  # for nomic-embed-text\n'
    told = json.loads(does("settings", "show", "--model", "nomic-embed-text", "--json"))["settings"]
    assert told["prefix_query"] == {"value": "search_query: ", "own": False, "from_catalog": True}


def test_programs_are_told_whose_each_value_is(file: Path) -> None:
    assert not file.exists()
    does("settings", "set", "temperature", "0.2", "--model", "test")

    shown = json.loads(does("settings", "show", "--model", "test", "--json"))
    assert (shown["model"], shown["settings"].keys()) == ("test", {field.name for field in MODEL_FIELDS})
    assert shown["settings"]["temperature"] == {"value": 0.2, "own": True, "from_catalog": False}
    assert shown["settings"]["ctx_size"] == {"value": "auto", "own": False, "from_catalog": False}
    everything = json.loads(does("settings", "show", "--json"))
    assert everything["temperature"] == 0.7
    assert everything["models"] == {"test": {"temperature": 0.2}}
    assert json.loads(does("models", "info", "test", "--json"))["settings"] == {"temperature": 0.2}
    assert "its own temperature: 0.2\n" in does("models", "info", "test")


def test_what_cannot_be_is_refused_and_nothing_is_written(file: Path) -> None:
    assert "The setting port applies to all models" in fails(
        "settings", "set", "port", "1", "--model", "test"
    )
    assert "There is no model nothing" in fails("settings", "set", "ctx_size", "600", "--model", "nothing")
    assert "There is no model nothing" in fails("settings", "get", "ctx_size", "--model", "nothing")
    assert "cannot be 3" in fails("settings", "set", "ctx_size", "3", "--model", "test")
    assert "cannot be remote" in fails("settings", "set", "engine", "remote", "--model", "test")
    assert "settings set aliases VALUE --model ID" in fails("settings", "set", "aliases", "a")
    assert "single model" in fails("settings", "get", "pooling")
    assert "ID of another model, my-model" in fails(
        "settings", "set", "aliases", "My-Model", "--model", "test"
    )
    assert "There is no setting 'ctx'" in fails("settings", "unset", "ctx", "--model", "test")
    assert not file.exists()

    does("settings", "set", "aliases", "mine", "--model", "my-model")
    before = file.read_text()
    told = fails("settings", "set", "aliases", "MINE", "--model", "test")
    assert "MINE" in told
    assert "my-model" in told
    assert "test" in told
    assert file.read_text() == before


def test_what_is_wrong_in_a_table_can_be_taken_out(file: Path) -> None:
    file.write_text("version = 3\n# mine\n[models.test]\nctx_size = 'a' # x\nport = 1\nthreads = 2\n")
    assert "line 4, model test: The setting ctx_size cannot be 'a'" in fails("settings", "get", "port")

    does("settings", "unset", "ctx_size", "--model", "test")
    does("settings", "unset", "port", "--model", "test")

    assert file.read_text() == "version = 3\n# mine\n[models.test]\nthreads = 2\n"
    assert does("settings", "get", "threads", "--model", "test") == "2\n"


def test_the_table_of_a_model_that_is_gone_can_be_seen_and_changed(file: Path) -> None:
    file.write_text("version = 3\n[models.gone]\nthreads = 2\n")

    assert "threads = 2  # its own\n" in does("settings", "show", "--model", "gone")
    does("settings", "unset", "threads", "--model", "gone")
    assert file.read_text() == "version = 3\n"


def test_a_setting_without_effect_on_a_model_says_so(file: Path) -> None:
    assert not file.exists()
    does("settings", "set", "vram_budget", "2", "--model", "test")

    assert "vram_budget = 2.0  # its own, no effect: " in does("settings", "show", "--model", "test")


def test_an_alias_can_be_served_and_an_app_that_serves_it_already_agrees(file: Path) -> None:
    does("settings", "set", "aliases", "gpt-4o-mini", "--model", "test")
    with running("serve", "--model", "GPT-4o-mini", "--port", str(free_port())) as program:
        assert "test" in program.line_with("Ready:").lower()
        assert "is already running" in does("serve", "--model", "test")
        assert "is already running" in does("serve", "--model", "gpt-4o-mini")
        assert "uses model" in fails("serve", "--model", "my-model")
    assert tomllib.loads(file.read_text()).get("model") is None
