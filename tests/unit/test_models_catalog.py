"""The catalogue that comes with the app, and what is said of a broken one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tray_app.errors import ModelError
from tray_app.models.catalog import load_catalog
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.models.catalog import CatalogEntry

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
        assert entry.builtin or re.fullmatch(
            rf"hf:PowerInfer/[^/]+/{re.escape(entry.file_name)}", entry.source
        )


def test_exactly_the_test_model_comes_with_the_app_and_its_size_is_true(
    shipped: tuple[CatalogEntry, ...],
) -> None:
    (builtin,) = [entry for entry in shipped if entry.builtin]

    assert builtin.id == "test"
    assert builtin.size_bytes == (resources() / "test-model" / builtin.file_name).stat().st_size


def test_the_default_of_the_4d_component_is_the_recommended_one(shipped: tuple[CatalogEntry, ...]) -> None:
    assert [entry.file_name for entry in shipped if entry.recommended] == [
        "bamboo-7b-v0.1.Q4_0.powerinfer.gguf"
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
    with pytest.raises(ModelError, match="catalogue"):
        load_catalog(tmp_path / "none.toml")
