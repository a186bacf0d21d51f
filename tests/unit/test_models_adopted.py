"""Models of other apps are listed and found like others, never changed, and gone without a trace."""

from __future__ import annotations

import errno
import hashlib
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.fakes.errors import coded
from tests.fakes.models import model_bytes, write_model, write_truncated_model
from tests.fakes.other_apps import in_lm_studio, in_ollama
from tests.fakes.random_projectors import write_projector
from tray_app.app.model_manager import ModelManager
from tray_app.app.model_upkeep import ModelUpkeep
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_dir import launch_dir_for
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.adopted import AdoptedModels
from tray_app.models.catalog import CatalogEntry
from tray_app.models.found.found_model import FoundModel, OtherApp
from tray_app.models.library import Library
from tray_app.models.naming import AmbiguousError
from tray_app.models.removal import Removal
from tray_app.models.watch import FolderWatch
from tray_app.settings.schema import Settings
from tray_app.system.files import read_regular
from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEST = CatalogEntry(id="test", name="Built-in", file_name="test.gguf", note="Checks.")
OFFERED = CatalogEntry(
    id="offered-1b",
    name="Offered 1B",
    source="hf:a/b/offered.gguf",
    file_name="offered.gguf",
    size_bytes=len(model_bytes(name="Offered")),
    sha256=hashlib.sha256(model_bytes(name="Offered")).hexdigest(),
    note="Small.",
)
UNUSED = cast("Any", None)


class Place:
    """A person's home with other apps in it, and what this app makes of that."""

    def __init__(self, root: Path) -> None:
        self.home, self.folder, self.state = root / "home", root / "models", root / "state"
        builtin = write_model(root / "app" / "test.gguf")
        self.upkeep = ModelUpkeep(
            self.state, library=lambda: self.library, settings=Settings, session=UNUSED, system=System.LINUX
        )
        self.library = Library(self.folder, (TEST, OFFERED), builtin, adopted=self.upkeep.adopted.current)
        self.manager = ModelManager(
            library=lambda: self.library,
            settings=Settings,
            fetch=UNUSED,
            served=lambda: None,
            engines=UNUSED,
            host=UNUSED,
            forget=self.upkeep.adopted.forget,
        )

    def ids(self) -> list[str]:
        """Those of all models but the one that comes with the app."""
        return [each.id for each in self.library.contents().models if each.id != "test"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path)
    made.home.mkdir()
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(made.home))
    for variable in (
        "OLLAMA_MODELS",
        "OLLAMA_HOME",
        "LLAMA_CACHE",
        "HF_HOME",
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
    ):
        monkeypatch.delenv(variable, raising=False)
    return made


@pytest.fixture
def store(place: Place) -> Path:
    """Ollama's."""
    return place.home / ".ollama" / "models"


def pictured(folder: Path) -> dict[Path, tuple[int, int]]:
    """All that is in a folder, and when it was changed."""
    return {each: (each.lstat().st_mtime_ns, each.lstat().st_size) for each in folder.rglob("*")}


def test_a_model_of_ollama_is_found_by_each_of_its_names(place: Place, store: Path, tmp_path: Path) -> None:
    blob = in_ollama(store, "library/llama3.2/1b", write_model(tmp_path / "m"))

    (model,) = place.upkeep.adopt(["llama3.2:1b"])

    assert (model.id, model.name, model.app, model.path) == ("llama3.2-1b", "llama3.2:1b", "Ollama", blob)
    for reference in ("llama3.2-1b", "llama3.2:1b", "LLAMA3.2:1B", str(blob), blob.name):
        assert place.library.find(reference) == model
    names = place.library.installed().names
    assert {names.resolve(each) for each in ("llama3.2:1b", "llama3.2-1b", "Llama3.2-1B.gguf")} == {model.id}
    assert place.library.contents().models[0] == model
    assert place.upkeep.found() == ()


def test_nothing_is_changed_where_the_model_is(place: Place, store: Path, tmp_path: Path) -> None:
    in_ollama(store, "library/a/1b", write_model(tmp_path / "m"), write_projector(tmp_path / "p"))
    before = pictured(store)

    place.upkeep.adopt(["a:1b"])
    place.library.installed()
    removal = place.manager.remove_model("a:1b", for_good=True, anywhere=True)

    assert removal == Removal((), trashed=False, forgotten=removal.forgotten)
    assert [each.parent.name for each in removal.forgotten] == ["blobs"]
    assert place.ids() == []
    assert pictured(store) == before


