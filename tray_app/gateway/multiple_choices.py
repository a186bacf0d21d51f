"""Counts the tokens of several answers to one request (`n`, or several prompts). Pure.

llama.cpp counts the tokens of the first answer only, but in a stream it counts those of each. So it is always
asked for a stream, whose events are joined again for a client that wants a whole answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tray_app.gateway.text_lengths import prompts_of

if TYPE_CHECKING:
    from tray_app.gateway.openai import Fields

_JOINED = ("content", "reasoning_content", "text", "refusal", "name", "arguments")
"""Fields that come in pieces and are joined; other fields are replaced by the newer value."""


def number_of_answers(fields: Fields) -> int:
    """How many answers a completion asks for."""
    wanted = msgspec.json.decode(fields.get("n", b"1"))
    each = wanted if isinstance(wanted, int) and wanted > 0 else 1
    return each * max(1, len(prompts_of(fields)))


def asked_as_stream(fields: Fields) -> Fields:
    """The same request for a stream with token counts."""
    return {**fields, "stream": Raw(b"true"), "stream_options": Raw(b'{"include_usage":true}')}


class Tally:
    """Adds up the token counts in a stream of several answers."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._prompts: dict[int, int] = {}
        self._made = 0

    def take(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Count an event's usage and return the event without it; None if nothing else is in it."""
        usage = event.pop("usage", None)
        choices = event.get("choices") or []
        if usage:
            prompt = choices[0].get("index", 0) // self._each if choices else 0  # a chat has one prompt
            self._prompts[prompt] = usage.get("prompt_tokens", 0)
            self._made += usage.get("completion_tokens", 0)
        return event if choices else None

    def usage(self) -> dict[str, int]:
        """The total: each prompt counts once and each answer counts, as OpenAI does it."""
        read = sum(self._prompts.values())
        return {"prompt_tokens": read, "completion_tokens": self._made, "total_tokens": read + self._made}


class Whole:
    """Joins the events of a stream into the answer that is sent without `stream`."""

    def __init__(self) -> None:
        self._event: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def add(self, event: dict[str, Any]) -> None:
        """Take the next event."""
        for choice in event.pop("choices", []):
            if "delta" in choice:
                choice["message"] = choice.pop("delta")
            _join(self._choices.setdefault(choice["index"], {}), choice)
        self._event = event

    def answer(self, usage: dict[str, int]) -> dict[str, Any]:
        """The whole answer, with its token counts."""
        self._event.pop("timings", None)  # the engine's timings are those of the last answer alone
        kind = str(self._event.get("object", "")).removesuffix(".chunk")
        choices = [self._choices[index] for index in sorted(self._choices)]
        return {**self._event, "object": kind, "choices": choices, "usage": usage}


def _join(whole: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        known = whole.get(name)
        match known, value:
            case (str(), str()) if name in _JOINED:
                whole[name] = known + value
            case (dict(), dict()):
                _join(known, value)
            case (list(), list()):
                _join_lists(known, value)
            case (_, None) if known is not None:
                pass
            case _:
                whole[name] = value


def _join_lists(whole: list[Any], parts: list[Any]) -> None:
    """Joins lists: tool calls come in pieces with the index of the call, other items are appended."""
    for part in parts:
        index = part.get("index") if isinstance(part, dict) else None
        same = None if index is None else next((one for one in whole if one.get("index") == index), None)
        if same is None:
            whole.append(part)
        else:
            _join(same, part)
