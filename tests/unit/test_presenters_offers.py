from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.fakes.app import CATALOG, make_engine, make_model
from tests.fakes.languages import ENGLISH
from tests.fakes.models_shown import NOW_S, OTHER_APPS, make_disk_use, make_repository_report, make_space
from tray_app.app.discovery import OfferedModel
from tray_app.engine.report import ModelReport
from tray_app.errors import EngineError, ErrorCode
from tray_app.models.header import Purpose
from tray_app.models.hub import HubFile, HubModel, HubQuantization
from tray_app.models.memory import Fit, MemoryBudget, MemoryEstimate, Verdict
from tray_app.models.recommend import Recommendation
from tray_app.ui.presenters.engines import Standing
from tray_app.ui.presenters.hub import MOST_FILES, hub_facts, repository_notes, repository_view
from tray_app.ui.presenters.model_facts import ModelFacts
from tray_app.ui.presenters.models import ModelRow, RowKind
from tray_app.ui.presenters.offers import (
    OfferAction,
    OfferRow,
    catalog_rows,
    entry_facts,
    found_rows,
    offer_label,
)
from tray_app.ui.presenters.space import removal_text, space_rows, total_text

TINY = next(entry for entry in CATALOG if entry.id == "tiny")


def verdict(fit: Fit) -> Verdict:
    return Verdict(fit, MemoryEstimate(10**9, 0, 0), MemoryBudget(16 << 30), 2048, 1)


def report(fit: Fit = Fit.FITS, obstacle: EngineError | None = None) -> ModelReport:
    engine = None if obstacle else make_engine()
    return ModelReport(make_model(), make_engine().kind, engine, obstacle, verdict(fit))


def catalogue(*ids: str) -> ModelFacts:
    entries = (msgspec.structs.replace(TINY, id=each, name=each, file_name=f"{each}.gguf") for each in ids)
    return ModelFacts(catalog=tuple(entries))


def test_what_suits_best_is_first_then_what_fits_and_what_does_not_run_is_apart() -> None:
    missing = EngineError(ErrorCode.ENGINE_NOT_FOUND, "PowerInfer is not installed", "")
    reports = {
        "large": report(Fit.TOO_LARGE),
        "tight": report(Fit.TIGHT),
        "sparse": report(obstacle=missing),
        "fits": report(),
        "best": report(),
    }
    facts = catalogue(*reports, "unknown")
    best = next(each for each in facts.catalog if each.id == "best")
    facts = replace(facts, reports=reports, recommended=(Recommendation(best, verdict(Fit.FITS), "Good."),))

    runs, others = catalog_rows(facts, (), ENGLISH)

    assert [row.key for row in runs] == ["best", "fits", "tight", "unknown"]
    assert [row.key for row in others] == ["large", "sparse"]
    assert [row.best for row in runs] == [True, False, False, False]
    assert "PowerInfer is not installed." in others[1].note


def test_the_model_that_comes_with_the_app_is_not_offered_for_download() -> None:
    runs, others = catalog_rows(ModelFacts(catalog=CATALOG), (), ENGLISH)

    assert [row.key for row in (*runs, *others)] == ["bamboo", "tiny"]


@pytest.mark.parametrize(
    ("here", "state", "action"),
    [
        (ModelRow("tiny", "Tiny", RowKind.OFFER, path=None), "", OfferAction.DOWNLOAD),
        (
            ModelRow("tiny", "Tiny", RowKind.INSTALLED, state="Not loaded", path=Path("/m/tiny.gguf")),
            "Already installed",
            None,
        ),
        (
            ModelRow(
                "tiny",
                "Tiny",
                RowKind.INSTALLED,
                state="Loaded",
                path=Path("/m/tiny.gguf"),
                standing=Standing.READY,
                purpose=Purpose.CHAT,
            ),
            "Loaded",
            OfferAction.OPEN,
        ),
        (
            ModelRow("x", "x", RowKind.UNUSABLE, state="Cannot be used", path=Path("/m/tiny.gguf")),
            "",
            OfferAction.DOWNLOAD,
        ),
    ],
)
def test_what_is_here_already_is_not_downloaded_again(
    here: ModelRow, state: str, action: OfferAction | None
) -> None:
    (row,) = catalog_rows(ModelFacts(catalog=(TINY,)), (here,), ENGLISH)[0]

    assert (row.state, row.action) == (state, action)


def test_the_facts_of_an_entry_are_those_that_are_known() -> None:
    replaced = msgspec.structs.replace
    entry = replaced(
        TINY, license="MIT", languages=("en", "fr", "de", "ja", "zh", "it"), purpose=Purpose.EMBEDDING
    )

    assert entry_facts(entry, ENGLISH) == ("900 MB", "License: MIT", "Languages: en, fr, de, ja +2")
    assert entry_facts(TINY, ENGLISH) == ("900 MB",)
    assert "more than 20 languages" in entry_facts(replaced(TINY, languages=("multi",)), ENGLISH)


