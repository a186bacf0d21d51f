"""The app looks for a newer version of itself, over real HTTP: what is asked, sent, told and fetched."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.app import make_host
from tests.fakes.errors import coded
from tests.fakes.file_server import CutHeaders, Drop, FileServer, Page, Silence, SlowHeaders, Stall, Status
from tests.fakes.program import command_here
from tray_app import __version__
from tray_app.app import updates
from tray_app.app.release import SIGNATURE, SUMS, PackageKind
from tray_app.app.root import App
from tray_app.app.status import status_document
from tray_app.app.updates import Updates, UpdateStatus
from tray_app.app.weekly_look import WEEK_S, Look, WeeklyLook
from tray_app.download import response_body
from tray_app.download.faults import TransientError, UnreachableError
from tray_app.download.progress import Phase
from tray_app.download.queue import DownloadQueue
from tray_app.errors import DownloadError, ErrorCode
from tray_app.settings.schema import Settings
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.file_server import Fault, ServedFile
    from tray_app.app.status import AppStatus

WAIT_S = 30
RELEASES = "/repos/owner/name/releases/latest"
PACKAGE = "powerinfer-tray-9.1.0-linux-x86_64.tar.xz"
CONTENT = b"not really a package" * 10_000
SECRET = Ed25519PrivateKey.generate()
KEY = SECRET.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
SENT = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
"""The headers of a request that tells nothing but the version."""


@dataclass
class Releases:
    """The releases of the app, at a server of the test's own."""

    server: FileServer
    version: str = "9.1.0"
    more: dict[str, Any] = field(default_factory=dict)
    signed_by: Ed25519PrivateKey = SECRET
    sums: bytes = f"{hashlib.sha256(CONTENT).hexdigest()}  {PACKAGE}\n".encode()

    @property
    def address(self) -> str:
        return f"{self.server.base_url}{RELEASES}"

    def publish(self) -> ServedFile:
        """Make them what is said here; the document."""
        files = {PACKAGE: CONTENT, SUMS: self.sums, SIGNATURE: self.signed_by.sign(self.sums)}
        assets = [
            {"name": name, "browser_download_url": self.server.put(f"/{name}", content).url}
            for name, content in files.items()
        ]
        document = {
            "tag_name": f"v{self.version}",
            "body": "What is **new**",
            "html_url": f"https://github.com/owner/name/releases/tag/v{self.version}",
            "assets": assets,
        }
        return self.server.put(RELEASES, json.dumps(document | self.more).encode())


@pytest.fixture
def releases() -> Iterator[Releases]:
    with FileServer() as server:
        yield Releases(server)


class Client:
    """An app that may look, which came as a tarball."""

    def __init__(self, folder: Path, releases: Releases, *, key: bytes | None = KEY) -> None:
        self.folder = folder
        self.settings = Settings(check_for_updates=True)
        self.answered = False
        self.announced = 0
        self.queues: list[DownloadQueue] = []
        self.updates = Updates(
            AppPaths.below(folder),
            make_host(),
            settings=lambda: self.settings,
            is_answered=lambda: self.answered,
            new_queue=self._queue,
            announce=self._hear,
            releases=releases.address,
            key=key,
            package=PackageKind.TARBALL,
        )

    @property
    def status(self) -> UpdateStatus:
        return self.updates.status()

    def version(self) -> str | None:
        return self.status.newer.version if self.status.newer else None

    def _queue(self) -> DownloadQueue:
        self.queues.append(DownloadQueue())
        return self.queues[-1]

    def _hear(self) -> None:
        self.announced += 1


@pytest.fixture
def client(tmp_path: Path, releases: Releases) -> Iterator[Client]:
    made = Client(tmp_path, releases)
    yield made
    made.updates.close(WAIT_S)


def test_one_request_tells_the_version_and_nothing_else(client: Client, releases: Releases) -> None:
    document = releases.publish()

    client.updates.look()

    assert client.version() == "9.1.0"
    assert client.announced
    (request,) = document.requests
    assert set(request.headers) == SENT
    assert request.headers["User-Agent"] == f"powerinfer-tray/{__version__}"
    assert request.headers["Accept-Encoding"] == "identity"


