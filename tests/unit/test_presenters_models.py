from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.fakes.app import CATALOG, make_model, make_progress
from tests.fakes.languages import ENGLISH
from tray_app.download.progress import Phase
from tray_app.errors import DownloadError
from tray_app.ui.presenters.models import ModelAction, ModelFacts, model_rows

if TYPE_CHECKING:
    from tray_app.ui.presenters.models import ModelRow

BAMBOO = make_model()
FACTS = ModelFacts(installed=(BAMBOO,), catalog=CATALOG, chosen="bamboo.gguf")


def rows(facts: ModelFacts = FACTS, *downloads: object) -> dict[str, ModelRow]:
    return {row.file_name: row for row in model_rows(facts, downloads, ENGLISH)}  # type: ignore[arg-type]


def test_installed_models_stand_before_what_is_on_offer() -> None:
    assert list(rows()) == ["bamboo.gguf", "test.gguf", "tiny.gguf"]


def test_an_installed_model_says_what_it_is() -> None:
    row = rows()["bamboo.gguf"]

    assert (row.name, row.kind, row.size) == ("Bamboo 7B Q4_0", "Sparse · Q4_0", "4.68 GB")
    assert rows(replace(FACTS, installed=(make_model(sparse=False),)))["bamboo.gguf"].kind == "Dense · Q4_0"


def test_the_chosen_model_cannot_be_chosen_again() -> None:
    row = rows()["bamboo.gguf"]

    assert (row.state, row.chosen, row.actions) == ("Chosen", True, frozenset())


def test_another_installed_model_can_be_used() -> None:
    row = rows(replace(FACTS, chosen=None))["bamboo.gguf"]

    assert (row.state, row.chosen, row.actions) == ("Installed", False, frozenset({ModelAction.USE}))
    assert row.reference == "bamboo"


def test_a_model_of_the_catalogue_can_be_downloaded() -> None:
    row = rows()["tiny.gguf"]

    assert (row.state, row.size, row.actions) == (
        "Not downloaded",
        "900 MB",
        frozenset({ModelAction.DOWNLOAD}),
    )
    assert (row.source, row.note) == ("hf:owner/tiny/tiny.gguf", "A small dense model.")


def test_a_chosen_model_that_is_not_here_says_so() -> None:
    row = rows(replace(FACTS, chosen="tiny.gguf"))["tiny.gguf"]

    assert (row.state, row.chosen) == ("Chosen, not downloaded", True)


def test_a_size_that_is_not_known_exactly_is_given_as_such() -> None:
    rough = tuple(msgspec.structs.replace(entry, size_is_approximate=True) for entry in CATALOG)

    assert rows(replace(FACTS, catalog=rough))["tiny.gguf"].size == "about 900 MB"


@pytest.mark.parametrize(
    ("phase", "actions"),
    [
        (Phase.WAITING, {ModelAction.PAUSE, ModelAction.CANCEL}),
        (Phase.CONNECTING, {ModelAction.PAUSE, ModelAction.CANCEL}),
        (Phase.DOWNLOADING, {ModelAction.PAUSE, ModelAction.CANCEL}),
        (Phase.VERIFYING, {ModelAction.CANCEL}),
        (Phase.PAUSED, {ModelAction.RESUME, ModelAction.CANCEL}),
        (Phase.FAILED, {ModelAction.RESUME, ModelAction.CANCEL}),
        (Phase.CANCELLED, {ModelAction.RESUME}),
        (Phase.DONE, {ModelAction.USE}),
    ],
)
def test_a_download_can_be_steered_as_its_phase_allows(phase: Phase, actions: set[ModelAction]) -> None:
    assert rows(FACTS, make_progress(phase, error=DownloadError("x")))["tiny.gguf"].actions == actions


def test_a_download_takes_the_row_of_what_the_catalogue_offers() -> None:
    row = rows(FACTS, make_progress(number=7))["tiny.gguf"]

    assert (row.name, row.permille, row.download_id) == ("Tiny", 430, 7)
    assert row.state == "43 % · 12.3 MB/s · 3 min left"


def test_a_download_from_an_address_has_a_row_of_its_own() -> None:
    row = rows(FACTS, make_progress(name="other.gguf"))["other.gguf"]

    assert (row.name, row.reference) == ("other.gguf", "other.gguf")


def test_a_finished_download_gives_way_to_the_installed_model() -> None:
    row = rows(FACTS, make_progress(Phase.DONE, name="bamboo.gguf"))["bamboo.gguf"]

    assert (row.state, row.download_id) == ("Chosen", None)


def test_a_model_that_is_fetched_again_shows_its_progress() -> None:
    assert rows(FACTS, make_progress(name="bamboo.gguf"))["bamboo.gguf"].permille == 430
