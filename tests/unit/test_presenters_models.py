from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.fakes.app import (
    CATALOG,
    MODELS,
    FakeApp,
    make_loaded,
    make_model,
    make_progress,
    make_status,
    with_engines,
)
from tests.fakes.languages import ENGLISH
from tray_app.app.server_status import ServerState, ServerStatus
from tray_app.download.progress import Phase
from tray_app.engine.lifecycle import State
from tray_app.errors import DownloadError, EngineError, ErrorCode, ModelError
from tray_app.models.memory import Fit
from tray_app.models.model import Unusable
from tray_app.models.model_files import Partial
from tray_app.ui.presenters.menu import MOST_CHOICES, model_choices
from tray_app.ui.presenters.model_facts import ModelFacts, facts_key
from tray_app.ui.presenters.models import FileJob, ModelAction, RowKind, model_rows, settled_rows

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.ui.presenters.models import ModelRow

BAMBOO = make_model()
ON_DISK = frozenset(
    {
        ModelAction.LOAD,
        ModelAction.VERIFY,
        ModelAction.QUANTIZE,
        ModelAction.REVEAL,
        ModelAction.REMOVE,
    }
)
FACTS = ModelFacts(installed=(BAMBOO,), catalog=CATALOG, chosen="bamboo")


def rows(facts: ModelFacts = FACTS, *downloads: object, works: object = None) -> dict[str, ModelRow]:
    status = make_status(downloads=downloads)  # type: ignore[arg-type]
    return {row.id: row for row in model_rows(settled_rows(facts, ENGLISH), status, works or {}, ENGLISH)}  # type: ignore[arg-type]


def test_installed_models_stand_before_what_is_on_offer() -> None:
    assert list(rows()) == ["bamboo", "test", "tiny"]


def test_an_installed_model_says_what_it_is() -> None:
    row = rows()["bamboo"]

    assert (row.name, row.kind, row.quantization, row.context, row.size) == (
        "Bamboo 7B Q4_0",
        "Sparse",
        "Q4_0",
        "4096",
        "4.68 GB",
    )
    assert rows(replace(FACTS, installed=(make_model(sparse=False),)))["bamboo"].kind == "Regular"


def test_the_chosen_model_cannot_be_chosen_again() -> None:
    row = rows()["bamboo"]

    assert (row.state, row.chosen) == ("Not loaded", True)
    assert row.actions == ON_DISK


def test_another_installed_model_can_be_used() -> None:
    row = rows(replace(FACTS, chosen=None))["bamboo"]

    assert (row.state, row.chosen, row.actions) == ("Not loaded", False, ON_DISK | {ModelAction.USE})
    assert row.id == "bamboo"


def test_a_model_of_the_catalogue_can_be_downloaded() -> None:
    row = rows()["tiny"]

    assert (row.state, row.size, row.actions) == (
        "Not downloaded",
        "900 MB",
        frozenset({ModelAction.DOWNLOAD}),
    )
    assert (row.source, row.details) == ("tiny", ("A small dense model.",))


def test_a_chosen_model_that_is_not_here_says_so() -> None:
    row = rows(replace(FACTS, chosen="tiny"))["tiny"]

    assert (row.state, row.chosen) == ("Not downloaded", True)


def test_a_size_that_is_not_known_exactly_is_given_as_such() -> None:
    rough = tuple(msgspec.structs.replace(entry, size_is_approximate=True) for entry in CATALOG)

    assert rows(replace(FACTS, catalog=rough))["tiny"].size == "≈ 900 MB"


@pytest.mark.parametrize(
    ("phase", "actions"),
    [
        (Phase.WAITING, {ModelAction.PAUSE, ModelAction.CANCEL}),
        (Phase.CONNECTING, {ModelAction.PAUSE, ModelAction.CANCEL}),
        (Phase.DOWNLOADING, {ModelAction.PAUSE, ModelAction.CANCEL}),
        (Phase.VERIFYING, {ModelAction.CANCEL}),
        (Phase.PAUSED, {ModelAction.RESUME, ModelAction.CANCEL, ModelAction.REVEAL}),
        (Phase.FAILED, {ModelAction.RESUME, ModelAction.CANCEL, ModelAction.REVEAL}),
        (Phase.CANCELLED, {ModelAction.RESUME, ModelAction.REMOVE, ModelAction.REVEAL}),
        (Phase.DONE, {ModelAction.USE}),
    ],
)
def test_a_download_can_be_steered_as_its_phase_allows(phase: Phase, actions: set[ModelAction]) -> None:
    assert (
        rows(FACTS, make_progress(phase, error=DownloadError(ErrorCode.INTERNAL_ERROR, "x")))["tiny"].actions
        == actions
    )