def test_a_cookie_is_neither_kept_nor_sent_back(client: Client, releases: Releases) -> None:
    document = releases.publish()
    releases.server.files["/moved"] = document
    way = releases.server.redirect(
        RELEASES, f"{releases.server.base_url}/moved", {"Set-Cookie": "id=1; Path=/", "ETag": '"id"'}
    )

    client.updates.look()
    client.updates.look()

    assert client.version() == "9.1.0"
    assert len(way.requests) == 2
    assert all(set(each.headers) == SENT for each in (*way.requests, *document.requests))


@pytest.mark.parametrize(
    ("version", "more"),
    [
        (__version__, {}),
        ("0.0.1", {}),
        ("9.1.0", {"prerelease": True}),
        ("9.1.0", {"draft": True}),
        ("9.1.0-rc1", {}),
        ("9" * 5000, {}),
        ("main", {}),
    ],
)
def test_what_is_no_newer_version_is_not_told(
    client: Client, releases: Releases, version: str, more: dict[str, Any]
) -> None:
    releases.version, releases.more = version, more
    releases.publish()

    client.updates.look()

    assert client.version() is None
    assert client.updates.last_look_s() > 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Page(), id="a page"),
        pytest.param(Page("application/json", b'{"message": "Not Found"}'), id="another document"),
        pytest.param(Page("application/json", b"[" * 10_000_000), id="10 MB of brackets"),
        pytest.param(
            Page("application/json", b'{"tag_name": "v9.1.0", "body": "' + b"a" * 10_000_000 + b'"}'),
            id="10 MB of text",
        ),
        pytest.param(Status(404), id="no release yet"),
        pytest.param(Status(401), id="a server with a login"),
        pytest.param(Status(451), id="a server that must not"),
        pytest.param(Status(304), id="a server that thinks that it is known"),
    ],
)
def test_an_answer_of_no_use_is_none_for_a_week(client: Client, releases: Releases, answer: Fault) -> None:
    releases.publish().faults.append(answer)

    client.updates.look()

    assert client.version() is None
    assert 0 <= time.time() - client.updates.last_look_s() < WEEK_S


@pytest.mark.parametrize(
    ("fault", "wait_s"),
    [
        (Status(500), 0),
        (Status(503, {"Retry-After": "120"}), 120),
        (Status(429, {"Retry-After": "60"}), 60),
        (Status(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999"}), 900),
        (Status(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}), 0),
        (Status(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}), 0),
        (Status(403, {"X-RateLimit-Remaining": "0"}), 0),
        (Status(403, {"X-RateLimit-Remaining": "59", "Retry-After": "60"}), 60),
        (Drop(after_bytes=10), 0),
        (CutHeaders(), 0),
    ],
)
def test_a_server_that_cannot_answer_now_is_asked_again(
    client: Client, releases: Releases, fault: Fault, wait_s: float
) -> None:
    releases.publish().faults.append(fault)

    with pytest.raises(TransientError) as failed:
        client.updates.look()

    assert failed.value.retry_after_s == pytest.approx(wait_s)
    assert client.updates.last_look_s() == 0
    client.updates.look()
    assert client.version() == "9.1.0"


def test_without_a_network_what_was_found_stays(client: Client, releases: Releases) -> None:
    releases.publish()
    client.updates.look()
    looked_s = client.updates.last_look_s()
    releases.server.__exit__()

    with pytest.raises(UnreachableError):
        client.updates.look()

    assert (client.version(), client.updates.last_look_s()) == ("9.1.0", looked_s)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)", RELEASES, "http://["]
)
def test_a_redirect_leads_nowhere_but_to_an_answer(client: Client, releases: Releases, location: str) -> None:
    releases.server.redirect(RELEASES, location)

    with pytest.raises(DownloadError):
        client.updates.look()

    assert client.version() is None


