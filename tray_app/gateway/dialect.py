"""What answers the requests that an engine has to compute, in the way that kind of engine wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from aiohttp import web

    from tray_app.gateway.upstream import Upstream


class Dialect(Protocol):
    """Answers the requests that an engine has to compute."""

    async def embeddings(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/embeddings."""

    async def completions(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/completions."""

    async def chat(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/chat/completions."""

    async def count(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """How many tokens a chat has, as a `TokenCount`."""

    async def native(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST to one of the engine's own routes; HTTPNotFound if it is not offered."""
