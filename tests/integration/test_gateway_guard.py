"""Who may speak to the gateway, and what it says where there is nothing to say."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.fakes.gateways import FixedBackend, gateway_to, get, post
from tray_app.gateway.limits import MAX_BODY_BYTES
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
    card = {
        "id": "tiny",
        "object": "model",
        "created": 0,
        "owned_by": "powerinfer-tray",
        "meta": {"state": "loaded", "kind": "chat", "pictures": False},
    }
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
    "host",
    [
        *(
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "LocalHost.:8080",
            "localhost:",
            "app.localhost",
            "a.b.localhost:1",
        ),
        *("127.0.0.1", "127.0.0.1:1", "127.0.0.2", "127.255.255.254:8080", "0.0.0.0:8080"),
        *("[::1]", "[::1]:8080", "[::1%lo]:8080", "[::1%25lo]", "[::]", "[::ffff:127.0.0.1]:80"),
        *("host.docker.internal", "Host.Docker.Internal.:8080", "gateway.docker.internal"),
        *("host.containers.internal:8080", "host.lima.internal", "workshop", "WORKSHOP.local.:8080"),
    ],
)
def test_names_of_this_machine_are_let_in(host: str) -> None:
    with gateway_to(READY, names=("workshop", "workshop.local")) as url:
        assert get(f"{url}/models", Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "a@localhost",
            "evillocalhost",
        ),
        *("docker.internal", "host.docker.internal.evil.example", "evildocker.internal", "pc.corp.internal"),
        *(
            "other.local",
            "vm.fritz.box",
            "localhost:80:80",
            "[::1",
            "[127.0.0.1]",
            "[fe80::1]",
            "192.168.1.20",
        ),
        *("[::ffff:8.8.8.8]", "localhost..", "..", "8.8.8.8"),
    ],
)
def test_a_name_that_was_bound_to_this_machine_by_others_is_kept_out(host: str) -> None:
    with gateway_to(READY, names=("workshop", "workshop.local")) as url:
        refused = get(f"{url}/models", Host=host)
    error = error_of(refused)
    assert (refused.status_code, error["code"]) == (403, "host_not_allowed")
    assert repr(host) in error["message"]
    assert "powerinfer-tray key set gateway" in error["message"]
    assert "powerinfer-tray settings set network lan" in error["message"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("DELETE", "/models")])
def test_with_the_right_key_a_host_of_any_bytes_is_answered(method: str, path: str) -> None:
    headers: dict[str, str | bytes] = {"Host": b"\x80 x", "Authorization": f"Bearer {KEY}"}
    with gateway_to(READY, key=KEY) as url, requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, url + path, headers=headers, timeout=30)
    assert answer.status_code in (404, 405)
    assert "x" in error_of(answer)["message"]


@pytest.mark.warns("Wrong API keys")
@pytest.mark.parametrize("network", [False, True])
@pytest.mark.parametrize("host", ["vm.fritz.box", "vm.lan:8080", "box.tail1234.ts.net", "ai.example.com"])
def test_with_the_right_key_any_name_will_do_and_without_it_none(network: bool, host: str) -> None:
    with gateway_to(READY, network=network, key=KEY) as url:
        assert get(f"{url}/models", Host=host, Authorization=f"Bearer {KEY}").status_code == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            assert get(f"{url}/models", Host=host, **headers).status_code == 401


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null"])
def test_web_pages_of_others_are_kept_out(origin: str) -> None:
    with gateway_to(READY) as url:
        refused = post(f"{url}/embeddings", {"input": "x"}, Origin=origin)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "origin_not_allowed")
    assert repr(origin) in error_of(refused)["message"]
    assert f'powerinfer-tray settings set allowed_origins "{origin}"' in error_of(refused)["message"]
    assert not [name for name in refused.headers if name.lower().startswith("access-control")]


BASES = ("", "/v1", "/v1/v1", "/", "//v1", "/v1/", "//v1//")


@pytest.mark.parametrize("base", BASES)
def test_a_base_url_is_understood_however_it_was_typed(base: str) -> None:
    with gateway_to(READY) as url:
        root = url.removesuffix("/v1") + base
        for end in ("", "/", "//"):
            assert get(f"{root}/models{end}").json()["data"][0]["id"] == "tiny"
            assert get(f"{root}/models/tiny{end}").json()["id"] == "tiny"
            for name in ("embeddings", "completions", "chat/completions"):
                answer = post(f"{root}/{name}{end}", [])
                assert (answer.status_code, "not valid" in error_of(answer)["message"]) == (400, True)
        assert requests.head(f"{root}/models", timeout=30).status_code == 200
        assert preflight(root, PAGE).status_code == 403


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1", "/v1/models"),
        ("/v1/", "/v1/models"),
        ("/ping", "/v1"),
        ("/favicon.ico", "/v1"),
        ("/api/v1/models", "GET http://{host}/v1/models?"),
        ("/V1/Chat/Completions", "POST http://{host}/v1/chat/completions?"),
        ("/openai/deployments/x/embeddings", "POST http://{host}/v1/embeddings?"),
        ("/tokenize", "settings set native_routes true"),
        ("/metrics", "settings set metrics true"),
    ],
)
def test_what_is_not_there_is_never_called_a_wrong_method_and_names_the_right_address(
    path: str, told: str
) -> None:
    with gateway_to(READY) as url:
        answers = [
            requests.request(how, url.removesuffix("/v1") + path, timeout=30) for how in ("GET", "PUT")
        ]
    host = urlsplit(url).netloc
    assert [answer.status_code for answer in answers] == [404, 404]
    assert all(told.format(host=host) in error_of(answer)["message"] for answer in answers)


@pytest.mark.parametrize(
    ("method", "path", "allowed", "told"),
    [
        ("GET", "/embeddings", "POST", "POST http://{host}/v1/embeddings"),
        ("HEAD", "/v1/v1/chat/completions", "POST", None),
        ("POST", "/models", "GET,HEAD", "GET http://{host}/v1/models"),
        ("DELETE", "/v1/models/tiny", "GET,HEAD", "GET http://{host}/v1/models/tiny"),
        ("PATCH", "/v1/embeddings/", "POST", "POST http://{host}/v1/embeddings"),
        ("TRACE", "//health", "GET,HEAD", "GET http://{host}/health"),
    ],
)
def test_a_wrong_method_is_told_with_the_right_one_and_its_address(
    method: str, path: str, allowed: str, told: str | None
) -> None:
    with gateway_to(READY) as url:
        refused = requests.request(method, url.removesuffix("/v1") + path, timeout=30)
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)
    if told:
        assert told.format(host=urlsplit(url).netloc) in error_of(refused)["message"]


@pytest.mark.parametrize(
    "path",
    ["/models", "//v1/models", "/%76%31/models", "/v1%2Fmodels", "/v1/models%2F", "http://localhost/models"],
)
def test_no_spelling_of_a_path_gets_around_the_guard(path: str) -> None:
    with gateway_to(READY, key=KEY) as closed, gateway_to(READY) as local:
        assert status_of(closed, path, "localhost") == 401
        assert status_of(local, path, "evil.example") == 403
        assert status_of(local, path, "localhost") == 200


def status_of(url: str, path: str, host: str) -> int:
    """What the answer to a path is, sent as it stands."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port or 0), 30) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return int(client.makefile("rb").readline().split()[1])


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


