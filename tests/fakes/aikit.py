"""What 4D AI Kit sends and reads, as its classes do it (github.com/4d/4D-AIKit, commit faafedf).

4D writes an object as JSON without blanks. An object of a class has all properties that are declared, so a
message comes with empty texts and null. A request without a body says that it is JSON. Of an answer, its
results read no more than what is read here.
"""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_S = 30
_TRIED_AGAIN = (408, 409, 429)
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: what one method of a class sends, byte for byte."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = _JSON

    def send(self, base_url: str, *, key: str = "sk-none") -> Result:
        """Send it as `OpenAI._request` does."""
        headers = {"Content-Type": self.content_type, "Authorization": f"Bearer {key}"}
        headers |= {"OpenAI-Organization": "org", "OpenAI-Project": "project"}
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(
                self.method,
                base_url.rstrip("/") + self.path,
                data=self.body,
                headers=headers,
                timeout=_PATIENCE_S,
            )
        return Result(response)


@dataclass(frozen=True, slots=True)
class Result:
    """`OpenAIResult` and what extends it."""

    response: requests.Response

    @property
    def success(self) -> bool:
        return 200 <= self.response.status_code < 300

    @property
    def is_tried_again(self) -> bool:
        """Whether a process of 4D waits and asks again."""
        if (told := self.response.headers.get("x-should-retry")) is not None:
            return told == "true"
        return self.response.status_code in _TRIED_AGAIN or self.response.status_code >= 500

    @property
    def body(self) -> dict[str, Any]:
        """Of the type that its `Content-Type` says; an object, or nothing is read of it."""
        assert self.response.headers["Content-Type"].startswith(_JSON), self.response.text
        body = self.response.json()
        assert isinstance(body, dict)
        return body

    @property
    def usage(self) -> dict[str, Any]:
        usage = self.body["usage"]
        assert isinstance(usage, dict)
        return usage

    @property
    def error(self) -> Error:
        """`OpenAIError`."""
        error = self.body["error"]
        assert isinstance(error["message"], str)
        return Error(
            self.response.status_code, error["message"], error["type"], error["param"] or "", error["code"]
        )

    @property
    def models(self) -> list[dict[str, Any]]:
        """`OpenAIModelListResult`."""
        assert isinstance(self.body["data"], list)
        return [_model(each) for each in self.body["data"]]

    @property
    def model(self) -> dict[str, Any]:
        """`OpenAIModelResult`."""
        data = self.body.get("data")
        return _model(data if isinstance(data, dict) else self.body)

    @property
    def vectors(self) -> list[list[float]]:
        """`OpenAIEmbeddingsResult`: numbers, or base64 of floats with the lowest byte first."""
        data = self.body["data"]
        assert isinstance(self.body["model"], str)
        assert [each["object"] for each in data] == ["embedding"] * len(data)
        assert [each["index"] for each in data] == list(range(len(data)))
        return [_vector(each["embedding"]) for each in data]

    @property
    def choices(self) -> list[dict[str, Any]]:
        """`OpenAIChatCompletionsResult`, with `OpenAIMessage` in each."""
        choices = self.body["choices"]
        for choice in choices:
            assert isinstance(choice["index"], int)
            assert isinstance(choice["finish_reason"], str)
            assert choice["message"]["role"] == "assistant"
        assert isinstance(choices, list)
        return choices

    def stream(self) -> Streamed:
        """`OpenAIChatCompletionsStreamResult` for each line, and what the helper makes of the deltas."""
        streamed = Streamed()
        text = self.response.content.decode("ascii")
        for line in filter(None, text.split("\n")):
            if line == "data: [DONE]":
                break
            assert line.startswith("data: {"), line
            streamed.take(json.loads(line.removeprefix("data: ")))
        *_, last, done = text.rstrip("\n").split("data: ")
        assert done == "[DONE]"
        streamed.last = json.loads(last)
        return streamed


@dataclass(frozen=True, slots=True)
class Error:
    """An error as 4D shows it."""

    status: int
    message: str
    type: str
    param: str
    code: object