def test_of_a_repository_only_what_a_search_told_is_said() -> None:
    assert hub_facts(HubModel("a/b"), ENGLISH) == ()
    assert hub_facts(HubModel("a/b", downloads=1, likes=0, parameters=568_000_000), ENGLISH) == (
        "1 download",
        "♥ 0",
        "568 M parameters",
    )


def test_millions_of_downloads_are_said_in_a_few_digits() -> None:
    facts = [hub_facts(HubModel("a/b", downloads=count), ENGLISH)[0] for count in (345_678, 1_234_567)]

    assert facts == ["345,678 downloads", "1.2 M downloads"]


def test_what_the_button_of_a_row_does_follows_what_has_become_of_it() -> None:
    row = OfferRow("key", "Tiny", action=OfferAction.DOWNLOAD, size="900 MB", purpose=Purpose.EMBEDDING)

    labels = [offer_label(replace(row, action=action), ENGLISH) for action in OfferAction]

    assert labels == ["", "Download 900 MB", "Pause", "Resume", "Load", "Open Embeddings", "Use in Place"]
    assert offer_label(replace(row, too_large=True), ENGLISH) == "Download…"  # after a question


def test_the_projector_of_a_model_that_sees_is_no_file_of_its_own() -> None:
    view = repository_view(make_repository_report(), (), ENGLISH)

    assert view.sight is not None
    assert (view.sight.address.rpartition("/")[2], view.sight.size) == ("mmproj-Qwen3-8B.gguf", "600 MB")
    assert [row.title for row in view.files] == ["Q2_K", "Q4_0", "Q6_K", "Q8_0"]
    assert [row.title for row in view.too_large] == ["F16"]


def test_a_split_file_is_one_row_and_several_models_are_told_apart_by_their_names() -> None:
    whole = make_repository_report(with_projector=False)
    parts = tuple(HubFile(f"Other-Q4_K_M-0000{n}-of-00002.gguf", 10**9) for n in (1, 2))
    split = OfferedModel((HubQuantization(parts),), (), None)

    view = repository_view(replace(whole, models=(*whole.models, split)), (), ENGLISH)

    assert view.files[-1].title == "Other-Q4_K_M-00001-of-00002.gguf"
    assert view.files[-1].facts == ("2.00 GB", "2 files")
    assert view.best is not None
    assert view.best.title == "Qwen3-8B-Q4_K_M.gguf"


def test_of_thousands_of_files_some_are_shown_and_that_is_said() -> None:
    whole = make_repository_report()
    many = tuple(HubQuantization((HubFile(f"model-{n}.gguf", 10**9),)) for n in range(MOST_FILES + 1))

    crowd = replace(whole, models=(OfferedModel(many, (), None),))

    assert len(repository_view(crowd, (), ENGLISH).files) == MOST_FILES
    assert repository_notes(crowd, ENGLISH) == ("The repository has more files than are shown.",)


def test_a_repository_in_which_nothing_fits_says_what_to_do() -> None:
    whole = make_repository_report()
    (model,) = whole.models

    none_fits = replace(whole, models=(replace(model, best=None),))

    assert repository_notes(none_fits, ENGLISH) == (
        "None of them fits in this computer's memory. Look for a smaller model.",
    )
    assert repository_notes(replace(whole, models=()), ENGLISH) == (
        "There is no GGUF model in this repository.",
    )


def test_of_a_name_that_is_a_digest_beginning_and_end_are_shown_and_the_whole_is_the_key() -> None:
    (row, *_) = found_rows(OTHER_APPS, ENGLISH)

    assert row.facts[1] == "/home/maria/.ollama/models/blobs/sha256-a3dea3dea…a3dea3de"
    assert row.key == str(OTHER_APPS[0].path)


def test_space_is_told_with_the_largest_first_and_what_was_never_used_says_since_when() -> None:
    never = replace(make_space("Never", 10**9), last_used_s=None)
    use = make_disk_use((make_space("Small", 10**6), never), ())

    rows = space_rows(use, ENGLISH)

    assert [(row.name, row.size) for row in rows] == [("Never", "1.00 GB"), ("Small", "1.00 MB")]
    assert rows[0].used == rows[1].used.replace("Last used", "Not used since")
    assert total_text(use, ENGLISH) == "Models take 1.00 GB; 228 GB are free."
    assert never.arrived_s == NOW_S


def test_before_several_are_removed_it_is_said_what_becomes_of_each_kind() -> None:
    rows = space_rows(make_disk_use(), ENGLISH)

    text = removal_text(rows, ENGLISH)

    assert text.splitlines() == [
        "5 chosen · 10.7 GB",
        "What unfinished downloads have left is deleted.",
        "Models of other apps stay where they are, and are no longer used from here.",
    ]
    assert removal_text(rows[:1], ENGLISH) == "1 chosen · 5.03 GB"