def test_it_is_known_after_a_restart_and_until_it_is_skipped(
    tmp_path: Path, client: Client, releases: Releases
) -> None:
    releases.publish()
    client.updates.look()
    again = Client(tmp_path, releases)
    assert again.version() == "9.1.0"
    assert again.status.newer == client.status.newer

    again.updates.skip()

    assert again.version() is None
    assert Client(tmp_path, releases).version() is None
    releases.version = "9.2.0"
    releases.publish()
    again.updates.look()
    assert again.version() == "9.2.0"


def test_it_is_not_told_any_more_when_it_is_switched_off_withdrawn_or_of_another_source(
    client: Client, releases: Releases
) -> None:
    releases.publish()
    client.updates.look()
    client.settings = Settings(check_for_updates=False)
    assert client.version() is None
    client.settings = Settings(check_for_updates=True, updates_address="https://mirror.example/latest.json")
    assert (client.version(), client.updates.last_look_s()) == (None, 0)
    client.settings = Settings(check_for_updates=True)
    assert client.version() == "9.1.0"

    releases.version = __version__
    releases.publish()
    client.updates.look()

    assert client.version() is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"looked_at_s": []}', b'{"release": {"version": 5}}', b"\xff" * 100]
)
def test_a_file_that_is_damaged_is_as_none(tmp_path: Path, releases: Releases, content: bytes) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "newer-version.json").write_bytes(content)

    made = Client(tmp_path, releases)

    made.settings = Settings()
    assert made.status == UpdateStatus(asks=True)


def test_a_state_that_cannot_be_written_does_no_harm(tmp_path: Path, releases: Releases) -> None:
    (tmp_path / "state").write_text("in the way")
    releases.publish()
    made = Client(tmp_path, releases)

    made.updates.look()

    assert made.version() == "9.1.0"


def test_the_person_is_asked_until_there_is_an_answer(client: Client) -> None:
    assert client.updates.is_on()
    assert client.status == UpdateStatus()
    client.settings = Settings()
    assert not client.updates.is_on()
    assert client.status == UpdateStatus(asks=True)

    client.answered = True

    assert client.status == UpdateStatus()


def test_nobody_is_asked_while_it_is_not_known_where_releases_are(client: Client) -> None:
    client.updates._releases = ""
    assert not client.updates.is_on()
    client.settings = Settings()
    assert client.updates.status() == UpdateStatus()


def test_a_package_is_fetched_whose_digest_is_signed(client: Client, releases: Releases) -> None:
    releases.publish()
    client.updates.look()
    assert client.status.fetches

    client.updates.download()

    (downloads,) = client.queues
    arrived = downloads.wait(1, WAIT_S)
    assert arrived == client.folder / "downloads" / PACKAGE
    assert arrived.read_bytes() == CONTENT
    progress = client.status.download
    assert progress
    assert (progress.phase, progress.name) == (Phase.DONE, PACKAGE)
    assert releases.server.files[f"/{SUMS}"].requests[0].headers.keys() == SENT


def test_a_package_that_is_not_what_was_signed_is_not_kept(client: Client, releases: Releases) -> None:
    releases.publish()
    client.updates.look()
    releases.server.put(f"/{PACKAGE}", CONTENT[::-1])

    client.updates.download()

    with pytest.raises(DownloadError, check=coded(ErrorCode.CHECKSUM_DIFFERS)):
        client.queues[0].wait(1, WAIT_S)
    assert not (client.folder / "downloads" / PACKAGE).exists()
    assert client.status.download
    assert client.status.download.phase is Phase.FAILED


