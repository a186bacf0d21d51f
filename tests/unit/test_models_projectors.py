"""Which projector is a model's, and that no other one is ever given to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from tests.fakes.errors import coded
from tests.fakes.models import write_model, write_split_model, write_truncated_model
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.catalog import CatalogEntry
from tray_app.models.gguf import read_header
from tray_app.models.header import GgufFileType, Projection
from tray_app.models.library import Library
from tray_app.models.memory import projector_bytes
from tray_app.models.model_reader import read_projector
from tray_app.models.projectors import name_beside, projector_to_fetch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.fakes.models import Value
    from tray_app.models.headers import Headers
    from tray_app.models.projectors import Projector

LENGTH = 32
"""Of the vectors of the fake models."""
GEMMA = CatalogEntry(
    id="gemma",
    name="Gemma",
    source="hf:o/r/g.gguf",
    projector="hf:o/r/eyes-mmproj.gguf",
    file_name="g.gguf",
    note="Sees.",
)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "models", (GEMMA,), write_model(tmp_path / "app" / "test.gguf"))


def write_projector(
    path: Path, name: str = "", length: int | None = LENGTH, more: Mapping[str, Value] = MappingProxyType({})
) -> Path:
    """A file that says that it is a projector; no engine uses it."""
    made: dict[str, Value] = {} if length is None else {"clip.vision.projection_dim": length}
    extra: dict[str, Value] = {
        "general.architecture": "clip",
        "general.type": "mmproj",
        "clip.has_vision_encoder": True,
    }
    return write_model(path, name=name, extra=extra | made | dict(more))


def found(library: Library, model: str) -> str | None:
    projector = library.find(model).projector
    return projector.path.name if projector else None


@pytest.mark.parametrize(
    ("model", "projector"),
    [
        ("gemma-3-4b-it-Q4_K_M.gguf", "mmproj-gemma-3-4b-it-f16.gguf"),
        ("gemma-3-4b-it-Q4_K_M.gguf", "gemma-3-4b-it.mmproj-Q8_0.gguf"),
        ("Qwen3-VL-2B-UD-Q4_K_XL.gguf", "mmproj-Qwen3-VL-2B-BF16.gguf"),
        ("smol_vlm.gguf", "SMOL-VLM-mmproj.gguf"),
        ("SmolVLM-IQ4_XS.gguf", "mmproj-SmolVLM.gguf"),
    ],
)
@pytest.mark.parametrize("length", [LENGTH, None])
def test_a_projector_that_is_called_as_its_model_is_found_among_others(
    library: Library, model: str, projector: str, length: int | None
) -> None:
    write_model(library.folder / model, name="A")
    write_model(library.folder / "other.gguf", name="B")
    write_projector(library.folder / "mmproj-other-thing.gguf", "C")
    write_projector(library.folder / projector, "D", length)

    assert found(library, model) == projector
    assert found(library, "other.gguf") is None


def test_the_publishers_name_tells_too_and_of_several_the_smallest_is_taken(library: Library) -> None:
    write_model(library.folder / "a.gguf", name="Gemma 3 4b It")
    write_model(library.folder / "b.gguf", name="Gemma 3 4b It Abliterated")
    large = write_projector(library.folder / "mmproj-F16.gguf", "gemma-3 4B it")
    large.write_bytes(large.read_bytes() + bytes(64))
    write_projector(library.folder / "mmproj-F32.gguf", "Gemma 3 4b It")

    assert found(library, "a") == "mmproj-F32.gguf"
    assert found(library, "b") is None


def test_the_only_projector_beside_the_only_model_is_its_own(library: Library) -> None:
    write_model(library.folder / "sub" / "a.gguf")
    write_projector(library.folder / "sub" / "mmproj-model-f16.gguf")
    write_model(library.folder / "b.gguf")

    assert found(library, "a") == "mmproj-model-f16.gguf"
    assert found(library, "b") is None  # a folder's projectors are for its own models
    write_model(library.folder / "sub" / "c.gguf")
    assert found(library, "a") is None
    (library.folder / "sub" / "c.gguf").unlink()
    write_projector(library.folder / "sub" / "mmproj-second.gguf")
    assert found(library, "a") is None


def test_a_split_model_and_one_outside_of_the_folder_have_theirs_too(
    library: Library, tmp_path: Path
) -> None:
    write_split_model(library.folder / "big", "big-Q4_0", 2)
    write_projector(library.folder / "big" / "mmproj-F16.gguf")
    outside = write_model(tmp_path / "elsewhere" / "x.gguf")
    write_projector(outside.with_name("mmproj-x.gguf"))

    assert found(library, "big-Q4_0") == "mmproj-F16.gguf"
    assert found(library, str(outside)) == "mmproj-x.gguf"


def test_the_catalogue_may_name_it(library: Library) -> None:
    write_model(library.folder / "g.gguf")
    write_model(library.folder / "other.gguf", name="B")
    write_projector(library.folder / "eyes-mmproj.gguf")
    write_projector(library.folder / "mmproj-other.gguf", "C")

    assert found(library, "gemma") == "eyes-mmproj.gguf"


@pytest.mark.parametrize("length", [LENGTH + 1, 768, 2**31])
def test_one_whose_vectors_have_another_length_is_never_given(library: Library, length: int) -> None:
    write_model(library.folder / "a.gguf", name="Same")
    write_projector(library.folder / "mmproj-a.gguf", "Same", length)

    assert found(library, "a") is None


def test_what_is_no_whole_projector_is_never_given(library: Library) -> None:
    write_model(library.folder / "one" / "a.gguf")
    write_truncated_model(write_projector(library.folder / "one" / "mmproj-a.gguf"))
    write_model(library.folder / "two" / "b.gguf")
    write_model(library.folder / "two" / "mmproj-b.gguf")
    write_model(library.folder / "three" / "c.gguf", sparse=True)
    write_projector(library.folder / "three" / "mmproj-c.gguf")
    write_model(library.folder / "four" / "d.gguf")
    write_projector(library.folder / "four" / "mmproj-model.gguf", length=None)  # nobody knows whose it is

    assert {found(library, each) for each in "abcd"} == {None}


def test_one_that_comes_or_goes_is_seen_at_the_next_look(library: Library) -> None:
    write_model(library.folder / "a.gguf")
    assert [model.sees for model in library.installed().models if model.id == "a"] == [False]
    projector = write_projector(library.folder / "mmproj-a.gguf")
    assert [model.sees for model in library.installed().models if model.id == "a"] == [True]
    projector.unlink()
    assert [model.sees for model in library.installed().models if model.id == "a"] == [False]


def test_a_projector_is_read_once_for_all_the_models_of_its_folder(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        write_model(library.folder / f"model-{number}-Q4_0.gguf", name=f"Model {number}")
        write_projector(library.folder / f"mmproj-model-{number}-F16.gguf", f"Model {number}")
    read: list[Path] = []

    def note(path: Path, headers: Headers) -> Projector | None:
        read.append(path)
        return read_projector(path, headers)

    monkeypatch.setattr("tray_app.models.model_reader.read_projector", note)
    models = [each for each in library.contents().models if each.path != library.builtin]

    assert {each.path.name: each.projector and each.projector.path.name for each in models} == {
        f"model-{number}-Q4_0.gguf": f"mmproj-model-{number}-F16.gguf" for number in range(20)
    }
    assert len(read) == 20


def test_a_setting_names_another_one_or_none(library: Library, tmp_path: Path) -> None:
    write_model(library.folder / "sub" / "a.gguf")
    beside = write_projector(library.folder / "sub" / "mmproj-a.gguf")
    inside = write_projector(library.folder / "eyes.gguf", length=768)
    outside = write_projector(tmp_path / "eyes.gguf")
    model = library.find("a")

    def chosen(wanted: str) -> Path | None:
        projector = library.with_projector(model, wanted).projector
        return projector.path if projector else None

    assert [chosen(each) for each in ("", " None ", "mmproj-a.gguf", "eyes.gguf", str(outside))] == [
        beside,
        None,
        beside,
        inside,  # the engine knows best whether that fits
        outside,
    ]


def test_a_setting_that_names_no_projector_is_an_error(library: Library) -> None:
    write_model(library.folder / "a.gguf")
    write_truncated_model(write_projector(library.folder / "half.gguf"))
    model = library.find("a")

    for wanted in ("a.gguf", "gone.gguf", "."):
        with pytest.raises(ModelError, check=coded(ErrorCode.PROJECTOR_UNUSABLE)) as error:
            library.with_projector(model, wanted)
        assert wanted in error.value.title
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_INCOMPLETE)):
        library.with_projector(model, "half.gguf")


def test_the_header_tells_what_it_makes(tmp_path: Path) -> None:
    vision: dict[str, Value] = {
        "clip.vision.image_size": 896,
        "clip.vision.patch_size": 14,
        "clip.vision.embedding_length": 1152,
        "clip.vision.feed_forward_length": 4304,
    }
    seeing = read_header(write_projector(tmp_path / "v.gguf", more=vision))
    hearing = read_header(
        write_projector(
            tmp_path / "a.gguf",
            length=None,
            more={"clip.has_vision_encoder": False, "clip.audio.projection_dim": 2048},
        )
    )

    assert seeing.role is GgufFileType.PROJECTOR
    assert seeing.projection == Projection(LENGTH, sees=True, patches=4096, width=1152, feed_forward=4304)
    assert hearing.projection == Projection(2048, sees=False)
    assert read_header(write_model(tmp_path / "m.gguf")).projection is None


def test_its_memory_counts_with_that_of_its_model(library: Library) -> None:
    write_model(library.folder / "a.gguf")
    write_projector(library.folder / "mmproj-a.gguf")
    model = library.find("a")

    assert model.projector
    assert model.weights_bytes == model.size_bytes + model.projector.memory_bytes
    assert replace(model, projector=None).weights_bytes == model.size_bytes
    larger = Projection(LENGTH, sees=True, patches=4096, width=1152, feed_forward=4304)
    assert projector_bytes(larger, 1000) == 1000 + 4096 * (3 * 1152 + 4304) * 4 + 4096 * 4304 * 2


@pytest.mark.parametrize(
    ("model", "beside", "alone", "expected"),
    [
        (
            "m-Q4_K_M.gguf",
            ("mmproj-F32.gguf", "mmproj-F16.gguf", "mmproj-BF16.gguf"),
            True,
            "mmproj-F16.gguf",
        ),
        ("m-Q4_K_M.gguf", ("mmproj-F16.gguf",), False, None),
        ("m-Q4_K_M.gguf", ("mmproj-n-F16.gguf", "mmproj-m-Q8_0.gguf"), False, "mmproj-m-Q8_0.gguf"),
        ("m-Q4_K_M.gguf", (), True, None),
    ],
)
def test_of_a_repository_that_projector_is_fetched_which_is_certainly_the_models(
    model: str, beside: tuple[str, ...], alone: bool, expected: str | None
) -> None:
    found = projector_to_fetch(PurePosixPath(model), map(PurePosixPath, beside), alone=alone)

    assert (found.name if found else None) == expected


@pytest.mark.parametrize(
    ("projector", "expected"),
    [
        ("mmproj-F16.gguf", "mmproj-m-F16.gguf"),
        ("m.mmproj-f16.gguf", "m.mmproj-f16.gguf"),
        ("mmproj.gguf", "mmproj-m.gguf"),
    ],
)
def test_a_projector_is_called_as_its_model_is(projector: str, expected: str) -> None:
    assert name_beside(PurePosixPath(projector), PurePosixPath("m-Q4_K_M.gguf")) == expected