def test_a_download_takes_the_row_of_what_the_catalogue_offers() -> None:
    row = rows(FACTS, make_progress(number=7))["tiny"]

    assert (row.name, row.permille, row.downloads) == ("Tiny", 430, (7,))
    assert row.state == "43 % · 12.3 MB/s · 3 min left"


def test_a_download_from_an_address_has_a_row_of_its_own() -> None:
    row = rows(FACTS, make_progress(name="other.gguf"))["other.gguf"]

    assert (row.name, row.id) == ("other", "other.gguf")


def test_a_finished_download_gives_way_to_what_is_in_the_folder() -> None:
    done = make_progress(Phase.DONE, number=3)

    assert rows(FACTS, done)["tiny"].state == "Downloaded"
    installed = replace(FACTS, installed=(BAMBOO, make_model("Tiny", "tiny.gguf")), finished=frozenset({3}))
    assert rows(installed, done)["tiny"].state == "Not loaded"
    removed = replace(FACTS, finished=frozenset({3}))
    assert rows(removed, done)["tiny"].state == "Not downloaded"


def test_a_model_that_is_fetched_again_shows_its_progress() -> None:
    assert rows(FACTS, make_progress(name="bamboo.gguf"))["bamboo"].permille == 430


def test_a_cancelled_download_of_which_nothing_is_here_leaves_no_trace() -> None:
    row = rows(FACTS, make_progress(Phase.CANCELLED, received_bytes=0))["tiny"]

    assert row.state == "Not downloaded"
    assert "x.gguf" not in rows(FACTS, make_progress(Phase.CANCELLED, name="x.gguf", received_bytes=0))


def test_what_went_wrong_with_a_download_is_told_in_full() -> None:
    error = DownloadError(ErrorCode.SOURCE_REFUSED, "No way", "The server refuses.", "Ask its owner.")

    row = rows(FACTS, make_progress(Phase.FAILED, error=error))["tiny"]

    assert row.details[:2] == ("No way. The server refuses. Ask its owner.", "2.01 GB have arrived.")


def split(number: int, phase: Phase, received: int = 100, total: int | None = 100) -> object:
    name = f"big-{number:05}-of-00003.gguf"
    return make_progress(phase, number=number, name=name, received_bytes=received, total_bytes=total)


def test_the_files_of_a_split_model_are_one_row_with_their_sum() -> None:
    parts = (split(1, Phase.DONE), split(2, Phase.DOWNLOADING, 50), split(3, Phase.WAITING, 0, 100))

    row = rows(FACTS, *parts)["big-00001-of-00003.gguf"]

    assert (row.downloads, row.permille, row.size) == ((1, 2, 3), 500, "300 B")
    assert row.state == "File 2 of 3: 50 % · 12.3 MB/s · 1 s left"
    assert row.actions == {ModelAction.PAUSE, ModelAction.CANCEL}


def test_while_the_size_of_a_part_is_not_known_each_file_counts_alike() -> None:
    parts = (split(1, Phase.DONE), split(2, Phase.DOWNLOADING, 50), split(3, Phase.WAITING, 0, None))

    row = rows(FACTS, *parts)["big-00001-of-00003.gguf"]

    assert (row.permille, row.size) == (500, "")


def test_of_a_split_download_that_was_found_again_the_rest_is_told() -> None:
    row = rows(FACTS, split(3, Phase.PAUSED, 50))["big-00001-of-00003.gguf"]

    assert (row.name, row.state) == ("big", "File 3 of 3: Paused at 50 %")


def test_of_a_split_download_that_fails_the_cause_is_told() -> None:
    parts = (split(1, Phase.DONE), split(2, Phase.FAILED, 50), split(3, Phase.WAITING, 0))

    assert rows(FACTS, *parts)["big-00001-of-00003.gguf"].state.startswith("File 2 of 3: Failed")


