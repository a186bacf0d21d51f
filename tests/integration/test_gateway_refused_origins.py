"""Apps and pages of this computer that were refused are told of, so that a person can be asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import requests

from tests.fakes.gateways import FixedBackend, get, post, serving
from tray_app.app.root import App
from tray_app.gateway import limits
from tray_app.gateway.rules import Rules
from tray_app.gateway.server import Gateway
from tray_app.gateway.upstream import Upstream
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

READY = Upstream("http://127.0.0.1:9", True, "tiny", "Tiny", context_size=64)
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) obsidian/1.8.10 Chrome/132.0"}
PAGE = "app://obsidian.md"


class Told:
    """A gateway, and how often it has said that there is a new one."""

    def __init__(self, rules: Rules) -> None:
        self.times = 0
        self.gateway = Gateway(FixedBackend(READY), lambda: rules, page_refused=self._count)

    def _count(self) -> None:
        self.times += 1


def test_an_app_that_was_refused_is_told_of_once_however_it_asks() -> None:
    told = Told(Rules())
    asks = {"Access-Control-Request-Method": "POST", **BROWSER}
    for _ in range(2):  # also after the address was closed and opened again
        with serving(told.gateway) as url:
            for origin in (PAGE, "APP://OBSIDIAN.md"):
                asked = requests.options(f"{url}/models", headers={**asks, "Origin": origin}, timeout=30)
                assert asked.status_code == 403
                assert post(f"{url}/embeddings", {}, Origin=origin, **BROWSER).status_code == 403
    assert (told.gateway.refused_origins(), told.times) == ((PAGE,), 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": PAGE},
        {"Origin": PAGE, "User-Agent": "curl/8.5.0"},
        {"Origin": "https://example.org", **BROWSER},
        {"Origin": "null", **BROWSER},
        {"Origin": "file://", **BROWSER},
        {"Origin": PAGE, "Host": "evil.example", **BROWSER},
        {"Sec-Fetch-Site": "cross-site", **BROWSER},
    ],
)
def test_nobody_is_told_of_programs_and_of_pages_of_the_internet(headers: dict[str, str]) -> None:
    told = Told(Rules())
    with serving(told.gateway) as url:
        assert get(f"{url}/models", **headers).status_code == 403
    assert (told.gateway.refused_origins(), told.times) == ((), 0)


@pytest.mark.parametrize("origins", [(PAGE,), ("app://*",), ("*",)])
def test_who_is_let_in_is_not_told_of(origins: tuple[str, ...]) -> None:
    told = Told(Rules(origins=origins))
    with serving(told.gateway) as url:
        assert get(f"{url}/models", Origin=PAGE, **BROWSER).status_code == 200
    assert told.times == 0


def test_where_a_key_is_needed_only_who_asks_before_it_has_one_is_told_of() -> None:
    told = Told(Rules(key="sk-x"))
    with serving(told.gateway) as url:
        assert get(f"{url}/models", Origin="app://one", **BROWSER).status_code == 401
        assert get(f"{url}/models", Origin="app://two", **{"x-api-key": "sk-x"}, **BROWSER).status_code == 403
    assert told.gateway.refused_origins() == ("app://two",)


def test_only_so_many_are_remembered() -> None:
    told = Told(Rules())
    with serving(told.gateway) as url:
        for number in range(limits.MAX_REFUSED_ORIGINS + 5):
            get(f"{url}/models", Origin=f"http://localhost:{3000 + number}", **BROWSER)
    assert len(told.gateway.refused_origins()) == told.times == limits.MAX_REFUSED_ORIGINS


@pytest.fixture
def app() -> Iterator[App]:
    app = App(AppPaths.from_environment(os.environ), detect_host(), {"port": free_port(), "model": "test"})
    yield app
    app.close()


def test_the_persons_answer_holds_for_good(app: App) -> None:
    app.start_server()
    base_url, _ = app._server.access()
    announced: list[tuple[str, ...]] = []
    app.changed.connect(lambda status: announced.append(status.refused_origins), check_nargs=False)

    def asks(origin: str) -> int:
        return get(f"{base_url}/models", Origin=origin, **BROWSER).status_code

    allowed, refused = PAGE, "http://localhost:3000"
    assert [asks(allowed), asks(refused)] == [403, 403]
    assert app.status().refused_origins == (allowed, refused)
    assert (allowed, refused) in announced

    app.answer_origin(refused, allow=False)
    assert list(app.status().refused_origins) == [allowed]
    app.answer_origin(allowed, allow=True)
    assert not app.status().refused_origins
    assert [asks(allowed), asks(refused)] == [200, 403]
    assert not app.status().refused_origins
    assert app.store.current.allowed_origins == (allowed,)
    assert app.store.current.refused_origins == (refused,)

    app.answer_origin(refused, allow=True)  # a person may change their mind
    assert asks(refused) == 200
    assert not app.store.current.refused_origins
