"""A conversation as the model's own template writes it. Pure.

Templates are Jinja and come with a model file, which is not trusted: they run in Jinja's sandbox, that keeps
them from everything but the conversation. Beyond Jinja's own they may use `raise_exception`, as with Hugging
Face's `apply_chat_template` (https://huggingface.co/docs/transformers/chat_templating).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tray_app.gateway.openai import ApiError
from tray_app.gateway.prompts import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.gateway.openai import ChatMessage

# A template is a program: it can fail like one.
_FAILURES = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class UnusableTemplateError(Exception):
    """What a model file has for a template is none."""


class ChatTemplate:
    """The template of one model. UnusableTemplateError if it cannot be read."""

    stops: tuple[str, ...] = ("</s>", "<|im_end|>")
    """Ends of a turn that some models write in letters."""

    def __init__(self, source: str) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        try:
            self._template = environment.from_string(source)
        except _FAILURES as exc:
            raise UnusableTemplateError(str(exc)) from exc

    def prompt(self, messages: Sequence[ChatMessage]) -> str:
        """The text that the model continues with its answer; 400 if the template refuses it."""
        turns = [
            {"role": "system" if one.role == "developer" else one.role, "content": text_of(one)}
            for one in messages
        ]
        try:
            # PowerInfer puts the token for the beginning itself, and reads special tokens in a text as
            # letters: better none than wrong ones.
            return self._template.render(
                messages=turns, add_generation_prompt=True, bos_token="", eos_token=""
            )
        except _FAILURES as exc:
            raise ApiError(
                400, f"The model's chat template refuses this conversation: {exc}", param="messages"
            ) from exc


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
