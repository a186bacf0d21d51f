from __future__ import annotations

import pytest

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.openai import ChatMessage, ContentPart
from tray_app.gateway.powerinfer.prompts import PLAIN, VICUNA, chat_style

CONVERSATION = [
    ChatMessage("system", "Be brief."),
    ChatMessage("user", "Hi"),
    ChatMessage("assistant", "Hello"),
    ChatMessage("user", "Who are you?"),
]


def test_bamboo_dpo_gets_the_form_of_vicuna() -> None:
    expected = "Be brief.\nUSER: Hi\nASSISTANT: Hello\nUSER: Who are you?\nASSISTANT:"
    assert VICUNA.prompt(CONVERSATION) == expected


def test_other_models_get_the_plain_form() -> None:
    expected = "System: Be brief.\nUser: Hi\nAssistant: Hello\nUser: Who are you?\nAssistant:"
    assert PLAIN.prompt(CONVERSATION) == expected


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("Bamboo 7B DPO", VICUNA),
        ("bamboo-7b-dpo-v0.1.Q4_0", VICUNA),
        ("Bamboo 7B", PLAIN),
        ("ReluLLaMA", PLAIN),
    ],
)
def test_the_form_follows_the_name_of_the_model(name: str, style: object) -> None:
    assert chat_style(name) is style


def test_text_parts_are_joined() -> None:
    parts = [ContentPart("text", "Hello "), ContentPart("text", "there")]
    assert PLAIN.prompt([ChatMessage("user", parts)]) == "User: Hello there\nAssistant:"


def test_a_picture_is_refused() -> None:
    with pytest.raises(ApiError, match="only text") as refused:
        PLAIN.prompt([ChatMessage("user", [ContentPart("image_url")])])
    assert refused.value.status == 400
