"""Which model a request means by its name, in a real models folder."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import make_snapshot
from tests.fakes.models import write_model
from tests.fakes.tiny_models import write_bert
from tray_app.app.served_models import ServedModels
from tray_app.engine.pool import PoolSnapshot
from tray_app.engine.pooled_engine import EngineStatus
from tray_app.errors import ErrorCode
from tray_app.gateway.upstream import Unavailable
from tray_app.models.catalog import load_catalog
from tray_app.models.header import Purpose
from tray_app.models.library import Library, builtin_model
from tray_app.settings.model_settings import aliases_of, with_own
from tray_app.settings.schema import Settings
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.models import Value
    from tray_app.engine.launch_plan import Plan

DEADLINE_S = 20.0


class Served:
    """The models of a folder with a chat model and an embedding model."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.settings = Settings(**{"model": "chat", **settings})  # type: ignore[arg-type]
        write_model(folder / "chat.gguf")
        write_bert(folder / "bge.gguf")
        catalog = load_catalog(resources() / "catalog.toml")
        library = Library(folder, catalog, builtin_model(), aliases=lambda: aliases_of(self.settings))
        self.models = ServedModels(lambda: library, lambda: self.settings, self._no_plan)
        self.models.look()

    def _no_plan(self, settings: Settings) -> Plan:
        raise AssertionError(settings)

    def meant(self, asked: str, task: Purpose = Purpose.CHAT) -> object:
        """The id of the model that answers; the code and status of the error where none does."""
        if look := self.models.look_if_unknown(asked, "chat"):
            look.result(DEADLINE_S)
        match self.models.meant(asked, task, "chat"):
            case Unavailable() as no:
                return no.code, no.status
            case None:
                return "chat"
            case model_id:
                return model_id


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


@pytest.mark.parametrize(
    ("asked", "means"),
    [("", "chat"), ("gpt-4o-mini", "chat"), ("bge", "bge"), ("BGE.gguf", "bge"), ("chat.gguf", "chat")],
)
def test_a_name_means_its_model_and_any_other_one_the_chosen_one(
    served: Served, asked: str, means: str
) -> None:
    assert served.meant(asked) == means


def test_the_default_of_a_task_answers_for_names_that_are_nobodys(tmp_path: Path) -> None:
    served = Served(tmp_path, default_embedding="bge.gguf")
    tasks = (Purpose.EMBEDDING, Purpose.RERANK, Purpose.CHAT)
    assert [served.meant("text-embedding-3-small", task) for task in tasks] == ["bge", "bge", "chat"]


def test_a_default_that_is_not_there_is_told_and_no_other_model_answers(tmp_path: Path) -> None:
    served = Served(tmp_path, default_chat="nowhere")
    assert served.meant("x") == (ErrorCode.MODEL_NOT_FOUND, 503)
    assert served.meant("x", Purpose.EMBEDDING) == "chat"


def test_where_names_are_strict_only_installed_ones_are_answered(tmp_path: Path) -> None:
    served = Served(tmp_path, strict_models=True, models=MappingProxyType({"bge": {"aliases": ("small",)}}))
    assert served.meant("gpt-4o-mini") == (ErrorCode.MODEL_NOT_FOUND, 404)
    assert (served.meant("small"), served.meant("")) == ("bge", "chat")


def test_a_model_of_the_catalogue_that_is_not_here_is_no_other_one(served: Served) -> None:
    assert served.meant("bge-small-en", Purpose.EMBEDDING) == (ErrorCode.MODEL_NOT_DOWNLOADED, 404)


def test_the_chosen_model_may_still_have_to_be_downloaded(tmp_path: Path) -> None:
    served = Served(tmp_path, model="bge-small-en")
    assert served.models.meant("bge-small-en", Purpose.EMBEDDING, None) is None


def test_a_model_that_was_removed_is_missed_until_it_is_back(served: Served) -> None:
    kept = (served.folder / "bge.gguf").rename(served.folder / "elsewhere")
    served.models.look()
    assert served.meant("bge", Purpose.EMBEDDING) == (ErrorCode.MODEL_FILE_MISSING, 404)
    assert served.meant("another") == "chat"
    kept.rename(served.folder / "bge.gguf")
    served.models.look()
    assert served.meant("bge", Purpose.EMBEDDING) == "bge"


def test_a_model_that_has_just_arrived_is_found(served: Served) -> None:
    write_model(served.folder / "late.gguf")
    assert served.meant("late") == "late"


@pytest.mark.parametrize(("wanted", "sees"), [("", True), ("none", False), ("/my/mmproj.gguf", True)])
def test_models_are_offered_with_whether_they_see(served: Served, wanted: str, sees: bool) -> None:
    says: dict[str, Value] = {"general.architecture": "clip", "clip.has_vision_encoder": True}
    write_model(served.folder / "mmproj-chat.gguf", extra={**says, "clip.vision.projection_dim": 32})
    served.models.look()
    if wanted:
        served.settings = with_own(served.settings, "chat", {"projector": wanted})

    nothing = PoolSnapshot(EngineStatus(None, make_snapshot()))
    offered = {each.id: each.pictures for each in served.models.offered("chat", nothing, sleeps=False)}

    assert offered == {"chat": sees, "bge": False}
