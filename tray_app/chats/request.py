"""What a server is asked for the next answer of a conversation, in OpenAI's dialect. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from tray_app.chats.conversation import Role
from tray_app.chats.exports import data_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.chats.conversation import Conversation, Message

Turn = dict[str, Any]


def chat_body(conversation: Conversation) -> Turn:
    """The body of a request for an answer to the last message.

    Messages of one side in a row are sent as one, because the templates of many models refuse anything but
    turns; an answer that was stopped before its first word is none. Thoughts are not sent: models are not
    made to read those of before.
    """
    turns: list[Turn] = []
    if conversation.system_prompt.strip():
        turns.append({"role": "system", "content": conversation.system_prompt})
    said = filter(_says_something, conversation.messages)
    for role, messages in groupby(said, key=lambda message: message.role):
        turns.append({"role": str(role), "content": _content(list(messages))})
    body: Turn = {"model": conversation.model_id, "messages": turns}
    if conversation.temperature is not None:
        body["temperature"] = conversation.temperature
    return body


def has_pictures(conversation: Conversation) -> bool:
    """Whether only a model that sees can answer."""
    return any(message.attachments for message in conversation.messages)


def is_to_be_answered(conversation: Conversation) -> bool:
    """Whether the last message is a person's, with something in it."""
    last = conversation.messages[-1:]
    return any(each.role is Role.USER and _says_something(each) for each in last)


def _says_something(message: Message) -> bool:
    return bool(message.text.strip() or message.attachments)


def _content(messages: Sequence[Message]) -> str | list[Turn]:
    """A text, or where there are pictures a list of parts: the pictures first, as models were trained."""
    text = "\n\n".join(message.text for message in messages if message.text.strip())
    pictures = [
        {"type": "image_url", "image_url": {"url": data_url(each)}}
        for message in messages
        for each in message.attachments
    ]
    if not pictures:
        return text
    return [*pictures, *([{"type": "text", "text": text}] if text else [])]
