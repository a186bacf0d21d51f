"""Settings of single models: what holds for one, and the file, which keeps all that is in it."""

from __future__ import annotations

import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes.errors import coded
from tray_app.errors import ErrorCode, SettingsError
from tray_app.models.header import Pooling
from tray_app.settings.fields import ALL_FIELDS, MODEL_FIELDS, field_named
from tray_app.settings.model_settings import (
    aliases_of,
    effective,
    frozen,
    model_field,
    typed_value,
    with_own,
    with_values,
)
from tray_app.settings.schema import Scope, Settings
from tray_app.settings.store import SettingsStore

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "ctx_size": st.integers(512, 1_048_576) | st.just("auto"),
    "batch_size": st.integers(32, 65536),
    "threads": st.integers(1, 1024) | st.just("auto"),
    "threads_batch": st.integers(1, 1024) | st.just("auto"),
    "temperature": st.floats(0, 2),
    "vram_budget": st.floats(0, 1024) | st.just("auto"),
    "engine": st.sampled_from(["auto", "powerinfer", "llama.cpp", "/opt/a server"]),
    "extra_arguments": st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=3
    ).map(tuple),
    "idle_minutes": st.integers(0, 10_080),
    "projector": st.sampled_from(("", "none", "mmproj.gguf")),
    "pooling": st.sampled_from(field_named("pooling").choices),
    "shorter_vectors": st.sampled_from(field_named("shorter_vectors").choices),
    "prefix_query": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "prefix_document": st.sampled_from(["search_document: ", "passage:\n", ""]),
    "workers": st.integers(1, 64) | st.just("auto"),
    "keep_loaded": st.booleans(),
}
IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "a",
        "qwen2.5-0.5b.Q4_K_M",
        'he said "x"',
        "it's",
        "モデル",
        "é",
        "",
        "a.b.c",
        "[x]",
        "# no comment",
        "a=b",
        "\\",
    ]
)
OWN = st.fixed_dictionaries({}, optional=VALUES)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Réglages 設定" / "settings.toml"


def written(file: Path, text: str) -> SettingsStore:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="")
    return SettingsStore(file)


def text_of(file: Path) -> str:
    return file.read_bytes().decode()


def test_every_setting_of_a_model_is_tried_here() -> None:
    assert VALUES.keys() | {"aliases"} == {field.name for field in MODEL_FIELDS}


def test_the_poolings_are_those_of_the_models() -> None:
    # Without any, the engine answers no request for embeddings, and so never gets ready.
    assert set(field_named("pooling").choices) == {"auto", *Pooling} - {Pooling.NONE}


@given(own=OWN, others=OWN, general=OWN)
def test_a_models_own_values_hold_for_it_and_those_for_all_hold_otherwise(
    own: dict[str, Any], others: dict[str, Any], general: dict[str, Any]
) -> None:
    chosen = with_own(with_own(Settings(port=9000, **general), "mine", own), "other", others)
    found = effective(chosen, "mine")

    for field in ALL_FIELDS:
        assert getattr(found, field.name) == own.get(field.name, getattr(chosen, field.name))
    assert effective(found, "mine") == found
    assert effective(chosen, "nobody") == replace(chosen, models=frozen({}))


@given(own=OWN, general=OWN, wanted=OWN)
def test_values_that_are_put_into_force_for_a_model_are_in_force(
    own: dict[str, Any], general: dict[str, Any], wanted: dict[str, Any]
) -> None:
    chosen = with_values(with_own(Settings(**general), "mine", own), "mine", wanted)

    assert {name: getattr(effective(chosen, "mine"), name) for name in wanted} == wanted
    assert chosen.models.get("mine", {}).keys() == own.keys()


