"""Ollama's API: which models there are, and the routes that an engine answers. Runs on the event loop.

Programs that know only Ollama find it at the address of this server (`OLLAMA_HOST`). Its requests become
OpenAI's (`ollama_requests.py`) and are answered as those are (`ollama_answers.py`). Models are got, changed
and removed by people in the app, never by programs.
"""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from aiohttp import web

from tray_app.gateway.apis.ollama_answers import (
    ChatForm,
    EmbeddingsForm,
    EmbedForm,
    GenerateForm,
    error_body,
    moment,
)
from tray_app.gateway.apis.ollama_requests import NamedModel
from tray_app.gateway.openai import ApiError, decode
from tray_app.gateway.replies import errors_as, json_response
from tray_app.gateway.upstream import LOADED, OfferedModel, Unavailable, without_tag
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tray_app.gateway.apis.ollama_answers import OllamaForm
    from tray_app.gateway.replies import Handler
    from tray_app.gateway.upstream import Backend

API_VERSION = "0.13.0"
"""The version of Ollama whose API this is: programs refuse older ones than they need."""
_OURS = re.compile(r"/api(?:/(?!v[0-9])|$)")
"""The paths of Ollama's API, which has no versions in them; other APIs have."""
_WRITES = {
    "/api/create": web.post,
    "/api/copy": web.post,
    "/api/push": web.post,
    "/api/delete": web.delete,
    "/api/blobs/": web.post,
}
_NEVER = "9999-12-31T23:59:59Z"
"""When a loaded model goes: the settings say, and nothing that a client does is a promise."""
_UNITS = ((1e9, "B", 1), (1e6, "M", 2), (1e3, "K", 0))


class Asked(NamedTuple):
    """A route that an engine answers: what it wants of the model, and the form of each of its requests."""

    task: Purpose
    form: type[OllamaForm]


ASKED = {
    "/api/chat": Asked(Purpose.CHAT, ChatForm),
    "/api/generate": Asked(Purpose.CHAT, GenerateForm),
    "/api/embed": Asked(Purpose.EMBEDDING, EmbedForm),
    "/api/embeddings": Asked(Purpose.EMBEDDING, EmbeddingsForm),
}

_ollama_errors = errors_as(error_body)


@web.middleware
async def ollama_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors at Ollama's routes into those that its clients read."""
    if _OURS.match(request.path):
        return await _ollama_errors(request, handler)
    return await handler(request)


class OllamaModels:
    """The routes that tell of models. `take` reads the small body of a request."""

    def __init__(self, backend: Backend, take: Callable[[web.Request], Awaitable[bytes]]) -> None:
        self._backend = backend
        self._take = take

    def routes(self) -> Iterator[web.RouteDef]:
        """All of them, and those that only refuse."""
        yield web.get("/api/version", self._version)
        yield web.get("/api/tags", self._tags)
        yield web.get("/api/ps", self._loaded)
        yield web.post("/api/show", self._show)
        yield web.post("/api/pull", self._pull)
        for path, method in _WRITES.items():
            yield method(path, _refuse_to_write)

    async def _version(self, _request: web.Request) -> web.Response:
        return _json({"version": API_VERSION})

    async def _tags(self, _request: web.Request) -> web.Response:
        return _json({"models": [_row(model) for model in self._models()]})

    async def _loaded(self, _request: web.Request) -> web.Response:
        loaded = [model for model in self._models() if model.state == LOADED]
        return _json({"models": [{**_row(model), **_use(model)} for model in loaded]})

    async def _show(self, request: web.Request) -> web.Response:
        model = self._found(decode(await self._take(request), NamedModel).asked)
        told = {"modified_at": moment(model.created), "details": _details(model), "model_info": _info(model)}
        empty = dict.fromkeys(("license", "modelfile", "parameters", "template"), "")
        return _json({**empty, **told, "capabilities": _capabilities(model)})

    async def _pull(self, request: web.Request) -> web.Response:
        """A model that is here is as good as pulled."""
        body = decode(await self._take(request), NamedModel)
        self._found(body.asked)
        if body.stream is False:
            return _json({"status": "success"})
        lines = b'{"status":"pulling manifest"}\n{"status":"success"}\n'
        return web.Response(body=lines, content_type="application/x-ndjson")

    def _models(self) -> tuple[OfferedModel, ...]:
        found = self._backend.look()
        if not isinstance(found, Unavailable) and found.is_remote:
            return tuple(OfferedModel(name, 0, LOADED, Purpose.CHAT) for name in found.model_ids())
        return self._backend.offered()

    def _found(self, asked: str) -> OfferedModel:
        if not asked:
            raise ApiError(400, "'model' is required.")
        names = {asked, without_tag(asked), *map(self._backend.identify, (asked, without_tag(asked)))}
        models = self._models()
        for model in models:
            if model.id in names:
                return model
        here = ", ".join(model.id for model in models) or "none"
        raise ApiError(
            HTTPStatus.NOT_FOUND,
            f"model {asked!r} not found. Installed models: {here}. Download others in PowerInfer Tray.",
        )


async def _refuse_to_write(request: web.Request) -> web.Response:
    raise ApiError(
        HTTPStatus.FORBIDDEN,
        f"Apps cannot do this ({request.path}). Download, change and remove models in PowerInfer Tray.",
    )


def _json(value: object) -> web.Response:
    return json_response(msgspec.json.encode(value))


def _row(model: OfferedModel) -> dict[str, object]:
    """A model in a list, by its name with the tag that all names have in Ollama.

    The digest is made of what is known of the file, to tell one from another: it is not that of its bytes.
    """
    name = f"{model.id}:latest"
    known = f"{model.id} {model.size_bytes} {model.created}"
    return {
        "name": name,
        "model": name,
        "modified_at": moment(model.created),
        "size": model.size_bytes or 0,
        "digest": hashlib.sha256(known.encode()).hexdigest(),
        "details": _details(model),
    }


def _details(model: OfferedModel) -> dict[str, object]:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.architecture,
        "families": [model.architecture] if model.architecture else None,
        "parameter_size": _in_short(model.parameters or 0),
        "quantization_level": model.quantization,
    }


def _use(model: OfferedModel) -> dict[str, object]:
    context = {"context_length": model.context} if model.context else {}
    return {"expires_at": _NEVER, **context}


def _info(model: OfferedModel) -> dict[str, object]:
    family = model.architecture
    known = {
        "general.architecture": family,
        "general.basename": model.id,
        "general.parameter_count": model.parameters,
        f"{family}.context_length": model.context,
        f"{family}.embedding_length": model.dimensions,
    }
    return {name: value for name, value in known.items() if value is not None}


def _capabilities(model: OfferedModel) -> list[str]:
    match model.kind:
        case Purpose.CHAT:
            return ["completion", *model.abilities, *(["vision"] if model.pictures else [])]
        case Purpose.EMBEDDING:
            return ["embedding"]
        case _:
            return []


def _in_short(count: int) -> str:
    """A number of weights as people say it: 8.0B; empty if it is not known."""
    for size, unit, digits in _UNITS:
        if count >= size:
            return f"{count / size:.{digits}f}{unit}"
    return str(count or "")
