"""A conversation as a file for other programs: Markdown or JSON. Pure."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tray_app.chats.conversation import Role

if TYPE_CHECKING:
    from tray_app.chats.conversation import Attachment, Conversation, Message


def as_markdown(conversation: Conversation) -> str:
    """What a person reads, with pictures inside."""
    parts = [f"# {conversation.title or 'Conversation'}"]
    if conversation.system_prompt:
        parts.append(_quoted(conversation.system_prompt))
    for message in conversation.messages:
        parts.append(f"## {_writer(message)}")
        parts.append(f"*{_time(message.created_at)}*")
        if message.reasoning:
            parts.append(_quoted(message.reasoning))
        if message.text:
            parts.append(message.text)
        parts.extend(_shown(each) for each in message.attachments)
    return "\n\n".join(parts) + "\n"


def as_json(conversation: Conversation) -> str:
    """All that is kept of it, as one value."""
    told: dict[str, Any] = {
        "title": conversation.title,
        "created_at": _time(conversation.created_at),
        "updated_at": _time(conversation.updated_at),
        "model_id": conversation.model_id,
        "system_prompt": conversation.system_prompt,
        "temperature": conversation.temperature,
        "messages": [_told(message) for message in conversation.messages],
    }
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _told(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {
        "role": message.role,
        "created_at": _time(message.created_at),
        "text": message.text,
        "attachments": [
            {"name": each.name, "media_type": each.media_type, "data": b64encode(each.data).decode()}
            for each in message.attachments
        ],
        "reasoning": message.reasoning,
        "model_id": message.model_id,
        "tokens": message.tokens,
        "tokens_per_s": message.tokens_per_s,
        "stopped": message.stopped,
    }
    return {name: value for name, value in told.items() if value or name in ("role", "text")}


def _writer(message: Message) -> str:
    return "You" if message.role is Role.USER else message.model_id or "Assistant"


def _time(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _shown(attachment: Attachment) -> str:
    name = attachment.name.translate({ord(sign): None for sign in "[]\r\n"})
    return f"![{name}]({data_url(attachment)})"


def data_url(attachment: Attachment) -> str:
    """A file as an address that has all of it inside."""
    return f"data:{attachment.media_type};base64,{b64encode(attachment.data).decode()}"