@pytest.mark.warns("Wrong API keys")
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"x-api-key": "wrong"},
        {"x-api-key": f"Bearer {KEY}"},
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


@pytest.mark.parametrize("more", [{}, {"Authorization": "Bearer none"}, {"anthropic-version": "2023-06-01"}])
def test_the_key_may_stand_alone_as_anthropics_clients_send_it(more: dict[str, str]) -> None:
    with gateway_to(READY, key=KEY) as url:
        assert get(f"{url}/models", **{"x-api-key": KEY}, **more).status_code == 200


@pytest.mark.warns("Wrong API keys")
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


def preflight(url: str, origin: str, **headers: str) -> requests.Response:
    headers |= {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return requests.options(f"{url}/embeddings", headers=headers, timeout=30)


@pytest.mark.parametrize(
    ("entries", "origin"),
    [
        (("moz-extension://*",), "moz-extension://6f1e-42"),
        (("chrome-extension://*",), "chrome-extension://abcdef"),
        (("vscode-webview://*",), "vscode-webview://1a2b"),
        (("app://*",), "app://obsidian.md"),
        (("tauri://*",), "tauri://localhost"),
        (("http://localhost:*",), "http://localhost:5173"),
        (("https://*.example.org",), "https://notes.example.org"),
        (("null",), "null"),
        (("*",), "https://anybody.example"),
        (("*",), "null"),
    ],
)
def test_pages_that_an_entry_means_may_ask_and_read(entries: tuple[str, ...], origin: str) -> None:
    with gateway_to(READY, origins=entries) as url:
        asked, answer = preflight(url, origin), get(f"{url}/models", Origin=origin)
    assert (asked.status_code, answer.status_code) == (204, 200)
    for response in (asked, answer):
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in response.headers["Vary"]


def test_the_name_of_a_page_is_still_looked_at_where_everybody_is_allowed() -> None:
    with gateway_to(READY, origins=("*",)) as url:
        refused = get(f"{url}/models", Host="evil.example", Origin="http://evil.example")
    assert refused.status_code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_what_a_cache_keeps_for_one_page_is_not_given_to_another() -> None:
    with gateway_to(READY, origins=(PAGE,)) as url:
        assert get(f"{url}/models").headers["Vary"] == "Origin"


def test_our_own_page_may_ask_by_each_name_of_the_loopback_address() -> None:
    with gateway_to(READY) as url:
        port = urlsplit(url).port
        for origin in (f"http://localhost:{port}", f"http://127.0.0.1:{port}", f"http://[::1]:{port}"):
            answer = get(f"{url}/models", Origin=origin)
            assert answer.status_code == 200
            own = origin in url
            assert ("Access-Control-Allow-Origin" in answer.headers) is not own
        assert get(f"{url}/models", Origin=f"https://localhost:{port}").status_code == 403
        assert get(f"{url}/models", Origin="http://localhost").status_code == 403


def test_the_command_for_one_more_page_keeps_those_that_are_allowed() -> None:
    with gateway_to(READY, origins=(PAGE,)) as url:
        refused = get(f"{url}/models", Origin="HTTP://localhost:3000")
    assert f'allowed_origins "{PAGE} http://localhost:3000"' in error_of(refused)["message"]


def test_who_has_no_key_does_not_hear_which_pages_are_allowed() -> None:
    with gateway_to(READY, origins=(PAGE,), key=KEY, network=True) as url:
        told = [preflight(url, "https://evil.example").text, get(f"{url}/models", Origin="null").text]
    assert not [text for text in told if PAGE in text]


@pytest.mark.parametrize("origin", ['x"; rm -rf ~; "', "https://a/b", "$(id)", "https://*", "x" * 500])
def test_what_is_no_origin_gets_into_no_command(origin: str) -> None:
    with gateway_to(READY) as url:
        message = error_of(get(f"{url}/models", Origin=origin))["message"]
    assert "settings set" not in message
    assert len(message) < 400


def test_a_page_that_is_not_allowed_may_not_even_ask_whether_it_may() -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    with gateway_to(READY, origins=(PAGE,)) as url:
        assert requests.options(f"{url}/embeddings", headers=headers, timeout=30).status_code == 403


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


LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    "path", ["/v1/models", "/health", "/props", "/slots", "/metrics", "/index.js", "/nothing"]
)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "of-tomorrow"])
def test_a_foreign_page_cannot_have_anything_as_a_picture_or_a_script(path: str, site: str) -> None:
    sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
    with gateway_to(READY, metrics=True, native_routes=True) as url:
        refused = get(url.replace("/v1", path), **sent)
        linked = get(url.replace("/v1", path), **LINK, **{"Sec-Fetch-Site": site})
    for answer in (refused, linked):
        assert (answer.status_code, error_of(answer)["code"]) == (403, "origin_not_allowed")


