"""Finds what is wrong with a chat that an engine has refused, by OpenAI's form. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Raw, Struct

from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from tray_app.gateway.raw_json import Fields

_PROBLEM = re.compile(
    r"(?:Object missing required field `(?P<missing>\w+)`|Invalid enum value '(?P<value>.*)'"
    r"|Expected `(?P<wanted>[\w |]+)`, got `(?P<got>\w+)`)(?: - at `\$(?P<path>.*)`)?"
)
_KINDS = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class BodyFault:
    """What is wrong with a body, and in which field."""

    param: str
    words: str


class _Part(Struct, frozen=True):
    type: str
    text: str | None = None


class _Call(Struct, frozen=True):
    name: str
    arguments: Any = None


class _ToolCall(Struct, frozen=True):
    type: Literal["function"]
    function: _Call
    id: str | None = None


class _Message(Struct, frozen=True):
    role: str
    content: str | list[_Part] | None = None
    name: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _ToolFunction(Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(Struct, frozen=True):
    type: Literal["function"]
    function: _ToolFunction


def chat_fault(fields: Fields) -> BodyFault | None:
    """The first deviation from OpenAI's form in `messages` or `tools`; None if there is none."""
    return _list_fault(fields, "messages", _Message) or _list_fault(fields, "tools", _Tool)


def _list_fault(fields: Fields, name: str, kind: type[Struct]) -> BodyFault | None:
    try:
        items = msgspec.json.decode(fields.get(name, b"[]"), type=list[Raw])
    except NOT_JSON:
        return BodyFault(name, f"'{name}' must be a list.")
    for index, item in enumerate(items):
        try:
            known = msgspec.json.decode(item, type=kind)
        except NOT_JSON as exc:
            return BodyFault(name, _in_words(f"{name}[{index}]", str(exc)))
        if isinstance(known, _Message) and (number := _broken_call(known)) is not None:
            place = f"{name}[{index}].tool_calls[{number}].function.arguments"
            return BodyFault(name, f"{place} must be a string that contains a JSON object.")
    return None


def _in_words(place: str, problem: str) -> str:
    """What msgspec says about a field, as text for people."""
    found = _PROBLEM.fullmatch(problem)
    if found is None:
        return f"{place} is not valid: {problem}."
    place += found["path"] or ""
    if found["missing"]:
        return f"{place} is missing '{found['missing']}'."
    if found["value"] is not None:
        return f"{place} is '{found['value']}', which is not supported."
    wanted = " or ".join(_KINDS.get(kind, kind) for kind in found["wanted"].split(" | ") if kind != "null")
    return f"{place} must be {wanted}, but is {_KINDS.get(found['got'], found['got'])}."


def _broken_call(message: _Message) -> int | None:
    """The first tool call of a message whose arguments are not JSON."""
    for number, call in enumerate(message.tool_calls or ()):
        arguments = call.function.arguments
        if isinstance(arguments, str):
            try:
                msgspec.json.decode(arguments)
            except NOT_JSON:
                return number
    return None
