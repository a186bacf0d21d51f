"""Chat templates of model files: what real ones give, and what bad ones may not do. In a real process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.openai import ChatMessage, ContentPart
from tray_app.gateway.powerinfer import template_child
from tray_app.gateway.powerinfer.templates import RenderLimits, TemplateRenderer, UnusableTemplateError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

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
ENDLESS = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"
DOUBLING = (
    "{% set ns = namespace(x='xxxxxxxxxx') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"
)


@asynccontextmanager
async def renderer(limits: RenderLimits | None = None) -> AsyncIterator[TemplateRenderer]:
    made = TemplateRenderer(limits)
    try:
        yield made
    finally:
        await made.close()


def prompt(template: str, messages: Sequence[ChatMessage], limits: RenderLimits | None = None) -> str:
    async def ask() -> str:
        async with renderer(limits) as made:
            return await made.prompt(template, messages)

    return asyncio.run(ask())


def test_a_conversation_is_written_as_the_template_says() -> None:
    messages = [
        ChatMessage("developer", "Be brief."),
        ChatMessage("user", [ContentPart("text", "Hi é 日本")]),
    ]
    assert prompt(CHATML, messages) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHi é 日本<|im_end|>\n<|im_start|>assistant\n"
    )


def test_half_of_a_character_is_written_as_one_that_there_is() -> None:
    assert prompt(r"{{ 'a\ud800é' }}", [HI]) == "a?é"
    with pytest.raises(ApiError, match=r"a\?é") as refused:
        prompt(r"{{ raise_exception('a\ud800é') }}", [HI])
    assert refused.value.status == 400


def test_tokens_that_the_server_adds_or_cannot_read_are_left_out() -> None:
    assert prompt(LLAMA2, [HI]) == "[INST] Hi [/INST]"


def test_a_conversation_that_the_template_refuses_is_a_bad_request_with_its_reason() -> None:
    with pytest.raises(ApiError, match="roles must alternate") as refused:
        prompt(LLAMA2, [HI, HI])
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
        "{{ cycler.__init__.__globals__.os.environ }}",
    ],
)
def test_a_template_cannot_reach_out_or_break_the_gateway(source: str) -> None:
    with pytest.raises(ApiError) as refused:
        prompt(source, [HI])
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "source",
    [
        ENDLESS,
        DOUBLING,
        "{{ 'a' | center(3000000000) }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% for i in range(100000) %}{{ 'xxxxxxxxxx' * 1000 }}{% endfor %}",
        "{{ range(100000) | list * 100000 }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_a_template_that_takes_too_long_or_too_much_memory_is_ended_and_the_next_one_is_served(
    source: str,
) -> None:
    async def ask() -> str:
        async with renderer(RenderLimits(time_s=1.0)) as made:
            with pytest.raises((ApiError, UnusableTemplateError)) as refused:
                await made.prompt(source, [HI])
            assert not isinstance(refused.value, ApiError) or refused.value.status == 400
            return await made.prompt(CHATML, [HI])

    assert asyncio.run(ask()).startswith("<|im_start|>user")


def test_while_a_template_goes_on_others_are_answered() -> None:
    async def ask() -> int:
        rounds = 0
        async with renderer(RenderLimits(time_s=1.0)) as made:
            endless = asyncio.create_task(made.prompt(ENDLESS, [HI]))
            while not endless.done():
                await asyncio.sleep(0.01)
                rounds += 1
            assert isinstance(endless.exception(), ApiError)
        return rounds

    assert asyncio.run(ask()) > 2  # a loop that is held up comes round once


def test_who_leaves_in_the_middle_leaves_no_process_and_no_answer_for_the_next() -> None:
    async def ask() -> str:
        async with renderer() as made:
            await made.prompt(CHATML, [HI])
            (child,) = _children()
            before_s = child.cpu_times().user
            left = asyncio.create_task(made.prompt(ENDLESS, [HI]))
            while child.cpu_times().user == before_s:  # noqa: ASYNC110 - it tells nobody that it computes
                await asyncio.sleep(0.01)
            left.cancel()
            await asyncio.wait([left])
            assert not child.is_running()
            return await made.prompt(LLAMA2, [HI])

    assert asyncio.run(ask()) == "[INST] Hi [/INST]"
    assert _children() == []


def test_a_process_that_was_ended_while_nobody_asked_is_started_again() -> None:
    async def ask() -> str:
        async with renderer() as made:
            await made.prompt(CHATML, [HI])
            assert made._process
            made._process.kill()
            await made._process.wait()
            return await made.prompt(LLAMA2, [HI])

    assert asyncio.run(ask()) == "[INST] Hi [/INST]"


def test_the_process_ends_with_the_app_even_over_an_endless_template() -> None:
    request = b'{"template": "%s", "values": {}}' % ENDLESS.encode()
    child = subprocess.Popen(
        [sys.executable, "-P", str(Path(template_child.__file__)), "0.5"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    output, _ = child.communicate(len(request).to_bytes(4) + request, timeout=30)

    assert (output, child.returncode) == (b"", 1)


@pytest.mark.parametrize("source", ["{% if %}", "{{ 'x' * 300_000 }}" + "x" * 300_000])
def test_a_template_that_is_none_is_told_apart(source: str) -> None:
    with pytest.raises(UnusableTemplateError):
        prompt(source, [HI])


def _children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if any("template_child" in word for word in child.cmdline())
    ]
