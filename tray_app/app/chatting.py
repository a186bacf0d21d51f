"""Whether a model can answer a conversation, so that a person is told before it is asked. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.chats.request import has_pictures, is_to_be_answered
from tray_app.engine.arguments import argument_named
from tray_app.errors import ErrorCode, GatewayError, ModelError
from tray_app.models.header import Purpose
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from tray_app.chats.conversation import Conversation
    from tray_app.models.model import Model
    from tray_app.settings.schema import Settings

_TEMPLATES = ("chat_template", "chat_template_file")
"""Parameters of llama.cpp with which a person says how a model is to be asked."""


def check_message(conversation: Conversation) -> None:
    """`GatewayError` if there is nothing to answer."""
    if not is_to_be_answered(conversation):
        raise GatewayError(
            ErrorCode.CONVERSATION_EMPTY,
            "There is nothing to answer",
            "The conversation does not end with a message of yours.",
            "Write a message first.",
        )


def check_model(conversation: Conversation, model: Model, settings: Settings, *, sees: bool) -> None:
    """`ModelError` if a model, with these settings in force, cannot answer. `sees`: it takes pictures."""
    if model.header.purpose is not Purpose.CHAT:
        raise ModelError(
            ErrorCode.MODEL_CANNOT_CHAT,
            phrase("{model} cannot chat", model=model.name),
            "It was made for embeddings or for ranking texts and cannot write.",
            "Choose a chat model.",
        )
    if not (model.header.chat_template or model.header.sparse or _has_template(settings)):
        raise ModelError(
            ErrorCode.MODEL_CANNOT_CHAT,
            phrase("{model} was not trained for chat", model=model.name),
            "Its file has no chat template: it is a base model, which continues a text instead of answering.",
            "Choose a model with “Instruct” or “Chat” in its name. If this one was trained for chat after "
            "all, name a template in its extra arguments, for example --chat-template chatml.",
        )
    if has_pictures(conversation) and not sees:
        raise ModelError(
            ErrorCode.MODEL_CANNOT_SEE,
            phrase("{model} cannot see pictures", model=model.name),
            "The conversation has pictures, and this model reads text only.",
            "Choose a model that can see, or start a conversation without pictures.",
        )


def _has_template(settings: Settings) -> bool:
    given = (argument_named(word.partition("=")[0]) for word in settings.extra_arguments)
    return any(each and each.parameter in _TEMPLATES for each in given)