def test_two_models_of_one_name_are_two_rows_and_each_is_meant_by_itself() -> None:
    builtin = replace(make_model("Built-in test model", "test.gguf"), path=Path("/app/test.gguf"))
    own = replace(make_model("test", "test.gguf"), id="test.gguf")
    twins = [make_model("same", name) for name in ("my-model-1a2b3c.gguf", "my-model.gguf")]

    facts = replace(FACTS, installed=(own, builtin, *twins), chosen="test")

    found = rows(facts)
    assert [row.name for row in found.values() if row.chosen] == ["Built-in test model"]
    assert {row.id for row in found.values()} == {
        "test",
        "test.gguf",
        "my-model-1a2b3c",
        "my-model",
        "bamboo",
        "tiny",
    }
    assert [(choice.id, choice.label) for choice in model_choices(facts, make_status(), ENGLISH)] == [
        ("test.gguf", "test"),
        ("test", "Built-in test model — chosen"),
        ("my-model-1a2b3c", "same"),
        ("my-model", "same"),
    ]


def test_the_model_that_comes_with_the_app_is_not_removed() -> None:
    builtin = make_model("Built-in test model", "test.gguf")

    assert ModelAction.REMOVE not in rows(replace(FACTS, installed=(builtin,)))["test"].actions


@pytest.mark.parametrize("arriving", [False, True])
def test_a_file_of_no_use_says_why(*, arriving: bool) -> None:
    error = ModelError(
        ErrorCode.MODEL_FILE_INCOMPLETE,
        "The model file a.gguf is incomplete",
        "It has 10 of 20 bytes.",
        "Copy it again.",
    )
    unusable = Unusable("a", "a", MODELS / "a.gguf", 10, error, arriving)

    row = rows(replace(FACTS, unusable=(unusable,)))["a"]

    assert (row.name, row.size, row.permille) == ("a", "10 B", None)
    if arriving:
        assert row.state == "Being copied …"
        assert row.actions == {ModelAction.REVEAL}
    else:
        assert row.state == "Cannot be used"
        assert row.actions == {ModelAction.REVEAL, ModelAction.REMOVE}
        assert row.details[0] == "The model file a.gguf is incomplete."


def test_what_an_unknown_download_has_left_is_listed_with_the_space_it_holds() -> None:
    partial = Partial(MODELS / "old.gguf.part", MODELS / "old.gguf", 2_000_000)
    facts = replace(FACTS, partials=(partial,))

    assert rows(facts)["old.gguf"].size == "2.00 MB"
    assert rows(facts)["old.gguf"].actions == {ModelAction.REMOVE, ModelAction.REVEAL}
    assert rows(facts, make_progress(name="old.gguf"))["old.gguf"].permille == 430


def test_work_on_a_file_shows_in_its_row_and_nothing_else_can_be_done_meanwhile() -> None:
    row = rows(works={"bamboo": FileJob("Verifying", 1, 4)})["bamboo"]

    assert (row.state, row.permille) == ("Verifying 25 %", 250)
    assert row.actions == {ModelAction.CANCEL, ModelAction.REVEAL}
    assert rows(works={"new.gguf": FileJob("Importing")})["new.gguf"].state == "Importing 0 %"


@pytest.mark.parametrize(
    ("fit", "shape", "word", "reason"),
    [
        (Fit.FITS, "●", "Fits", "It needs 4.4 GiB of the 14.0 GiB of available memory."),
        (Fit.TIGHT, "◐", "Tight", "Close other programs first."),
        (Fit.TOO_LARGE, "○", "Does not fit", "Try a context size of 2048."),
    ],
)
def test_whether_a_model_fits_is_told_by_word_shape_and_reason(
    fit: Fit, shape: str, word: str, reason: str
) -> None:
    fake = FakeApp()
    fake.fit = fit

    row = rows(replace(FACTS, reports={"bamboo": fake.report(BAMBOO)}))["bamboo"]

    assert row.fit is not None
    assert (row.fit.sign, row.fit.text) == (shape, word)
    assert any(sentence.endswith(reason) for sentence in row.details)


