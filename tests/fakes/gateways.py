"""A gateway on a free port, in front of whatever engine a test names."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests

from tests.fakes.powerinfer_server import CONTEXT_SIZE
from tray_app.gateway.server import Gateway
from tray_app.gateway.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.powerinfer_server import PowerInferServer
    from tray_app.gateway.upstream import Unavailable

SETTING_TEMPERATURE = 0.7


@contextmanager
def gateway_to(upstream: Upstream | Unavailable, temperature: float = SETTING_TEMPERATURE) -> Iterator[str]:
    """The base URL that clients of the gateway are given, ending in /v1."""
    gateway = Gateway(lambda: upstream, lambda: temperature)
    gateway.open(0)
    try:
        assert gateway.base_url
        yield gateway.base_url
    finally:
        gateway.close()


def behind(server: PowerInferServer, model_name: str = "Bamboo 7B DPO") -> Upstream:
    """The fake PowerInfer server as the gateway sees it."""
    return Upstream(
        base_url=server.base_url,
        speaks_openai=False,
        model_id="bamboo",
        model_name=model_name,
        context_size=CONTEXT_SIZE,
    )


def post(url: str, body: object, **headers: str) -> requests.Response:
    """What curl does: one request, no proxy, no retries."""
    with requests.Session() as session:
        session.trust_env = False
        headers["Content-Type"] = "application/json"
        return session.post(url, data=json.dumps(body), headers=headers, timeout=30)


def get(url: str, **headers: str) -> requests.Response:
    """GET with a JSON content type and no body, as AI Kit sends it."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers={"Content-Type": "application/json", **headers}, timeout=30)
