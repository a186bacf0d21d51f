"""Several connections at once against a real server that misbehaves: the right file or a clear error."""

from __future__ import annotations

import hashlib
import itertools
import re
import shutil
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.downloads import IMPATIENT, QUICK, Recorder, fetch, model_bytes, received
from tests.fakes.file_server import (
    Drop,
    FileServer,
    Headers,
    NoRange,
    Redirect,
    SlowHeaders,
    Stall,
    Status,
    Trickle,
)
from tray_app.download import connection_pool, segments, transfer
from tray_app.download.connection_scaler import ConnectionScaler
from tray_app.download.part import PartFile
from tray_app.download.segments import Plan, Span
from tray_app.download.session import Session
from tray_app.download.source import RemoteFile, parse_source
from tray_app.errors import DownloadError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.file_server import Fault

CONTENT = model_bytes(2_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
CHANGED = model_bytes(2_000_000, seed=2)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture(autouse=True)
def small_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that two megabytes are work for eight connections."""
    monkeypatch.setattr(segments, "SMALLEST_CLAIM_BYTES", 50_000)
    monkeypatch.setattr(segments, "SMALLEST_HALF_BYTES", 10_000)
    monkeypatch.setattr(transfer, "FIRST_CLAIM_BYTES", 200_000)


@pytest.fixture(autouse=True)
def eight_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is over before a rate could be measured."""

    class Eager(ConnectionScaler):
        def __init__(self, answer_s: float) -> None:
            super().__init__(answer_s)
            self.wanted = 8

    monkeypatch.setattr(connection_pool, "ConnectionScaler", Eager)


def beginning(server_file_url: str, folder: Path, etag: str, size: int = len(CONTENT)) -> None:
    """A part of which nothing is there but its journal."""
    source = parse_source(server_file_url)
    part = PartFile(folder / source.file_name, source)
    part.start_over(RemoteFile(source, size, None, None, etag))
    part.checkpoint()
    part.close()


def test_pieces_come_over_several_connections_that_are_used_again(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.always = Trickle(piece_bytes=10_000, interval_s=0.01)
    assert fetch(served.url, tmp_path, connections=8) == DIGEST
    assert 2 <= len(served.connections) < len(served.requests)
    assert {path.name for path in tmp_path.iterdir()} == {"m.gguf"}


def test_never_more_connections_than_asked_for(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.always = Trickle(piece_bytes=50_000, interval_s=0.01)
    busiest = 0

    def count(_received: int) -> None:
        nonlocal busiest
        names = [thread.name for thread in threading.enumerate()]
        busiest = max(busiest, sum(re.fullmatch(r"download-\d+", name) is not None for name in names))

    assert fetch(served.url, tmp_path, connections=3, observer=Recorder(at_bytes=count)) == DIGEST
    assert busiest == 3


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drops=st.lists(st.integers(0, 300_000), max_size=12), connections=st.integers(2, 8))
def test_drops_on_any_connection_end_in_the_right_file(
    server: FileServer, tmp_path: Path, drops: list[int], connections: int
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.extend(Drop(after) for after in drops)
    shutil.rmtree(tmp_path / "models", ignore_errors=True)
    retry = replace(QUICK, waits_s=(0.0,) * 12)
    assert fetch(served.url, tmp_path / "models", connections=connections, retry=retry) == DIGEST
    assert (tmp_path / "models" / "m.gguf").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "fault",
    [
        Stall(1000),
        Trickle(piece_bytes=1, interval_s=0.02),
        SlowHeaders(interval_s=0.05),
        Status(403),
        Status(429, {"Retry-After": "60"}),
        Status(503),
        NoRange(),
        Headers({"Content-Range": "bytes 0-9/2000000"}),
        Headers({"Content-Range": ""}),
        Headers({"Content-Encoding": "gzip"}),
        Drop(0),
    ],
    ids=str,
)
def test_one_connection_in_trouble_does_not_end_the_others(
    server: FileServer, tmp_path: Path, fault: Fault
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.extend([Trickle(piece_bytes=20_000, interval_s=0.005), fault])
    assert fetch(served.url, tmp_path, connections=4, retry=IMPATIENT) == DIGEST
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT


def test_a_server_that_allows_two_connections_gets_two(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.extend([Trickle(20_000, 0.005), Trickle(20_000, 0.005), *[Status(503)] * 6])
    assert fetch(served.url, tmp_path, connections=8) == DIGEST


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_a_file_that_changes_between_pieces_is_never_spliced(
    server: FileServer, tmp_path: Path, after: int
) -> None:
    served = server.put("/m.gguf", CONTENT)
    count = itertools.count(1)
    requests = served.requests

    class Changing(list):  # type: ignore[type-arg]
        def append(self, request: object) -> None:
            if next(count) == after + 1:
                served.content = CHANGED
            super().append(request)

    served.requests = Changing(requests)
    served.always = Trickle(piece_bytes=50_000, interval_s=0.002)
    fetch(served.url, tmp_path, connections=4, retry=replace(QUICK, waits_s=(0.0,) * 20))
    assert (tmp_path / "m.gguf").read_bytes() == CHANGED


def test_a_file_that_cannot_be_recognised_comes_over_one_connection(
    server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.etag = ""
    assert fetch(served.url, tmp_path, connections=8) == DIGEST
    assert [request.span for request in served.requests] == [(0, 200_000), None]


def test_a_file_of_unknown_size_is_never_put_together_from_pieces(server: FileServer, tmp_path: Path) -> None:
    """The piece that ends early would pass for the last one, and for proof that all before it are here."""
    content = model_bytes(20_000_000)
    served = server.put("/m.gguf", content)
    served.etag = '"same"'
    served.length = served.total = False
    served.faults.extend([Drop(0), Drop(150_000), Trickle(piece_bytes=20_000, interval_s=0.002)])
    observer = Recorder()
    assert (
        fetch(served.url, tmp_path, connections=8, observer=observer) == hashlib.sha256(content).hexdigest()
    )
    assert len(observer.troubles) == 1
    assert not observer.resumed


def test_a_slow_connection_does_not_hold_up_the_end(server: FileServer, tmp_path: Path) -> None:
    """The first connection alone would need a minute for its piece; the others take it over, half by half."""
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Trickle(piece_bytes=1000, interval_s=0.03))
    start_s = time.monotonic()
    assert fetch(served.url, tmp_path, connections=4) == DIGEST
    assert time.monotonic() - start_s < 10


def test_last_bytes_that_a_dead_connection_holds_are_fetched_over_another(
    server: FileServer, tmp_path: Path
) -> None:
    """Too few to be halved, and its time-out is a minute away."""
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Stall(len(CONTENT) - 100))
    retry = replace(QUICK, silence_s=60.0, standstill_s=0.2)
    assert fetch(served.url, tmp_path, connections=4, retry=retry) == DIGEST


def test_gaps_are_filled_wherever_they_are(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    etag = f'"{hashlib.md5(CONTENT).hexdigest()}"'  # noqa: S324 - the server's ETag
    beginning(served.url, tmp_path, etag)
    part = PartFile(tmp_path / "m.gguf", parse_source(served.url))
    part.load()
    here = [Span(0, 10), Span(500_000, 900_000), Span(1_999_999, 2_000_000)]
    with part.writer() as file:
        for start, end in here:
            file.seek(start)
            file.write(CONTENT[start:end])
    part.plan = Plan(len(CONTENT), here)
    part.checkpoint()
    part.close()
    assert fetch(served.url, tmp_path, connections=4) == DIGEST
    asked = sorted(request.span for request in served.requests if request.span)
    assert asked[0][0] == 10
    assert not any(500_000 <= start < 900_000 for start, _ in asked)


def test_an_address_that_expires_in_the_middle_is_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    """Hugging Face leads to signed addresses; each of these is good for three pieces."""
    first, second = server.put("/cdn/1", CONTENT), server.put("/cdn/2", CONTENT)
    for stored in (first, second):
        stored.etag = ""
        stored.always = Trickle(piece_bytes=20_000, interval_s=0.002)
    facts = {"X-Linked-Size": str(len(CONTENT)), "X-Linked-ETag": f'"{DIGEST}"', "X-Repo-Commit": "c0ffee"}
    start = server.redirect("/m.gguf", first.url, facts)

    def expire(received_bytes: int) -> None:
        if received_bytes > 100_000 and first.always != Status(403):
            first.always = Status(403)
            start.redirect = Redirect(second.url, facts)

    assert fetch(start.url, tmp_path, connections=3, observer=Recorder(at_bytes=expire)) == DIGEST
    assert first.requests
    assert second.requests
    assert 2 <= len(start.requests) <= 2 + 3  # once to begin with, then at most once for each connection


def test_a_token_goes_to_its_host_and_never_to_the_one_that_has_the_bytes(
    server: FileServer, tmp_path: Path
) -> None:
    stored = server.put("/cdn", CONTENT)
    stored.url = stored.url.replace("127.0.0.1", "localhost")
    facts = {"X-Linked-Size": str(len(CONTENT)), "X-Linked-ETag": f'"{DIGEST}"'}
    start = server.redirect("/m.gguf", stored.url, facts)
    session = Session(lambda address: "hf_secret" if address.startswith(server.base_url) else None)
    assert fetch(start.url, tmp_path, connections=4, session=session) == DIGEST
    assert {request.headers.get("Authorization") for request in start.requests} == {"Bearer hf_secret"}
    assert {request.headers.get("Authorization") for request in stored.requests} == {None}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_followed_over_several_hops(
    server: FileServer, tmp_path: Path, code: int
) -> None:
    served = server.put("/end", CONTENT)
    server.redirect("/b", served.url, code=code)
    server.redirect("/m.gguf", "/b", code=code)
    assert fetch(f"{server.base_url}/m.gguf", tmp_path, connections=4) == DIGEST


def test_a_server_that_asks_for_time_gets_it(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Status(429, {"Retry-After": "1"}))
    observer = Recorder()
    start_s = time.monotonic()
    assert fetch(served.url, tmp_path, observer=observer) == DIGEST
    assert time.monotonic() - start_s >= 1.0
    assert [error.code for error in observer.troubles] == [ErrorCode.SOURCE_ASKED_TOO_OFTEN]


def test_answers_shorter_than_asked_for_are_no_fault(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    short = Headers({"Content-Range": f"bytes 0-99999/{len(CONTENT)}", "Content-Length": "100000"})
    served.faults.append(short)
    assert fetch(served.url, tmp_path, retry=replace(QUICK, waits_s=())) == DIGEST
    assert [request.offset for request in served.requests][:2] == [0, 100_000]


def test_a_limit_is_kept_over_all_connections(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    start_s = time.monotonic()
    assert fetch(served.url, tmp_path, connections=4, bytes_per_s=2e6) == DIGEST
    assert time.monotonic() - start_s > 0.6


def test_headers_that_come_letter_by_letter_end_in_an_error(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.always = SlowHeaders(interval_s=0.05)
    with pytest.raises(DownloadError):
        fetch(served.url, tmp_path, retry=replace(IMPATIENT, silence_s=0.2, waits_s=(0.0,)))
    assert len(served.requests) == 2
    assert received(tmp_path) == ()