def test_its_projector_comes_along(place: Place, store: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "m", extra={"llama.embedding_length": 64})
    in_ollama(store, "library/sees/1b", model, write_projector(tmp_path / "p"))

    assert [each.sees for each in place.upkeep.adopt(["sees:1b"])] == [True]
    for blob in store.glob("blobs/*"):
        if blob != place.library.find("sees:1b").path:
            blob.unlink()
    assert not place.library.find("sees:1b").sees  # it does without


def test_a_projector_beside_a_model_is_its_own_as_everywhere(place: Place, tmp_path: Path) -> None:
    made = write_model(tmp_path / "b.gguf", extra={"llama.embedding_length": 64})
    _, beside = in_lm_studio(place.home, made, write_projector(tmp_path / "mmproj-b.gguf"))

    (model,) = place.upkeep.adopt(["b"])

    assert model.projector is not None
    assert model.projector.path == beside


def test_a_model_is_gone_with_its_file_and_back_with_it(place: Place, store: Path, tmp_path: Path) -> None:
    blob = in_ollama(store, "library/a/1b", write_model(tmp_path / "m"))
    place.upkeep.adopt(["a:1b"])
    aside = blob.rename(tmp_path / "aside")

    assert place.ids() == []
    assert place.library.contents().unusable == ()
    assert place.library.installed().names.resolve("a:1b") is None
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_FOUND)):
        place.library.find("a:1b")

    aside.rename(blob)
    assert place.ids() == ["a-1b"]


def test_a_model_that_was_pulled_anew_keeps_its_id(place: Place, store: Path, tmp_path: Path) -> None:
    in_ollama(store, "library/a/latest", write_model(tmp_path / "m"))
    (old,) = place.upkeep.adopt(["a"])
    old.path.unlink()
    blob = in_ollama(store, "library/a/latest", write_model(tmp_path / "m", name="Newer"))

    (new,) = place.upkeep.adopt(["a"])

    assert (new.id, new.path) == (old.id, blob)
    assert len(place.upkeep.adopted.current()) == 1


def test_a_file_of_the_models_folder_keeps_its_id_and_name(place: Place, store: Path, tmp_path: Path) -> None:
    in_ollama(store, "library/a/latest", write_model(tmp_path / "m"))
    (taken,) = place.upkeep.adopt(["a"])
    own = write_model(place.folder / "a.gguf")

    contents = place.library.contents().models

    assert (contents[0].id, contents[0].path, contents[0].name) == ("a", own, "a")
    assert contents[1].path == taken.path
    assert contents[1].id.startswith("a-")
    assert contents[1].name == f"a ({contents[1].id})"
    assert place.library.find("a").path == own


def test_a_model_of_the_catalogue_has_the_id_of_the_catalogue(place: Place, tmp_path: Path) -> None:
    (path,) = in_lm_studio(place.home, write_model(tmp_path / "offered.gguf", name="Offered"))

    (model,) = place.upkeep.adopt(["offered"])

    assert model.id == "offered-1b"
    for reference in ("offered-1b", "offered.gguf", OFFERED.source):
        assert place.library.find(reference).path == path


def test_a_blob_that_is_a_model_of_the_catalogue_is_known_by_its_digest(
    place: Place, store: Path, tmp_path: Path
) -> None:
    in_ollama(store, "library/nameless/1b", write_model(tmp_path / "m", name="Offered"))

    (model,) = place.upkeep.adopt(["nameless:1b"])

    assert (model.id, model.entry) == ("offered-1b", OFFERED)
    assert place.library.installed().names.resolve("nameless:1b") == "offered-1b"


def test_a_file_that_is_in_the_models_folder_by_a_link_is_not_found(place: Place, tmp_path: Path) -> None:
    (path,) = in_lm_studio(place.home, write_model(tmp_path / "a.gguf"))
    place.folder.mkdir()
    (place.folder / "a.gguf").hardlink_to(path)

    assert place.upkeep.found() == ()


def test_of_two_with_one_name_a_path_says_which(place: Place, tmp_path: Path) -> None:
    paths = [
        in_lm_studio(place.home, write_model(tmp_path / "a.gguf"), repository=f"owner/{name}")[0]
        for name in ("one", "two")
    ]

    with pytest.raises(AmbiguousError):
        place.upkeep.adopt(["a"])
    models = place.upkeep.adopt([str(path) for path in paths])

    assert [each.path for each in models] == paths
    assert len({each.id for each in models}) == len({each.name for each in models}) == 2


def test_a_name_that_no_app_has_takes_up_none(place: Place, tmp_path: Path) -> None:
    in_lm_studio(place.home, write_model(tmp_path / "a.gguf"))

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_FOUND)):
        place.upkeep.adopt(["a", "b"])

    assert place.ids() == []


