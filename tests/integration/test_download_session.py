"""How requests leave this computer: proxies, passwords, and reads that another thread ends."""

from __future__ import annotations

import base64
import contextlib
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.downloads import model_bytes
from tests.fakes.errors import coded
from tests.fakes.file_server import FileServer, Silence, Stall, Status
from tray_app.download import strict_http
from tray_app.download.faults import TransientError, UnreachableError
from tray_app.download.response_body import CHUNK_BYTES, Asker
from tray_app.download.session import Session
from tray_app.download.source import parse_source
from tray_app.errors import DownloadError, ErrorCode
from tray_app.system import ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT_S = (5.0, 60.0)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    proxy = f"127.0.0.1:{ports.free_port()}"
    monkeypatch.setenv("HTTP_PROXY", f"http://{proxy}")
    monkeypatch.setenv("http_proxy", f"http://{proxy}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    return proxy


@pytest.fixture
def no_proxy_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_computer_is_never_reached_through_a_proxy(
    server: FileServer, dead_proxy: str, host: str
) -> None:
    url = server.put("/m.gguf", b"GGUF").url.replace("127.0.0.1", host)
    assert dead_proxy not in url
    with Session() as session:
        assert session.get_hops(url, {}, TIMEOUT_S)[-1].content == b"GGUF"


@pytest.mark.usefixtures("dead_proxy")
def test_other_computers_are_reached_through_the_proxy() -> None:
    with Session() as session, pytest.raises(UnreachableError, check=coded(ErrorCode.PROXY_UNREACHABLE)):
        session.get_hops("http://nowhere.invalid/m.gguf", {}, TIMEOUT_S)


def test_a_proxy_is_asked_for_the_whole_address(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.base_url)
    served = server.put("http://nowhere.invalid/m.gguf", b"GGUF")
    with Session() as session:
        session.get_hops("http://nowhere.invalid/m.gguf", {}, TIMEOUT_S)[-1].close()
    assert len(served.requests) == 1


@pytest.mark.usefixtures("no_proxy_in_environment")
def test_the_proxy_of_the_systems_settings_is_used(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS and Windows, where the environment names none; loopback does without it, too."""
    monkeypatch.setattr("requests.utils.getproxies", lambda: {"http": server.base_url})
    monkeypatch.setattr("requests.utils.proxy_bypass", lambda _host: False)
    behind = server.put("http://nowhere.invalid/m.gguf", b"GGUF")
    here = server.put("/m.gguf", b"GGUF")
    with Session() as session:
        for served in ("http://nowhere.invalid/m.gguf", here.url):
            session.get_hops(served, {}, TIMEOUT_S)[-1].close()
    assert (len(behind.requests), len(here.requests)) == (1, 1)


@pytest.mark.usefixtures("no_proxy_in_environment")
@pytest.mark.parametrize(
    ("proxy", "named"),
    [
        ("socks5://me:secret@127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ("socks://127.0.0.1:1080/", "socks://127.0.0.1:1080/"),
        ("http://", "http://"),
        ("127.0.0.1:port", "127.0.0.1:port"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str, named: str
) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with Session() as session, pytest.raises(DownloadError) as caught:
        session.get_hops("http://nowhere.invalid/m.gguf", {}, TIMEOUT_S)
    assert caught.value.code is ErrorCode.PROXY_INVALID
    assert f"{named} is" in caught.value.message
    assert "secret" not in str(caught.value)
    assert "proxy" in caught.value.hint


def test_passwords_of_netrc_stay_at_home(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    served = server.put("/m.gguf", b"GGUF")
    with Session() as session:
        session.get_hops(served.url, {}, TIMEOUT_S)[-1].close()
    assert "Authorization" not in served.requests[0].headers
    assert served.requests[0].headers["Accept-Encoding"] == "identity"


def test_a_password_in_the_address_is_used_there_and_not_at_the_next_host(server: FileServer) -> None:
    target = server.put("/m.gguf", b"GGUF")
    start = server.redirect("/start", target.url.replace("127.0.0.1", "localhost"))
    with Session() as session:
        session.get_hops(start.url.replace("http://", "http://me:secret@"), {}, TIMEOUT_S)[-1].close()
    expected = "Basic " + base64.b64encode(b"me:secret").decode()
    assert start.requests[0].headers["Authorization"] == expected
    assert "Authorization" not in target.requests[0].headers


def test_the_name_of_a_host_is_said_without_the_password() -> None:
    with Session() as session, pytest.raises(DownloadError) as caught:
        session.get_hops(f"http://me:secret@127.0.0.1:{ports.free_port()}/m.gguf", {}, TIMEOUT_S)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("fault", [Silence(), Stall(0), Stall(1000)], ids=str)
def test_a_blocked_read_ends_when_the_session_is_aborted(server: FileServer, fault: Silence | Stall) -> None:
    served = server.put("/m.gguf", model_bytes())
    served.always = fault
    outcome: list[DownloadError] = []

    def read_to_the_end() -> None:
        try:
            answer = Asker(session, parse_source(served.url), TIMEOUT_S).ask(None)
            with answer.response:
                reading.set()
                while answer.read(CHUNK_BYTES):
                    pass
        except DownloadError as error:
            outcome.append(error)

    reading = threading.Event()
    with Session() as session:
        thread = threading.Thread(target=read_to_the_end)
        thread.start()
        if not isinstance(fault, Silence):
            assert reading.wait(5)
        session.abort()
        thread.join(5)  # far less than the time-out
        assert not thread.is_alive()
    assert len(outcome) == 1


def test_an_aborted_session_gets_nothing_more(server: FileServer) -> None:
    served = server.put("/m.gguf", model_bytes())
    with Session() as session:
        session.abort()
        with pytest.raises(DownloadError):
            session.get_hops(served.url, {}, TIMEOUT_S)


def test_the_time_for_the_headers_ends_with_them(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    content = model_bytes()
    served = server.put("/m.gguf", content)
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(strict_http, "time", clock)
    with Session() as session, session.get_hops(served.url, {}, TIMEOUT_S)[-1] as answer:
        clock.monotonic = lambda: 1e9
        assert answer.content == content


LOGIN = "The proxy requires a login"


@pytest.mark.usefixtures("no_proxy_in_environment")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_says_where_to_set_it(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", server.base_url)
    server.put("http://far.example/m.gguf", b"").always = Status(407, {"Proxy-Authenticate": "Basic"})
    server.tunnel_status = 407
    with (
        Session() as session,
        pytest.raises(DownloadError, check=coded(ErrorCode.PROXY_LOGIN_REQUIRED), match=LOGIN) as caught,
    ):
        session.get_hops(f"{scheme}://far.example/m.gguf", {}, TIMEOUT_S)
    assert "HTTPS_PROXY" in caught.value.hint
    assert not isinstance(caught.value, TransientError)


@pytest.mark.usefixtures("no_proxy_in_environment")
@pytest.mark.parametrize(("status", "passes"), [(403, False), (503, True)])
def test_a_proxy_that_answers_otherwise_is_not_said_to_be_silent(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, status: int, *, passes: bool
) -> None:
    monkeypatch.setenv("https_proxy", server.base_url)
    server.tunnel_status = status
    with Session() as session, pytest.raises(DownloadError, check=coded(ErrorCode.PROXY_REFUSED)) as caught:
        session.get_hops("https://far.example/m.gguf", {}, TIMEOUT_S)
    assert isinstance(caught.value, TransientError) is passes


@pytest.mark.usefixtures("no_proxy_in_environment")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_login_in_the_address_of_the_proxy_is_sent(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", server.base_url.replace("//", "//bob:p%40ss@"))
    served = server.put("http://far.example/m.gguf", b"GGUF")
    with Session() as session, contextlib.suppress(DownloadError):
        session.get_hops(f"{scheme}://far.example/m.gguf", {}, TIMEOUT_S)[-1].close()
    sent = server.tunnels[0] if scheme == "https" else served.requests[0].headers
    assert sent["Proxy-Authorization"] == f"Basic {base64.b64encode(b'bob:p@ss').decode()}"
