"""The models of other apps are found where these keep them, on every system; and nothing stops the search."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes import other_apps
from tests.fakes.models import HTML_PAGE, write_model, write_split_model
from tests.fakes.other_apps import (
    MANIFEST_LIST,
    described,
    in_gpt4all,
    in_hugging_face,
    in_jan,
    in_llama_cpp,
    in_lm_studio,
    in_ollama,
    write_manifest,
)
from tray_app.models.found import hugging_face, jan, ollama
from tray_app.models.found.found_model import FoundModel, OtherApp, Surroundings
from tray_app.models.found.search import found_models, models_around
from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Mapping

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files, or links need rights there")
EVERYWHERE = pytest.mark.parametrize("system", System)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "made" / "tiny-Q4_0.gguf")


@pytest.fixture
def projector(tmp_path: Path) -> Path:
    return write_model(tmp_path / "made" / "mmproj-tiny-f16.gguf", extra={"general.type": "mmproj"})


def found(
    home: Path, system: System = System.LINUX, environ: Mapping[str, str] | None = None
) -> list[FoundModel]:
    return list(models_around(Surroundings(home, environ or {}, system, home / "usr-share")))


def only(home: Path, system: System = System.LINUX, environ: Mapping[str, str] | None = None) -> FoundModel:
    (one,) = found(home, system, environ)
    return one


# LM Studio


def test_lm_studio_is_found_with_the_file_as_its_name(home: Path, model: Path, projector: Path) -> None:
    path, _ = in_lm_studio(home, model, projector)

    assert only(home) == FoundModel(OtherApp.LM_STUDIO, "tiny-Q4_0", path, model.stat().st_size)


def test_lm_studio_is_found_where_its_pointer_and_its_settings_lead(home: Path) -> None:
    moved, chosen = home / "moved", home / "drive" / "models"
    (home / ".lmstudio-home-pointer").write_text(f"{moved}\n")
    moved.mkdir()
    (moved / "settings.json").write_text(json.dumps({"downloadsFolder": str(chosen)}))
    path = write_model(chosen / "a" / "b" / "c.gguf")
    bundled = write_model(moved / ".internal" / "bundled-models" / "nomic" / "e.gguf")

    assert [each.path for each in found(home)] == [path, bundled]


@pytest.mark.parametrize(
    "settings", [b"", b"{", b"[]", b'{"downloadsFolder": 7}', b'{"downloadsFolder": "x"}']
)
def test_lm_studios_settings_may_be_anything(home: Path, model: Path, settings: bytes) -> None:
    in_lm_studio(home, model)
    (home / ".lmstudio" / "settings.json").write_bytes(settings)

    assert only(home).app == OtherApp.LM_STUDIO


# Ollama


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ("library/llama3.2/1b", "llama3.2:1b"),
        ("library/llama3.2/latest", "llama3.2"),
        ("someone/llama3.2/1b", "someone/llama3.2:1b"),
    ],
)
def test_ollamas_models_are_called_as_ollama_does(
    home: Path, model: Path, projector: Path, manifest: str, name: str
) -> None:
    blob = in_ollama(home / ".ollama" / "models", manifest, model, projector)

    one = only(home)

    assert (one.app, one.name, one.path) == (OtherApp.OLLAMA, name, blob)
    assert one.projector is not None
    assert one.projector.read_bytes() == projector.read_bytes()


def test_ollamas_store_may_be_another_persons_or_elsewhere(home: Path, model: Path, tmp_path: Path) -> None:
    in_ollama(tmp_path / "drive", "library/a/1b", model)
    environ = {"OLLAMA_MODELS": str(tmp_path / "drive")}

    assert only(home, environ=environ).name == "a:1b"
    assert found(home) == []

    in_ollama(home / "usr-share" / "ollama" / ".ollama" / "models", "library/b/1b", model)
    assert only(home).name == "b:1b"
    assert found(home, System.MACOS) == []


def test_two_names_of_one_blob_are_one_model_by_the_more_telling_name(home: Path, model: Path) -> None:
    store = home / ".ollama" / "models"
    in_ollama(store, "library/a/latest", model)
    in_ollama(store, "library/a/7b", model)

    assert only(home).name == "a:7b"


def test_a_model_from_another_registry_has_its_host_in_its_name(home: Path, model: Path) -> None:
    store = home / ".ollama" / "models"
    in_ollama(store, "library/a/q4", model)
    (store / "manifests" / "registry.ollama.ai" / "library").rename(store / "manifests" / "owner")
    (store / "manifests" / "hf.co").mkdir()
    (store / "manifests" / "owner").rename(store / "manifests" / "hf.co" / "owner")

    assert only(home).name == "hf.co/owner/a:q4"


@POSIX
def test_a_list_of_manifests_gives_the_one_with_weights_of_this_format(home: Path, model: Path) -> None:
    store = home / ".ollama" / "models"
    blob = in_ollama(store, "library/a/1b", model)
    plain = store / "manifests" / "registry.ollama.ai" / "library" / "a" / "1b"
    child = other_apps.write_blob(store, plain.read_bytes())
    plain.unlink()
    tensors = {
        "layers": [{"mediaType": "application/vnd.ollama.image.tensor", "digest": "sha256:" + "1" * 64}]
    }
    children = [{"runner": "mlx", **tensors}, {"runner": "ollama", **described(child)}]
    whole = other_apps.write_blob(
        store, json.dumps({"mediaType": MANIFEST_LIST, "manifests": children}).encode()
    )
    link = store / "manifests-v2" / "registry.ollama.ai" / "library" / "a" / "1b"
    link.parent.mkdir(parents=True)
    link.symlink_to(whole)

    assert (only(home).name, only(home).path) == ("a:1b", blob)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'{"layers": null, "manifests": null}',
        b'{"layers": [7]}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model"}]}',
        b'{"manifests": ' * 5000,
        b'{"layers": "' + b"x" * (1 << 20) + b'"}',
        json.dumps(
            {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + "0" * 64}]}
        ).encode(),
    ],
    ids=range(10),
)
def test_a_bad_manifest_is_passed_over(home: Path, model: Path, manifest: bytes) -> None:
    store = home / ".ollama" / "models"
    in_ollama(store, "library/good/1b", model)
    bad = store / "manifests" / "registry.ollama.ai" / "library" / "bad" / "1b"
    bad.parent.mkdir()
    bad.write_bytes(manifest)

    assert only(home).name == "good:1b"


@pytest.mark.parametrize("digest", ["sha256:../../../secret", "../../secret", "sha256-" + "a" * 63 + "/", ""])
def test_a_digest_that_is_none_leads_nowhere(home: Path, digest: str) -> None:
    store = home / ".ollama" / "models"
    (store / "blobs").mkdir(parents=True)
    for place in (store, home):
        write_model(place / "secret")
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": digest}
    write_manifest(store / "manifests" / "r" / "l" / "m" / "t", {"layers": [layer]})

    assert found(home) == []


# Jan


@EVERYWHERE
def test_jans_models_are_called_by_their_folders(
    home: Path, model: Path, projector: Path, system: System
) -> None:
    data = other_apps.application_data(home, system) / "Jan" / "data"
    path = in_jan(data, "janhq/Jan-v1-4B", model, projector)

    expected = FoundModel(
        OtherApp.JAN, "janhq/Jan-v1-4B", path, model.stat().st_size, path.with_name("mmproj.gguf")
    )
    assert only(home, system) == expected


def test_jans_data_may_be_elsewhere_and_a_model_where_a_person_has_it(home: Path, model: Path) -> None:
    data = home / "drive" / "jan-data"
    settings = home / ".config" / "Jan" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"data_folder": str(data)}))
    note = data / "llamacpp" / "models" / "mine" / "model.yml"
    note.parent.mkdir(parents=True)
    note.write_text(f"name: mine\r\nmodel_path: '{model}'\r\n")

    assert (only(home).name, only(home).path) == ("mine", model)


@pytest.mark.parametrize(
    "note", [b"", b"model_path:", b"model_path: \x00x", b"model_path: gone.gguf", b"\xff"]
)
def test_a_note_of_jans_may_be_anything(home: Path, note: bytes) -> None:
    folder = home / ".local" / "share" / "Jan" / "data" / "llamacpp" / "models" / "m"
    folder.mkdir(parents=True)
    (folder / "model.yml").write_bytes(note)

    assert list(jan.find(Surroundings(home, {}, System.LINUX))) == []


# GPT4All, llama.cpp, Hugging Face


@EVERYWHERE
def test_gpt4all_is_found(home: Path, model: Path, system: System) -> None:
    path = in_gpt4all(home, system, model)

    assert only(home, system) == FoundModel(OtherApp.GPT4ALL, "tiny-Q4_0", path, model.stat().st_size)


def test_gpt4all_is_found_where_its_settings_lead(home: Path, model: Path) -> None:
    settings = home / ".config" / "nomic.ai" / "GPT4All.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[General]\nmodelPath={model.parent.as_posix()}\nnetworkPort=4891\n")

    assert only(home).path == model


@pytest.mark.parametrize(
    ("system", "cache"),
    [
        (System.LINUX, ".cache/llama.cpp"),
        (System.MACOS, "Library/Caches/llama.cpp"),
        (System.WINDOWS, "AppData/Local/llama.cpp"),
    ],
)
def test_llama_cpps_cache_is_found_with_what_its_manifest_tells(
    home: Path, model: Path, projector: Path, system: System, cache: str
) -> None:
    path = in_llama_cpp(home / cache, "ggml-org/tiny-GGUF", model, projector)

    assert only(home, system) == FoundModel(
        OtherApp.LLAMA_CPP,
        "tiny-Q4_0",
        path,
        model.stat().st_size,
        home / cache / f"ggml-org_tiny-GGUF_{projector.name}",
    )


def test_llama_cpps_cache_may_be_elsewhere_and_laid_out_as_hugging_faces(home: Path, model: Path) -> None:
    in_hugging_face(home / "c", "owner/repo", [model], links=False)

    one = only(home, environ={"LLAMA_CACHE": str(home / "c")})

    assert (one.app, one.name) == (OtherApp.LLAMA_CPP, "tiny-Q4_0")


@pytest.mark.parametrize("manifest", [b"", b"[]", b'{"ggufFile": {"rfilename": "../../x.gguf"}}', b"\xff"])
def test_a_manifest_of_llama_cpps_may_be_anything(home: Path, manifest: bytes) -> None:
    write_model(home / "x.gguf")
    cache = home / ".cache" / "llama.cpp"
    cache.mkdir(parents=True)
    (cache / "manifest=a=b=c.json").write_bytes(manifest)
    (cache / "manifest=.json").write_bytes(manifest)

    assert found(home) == []


@pytest.mark.parametrize(
    ("environ", "cache"),
    [
        ({}, ".cache/huggingface/hub"),
        ({"HF_HOME": "hf"}, "hf/hub"),
        ({"HF_HUB_CACHE": "hub"}, "hub"),
        ({"HUGGINGFACE_HUB_CACHE": "old"}, "old"),
        ({"XDG_CACHE_HOME": "xdg"}, "xdg/huggingface/hub"),
    ],
)
def test_hugging_faces_cache_is_found(
    home: Path, model: Path, environ: Mapping[str, str], cache: str
) -> None:
    (path,) = in_hugging_face(home / cache, "owner/repo", [model], links=os.name == "posix")

    one = only(home, environ={name: str(home / value) for name, value in environ.items()})

    assert one == FoundModel(OtherApp.HUGGING_FACE, "tiny-Q4_0", path, model.stat().st_size)


def test_of_several_revisions_the_one_of_main_counts(home: Path, model: Path, tmp_path: Path) -> None:
    cache = home / ".cache" / "huggingface" / "hub"
    newer = write_model(tmp_path / "newer" / model.name, name="Newer")
    in_hugging_face(cache, "owner/repo", [model, write_model(tmp_path / "b.gguf")], "a" * 40, links=False)
    (path,) = in_hugging_face(cache, "owner/repo", [newer], "b" * 40, links=False)

    assert [each.path for each in found(home) if each.name == model.stem] == [path]
    assert len(found(home)) == 2


# All of them


def test_a_split_model_is_one_and_an_incomplete_one_none(home: Path, tmp_path: Path) -> None:
    whole = write_split_model(tmp_path / "s", "big", 3)
    half = write_split_model(tmp_path / "h", "half", 2)[:1]
    first, *_ = in_lm_studio(home, *whole, *half)

    one = only(home)

    assert (one.name, one.path, one.size_bytes) == ("big", first, sum(each.stat().st_size for each in whole))


def test_what_is_no_model_is_none(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.gguf"
    page.write_bytes(HTML_PAGE)
    empty = tmp_path / "empty.gguf"
    empty.touch()
    in_lm_studio(home, page, empty)

    assert found(home) == []


@POSIX
def test_one_file_of_two_apps_is_one_model(home: Path, model: Path) -> None:
    (path,) = in_lm_studio(home, model)
    linked = home / ".local" / "share" / "nomic.ai" / "GPT4All" / "other.gguf"
    linked.parent.mkdir(parents=True)
    os.link(path, linked)

    assert only(home).app is OtherApp.LM_STUDIO


@POSIX
def test_pipes_circles_and_links_to_nowhere_do_not_hold_it_up(home: Path, model: Path) -> None:
    (path,) = in_lm_studio(home, model)
    os.mkfifo(path.with_name("pipe.gguf"))
    path.with_name("nowhere.gguf").symlink_to("gone.gguf")
    path.with_name("self.gguf").symlink_to("self.gguf")
    path.with_name("device.gguf").symlink_to("/dev/zero")
    path.with_name("up").symlink_to(home, target_is_directory=True)
    os.mkfifo(home / ".lmstudio" / "settings.json")
    store = home / ".ollama" / "models" / "manifests"
    tags = store / "registry.ollama.ai" / "library" / "m"
    tags.mkdir(parents=True)
    os.mkfifo(tags / "pipe")
    (tags / "circle").symlink_to(".")

    assert only(home).path == path


@POSIX
def test_a_name_that_is_no_text_is_passed_over(home: Path, model: Path) -> None:
    (path,) = in_lm_studio(home, model)
    try:
        Path(os.fsdecode(bytes(path.parent) + b"/\xff.gguf")).write_bytes(model.read_bytes())
    except OSError:
        pytest.skip("this file system takes only names of UTF-8")

    assert only(home).path == path


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root and Windows read every folder")
def test_a_folder_that_cannot_be_read_is_passed_over(home: Path, model: Path) -> None:
    (path,) = in_lm_studio(home, model)
    locked = path.parent.parent / "locked"
    locked.mkdir(mode=0)

    assert only(home).path == path


def test_a_search_ends_where_there_is_more_than_anybody_has(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hugging_face, "_MOST_REPOSITORIES", 2)
    monkeypatch.setattr(ollama, "_MOST_NAMES", 2)
    cache, store = home / ".cache" / "huggingface" / "hub", home / ".ollama" / "models"
    for number in range(4):
        changed = write_model(home / "made" / f"{number}.gguf", name=f"{number}")
        in_hugging_face(cache, f"owner/repo{number}", [changed], links=False)
        in_ollama(store, f"library/m{number}/1b", write_model(changed, name=f"o{number}"))

    apps = [each.app for each in found(home)]

    assert (apps.count(OtherApp.HUGGING_FACE), apps.count(OtherApp.OLLAMA)) == (2, 2)


@EVERYWHERE
def test_a_home_with_nothing_in_it_has_no_models(home: Path, system: System) -> None:
    assert found_models(home / "nobody", {}, system) == ()


def test_every_variable_may_be_nonsense(home: Path) -> None:
    names = "OLLAMA_MODELS OLLAMA_HOME LLAMA_CACHE HF_HOME HF_HUB_CACHE XDG_CACHE_HOME XDG_DATA_HOME APPDATA"
    for nonsense in ("", " ", "relative/path", "~nobody/x", "a\0b", "/" + "x" * 5000):
        for system in System:
            environ = dict.fromkeys((*names.split(), "LOCALAPPDATA", "XDG_CONFIG_HOME"), nonsense)
            assert found_models(home, environ, system) == ()