def test_half_a_model_is_not_taken_up(place: Place, tmp_path: Path) -> None:
    in_lm_studio(place.home, write_truncated_model(tmp_path / "a.gguf"))

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_INCOMPLETE)):
        place.upkeep.adopt(["a"])

    assert place.upkeep.adopted.current() == ()


def test_half_a_model_does_not_keep_others_from_being_taken_up(place: Place, tmp_path: Path) -> None:
    for name, write in (("a", write_model), ("b", write_truncated_model), ("c", write_model)):
        in_lm_studio(place.home, write(tmp_path / f"{name}.gguf"), repository=f"owner/{name}")

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_INCOMPLETE)):
        place.upkeep.adopt(["a", "b", "c"])

    assert place.ids() == ["a", "c"]


def counted(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> list[str]:
    """A list that grows with each call of a method."""
    calls: list[str] = []
    method = getattr(kind, name)

    def call(*given: Any) -> Any:
        calls.append(name)
        return method(*given)

    monkeypatch.setattr(kind, name, call)
    return calls


def test_many_models_are_taken_up_with_two_looks_and_one_writing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        made = write_model(tmp_path / f"m{number}.gguf")
        in_lm_studio(place.home, made, repository=f"owner/m{number}")
    references = [str(each.path) for each in place.upkeep.found()]
    looks, writings = counted(monkeypatch, Library, "_look"), counted(monkeypatch, AdoptedModels, "_change")

    models = place.upkeep.adopt(references)

    assert [str(each.path) for each in models] == references
    assert len({each.id for each in models}) == len(references)
    assert (len(looks) < 6, len(writings)) == (True, 1)


def test_what_one_program_takes_up_another_one_sees(place: Place, store: Path, tmp_path: Path) -> None:
    other = Place(tmp_path)
    in_ollama(store, "library/a/1b", write_model(tmp_path / "m"))
    assert place.ids() == other.ids() == []

    other.upkeep.adopt(["a:1b"])

    assert place.ids() == ["a-1b"]


@pytest.mark.warns("is damaged, and counts as empty")
@pytest.mark.parametrize("content", [b"models = 7", b"[[models]]\nid = 7", b"\xff", b"[", b"x" * (2 << 20)])
def test_a_list_that_is_damaged_counts_as_empty(place: Place, content: bytes) -> None:
    place.state.mkdir()
    (place.state / "adopted.toml").write_bytes(content)

    assert place.ids() == []


@pytest.mark.warns("cannot be read")
def test_a_list_that_cannot_be_read_for_a_moment_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = AdoptedModels(tmp_path)
    first, second = (FoundModel(OtherApp.OLLAMA, name, tmp_path / name, 1) for name in ("a", "b"))
    models.add(first, "a")
    faults = [PermissionError(errno.EACCES, "Another program has it open")] * 2

    def read(path: Path) -> bytes:
        if faults:
            raise faults.pop()
        return read_regular(path)

    monkeypatch.setattr("tray_app.models.adopted.read_regular", read)
    assert models.current() == ()
    with pytest.raises(ModelError):
        models.add(second, "b")

    assert [each.id for each in models.current()] == ["a"]


def test_a_list_that_cannot_be_written_is_an_error(place: Place, tmp_path: Path) -> None:
    in_lm_studio(place.home, write_model(tmp_path / "a.gguf"))
    place.state.write_text("a file in its place")

    with pytest.raises(ModelError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)):
        place.upkeep.adopt(["a"])


def test_the_watch_tells_when_another_app_removes_a_model(place: Place, store: Path, tmp_path: Path) -> None:
    blob = in_ollama(store, "library/a/1b", write_model(tmp_path / "m"))
    place.upkeep.adopt(["a:1b"])
    told = threading.Event()
    files: Callable[[], list[Path]] = lambda: [each.path for each in place.upkeep.adopted.current()]  # noqa: E731
    watch = FolderWatch(lambda: place.folder, told.set, interval_s=0.01, files=files)
    watch.start()
    try:
        blob.unlink()
        assert told.wait(10)
    finally:
        watch.close(5)


@pytest.mark.parametrize("system", System)
def test_powerinfer_writes_nothing_beside_another_apps_model(tmp_path: Path, system: System) -> None:
    model = tmp_path / "a.powerinfer.gguf"

    assert launch_dir_for(model, EngineKind.POWERINFER, system, own=False).linked
    assert launch_dir_for(model, EngineKind.POWERINFER, system, own=False).folder is None
    assert launch_dir_for(model, EngineKind.LLAMA_CPP, system, own=False).model == str(model)
