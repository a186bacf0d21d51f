"""Which tools a chat may call, in words that llama.cpp obeys, and whether its model hears of them.

llama.cpp reads `tool_choice` only where it is a word: a tool that is named there would be called or not, as
with "auto". And if the model's chat template knows no tools, it leaves them out and says nothing.
Runs on the gateway's event loop.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.engine_errors import engine_faults, whole_answer
from tray_app.gateway.raw_json import NULL, decode_part
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Container

    import aiohttp

    from tray_app.gateway.raw_json import Fields
    from tray_app.gateway.upstream import Upstream
    from tray_app.system.engine_id import RunId

_NO_TOOLS = re.compile(rb'null|false|0|""|\[\s*\]|\{\s*\}')
_WRITES_A_PROMPT = "/apply-template"
_NONE = Raw(b"[]")
_NAME = "is_shown_to_the_model"
_CHAT = msgspec.json.encode(
    {
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": _NAME, "parameters": {"type": "object"}}}],
    }
)
"""A chat with a tool, whose name is in its prompt if the template knows tools."""


class _Function(Struct, frozen=True):
    name: str


class _Tool(Struct, frozen=True):
    function: _Function


class _Prompt(Struct, frozen=True):
    prompt: str


def with_chosen_tools(fields: Fields) -> Fields:
    """The fields with `tool_choice` as a word, and only those tools from which it lets the model choose.

    Raises
    ------
    ApiError
        400 for a choice that cannot be made.

    """
    match decode_part(fields.get("tool_choice", NULL), object):
        case "required":
            if not _tools(fields):
                raise _no_choice("requires a tool, but 'tools' is empty")
            return fields
        case None | str():
            return fields
        case {"type": "function", "function": {"name": str(name)}}:
            return _with_only(fields, [name], "required")
        case {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto" | "required" as mode, "tools": [*allowed]},
        }:
            return _with_only(fields, [_name_of(msgspec.json.encode(tool)) for tool in allowed], mode)
        case _:
            raise _no_choice("must be 'none', 'auto', 'required' or name a tool of type 'function'")


def wants_tools(fields: Fields) -> bool:
    """Whether the model may call tools, and there are some."""
    has_some = not _NO_TOOLS.fullmatch(fields.get("tools", NULL))
    return has_some and decode_part(fields.get("tool_choice", NULL), object) != "none"


class TemplateCheck:
    """Asks each llama.cpp once whether the chat template of its model knows tools."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._known: dict[str, tuple[RunId, bool]] = {}
        """By the id of each model."""

    async def check(self, upstream: Upstream) -> None:
        """Refuse tools of which the model would not hear: 400."""
        run, knows = self._known.get(upstream.model_id, (None, False))
        if run != upstream.run:
            knows = await self._knows_tools(upstream)
            self._known[upstream.model_id] = upstream.run, knows
        if not knows:
            raise ApiError(
                400,
                "The chat template of this model does not support tools. Leave out 'tools', or "
                "choose a model that supports them.",
                param="tools",
                code="unsupported_parameter",
            )

    async def _knows_tools(self, upstream: Upstream) -> bool:
        with engine_faults():
            async with self._session.post(
                upstream.url(_WRITES_A_PROMPT), data=_CHAT, headers=upstream.headers
            ) as answer:
                body = await whole_answer(answer)
        try:
            return answer.status != HTTPStatus.OK or _NAME in msgspec.json.decode(body, type=_Prompt).prompt
        except NOT_JSON:
            return True  # as for a template that fails: what is wrong is said about the request itself


def _tools(fields: Fields) -> list[Raw]:
    try:
        return decode_part(fields.get("tools", _NONE), list[Raw])
    except ApiError as exc:
        raise ApiError(400, "'tools' must be a list.", param="tools") from exc


def _with_only(fields: Fields, names: Container[str | None], mode: str) -> Fields:
    chosen = [tool for tool in _tools(fields) if _name_of(tool) in names]
    if not chosen:
        raise _no_choice("names a tool that is not in 'tools'")
    return {
        **fields,
        "tools": Raw(msgspec.json.encode(chosen)),
        "tool_choice": Raw(msgspec.json.encode(mode)),
    }


def _name_of(tool: bytes | Raw) -> str | None:
    """None for what is no function: the engine says what is wrong with it."""
    try:
        return msgspec.json.decode(tool, type=_Tool).function.name
    except NOT_JSON:
        return None


def _no_choice(why: str) -> ApiError:
    return ApiError(400, f"'tool_choice' {why}.", param="tool_choice")