def test_a_foreign_page_that_does_not_say_where_it_is_from_cannot_make_the_engine_work() -> None:
    with gateway_to(READY, native_routes=True) as url:
        for path in ("embeddings", "chat/completions"):
            assert (
                post(f"{url}/{path}", {"input": "x"}, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
            )
        assert post(f"{url}/models", {}, **LINK, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_what_a_person_or_our_own_page_asks_for_is_answered(site: str) -> None:
    with gateway_to(READY) as url:
        for path in ("/v1/models", "/health", "/"):
            assert get(url.replace("/v1", path), **{"Sec-Fetch-Site": site}).status_code == 200


def test_who_follows_a_link_to_the_address_sees_what_is_there_and_a_frame_does_not() -> None:
    with gateway_to(READY) as url:
        root, sent = url.removesuffix("/v1"), {**LINK, "Sec-Fetch-Site": "cross-site"}
        assert "PowerInfer Tray" in get(f"{root}/", **sent).text
        assert get(f"{root}/", **{**sent, "Sec-Fetch-Dest": "iframe"}).status_code == 403


def test_a_page_that_is_allowed_is_answered_from_another_site_too() -> None:
    sent = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    with gateway_to(READY, origins=(PAGE,)) as url:
        assert get(f"{url}/models", Origin=PAGE, **sent).status_code == 200
        asked = preflight(url, PAGE, **sent, **{"Access-Control-Request-Private-Network": "true"})
        assert (asked.status_code, asked.headers["Access-Control-Allow-Private-Network"]) == (204, "true")
        assert get(f"{url}/models", **sent).status_code == 403
    with gateway_to(READY, origins=("*",)) as url:
        assert get(f"{url}/models", **sent).status_code == 200


def test_where_a_key_is_asked_for_it_comes_first() -> None:
    with gateway_to(READY, key=KEY, network=True) as url:
        for path in ("/props", "/slots", "/lora-adapters", "/v1/models"):
            refused = get(url.replace("/v1", path), **{"Sec-Fetch-Site": "cross-site"})
            assert (refused.status_code, error_of(refused)["code"]) == (401, "invalid_api_key")
