from __future__ import annotations

import pytest

from tray_app.ui.presenters.quantizing import is_file_name, new_name


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("llama.f16.gguf", "llama.Q4_0.gguf"),
        ("llama-BF16.GGUF", "llama.Q4_0.GGUF"),
        ("llama.gguf", "llama.Q4_0.gguf"),
        ("bamboo.f16.powerinfer.gguf", "bamboo.Q4_0.powerinfer.gguf"),
    ],
)
def test_a_smaller_model_is_named_after_the_one_it_is_made_of(name: str, new: str) -> None:
    assert new_name(name, "Q4_0") == new


@pytest.mark.parametrize("name", ["", ".gguf", "a.txt", "../a.gguf", "a:b.gguf", "a?.gguf"])
def test_what_is_no_file_name_on_every_system_is_refused(name: str) -> None:
    assert not is_file_name(name)


def test_a_file_name_may_have_letters_of_any_language() -> None:
    assert is_file_name("素早い 狐.gguf")
