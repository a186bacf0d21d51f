"""A conversation as one text, for a model without a chat template. Pure.

Bamboo-DPO was trained on Vicuna's form; its stop words are those that its maintainers give
(https://huggingface.co/PowerInfer/Bamboo-DPO-v0.1). The other PowerInfer models were not trained on
conversations: they get the plain form `User: …`, `Assistant: …`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.gateway.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.gateway.openai import ChatMessage


@dataclass(frozen=True, slots=True)
class ChatStyle:
    """How a family of models writes a conversation. `system`: what is written before a system text."""

    system: str
    user: str
    assistant: str
    stops: tuple[str, ...]

    def prompt(self, messages: Sequence[ChatMessage]) -> str:
        """The text that the model continues with its answer; 400 for content that is not text."""
        return "".join(f"{self._turn(message)}\n" for message in messages) + self.assistant

    def _turn(self, message: ChatMessage) -> str:
        match message.role:
            case "user":
                speaker = self.user
            case "assistant":
                speaker = self.assistant
            case _:
                speaker = self.system
        return f"{speaker} {text_of(message)}".lstrip()


VICUNA = ChatStyle("", "USER:", "ASSISTANT:", ("USER:", "</s>", "<|im_end|>"))
PLAIN = ChatStyle("System:", "User:", "Assistant:", ("\nUser:", "\nSystem:", "</s>"))


def chat_style(model_name: str) -> ChatStyle:
    """The form for a model, by its name."""
    words = model_name.lower()
    return VICUNA if "bamboo" in words and "dpo" in words else PLAIN


def text_of(message: ChatMessage) -> str:
    """A message's text; 400 for content that is not text."""
    match message.content:
        case None:
            return ""
        case str(text):
            return text
        case parts:
            if any(part.type != "text" for part in parts):
                raise ApiError(400, "This model reads only text.", param="messages")
            return "".join(part.text or "" for part in parts)