@dataclass(slots=True)
class Streamed:
    """A streamed answer. `last`: the event before the end, where the reason is looked for."""

    message: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        """Add what an event says, if it says anything."""
        assert event["object"] == "chat.completion.chunk"
        for choice in event["choices"][:1]:
            self.message = _added(self.message, choice["delta"])


def _added(known: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """As a helper's message grows: texts are joined, lists by `index`, which is left out."""
    grown = dict(known)
    for name, value in more.items():
        had = grown.get(name)
        match had, value:
            case (None, [*parts]):
                grown[name] = _added_items([], parts)
            case (None, _):
                grown[name] = value
            case (str(), str()) if name not in ("type", "role"):
                grown[name] = had + value
            case (dict(), dict()):
                grown[name] = _added(had, value)
            case ([*items], [*parts]):
                grown[name] = _added_items(items, parts)
            case _:
                grown[name] = value
    return grown


def _added_items(items: list[Any], parts: list[Any]) -> list[Any]:
    for part in parts:
        place = part["index"]
        items += [{}] * (place + 1 - len(items))
        items[place] = _added(items[place], {name: each for name, each in part.items() if name != "index"})
    return items


def _model(told: dict[str, Any]) -> dict[str, Any]:
    kinds = {"id": str, "created": int, "object": str, "owned_by": str}
    assert all(isinstance(told[name], kind) for name, kind in kinds.items())
    return told


def _vector(embedding: str | list[float]) -> list[float]:
    if isinstance(embedding, str):
        raw = base64.b64decode(embedding)
        return list(struct.unpack(f"<{len(raw) // 4}f", raw))
    return embedding


def written(value: object) -> bytes:
    """JSON as 4D writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def message(role: str, content: object, **more: object) -> dict[str, Any]:
    """`OpenAIMessage._toBody`, with the properties that nobody has set."""
    return {"role": role, "content": content, "user": "", "tool_calls": None, "tool_call_id": "", **more}


def tool(name: str, parameters: object) -> dict[str, Any]:
    """`OpenAITool.body`."""
    function = {"name": name, "description": "", "parameters": parameters}
    return {"type": "function", "function": function, "strict": False}


def chat(*messages: object, **options: object) -> Asked:
    """`chat.completions.create`: options in the order of the class, the messages last."""
    body = {"model": "gpt-4o-mini", "n": 1, **options, "messages": list(messages)}
    return Asked("POST", "/chat/completions", written(body))


def embeddings(text: object, **options: object) -> Asked:
    """`embeddings.create`."""
    return Asked(
        "POST", "/embeddings", written({**options, "input": text, "model": "text-embedding-ada-002"})
    )


def requests_without_an_answer_here() -> Iterator[tuple[str, Asked]]:
    """Every other request that AI Kit can make, with the method that makes it. They need OpenAI's storage."""
    stored = "/chat/completions/chatcmpl-1"
    yield "chat.completions.list", Asked("GET", "/chat/completions?order=asc")
    yield "chat.completions.retrieve", Asked("GET", stored)
    yield "chat.completions.update", Asked("POST", stored, b'{"metadata":{"a":"b"}}')
    yield "chat.completions.delete", Asked("DELETE", stored)
    yield "chat.completions.messages.list", Asked("GET", f"{stored}/messages?order=asc")
    yield (
        "moderations.create",
        Asked("POST", "/moderations", b'{"input":"x","model":"omni-moderation-latest"}'),
    )
    image = b'{"model":"dall-e-2","n":1,"size":"1024x1024","response_format":"url","prompt":"a cat"}'
    yield "images.generate", Asked("POST", "/images/generations", image)
    yield "files.list", Asked("GET", "/files")
    yield "files.retrieve", Asked("GET", "/files/file-1")
    yield "files.delete", Asked("DELETE", "/files/file-1")
    edge = "5F1A9C0E0B7D4E0E9B2B6B0C7E3D1A2F"
    form = (
        f'--{edge}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
        f"Content-Type: text/plain\r\n\r\nHello\r\n--{edge}--"
    )
    yield "files.create", Asked("POST", "/files", form.encode(), f"multipart/form-data; boundary={edge}")