@pytest.mark.parametrize("fault", ["another key", "another list", "not listed", "long signature"])
def test_nothing_is_fetched_that_is_not_signed(client: Client, releases: Releases, fault: str) -> None:
    if fault == "another key":
        releases.signed_by = Ed25519PrivateKey.generate()
    if fault == "not listed":
        releases.sums = releases.sums.replace(b"9.1.0", b"9.0.0")
    releases.publish()
    if fault == "another list":
        releases.server.files[f"/{SUMS}"].content = releases.sums.replace(b"a", b"b")
    if fault == "long signature":
        releases.server.files[f"/{SIGNATURE}"].content = b"\0" * 10_000_000
    client.updates.look()

    with pytest.raises(DownloadError, check=coded(ErrorCode.UPDATE_NOT_SIGNED)):
        client.updates.download()

    assert not client.queues
    assert not releases.server.files[f"/{PACKAGE}"].requests
    assert not (client.folder / "downloads").exists()


def test_without_a_key_or_a_package_for_this_system_nothing_is_fetched(
    tmp_path: Path, client: Client, releases: Releases
) -> None:
    releases.publish()
    client.updates.look()
    keyless = Client(tmp_path, releases, key=None)
    assert keyless.version() == "9.1.0"
    assert not keyless.status.fetches

    keyless.updates.download()

    assert not keyless.queues
    for missing in (PACKAGE, SUMS, SIGNATURE):
        document = json.loads(bytes(releases.server.files[RELEASES].content[:]))
        document["assets"] = [each for each in document["assets"] if each["name"] != missing]
        releases.server.put(RELEASES, json.dumps(document).encode())
        client.updates.look()
        assert client.version() == "9.1.0"
        assert not client.status.fetches
        releases.publish()


@pytest.mark.parametrize("fault", [Silence(), SlowHeaders(interval_s=1.0), Stall(10)])
def test_an_answer_that_does_not_come_ends_with_the_app(
    client: Client, releases: Releases, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "_TIMEOUT_S", (WAIT_S, 1000 * WAIT_S))
    document = releases.publish()
    client.updates.look()
    sums = releases.server.files[f"/{SUMS}"]
    document.always = sums.always = fault
    document.asked.clear()
    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(client.updates.look), threads.submit(client.updates.download)]
        assert document.asked.wait(WAIT_S)
        assert sums.asked.wait(WAIT_S)

        client.updates.close(WAIT_S)

        for each in asked:
            with pytest.raises(TransientError):
                each.result(timeout=WAIT_S)
    assert client.version() == "9.1.0"


def test_a_document_that_the_end_of_the_app_has_cut_is_no_answer(
    client: Client, releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, real_pieces_of = threading.Event(), response_body.pieces_of

    def pieces_of(*arguments: Any) -> Iterator[bytes]:
        for piece in real_pieces_of(*arguments):
            read.set()
            yield piece

    document = releases.publish()
    client.updates.look()
    looked_s = client.updates.last_look_s()
    document.length = document.chunked = False
    document.always = Stall(10)
    monkeypatch.setattr(response_body, "pieces_of", pieces_of)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(client.updates.look)
        assert read.wait(WAIT_S)

        client.updates.close(WAIT_S)

        with pytest.raises(TransientError):
            asked.result(timeout=WAIT_S)
    assert (client.version(), client.updates.last_look_s()) == ("9.1.0", looked_s)


def test_nothing_is_asked_or_fetched_any_more_once_the_app_ends(client: Client, releases: Releases) -> None:
    document = releases.publish()
    client.updates.look()
    client.updates.close(WAIT_S)

    for begin in (client.updates.look, client.updates.download):
        with pytest.raises(TransientError):
            begin()

    assert len(document.requests) == 1
    assert not client.queues


def test_a_download_that_is_given_up_leaves_nothing(client: Client, releases: Releases) -> None:
    releases.publish()
    package = releases.server.files[f"/{PACKAGE}"]
    package.always = Silence()
    client.updates.look()
    client.updates.download()
    assert package.asked.wait(WAIT_S)

    client.updates.cancel()

    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_CANCELLED)):
        client.queues[0].wait(1, WAIT_S)
    assert not list((client.folder / "downloads").iterdir())


@pytest.fixture
def app(private_home: Path, releases: Releases) -> Iterator[App]:
    assert private_home
    made = App.on_this_machine({"updates_address": releases.address, "port": free_port()})
    yield made
    made.close()


