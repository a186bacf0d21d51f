"""Which models are offered first: for machines as people have them, from the catalogue that is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tray_app.models.catalog import load_catalog
from tray_app.models.header import Purpose
from tray_app.models.memory import GIB, Fit, MemoryBudget
from tray_app.models.recommend import Machine, recommend
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from tray_app.models.catalog import CatalogEntry

LAPTOP = Machine(plain=MemoryBudget(16 * GIB), sparse=None, free_bytes=100 * GIB)
WITH_POWERINFER = Machine(plain=MemoryBudget(16 * GIB), sparse=MemoryBudget(16 * GIB), free_bytes=100 * GIB)


@pytest.fixture(scope="module")
def catalog() -> tuple[CatalogEntry, ...]:
    return load_catalog(resources() / "catalog.toml")


def ids(catalog: tuple[CatalogEntry, ...], machine: Machine, *languages: str) -> list[str]:
    return [each.entry.id for each in recommend(catalog, machine, languages)]


@pytest.mark.parametrize("language", ["en", "fr", "ja", "de", "vi"])
def test_without_powerinfer_it_is_one_model_for_embeddings_and_one_to_chat_with(
    catalog: tuple[CatalogEntry, ...], language: str
) -> None:
    found = recommend(catalog, LAPTOP, [language])

    assert [each.entry.purpose for each in found] == [Purpose.EMBEDDING, Purpose.CHAT]
    assert all(each.entry.speaks([language]) and not each.entry.sparse for each in found)
    assert all(each.verdict.fit is Fit.FITS for each in found)


def test_with_powerinfer_bamboo_is_first_and_makes_the_embeddings(catalog: tuple[CatalogEntry, ...]) -> None:
    assert ids(catalog, WITH_POWERINFER, "en") == ["bamboo-7b-q4", "bamboo-7b-dpo-q4"]


def test_who_does_not_speak_bamboos_language_is_offered_models_besides(
    catalog: tuple[CatalogEntry, ...],
) -> None:
    found = recommend(catalog, WITH_POWERINFER, ["ja"])

    assert found[0].entry.id == "bamboo-7b-q4"
    assert [each.entry.purpose for each in found[1:]] == [Purpose.EMBEDDING, Purpose.CHAT]
    assert all(each.entry.speaks(["ja"]) for each in found[1:])


def test_who_speaks_several_languages_is_offered_models_that_know_all(
    catalog: tuple[CatalogEntry, ...],
) -> None:
    only_two = [
        replace(entry, languages=("en", "fr")) if entry.purpose is Purpose.CHAT else entry
        for entry in catalog
    ]
    one_more = [*only_two, replace(only_two[-1], id="third", languages=("en", "fr", "vi"))]

    assert ids(tuple(one_more), LAPTOP, "fr", "vi")[1] == "third"


def test_where_nothing_knows_the_language_the_best_of_all_is_offered(
    catalog: tuple[CatalogEntry, ...],
) -> None:
    english = tuple(replace(entry, languages=("en",)) for entry in catalog)

    assert ids(english, LAPTOP, "ja") == ids(catalog, LAPTOP, "en")


def test_a_chat_model_for_a_processor_alone_is_small_and_for_a_card_as_large_as_it(
    catalog: tuple[CatalogEntry, ...],
) -> None:
    with_card = Machine(
        plain=MemoryBudget(16 * GIB, graphics_bytes=8 * GIB), sparse=None, free_bytes=100 * GIB
    )
    unified = Machine(plain=MemoryBudget(16 * GIB, unified=True), sparse=None, free_bytes=100 * GIB)

    assert recommend(catalog, LAPTOP, ["en"])[1].entry.download_bytes < 3e9
    assert ids(catalog, with_card, "en")[1] == ids(catalog, unified, "en")[1] == "qwen3-8b"


def test_less_memory_means_a_smaller_model(catalog: tuple[CatalogEntry, ...]) -> None:
    small = Machine(plain=MemoryBudget(3 * GIB), sparse=None, free_bytes=100 * GIB)

    found = recommend(catalog, small, ["ja"])

    assert all(each.verdict.fit is Fit.FITS for each in found)
    assert found[1].entry.download_bytes < recommend(catalog, LAPTOP, ["ja"])[1].entry.download_bytes


def test_where_nothing_fits_well_something_tight_is_offered(catalog: tuple[CatalogEntry, ...]) -> None:
    (large,) = (entry for entry in catalog if entry.id == "gemma-3-4b")
    tight = Machine(plain=MemoryBudget(int(3.8 * GIB)), sparse=None, free_bytes=100 * GIB)

    (found,) = recommend([large], tight, ["en"])

    assert found.verdict.fit is Fit.TIGHT


def test_nothing_is_offered_that_no_engine_runs_or_that_the_disk_cannot_hold(
    catalog: tuple[CatalogEntry, ...],
) -> None:
    no_engine = Machine(plain=None, sparse=None, free_bytes=100 * GIB)
    full = Machine(plain=MemoryBudget(16 * GIB), sparse=MemoryBudget(16 * GIB), free_bytes=GIB)

    assert recommend(catalog, no_engine, ["en"]) == ()
    assert all(each.entry.download_bytes <= GIB for each in recommend(catalog, full, ["en"]))
    assert recommend(catalog, full, ["en"])


def test_what_asks_people_to_sign_in_is_no_first_step(catalog: tuple[CatalogEntry, ...]) -> None:
    gated = tuple(replace(entry, gated=True) for entry in catalog)

    assert recommend(gated, WITH_POWERINFER, ["en"]) == ()


def test_a_persons_own_models_are_not_recommended_to_them(catalog: tuple[CatalogEntry, ...]) -> None:
    own = replace(catalog[-1], id="mine", purpose=None)

    assert ids((own, *catalog), LAPTOP, "en") == ids(catalog, LAPTOP, "en")
