"""Ids and names of models: every alphabet is kept, no two are alike, and nothing else changes them."""

from __future__ import annotations

import unicodedata

import pytest

from tray_app.models.model_names import ids_of, names_of, plain_id


def ids(*files: str, reserved: tuple[str, ...] = ("test",)) -> dict[str, str]:
    return ids_of(files, {}, reserved)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("日本語.gguf", "日本語"),
        ("Übung.gguf", "Übung"),
        (unicodedata.normalize("NFD", "Übung が.gguf"), "Übung-が"),
        ("हिन्दी.gguf", "हिन्दी"),
        ("ملف.gguf", "ملف"),
        ("한글 모델.gguf", "한글-모델"),
        ("🦙 llama 👍🏽.gguf", "🦙-llama-👍🏽"),
        ("My Model (Q4).gguf", "My-Model-Q4"),
        ("a:b/c:d.gguf", "c-d"),
        ("C++ 100% {x}?#.gguf", "C-100-x"),
        ("a\u202eb\u200fc\u200d\ufeff.gguf", "abc"),
        ("\ufe0f❤\ufe0f.gguf", "❤"),
        ("..a.gguf", "a"),
        ("--model.gguf", "model"),
        ("a--b_c.d.gguf", "a--b_c.d"),
        ("Big-00001-of-00003.gguf", "Big-00001-of-00003"),
        ("test.gguf", "test.gguf"),
    ],
)
def test_an_id_keeps_what_can_be_told_in_letters(file: str, expected: str) -> None:
    assert ids(file) == {file: expected}


@pytest.mark.parametrize("file", ["(((.gguf", "\u202e.gguf", "\udc93\udcfa.gguf", "gr\udcf6n.gguf"])
def test_a_name_that_cannot_be_told_in_letters_is_never_anothers(file: str) -> None:
    alone = ids(file)[file]

    assert alone == ids(file, "model.gguf", "gr-n.gguf", "((.gguf", "\udc94.gguf")[file]
    assert alone not in ("model", "gr-n")
    alone.encode()


def test_who_is_called_so_exactly_keeps_the_id_whatever_comes() -> None:
    found = ids("my model.gguf", "my-model.gguf", "owner/my-model.gguf", "my-model.GGUF")

    assert found["my-model.gguf"] == "my-model"
    assert len(set(found.values())) == 4


def test_the_same_letters_in_two_forms_are_two_models() -> None:
    composed, apart = (unicodedata.normalize(form, "é.gguf") for form in ("NFC", "NFD"))

    found = ids(composed, apart)

    assert found[composed] == "é"
    assert found[apart] != "é"


def test_no_id_is_the_name_of_another_file() -> None:
    found = ids("x.gguf", "x.gguf.gguf")

    assert found["x.gguf"] == "x"
    assert found["x.gguf.gguf"].startswith("x.gguf-")


def test_names_for_people_have_a_folder_only_where_they_need_it() -> None:
    files = {name: plain_id(name, ()) for name in ("a/x.gguf", "b/x.gguf", "x.gguf", "b/y.gguf")}

    assert names_of(files) == {"a/x.gguf": "a/x", "b/x.gguf": "b/x", "x.gguf": "x", "b/y.gguf": "y"}


def test_names_that_cannot_be_told_apart_have_their_ids_added() -> None:
    files = dict(zip(("\udc93.gguf", "\udc94.gguf"), ("model-1", "model-2"), strict=True))

    assert sorted(names_of(files).values()) == ["�.gguf (model-1)", "�.gguf (model-2)"]