def test_a_model_without_an_engine_says_what_helps() -> None:
    fake = FakeApp()
    fake.obstacle = EngineError(
        ErrorCode.POWERINFER_NOT_FOUND, "There is no PowerInfer engine", "None is here.", "Install one."
    )

    row = rows(replace(FACTS, reports={"tiny": fake.report(BAMBOO)}))["tiny"]

    assert row.fit is not None
    assert (row.fit.sign, row.fit.text) == ("✕", "No engine")
    assert "There is no PowerInfer engine. Install one." in row.details


def test_the_folder_is_looked_at_again_when_something_happens_in_it() -> None:
    status = make_status()

    assert facts_key(status) == facts_key(replace(status, server=ServerStatus(ServerState.PREPARING)))
    assert facts_key(status) != facts_key(replace(status, folder_changes=1))


def test_a_download_belongs_to_the_file_it_becomes_and_not_to_one_of_its_name_elsewhere() -> None:
    other = replace(
        make_model("owner/mine", "mine.gguf"), id="mine-1a2b3c", path=MODELS / "owner" / "mine.gguf"
    )
    facts = replace(FACTS, installed=(other,))

    found = rows(facts, make_progress(name="mine.gguf"))

    assert (found["mine-1a2b3c"].permille, found["mine.gguf"].permille) == (None, 430)


def test_names_that_are_no_text_are_shown_in_the_table() -> None:
    broken = Partial(MODELS / "a\udcff.gguf.part", MODELS / "a\udcff.gguf", 10)
    twin = Partial(MODELS / "b" / "a\udcff.gguf.part", MODELS / "b" / "a\udcff.gguf", 10)
    model = replace(make_model("gr�n"), id="gr-n-1a2b3c", path=MODELS / "gr\udcf6n.gguf")

    found = rows(replace(FACTS, installed=(model,), partials=(broken, twin)))

    assert [row.path for row in found.values() if row.sort is RowKind.PARTIAL] == [broken.final, twin.final]
    for row in found.values():
        "".join((row.id, row.name, *row.details)).encode()


def test_rows_that_are_settled_are_not_made_again() -> None:
    settled = settled_rows(FACTS, ENGLISH)

    first, again = (model_rows(settled, make_status(), {}, ENGLISH) for _ in range(2))

    assert all(one is other for one, other in zip(first, again, strict=True))


def test_a_menu_has_no_thousand_models_but_always_the_chosen_one() -> None:
    many = tuple(make_model(str(number), f"{number}.gguf") for number in range(1000))

    loaded = with_engines(make_status(State.READY), make_loaded("888"))

    choices = model_choices(replace(FACTS, installed=many, chosen="777"), loaded, ENGLISH)

    assert len(choices) == MOST_CHOICES + 2
    assert [choice.label for choice in choices[-2:]] == ["777 — chosen", "888"]
    assert [choice.id for choice in choices if choice.loaded] == ["888"]


@pytest.mark.parametrize(
    ("status", "state", "actions"),
    [
        (make_status(State.READY), "Loaded", {ModelAction.UNLOAD}),
        (make_status(State.LOADING), "Loading …", {ModelAction.UNLOAD}),
        (make_status(State.FAILED), "Failed: unknown cause", {ModelAction.LOAD}),
        (make_status(), "Not loaded", {ModelAction.LOAD}),
    ],
)
def test_a_model_is_loaded_or_unloaded(status: AppStatus, state: str, actions: set[ModelAction]) -> None:
    row = model_rows(settled_rows(FACTS, ENGLISH), status, {}, ENGLISH)[0]

    assert row.state == state
    assert row.actions & {ModelAction.LOAD, ModelAction.UNLOAD} == actions


def test_a_loaded_model_besides_the_chosen_one_says_so() -> None:
    status = with_engines(make_status(), make_loaded("Tiny"))
    facts = replace(FACTS, installed=(BAMBOO, make_model("Tiny", "tiny.gguf")))

    row = model_rows(settled_rows(facts, ENGLISH), status, {}, ENGLISH)[1]

    assert (row.state, row.chosen) == ("Loaded", False)
    assert {ModelAction.USE, ModelAction.UNLOAD} <= row.actions


def test_a_file_that_is_being_verified_cannot_be_unloaded_meanwhile() -> None:
    works = {"bamboo": FileJob("Verifying", 1, 4)}

    row = model_rows(settled_rows(FACTS, ENGLISH), make_status(State.READY), works, ENGLISH)[0]

    assert row.actions == {ModelAction.CANCEL, ModelAction.REVEAL}
