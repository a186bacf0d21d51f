"""Chat templates of model files: what real ones give, and what bad ones may not do."""

from __future__ import annotations

import pytest

from tests.fakes.launches import model
from tray_app.gateway.openai import ApiError, ChatMessage, ContentPart
from tray_app.gateway.prompts import PLAIN, VICUNA
from tray_app.gateway.templates import ChatTemplate, UnusableTemplateError
from tray_app.gateway.translation import chat_form
from tray_app.gateway.upstream import Upstream

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% endif %}"
)
LLAMA2 = (
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)
HI = ChatMessage("user", "Hi")


def upstream(name: str, template: str | None) -> Upstream:
    chosen = model()
    return Upstream("http://x", False, chosen.id, name, 64, chat_template=template)


def test_a_conversation_is_written_as_the_template_says() -> None:
    messages = [ChatMessage("developer", "Be brief."), ChatMessage("user", [ContentPart("text", "Hi")])]
    assert ChatTemplate(CHATML).prompt(messages) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_tokens_that_the_server_adds_or_cannot_read_are_left_out() -> None:
    assert ChatTemplate(LLAMA2).prompt([HI]) == "[INST] Hi [/INST]"


def test_a_conversation_that_the_template_refuses_is_a_bad_request_with_its_reason() -> None:
    with pytest.raises(ApiError, match="roles must alternate") as refused:
        ChatTemplate(LLAMA2).prompt([HI, HI])
    assert (refused.value.status, refused.value.param) == (400, "messages")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{% for x in range(10**9) %}{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{{ 1 / 0 }}",
        "{{ 'x' * 10**15 }}",
        "{{ messages[0].content + 1 }}",
    ],
)
def test_a_template_cannot_reach_out_or_break_the_gateway(source: str) -> None:
    with pytest.raises(ApiError) as refused:
        ChatTemplate(source).prompt([HI])
    assert refused.value.status == 400


def test_a_template_that_is_none_is_told_apart() -> None:
    with pytest.raises(UnusableTemplateError):
        ChatTemplate("{% if %}")


@pytest.mark.parametrize(
    ("name", "template", "form"),
    [
        ("Bamboo DPO", CHATML, ChatTemplate),
        ("Bamboo DPO", "{% if %}", VICUNA),
        ("Bamboo DPO", None, VICUNA),
        ("Other", "", PLAIN),
    ],
)
def test_the_models_own_template_comes_first_and_its_family_second(
    name: str, template: str | None, form: object
) -> None:
    found = chat_form(upstream(name, template))
    assert isinstance(found, ChatTemplate) if form is ChatTemplate else found is form
