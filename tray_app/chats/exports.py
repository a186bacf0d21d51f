"""A conversation as a file for other programs: Markdown or JSON. Pure."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tray_app.chats.conversation import Role
from tray_app.chats.lines import to_lines

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
    """All that is kept of it, as one value, with the names that the lines have."""
    head, *messages = (json.loads(line) for line in to_lines(conversation).splitlines())
    del head["chat"]
    return json.dumps({**head, "messages": messages}, ensure_ascii=False, indent=1) + "\n"


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