@settings(max_examples=60, deadline=None)
@given(
    first=st.dictionaries(IDS, OWN, max_size=4),
    then=st.dictionaries(IDS, OWN, max_size=4),
    head=st.sampled_from(
        [
            "",
            "# mine\n",
            "port = 9000 # mine\n\n# later\n[later]\nx = 'é'\n",
            "# c\r\nport = 1\r\n[models.a] # a\r\nctx_size = 600 # yes\r\nmine = [\r\n 1, # one\r\n]\r\n",
            "models = {a = {ctx_size = 600, mine = 1}, b = {mine = 1}} # c\n",
            "models.a.ctx_size = 600\nmodels.a.mine = 1\nport = 2\n[later]\ny = 1\n",
            "[models]\na = {mine = 1}\n[models.b.sub]\nx = 1\n[later]\nz = nan\n[models.'é']\nthreads = 3\n",
            '[models.a]\nx = """\n[models.b]\nctx_size = 1\n"""\n\n# about b\n[models.b]\n',
        ]
    ),
)
def test_what_is_saved_is_loaded_again_whatever_stood_in_the_file(
    first: dict[str, dict[str, Any]], then: dict[str, dict[str, Any]], head: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.toml"
        store = written(file, head)
        unknown = _unknown(head)
        assert store.problem is None
        for models in (first, then):
            wanted = replace(store.current, models=frozen(models), temperature=0.25)
            store.replace(wanted)
            assert store.current == wanted
            assert SettingsStore(file).current == wanted
            assert SettingsStore(file).problem is None
            assert _unknown(text_of(file)) == unknown
            assert [line for line in head.splitlines() if line.startswith("#")] == [
                line for line in text_of(file).splitlines() if line.startswith("#") and line in head
            ]


def _unknown(text: str) -> dict[str, Any]:
    """What this app knows nothing of, as text: NaN is not equal to itself."""
    plain = tomllib.loads(text)
    known = {field.name for field in ALL_FIELDS}
    models = {
        model_id: str({name: value for name, value in table.items() if name not in known})
        for model_id, table in plain.get("models", {}).items()
    }
    rest = {"later": str(plain.get("later"))}
    return rest | {model_id: entries for model_id, entries in models.items() if entries != "{}"}


def test_a_value_is_changed_where_it_stands_and_everything_around_it_stays(file: Path) -> None:
    store = written(
        file,
        "version = 3\n# chat\n[models.chat] # mine\nctx_size = 1024 # short\nkeep_loaded = true\n\n"
        "# vectors\n[models.'bge.m3']\nthreads = 2\n[later]\nx = 1\n",
    )

    store.replace(with_own(store.current, "chat", {"ctx_size": 2048, "threads": 4}))

    assert text_of(file) == (
        "version = 3\n# chat\n[models.chat] # mine\nctx_size = 2048 # short\nkeep_loaded = true\n"
        "threads = 4\n\n# vectors\n[models.'bge.m3']\nthreads = 2\n[later]\nx = 1\n"
    )


def test_setting_and_taking_back_leaves_the_file_as_it_was(file: Path) -> None:
    before = "version = 3\nport = 9000\n\n# other\n[later]\nx = 1\n"
    store = written(file, before)

    store.replace(with_own(store.current, "a.b", {"ctx_size": 2048, "threads": 4}))
    assert text_of(file) == before + '\n[models."a.b"]\nctx_size = 2048\nthreads = 4\n'
    store.replace(with_own(store.current, "a.b", {"ctx_size": None}))
    store.replace(with_own(store.current, "a.b", {"threads": None}))

    assert text_of(file) == before


def test_line_ends_of_windows_stay(file: Path) -> None:
    store = written(file, "version = 3\r\n[models.a]\r\nthreads = 2\r\n")

    store.replace(with_own(store.current, "a", {"ctx_size": 2048}))
    store.replace(with_own(store.current, "b", {"ctx_size": 2048}))

    assert text_of(file) == (
        "version = 3\r\n[models.a]\r\nthreads = 2\r\nctx_size = 2048\r\n\r\n[models.b]\r\nctx_size = 2048\r\n"
    )


def test_the_table_of_a_model_that_is_not_there_is_kept(file: Path) -> None:
    store = written(file, "version = 3\n[models.gone]\nthreads = 2\n")

    store.replace(replace(store.current, port=9001))

    assert text_of(file) == "version = 3\nport = 9001\n[models.gone]\nthreads = 2\n"
    assert store.current.models == {"gone": {"threads": 2}}


def test_a_file_of_version_2_keeps_its_meaning_and_is_kept_for_good(file: Path) -> None:
    before = "version = 2\nport = 9000\n"
    store = written(file, before)
    assert store.current == Settings(port=9000)

    for threads in (2, 3):
        store.replace(with_own(store.current, "a", {"threads": threads}))

    assert file.with_name("settings.toml.v2").read_text() == before
    assert text_of(file) == "version = 3\nport = 9000\n\n[models.a]\nthreads = 3\n"


def test_an_old_file_with_a_fault_is_kept_for_good_too(file: Path) -> None:
    before = "version = 2\n[models.a]\nthreads = 0\n"
    store = written(file, before)

    for port in (9001, 9002):
        store.replace(replace(store.current, port=port))

    assert file.with_name("settings.toml.v2").read_text() == before


FAULTS = {
    "models = 3\n": ("line 1: models cannot be 3", "must be a table"),
    "[[models]]\nctx_size = 600\n": ("line 1: models cannot be [{'ctx_size': 600}]", "must be a table"),
    "port = 9000\n[models]\na = 3\n": ("line 3, model a: a cannot be 3", "must be a table"),
    "# x\n[models.a]\n# y\nctx_size = 'a'\n": (
        "line 4, model a: The setting ctx_size cannot be 'a'",
        'whole number from 512 to 1048576, or "auto"',
    ),
    "[models.'x.y \"é']\nthreads = 1\nport = 1\n": (
        'line 3, model x.y "é: The setting port applies to all models',
        "A model can have its own values for: aliases, ctx_size",
    ),
    "ctx_size = 600\n[models.b]\nctx_size = 600\n[models.a]\nctx_size = 3\n": (
        "line 5, model a: The setting ctx_size cannot be 3",
        "",
    ),
    "models = {b = {threads = 1}, a = {threads = 0}}\n": (
        "line 1, model a: The setting threads cannot be 0",
        "",
    ),
    "models.a.threads = 1\nmodels.b.threads = 0\n": ("line 2, model b: The setting threads cannot be 0", ""),
    'x = """\n[models.a]\nthreads = 0\n"""\n[models.a]\nthreads = 0\n': ("line 6, model a", ""),
    "[models.a]\nextra_arguments = [\n  '-x', # one\n  3,\n]\nthreads = 0\n": (
        "line 6, model a",
        "line 2, model a",
    ),
    "[models.a]\nengine = 'remote'\n": ("line 2, model a: The engine of a model cannot be remote", ""),
    "[models.a]\npooling = 'median'\n": ("cannot be 'median'", "one of: auto, mean, cls, last, rank."),
    "[models.a]\naliases = 'b'\n": ("The setting aliases cannot be 'b'", "list of texts"),
    "[models.a]\naliases = ['ok', '', 'c,d', '/etc']\n": ("entries that it cannot have", "looks like a path"),
    "[models.a]\naliases = ['b']\n[models.b]\naliases = ['a']\n": (
        "line 2, model a: b cannot be another name for a. It is the ID of another model, b.",
        "line 4, model b: a cannot be another name for b. It is the ID of another model, a.",
    ),
    "[models.a]\naliases = ['gpt']\n[models.b]\naliases = ['GPT', 'mine']\n": (
        "gpt cannot be another name for a. The model b has the same name.",
        "GPT cannot be another name for b. The model a has the same name.",
    ),
}


@pytest.mark.parametrize(("text", "told"), FAULTS.items())
def test_each_fault_is_told_with_its_line_and_nothing_is_lost(
    file: Path, text: str, told: tuple[str, str]
) -> None:
    store = written(file, text)

    assert store.problem
    for words in told:
        assert words in store.problem.message
    assert text_of(file) == text
    store.replace(replace(store.current, notices=False))
    assert SettingsStore(file).problem, "what is wrong with a model's table is its owner's to correct"
    assert tomllib.loads(text_of(file))["models"] == tomllib.loads(text)["models"]


def test_one_wrong_value_of_a_model_leaves_it_the_others(file: Path) -> None:
    store = written(
        file, "[models.a]\nctx_size = 'a'\nthreads = 2\naliases = ['ok', '/no']\n[models.b]\nthreads = 3\n"
    )

    assert store.current.models == {"a": {"threads": 2, "aliases": ("ok",)}, "b": {"threads": 3}}


@pytest.mark.parametrize(
    "text",
    [
        "models = 3\n",
        "[models]\na = 3\n",
        "[models.a]\nctx_size = 'a'\n",
        "models = {a = 3}\n",
        "[[models]]\n",
    ],
)
def test_setting_the_value_mends_what_was_wrong_and_a_copy_stays(file: Path, text: str) -> None:
    store = written(file, text)

    store.replace(with_own(store.current, "a", {"ctx_size": 600}))

    assert SettingsStore(file).problem is None
    assert SettingsStore(file).current.models == {"a": {"ctx_size": 600}}
    assert file.with_name("settings.toml.broken").read_text() == text


def test_a_name_that_would_mean_two_models_is_not_saved(file: Path) -> None:
    store = written(file, "version = 3\n[models.a]\naliases = ['gpt']\n")

    with pytest.raises(SettingsError, check=coded(ErrorCode.ALIAS_TAKEN), match="GPT") as caught:
        store.replace(with_own(store.current, "b", {"aliases": ("GPT",)}))

    assert "The model a has the same name" in caught.value.message
    assert text_of(file) == "version = 3\n[models.a]\naliases = ['gpt']\n"


def test_every_alias_leads_to_its_model() -> None:
    chosen = with_own(with_own(Settings(), "a", {"aliases": ("GPT-4o", "é")}), "b", {"aliases": ("c",)})

    assert aliases_of(chosen) == {"GPT-4o": "a", "é": "a", "c": "b"}


def test_thousands_of_tables_are_read_and_changed_in_a_moment(file: Path) -> None:
    text = "version = 3\n" + "".join(f"[models.m{n}]\nctx_size = {600 + n}\n" for n in range(5000))
    began_s = time.process_time()
    store = written(file, text)
    store.replace(with_own(store.current, "m4999", {"ctx_size": 777}))

    assert text_of(file) == text.replace(f"ctx_size = {600 + 4999}\n", "ctx_size = 777\n")
    assert store.current.models["m4998"] == {"ctx_size": 600 + 4998}
    assert time.process_time() - began_s < 10


def test_what_holds_for_one_run_also_holds_for_a_model_with_a_value_of_its_own(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("version = 3\n[models.a]\nengine = 'powerinfer'\nthreads = 2\n")
    store = SettingsStore(file, {"engine": "llama.cpp"})
    assert effective(store.current, "a").engine == "llama.cpp"

    store.replace(replace(store.current, port=9001))

    assert effective(store.current, "a").engine == "llama.cpp"
    assert effective(SettingsStore(file).current, "a").engine == "powerinfer"


def test_values_of_a_model_are_changed_and_taken_away_whatever_the_file_has_there(file: Path) -> None:
    store = written(file, "version = 3\n[models.a]\nthreads = 2\nport = 1 # no model has one\n")

    before = store.change_own("a", threads=3, ctx_size=600)
    store.change_own("a", port=None)

    assert before.models == {"a": {"threads": 2}}
    assert text_of(file) == "version = 3\n[models.a]\nthreads = 3\nctx_size = 600\n"
    assert store.problem is None
    store.change_own("a", threads=None, ctx_size=None)
    assert text_of(file) == "version = 3\n"


def test_a_value_is_changed_where_a_model_has_it_from(file: Path) -> None:
    store = written(file, "version = 3\n[models.a]\nthreads = 2\n")

    store.change("a", threads=3, threads_batch=4)
    store.change("b", threads=5)

    assert (store.current.threads, store.current.threads_batch) == (5, 4)
    assert store.current.models == {"a": {"threads": 3}}


def test_a_value_of_a_model_is_kept_for_good_also_while_another_holds_for_this_run(file: Path) -> None:
    file.parent.mkdir()
    store = SettingsStore(file, {"engine": "llama.cpp"})

    store.change_own("a", engine="powerinfer")

    assert effective(store.current, "a").engine == "llama.cpp"
    assert effective(SettingsStore(file).current, "a").engine == "powerinfer"
    store.change(engine="auto")  # for good: nothing is left that holds for this run alone
    assert effective(store.current, "a").engine == "powerinfer"


@pytest.mark.parametrize(
    ("name", "text", "model_id", "code"),
    [
        ("ctx", "1", "a", ErrorCode.SETTING_UNKNOWN),
        ("ctx", None, "a", ErrorCode.SETTING_UNKNOWN),
        ("port", "1", "a", ErrorCode.SETTING_FOR_ALL_MODELS),
        ("engine", "remote", "a", ErrorCode.SETTING_FOR_ALL_MODELS),
        ("aliases", "a", None, ErrorCode.SETTING_FOR_ONE_MODEL),
        ("pooling", None, None, ErrorCode.SETTING_FOR_ONE_MODEL),
        ("ctx_size", "1", "a", ErrorCode.SETTING_VALUE_INVALID),
        ("aliases", "/etc", "a", ErrorCode.SETTING_ENTRIES_INVALID),
    ],
)
def test_what_cannot_be_typed_for_a_model_or_for_all_is_refused(
    name: str, text: str | None, model_id: str | None, code: ErrorCode
) -> None:
    with pytest.raises(SettingsError, check=coded(code)):
        typed_value(name, text, model_id)


def test_what_is_typed_is_a_value_or_takes_one_away() -> None:
    assert typed_value("ctx_size", "1024", "a") == typed_value("ctx_size", "1024", None) == 1024
    assert typed_value("ctx_size", None, None) == "auto"
    assert typed_value("ctx_size", None, "a") is typed_value("port", None, "a") is None


def test_a_change_that_another_program_made_to_another_model_survives(file: Path) -> None:
    store = written(file, "version = 3\n[models.a]\nthreads = 2\n")
    file.write_text("version = 3\n[models.a]\nthreads = 2\n[models.b]\nthreads = 9\n")

    store.replace(with_own(store.current, "a", {"threads": 3}))

    assert store.current.models == {"a": {"threads": 3}, "b": {"threads": 9}}


@pytest.mark.parametrize(
    "field", [field for field in ALL_FIELDS if field.scope is Scope.ALL], ids=lambda f: f.name
)
def test_what_holds_for_all_is_refused_for_one(field: Any) -> None:
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTING_FOR_ALL_MODELS), match=field.name):
        model_field(field)
