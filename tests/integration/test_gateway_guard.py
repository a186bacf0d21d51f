"""Who may speak to the gateway, and what it says where there is nothing to say."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from aiohttp.test_utils import make_mocked_request

from tests.fakes.gateways import FixedBackend, gateway_to, get, post
from tray_app.gateway.guard import MAX_BODY_BYTES, Guard
from tray_app.gateway.openai import ApiError
from tray_app.gateway.rules import Rules
from tray_app.gateway.server import Gateway
from tray_app.gateway.upstream import Unavailable, Upstream

READY = Upstream(
    "http://127.0.0.1:9", speaks_openai=True, model_id="tiny", model_name="Tiny", context_size=64
)
LOADING = Unavailable("The model is being loaded.", retry_after_s=2)
STOPPED = Unavailable("The server is stopped. Press Start.")


def error_of(response: Any) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    return error


def test_models_are_listed_and_found_by_their_id() -> None:
    card = {"id": "tiny", "object": "model", "created": 0, "owned_by": "powerinfer-tray"}
    with gateway_to(READY) as url:
        assert get(f"{url}/models").json() == {"object": "list", "data": [card]}
        assert get(f"{url}/models/tiny").json() == card
        unknown = get(f"{url}/models/some/other")
    assert (unknown.status_code, error_of(unknown)["code"]) == (404, "model_not_found")


def test_health_tells_whether_requests_would_be_answered() -> None:
    with gateway_to(READY) as url:
        assert get(url.replace("/v1", "/health")).json() == {"status": "ok"}
    with gateway_to(LOADING) as url:
        assert get(url.replace("/v1", "/health")).status_code == 503


@pytest.mark.parametrize(("state", "retry_after"), [(LOADING, "2"), (STOPPED, None)])
def test_without_an_engine_clients_learn_why(state: Unavailable, retry_after: str | None) -> None:
    with gateway_to(state) as url:
        for response in (post(f"{url}/embeddings", {"input": "x"}), get(f"{url}/models")):
            assert response.status_code == 503
            assert response.headers.get("Retry-After") == retry_after
            assert error_of(response)["message"] == state.reason


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8080"]
)
def test_names_of_this_machine_are_let_in(host: str) -> None:
    with gateway_to(READY) as url:
        assert get(f"{url}/models", Host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "a@localhost"]
)
def test_a_name_that_was_bound_to_this_machine_by_others_is_kept_out(host: str) -> None:
    with gateway_to(READY) as url:
        refused = get(f"{url}/models", Host=host)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "host_not_allowed")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null"])
def test_web_pages_of_others_are_kept_out(origin: str) -> None:
    with gateway_to(READY) as url:
        refused = post(f"{url}/embeddings", {"input": "x"}, Origin=origin)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "origin_not_allowed")
    assert not [name for name in refused.headers if name.lower().startswith("access-control")]


def test_unknown_paths_and_methods_are_told_in_the_same_shape() -> None:
    with gateway_to(READY) as url:
        missing, wrong = get(f"{url}/nothing"), get(f"{url}/embeddings")
    assert (missing.status_code, error_of(missing)["code"]) == (404, "unknown_url")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
    assert error_of(wrong)["type"] == "invalid_request_error"


def test_a_body_beyond_the_limit_is_refused() -> None:
    with gateway_to(READY) as url:
        refused = post(f"{url}/embeddings", {"input": "x" * MAX_BODY_BYTES})
    assert refused.status_code == 413
    assert error_of(refused)["message"]


def test_a_request_that_is_not_http_leaves_nothing_of_itself_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with gateway_to(READY) as url, caplog.at_level(logging.DEBUG):
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port or 0)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization Bearer s3cret\r\n\r\n")
            assert b" 400 " in client.recv(1000)
    assert "s3cret" not in caplog.text


def test_a_body_that_is_not_what_its_encoding_says_is_a_bad_request(caplog: pytest.LogCaptureFixture) -> None:
    with gateway_to(READY) as url:
        refused = post(f"{url}/embeddings", {"input": "a secret diary"}, **{"Content-Encoding": "gzip"})
    assert (refused.status_code, error_of(refused)["type"]) == (400, "invalid_request_error")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_address_that_is_taken_is_an_os_error_and_leaves_no_thread() -> None:
    with gateway_to(READY) as url:
        second = Gateway(FixedBackend(READY), Rules)
        with pytest.raises(OSError, match=r"."):
            second.open(urlsplit(url).port or 0)
    assert second.base_url is None
    assert "gateway" not in {thread.name for thread in threading.enumerate()}


def test_a_gateway_can_be_opened_again_at_the_same_address() -> None:
    gateway = Gateway(FixedBackend(READY), Rules)
    gateway.open(0)
    first = gateway.base_url or ""
    gateway.close()
    gateway.close()
    with pytest.raises(requests.ConnectionError):
        get(f"{first}/models")
    gateway.open(urlsplit(first).port or 0)
    try:
        assert gateway.base_url == first
        assert get(f"{first}/models").status_code == 200
    finally:
        gateway.close()


KEY = "sk-of-this-house"
PAGE = "https://notes.example"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
    ],
)
def test_without_the_key_nothing_is_told(given: dict[str, str]) -> None:
    with gateway_to(READY, key=KEY, metrics=True) as url:
        for path in ("/v1/models", "/health", "/metrics", "/", "/nothing"):
            refused = get(url.replace("/v1", path), **given)
            assert (refused.status_code, error_of(refused)["code"]) == (401, "invalid_api_key")
            assert refused.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])  # in any case: RFC 9110, 11.1
def test_with_the_key_everything_is_as_without_one(scheme: str) -> None:
    with gateway_to(READY, key=KEY) as url:
        assert get(f"{url}/models", Authorization=f"{scheme} {KEY}").status_code == 200


def test_neither_keys_nor_contents_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), gateway_to(READY, key=KEY) as url:
        for key in (KEY, "sk-a-real-key-from-the-environment"):
            post(f"{url}/embeddings", {"input": "a secret diary"}, Authorization=f"Bearer {key}")
    ours = "\n".join(record.getMessage() for record in caplog.records if "urllib3" not in record.name)
    assert not any(word in ours for word in ("sk-", "diary"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("192.168.1.20:8080", 200),
        ("[fe80::1]:8080", 200),
        ("workshop", 200),
        ("Workshop.local:8080", 200),
        ("localhost:8080", 200),
        ("evil.example", 403),
        ("192.168.1.20.evil.example", 403),
    ],
)
def test_from_the_network_our_names_and_plain_addresses_are_let_in(host: str, status: int) -> None:
    with gateway_to(READY, network=True, names=("workshop", "workshop.local")) as url:
        assert get(f"{url}/models", Host=host).status_code == status


def test_a_page_that_is_allowed_may_ask_and_read() -> None:
    with gateway_to(READY, origins=(PAGE,), key=KEY) as url:
        asked = requests.options(
            f"{url}/embeddings",
            headers={
                "Origin": PAGE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
            timeout=30,
        )
        answer = get(f"{url}/models", Origin=PAGE, Authorization=f"Bearer {KEY}")
        refused = get(f"{url}/models", Origin=PAGE)
        other = get(f"{url}/models", Origin="https://evil.example", Authorization=f"Bearer {KEY}")
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert asked.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, PAGE)
    assert (other.status_code, "Access-Control-Allow-Origin" in other.headers) == (403, False)


def test_a_page_that_is_not_allowed_may_not_even_ask_whether_it_may() -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    with gateway_to(READY, origins=(PAGE,)) as url:
        assert requests.options(f"{url}/embeddings", headers=headers, timeout=30).status_code == 403


def test_a_body_that_never_arrives_is_given_up() -> None:
    async def wait_for_ever() -> bytes:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def ask() -> None:
        request = make_mocked_request("POST", "/", {"Host": "localhost", "Content-Length": "5"})
        request.read = wait_for_ever  # type: ignore[method-assign]
        await Guard(Rules, body_timeout_s=0.01)._read(request)

    with pytest.raises(ApiError) as refused:
        asyncio.run(ask())
    assert refused.value.status == 408


@pytest.mark.parametrize("size", [10_000, 200_000])
def test_a_header_beyond_the_limit_is_refused(size: int) -> None:
    with gateway_to(READY) as url:
        assert get(f"{url}/models", X="x" * size).status_code == 400


def test_metrics_are_there_only_when_switched_on() -> None:
    with gateway_to(READY) as url:
        assert get(url.replace("/v1", "/metrics")).status_code == 404
    with gateway_to(READY, metrics=True) as url:
        post(f"{url}/embeddings", {"input": [1]})
        answer = get(url.replace("/v1", "/metrics"))
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "powerinfer_tray_request_errors_total 1\n" in answer.text