def test_an_app_asks_nobody_until_the_person_has_said_yes(app: App, releases: Releases) -> None:
    document = releases.publish()
    seen: queue.SimpleQueue[AppStatus] = queue.SimpleQueue()
    app.changed.connect(seen.put)
    app.begin()
    assert app.status().updates == UpdateStatus(asks=True)
    app.change(notices=False)
    assert not document.requests

    app.answer_update_question(wanted=True)

    while not (newer := seen.get(timeout=WAIT_S).updates.newer):
        pass
    assert newer.version == "9.1.0"
    assert len(document.requests) == 1
    assert not app.status().updates.asks
    assert not app.status().updates.fetches  # it runs from its sources
    assert status_document(app.status()).newer_version == "9.1.0"
    assert status_document(replace(app.status(), updates=UpdateStatus())).newer_version is None


def test_a_no_is_not_asked_again(app: App, releases: Releases) -> None:
    document = releases.publish()
    app.begin()

    app.answer_update_question(wanted=False)

    assert app.status().updates == UpdateStatus()
    assert not app.store.current.check_for_updates
    assert not document.requests


@pytest.mark.parametrize("value", ["off", "on"])
@pytest.mark.parametrize("is_running", [True, False])
def test_who_types_the_setting_has_answered(app: App, value: str, *, is_running: bool) -> None:
    if is_running:
        app.open_control(quit_app=lambda: None)
    assert app.status().updates.asks

    assert command_here("settings", "set", "check_for_updates", value).returncode == 0

    if not is_running:
        app.reload()
    assert not app.status().updates.asks
    assert app.store.current.check_for_updates is (value == "on")


def test_who_takes_the_setting_out_is_asked_again(app: App) -> None:
    app.open_control(quit_app=lambda: None)
    command_here("settings", "set", "check_for_updates", "off")
    assert not app.status().updates.asks

    command_here("settings", "unset", "check_for_updates")

    assert app.status().updates.asks


def test_who_switches_it_on_and_off_in_the_window_has_answered(app: App) -> None:
    for value in (True, False):
        app.apply(msgspec.structs.replace(app.store.current, check_for_updates=value))

    assert not app.status().updates.asks


def test_nobody_is_asked_while_the_answer_may_be_in_a_file_that_cannot_be_read(
    private_home: Path, releases: Releases
) -> None:
    (private_home / "settings.toml").write_text("check_for_updates = false\n[[[", encoding="utf-8")
    app = App.on_this_machine({"updates_address": releases.address})
    assert app.store.problem
    asks = app.status().updates.asks
    app.close()

    assert not asks


def test_a_look_that_does_not_end_leaves_the_server_time_to_stop(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, ended = threading.Event(), threading.Event()

    def look() -> None:
        looking.set()
        ended.wait(WAIT_S)

    given_s: list[float] = []

    def stop(timeout_s: float) -> None:
        given_s.append(timeout_s)
        ended.set()

    weekly = WeeklyLook(Look("this is", look, is_on=lambda: True, last_s=lambda: 0.0))
    monkeypatch.setattr(app, "_weekly", weekly)
    monkeypatch.setattr(app._server, "stop", stop)
    app.begin()
    assert looking.wait(WAIT_S)

    app.close(timeout_s=1.0)

    assert given_s[0] > 0
    assert not any(each.name == "weekly-look" for each in threading.enumerate())


def test_the_terminal_tells_of_it_and_asks_nobody(app: App, releases: Releases) -> None:
    document = releases.publish()
    app.open_control(quit_app=lambda: None)
    assert command_here("settings", "set", "check_for_updates", "on").returncode == 0
    assert json.loads(command_here("status", "--json").stdout)["newer_version"] is None
    assert command_here("--version").stdout.strip().endswith(__version__)
    assert not document.requests

    app.updates.look()

    assert json.loads(command_here("status", "--json").stdout)["newer_version"] == "9.1.0"
    told = f"Version 9.1.0 is available. You have version {__version__}."
    assert told in command_here("status").stdout
    assert len(document.requests) == 1
