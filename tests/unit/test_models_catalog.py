"""The catalogue that comes with the app, and what is said of a broken one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.errors import coded
from tray_app.download.source import parse_source
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.catalog import CatalogEntry, load_catalog, load_own_models
from tray_app.models.header import Purpose
from tray_app.settings.fields import field_named
from tray_app.settings.model_settings import check_own
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = """
[[models]]
id = "a"
name = "A"
file_name = "a.gguf"
size_bytes = 1
note = "One."
"""


@pytest.fixture(scope="module")
def shipped() -> tuple[CatalogEntry, ...]:
    return load_catalog(resources() / "catalog.toml")


def test_ids_and_file_names_are_unique(shipped: tuple[CatalogEntry, ...]) -> None:
    assert len({entry.id for entry in shipped}) == len(shipped)
    assert len({entry.file_name for entry in shipped}) == len(shipped)


def test_what_is_downloaded_has_the_name_that_is_looked_for(shipped: tuple[CatalogEntry, ...]) -> None:
    for entry in shipped:
        assert entry.builtin or parse_source(entry.source).file_name == entry.file_name
        assert entry.size_bytes > 0


def test_sparse_models_come_from_powerinfer_and_the_others_say_their_licence(
    shipped: tuple[CatalogEntry, ...],
) -> None:
    for entry in shipped:
        assert entry.source.startswith("hf:PowerInfer/") if entry.sparse else entry.license


def test_exactly_the_test_model_comes_with_the_app_and_its_size_is_true(
    shipped: tuple[CatalogEntry, ...],
) -> None:
    (builtin,) = [entry for entry in shipped if entry.builtin]

    assert builtin.id == "test"
    assert builtin.size_bytes == (resources() / "test-model" / builtin.file_name).stat().st_size


def test_every_entry_that_is_downloaded_says_what_it_is_for_and_in_which_languages(
    shipped: tuple[CatalogEntry, ...],
) -> None:
    for entry in shipped:
        if not entry.builtin:
            assert entry.purpose
            assert entry.languages
            assert entry.context
            assert entry.dimensions or entry.purpose is not Purpose.EMBEDDING
            assert "multi" not in entry.languages or len(entry.languages) == 1


def test_vectors_are_cut_to_fewer_numbers_than_they_have(shipped: tuple[CatalogEntry, ...]) -> None:
    assert all(size < entry.dimensions for entry in shipped for size in entry.vector_sizes)
    assert any(entry.vector_sizes for entry in shipped)


def test_there_is_a_model_for_each_purpose_that_any_machine_can_run(
    shipped: tuple[CatalogEntry, ...],
) -> None:
    plain = [entry for entry in shipped if not entry.sparse]
    assert {entry.purpose for entry in plain if entry.speaks(["fr", "ja"])} == set(Purpose)
    assert any(entry.sees and entry.projector_size_bytes for entry in plain)


def test_what_a_model_was_trained_with_is_a_possible_value_of_its_settings(
    shipped: tuple[CatalogEntry, ...],
) -> None:
    known = [(name, value) for entry in shipped for name, value in entry.defaults.items()]
    assert {name for name, _ in known} == {"pooling", "shorter_vectors", "prefix_query", "prefix_document"}
    for name, value in known:
        assert check_own(field_named(name), value) == value


@pytest.mark.parametrize(
    ("name", "size_bytes", "sha256", "expected"),
    [
        ("a.gguf", 100, None, True),
        ("a.gguf", 100, "0" * 64, True),
        ("b.gguf", 100, "0" * 64, True),  # it was given another name
        ("b.gguf", 100, None, False),
        ("a.gguf", 100, "1" * 64, False),
        ("a.gguf", 101, None, False),
        ("a.gguf", 101, "0" * 64, False),
    ],
)
def test_a_file_is_known_by_its_size_with_its_digest_or_its_name(
    name: str,
    size_bytes: int,
    sha256: str | None,
    expected: bool,
) -> None:
    entry = CatalogEntry(id="a", name="A", file_name="a.gguf", size_bytes=100, sha256="0" * 64, note="One.")

    assert entry.describes(name, size_bytes, sha256) is expected


def test_a_size_that_is_approximate_is_met_by_one_that_is_near() -> None:
    entry = CatalogEntry(
        id="a", name="A", file_name="a.gguf", size_bytes=1000, size_is_approximate=True, note="One."
    )

    assert [entry.describes("a.gguf", size, None) for size in (969, 970, 1030, 1031)] == [
        False,
        True,
        True,
        False,
    ]


def test_every_entry_is_described_in_one_sentence(shipped: tuple[CatalogEntry, ...]) -> None:
    for entry in shipped:
        assert entry.note.endswith(".")
        assert len(entry.note) <= 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[models]]\nid =\n", "line 2"),
        (ENTRY.replace('"a"', '"a:b"'), "$.models[0].id"),
        (ENTRY.replace("a.gguf", "../a.gguf"), "$.models[0].file_name"),
        (ENTRY.replace("size_bytes = 1", 'size_bytes = "1"'), "$.models[0].size_bytes"),
        (ENTRY + "colour = 1", "colour"),
        (ENTRY.replace("A", "\udcff"), "utf-8"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "catalog.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(ModelError) as caught:
        load_catalog(path)

    assert str(path) in caught.value.message
    assert expected in caught.value.message


def test_a_missing_catalogue_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, check=coded(ErrorCode.CATALOG_UNREADABLE)):
        load_catalog(tmp_path / "none.toml")


OWN = """
[[models]]
id = "mine"
source = "hf:me/models/mine-q4.gguf"
"""


def test_a_person_needs_to_give_an_id_and_a_source_only(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(OWN)

    (entry,) = load_own_models(path, ())

    assert (entry.id, entry.name, entry.file_name) == ("mine", "mine", "mine-q4.gguf")
    assert entry.size_bytes == 0


def test_without_a_list_there_are_no_own_models(tmp_path: Path) -> None:
    assert load_own_models(tmp_path / "models.toml", ()) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models = 1", "$.models"),
        (OWN.replace("source", "sauce"), "sauce"),
        (OWN.replace("hf:me/models/mine-q4.gguf", "hf:me"), "mine: “hf:me” is not a known form."),
        (OWN.replace('"mine"', '"test"'), "test: another model has the same test."),
        (OWN + OWN.replace('"mine"', '"other"'), "other: another model has the same mine-q4.gguf."),
    ],
)
def test_a_mistake_in_the_own_list_is_named_with_its_place(
    tmp_path: Path, shipped: tuple[CatalogEntry, ...], text: str, expected: str
) -> None:
    path = tmp_path / "models.toml"
    path.write_text(text)

    with pytest.raises(ModelError) as caught:
        load_own_models(path, shipped)

    assert str(path) in caught.value.message
    assert expected in caught.value.message
    assert "[[models]]" in caught.value.hint


def test_no_two_files_of_the_catalogue_have_one_name(shipped: tuple[CatalogEntry, ...]) -> None:
    names = [name for entry in shipped for name in (entry.file_name, entry.projector_name) if name]
    assert len(set(names)) == len(names)


def test_a_listed_projector_must_name_a_file(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    own = '[[models]]\nid = "mine"\nsource = "hf:o/r/m.gguf"\nprojector = "{}"\n'
    path.write_text(own.format("hf:o/r/sub/mmproj-m.gguf"))
    assert [each.projector_name for each in load_own_models(path, ())] == ["mmproj-m.gguf"]
    path.write_text(own.format("hf:o/r/README.md"))
    with pytest.raises(ModelError, match="README", check=coded(ErrorCode.OWN_MODELS_INVALID)):
        load_own_models(path, ())
