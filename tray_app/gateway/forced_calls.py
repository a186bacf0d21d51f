"""A call of the one tool that must be called: asked for as an answer in the form of its parameters. Pure.

llama.cpp lets a model write whatever it likes before a call that is required, and a small model never gets to
the call. So the tools stay in the prompt, and the answer is held to the schema of the arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from msgspec import Raw, Struct

from tray_app.gateway.raw_json import NULL
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from tray_app.gateway.raw_json import Fields


class _Function(Struct, frozen=True):
    name: str
    parameters: dict[str, Raw]


class _Tool(Struct, frozen=True):
    function: _Function


class ForcedCall:
    """Tells an answer as the call of a tool with this name. Belongs to one request."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun: set[int] = set()

    def tell(self, answer: Fields) -> Fields:
        """A whole answer, or an event of one."""
        try:
            choices = msgspec.json.decode(answer.get("choices", NULL), type=list[dict[str, Any]])
        except NOT_JSON:
            return answer
        self.tell_choices(choices)
        return {**answer, "choices": Raw(msgspec.json.encode(choices))}

    def tell_choices(self, choices: list[dict[str, Any]]) -> None:
        """The same for the choices alone, which are changed."""
        for choice in choices:
            match choice:
                case {"message": {"content": str(text)} as said} if text:
                    said |= {"content": None, "tool_calls": [self._opened(text)]}
                case {"delta": {"content": str(text)} as said, "index": int(index)} if text:
                    del said["content"]
                    call = {"function": {"arguments": text}} if index in self._begun else self._opened(text)
                    said["tool_calls"] = [{"index": 0, **call}]
                    self._begun.add(index)
            if choice.get("finish_reason") == "stop":
                choice["finish_reason"] = "tool_calls"

    def _opened(self, arguments: str) -> dict[str, Any]:
        function = {"name": self._name, "arguments": arguments}
        return {"id": f"call_{uuid4().hex}", "type": "function", "function": function}


def forced_call(fields: Fields) -> tuple[Fields, ForcedCall | None]:
    """A chat in which one tool must be called once, as it is asked; others, and None, as they are."""
    if fields.get("tool_choice") != Raw(b'"required"') or fields.get("parallel_tool_calls") == Raw(b"true"):
        return fields, None
    try:
        (tool,) = msgspec.json.decode(fields["tools"], type=tuple[_Tool])
    except NOT_JSON:
        return fields, None  # several; or the engine says what is wrong with it
    function = tool.function
    form = {"type": "json_schema", "json_schema": {"name": function.name, "schema": function.parameters}}
    held = {"tool_choice": Raw(b'"none"'), "response_format": Raw(msgspec.json.encode(form))}
    return {**fields, **held}, ForcedCall(function.name)
