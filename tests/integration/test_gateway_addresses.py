"""What is told at the address itself, where there is nothing, and of each answer."""

from __future__ import annotations

import re
import socket
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from openai import OpenAI

from tests.fakes.gateways import gateway_to, get, post
from tests.fuzz.gateway import played_engine
from tray_app.gateway.upstream import Unavailable, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

READY = Upstream("http://127.0.0.1:9", True, "tiny", "Tiny", context_size=64)
REQUEST_ID = re.compile(r"req_[0-9a-f]{32}")
BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def root() -> Iterator[str]:
    with gateway_to(READY) as url:
        yield url.removesuffix("/v1")


class Page(HTMLParser):
    """The texts and tags of a page; `HTMLParser` never fails."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_browser_is_shown_what_this_is_and_which_addresses_programs_use(root: str) -> None:
    answer = get(f"{root}/", **BROWSER)
    page = Page(answer.text)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"{root}/v1" in page.texts
    assert "/v1/chat/completions" in page.texts
    assert "script" not in page.tags
    assert "color-scheme:light dark" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert len(answer.content) < 4096


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json"])
def test_curl_is_told_the_same_as_text(root: str, accept: str) -> None:
    answer = get(f"{root}/", Accept=accept)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert f"OpenAI     {root}/v1\n" in answer.text
    assert f"Anthropic  {root}\n" in answer.text
    assert f"Ollama     {root}\n" in answer.text
    assert f"POST {root}/v1/embeddings\n" in answer.text
    assert f"POST {root}/v1/messages\n" in answer.text
    assert "/completion\n" not in answer.text  # which is there only with a setting


def test_a_browser_is_told_apart_by_what_a_cache_keeps(root: str) -> None:
    for headers in (BROWSER, {"Accept": "*/*"}):
        assert "Accept" in get(f"{root}/", **headers).headers["Vary"]


@pytest.mark.parametrize("path", ["/", "", "//", "/v1/../"])
def test_who_only_asks_whether_somebody_is_there_is_answered(root: str, path: str) -> None:
    answer = requests.head(root + path, timeout=30)
    assert (answer.status_code, answer.content) == (200, b"")


def test_without_an_engine_the_address_tells_what_it_is_all_the_same() -> None:
    with gateway_to(Unavailable("no model")) as url:
        assert "PowerInfer Tray" in get(f"{url.removesuffix('/v1')}/").text


def test_no_name_of_a_host_becomes_part_of_the_page() -> None:
    with gateway_to(READY, key="sk-x") as url:
        name = "<script>alert(1)</script>"
        answer = get(f"{url.removesuffix('/v1')}/", Host=name, Authorization="Bearer sk-x", **BROWSER)
    assert answer.status_code == 200
    assert "script" not in Page(answer.text).tags


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/images/generations", "do not create images"),
        ("/images/edits/", "do not create images"),
        ("/v1/audio/transcriptions", "do not support speech"),
        ("/v1/v1/audio/speech", "do not support speech"),
        ("/v1/files", "files are not stored"),
        ("/v1/files/file-1/content", "files are not stored"),
        ("/v1/uploads", "files are not stored"),
        ("/v1/assistants", "/v1/chat/completions"),
        ("/v1/threads/x/runs", "/v1/chat/completions"),
        ("/v1/vector_stores", "/v1/embeddings"),
        ("/v1/batches", "/v1/embeddings"),
        ("/v1/fine_tuning/jobs", "not train"),
        ("/v1/moderations", "not moderate"),
    ],
)
def test_what_others_have_and_this_lacks_is_said_plainly(root: str, path: str, words: str) -> None:
    for answer in (get(root + path), post(root + path, {})):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "unknown_url")
        assert "does not support" in error["message"]
        assert words in error["message"]


POSTED = (
    "/v1/messages",
    "/v1/responses",
    "/messages",
    "/v1/api/chat",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/chat/completions",
    "/v1/rerank",
    "/v2/rerank",
)
READ = ("/", "/health", "/v1/models", "/v1/models/tiny", "/models")


@pytest.mark.parametrize("path", POSTED + READ)
def test_every_route_says_which_methods_it_has(root: str, path: str) -> None:
    answer = requests.options(root + path, timeout=30)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Allow"] == ("POST, OPTIONS" if path in POSTED else "GET, HEAD, OPTIONS")
    head = requests.head(root + path, timeout=30)
    assert (head.status_code, head.content) == (405 if path in POSTED else 200, b"")


def test_what_is_not_there_has_no_methods(root: str) -> None:
    assert requests.options(f"{root}/nothing", timeout=30).status_code == 404


def sent(url: str, data: bytes) -> dict[str, str]:
    """The headers of the answer to these bytes, their names in small letters."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=30) as client:
        client.sendall(data)
        head = client.makefile("rb").read().partition(b"\r\n\r\n")[0].decode()
    fields: list[Any] = [line.split(": ", 1) for line in head.splitlines()[1:]]
    return {name.lower(): value for name, value in fields}


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\nConnection: close\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_request_has_an_id_too(root: str, data: bytes) -> None:
    assert REQUEST_ID.fullmatch(sent(root, data)["x-request-id"])


def test_every_answer_has_an_id_of_its_own() -> None:
    with played_engine() as (_, upstream), gateway_to(upstream) as url:
        chat = {"messages": [{"role": "user", "content": "Hi"}]}
        answers = [
            get(f"{url}/models", **{"x-request-id": "the-clients-own"}),
            get(f"{url}/nothing"),
            get(f"{url}/embeddings"),
            post(f"{url}/embeddings", {"input": []}),
            post(f"{url}/embeddings", {"input": "x"}),
            post(f"{url}/embeddings", {"input": "x"}, Host="evil.example"),
            post(f"{url}/chat/completions", chat),
            post(f"{url}/chat/completions", {**chat, "stream": True}),
            requests.options(f"{url}/models", headers={"Access-Control-Request-Method": "GET"}, timeout=30),
        ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(map(REQUEST_ID.fullmatch, ids))
    assert len(set(ids)) == len(ids)


def test_openais_client_and_pages_that_are_allowed_can_read_the_id() -> None:
    page = "https://notes.example"
    with played_engine() as (_, upstream), gateway_to(upstream, origins=(page,)) as url:
        with OpenAI(base_url=url, api_key="none", max_retries=0) as client:
            answer = client.embeddings.with_raw_response.create(model="tiny", input="x")
        exposed = get(f"{url}/models", Origin=page).headers["Access-Control-Expose-Headers"]
    assert answer.request_id
    assert REQUEST_ID.fullmatch(answer.request_id)
    assert "x-request-id" in exposed
