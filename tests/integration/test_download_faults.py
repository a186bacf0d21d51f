"""One transfer against a real server that misbehaves: the right file or a clear error, never a wrong file."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.downloads import IMPATIENT, QUICK, Recorder, fetch, model_bytes, received
from tests.fakes.errors import coded
from tests.fakes.file_server import (
    Drop,
    FileServer,
    Headers,
    NoRange,
    Page,
    Silence,
    Stall,
    Status,
    Trickle,
)
from tray_app.download.progress import Phase
from tray_app.errors import DownloadError, ErrorCode
from tray_app.system import ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.file_server import Fault

CONTENT = model_bytes()
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    observer = Recorder()
    assert fetch(served.url, tmp_path / "new" / "folder", observer=observer) == DIGEST
    assert (tmp_path / "new" / "folder" / "m.gguf").read_bytes() == CONTENT
    assert names(tmp_path / "new" / "folder") == {"m.gguf"}
    assert observer.phases == [Phase.CONNECTING, Phase.CONNECTING, Phase.DOWNLOADING, Phase.VERIFYING]
    assert observer.received[-1] == (len(CONTENT), len(CONTENT))
    assert not observer.resumed


@pytest.mark.parametrize(
    "fault",
    [
        Drop(0),
        Drop(100),
        Drop(200_000),
        Stall(100_000),
        Silence(),
        Trickle(piece_bytes=1, interval_s=0.02),
        Status(500),
        Status(502),
        Status(503),
        Status(504),
        Status(429),
    ],
    ids=str,
)
def test_a_fault_that_passes_ends_in_the_right_file(server: FileServer, tmp_path: Path, fault: Fault) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(fault)
    assert fetch(served.url, tmp_path, retry=IMPATIENT) == DIGEST
    assert len(served.requests) >= 2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drops=st.lists(st.integers(0, len(CONTENT)), max_size=3), chunked=st.booleans())
def test_drops_anywhere_end_in_the_right_file(
    server: FileServer, tmp_path: Path, drops: list[int], *, chunked: bool
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.length = not chunked
    served.faults.extend(Drop(after) for after in drops)
    shutil.rmtree(tmp_path / "models", ignore_errors=True)
    assert fetch(served.url, tmp_path / "models") == DIGEST
    assert (tmp_path / "models" / "m.gguf").read_bytes() == CONTENT


def test_after_a_drop_only_the_rest_is_asked_for(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Drop(123_456))
    observer = Recorder()
    fetch(served.url, tmp_path, observer=observer)
    assert [request.offset for request in served.requests] == [0, 123_456]
    assert observer.resumed


def test_attempts_begin_anew_whenever_more_has_arrived(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.extend([Drop(10_000)] * 20)  # far more than there are attempts
    assert fetch(served.url, tmp_path) == DIGEST


def test_attempts_end_when_nothing_more_arrives(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Drop(10_000))
    served.always = Drop(0)
    with pytest.raises(DownloadError, check=coded(ErrorCode.CONNECTION_LOST)):
        fetch(served.url, tmp_path)
    assert len(served.requests) == 1 + len(QUICK.waits_s)
    assert received(tmp_path) == ((0, 10_000),)


def test_a_server_without_ranges_that_always_drops_is_not_asked_for_ever(
    server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.ranges, served.always = False, Drop(200_000)
    with pytest.raises(DownloadError, check=coded(ErrorCode.CONNECTION_LOST)):
        fetch(served.url, tmp_path)
    assert len(served.requests) == 1 + len(QUICK.waits_s)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Status(401), ErrorCode.SIGN_IN_REQUIRED),
        (Status(403), ErrorCode.SIGN_IN_REQUIRED),
        (Status(404), ErrorCode.SOURCE_FILE_NOT_FOUND),
        (Status(410), ErrorCode.SOURCE_FILE_NOT_FOUND),
        (Status(400), ErrorCode.SOURCE_REFUSED),
        (Page(), ErrorCode.SOURCE_SENDS_WEB_PAGE),
        (Page(content_type="application/octet-stream"), ErrorCode.SOURCE_SENDS_WEB_PAGE),
        (
            Page("text/plain", b"version https://git-lfs.github.com/spec/v1\noid sha256:0"),
            ErrorCode.SOURCE_SENDS_POINTER,
        ),
        (Page("application/octet-stream", b"some other content " * 100), ErrorCode.NOT_A_MODEL),
        (Headers({"Content-Encoding": "gzip"}), ErrorCode.SOURCE_SENDS_COMPRESSED),
    ],
    ids=str,
)
def test_a_permanent_fault_fails_at_once_and_leaves_nothing(
    server: FileServer, tmp_path: Path, fault: Fault, code: ErrorCode
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.always = fault
    with pytest.raises(DownloadError) as caught:
        fetch(served.url, tmp_path)
    assert caught.value.code is code
    assert caught.value.message
    assert caught.value.hint
    assert len(served.requests) == 1
    assert names(tmp_path) == set()


def test_a_wrong_digest_sets_the_file_aside(server: FileServer, tmp_path: Path) -> None:
    stored = server.put_like_hugging_face("/m.gguf", CONTENT)
    stored.content = model_bytes(seed=2)
    with pytest.raises(DownloadError, check=coded(ErrorCode.CHECKSUM_DIFFERS), match=DIGEST):
        fetch(f"{server.base_url}/m.gguf", tmp_path)
    assert names(tmp_path) == {"m.gguf.damaged"}


def test_a_digest_that_the_source_contradicts_costs_no_download(server: FileServer, tmp_path: Path) -> None:
    server.put_like_hugging_face("/m.gguf", CONTENT)
    with pytest.raises(DownloadError, check=coded(ErrorCode.CHECKSUM_DIFFERS)):
        fetch(f"{server.base_url}/m.gguf", tmp_path, sha256="0" * 64)
    assert names(tmp_path) == set()


def test_a_person_who_gives_the_digest_may_fetch_anything(server: FileServer, tmp_path: Path) -> None:
    program = b"\x7fELF" + CONTENT
    served = server.put("/server", program)
    digest = hashlib.sha256(program).hexdigest()
    assert fetch(served.url, tmp_path, sha256=digest) == digest


def test_the_facts_of_a_redirect_vouch_for_the_file(server: FileServer, tmp_path: Path) -> None:
    stored = server.put_like_hugging_face("/o/r/resolve/main/m.gguf", CONTENT)
    stored.faults.append(Drop(50_000))
    assert fetch(f"{server.base_url}/o/r/blob/main/m.gguf", tmp_path) == DIGEST
    assert [request.offset for request in stored.requests] == [0, 50_000]
    assert len(server.files["/o/r/resolve/main/m.gguf"].requests) == 1  # where it leads is remembered


def test_two_sizes_for_one_file_are_not_believed(server: FileServer, tmp_path: Path) -> None:
    stored = server.put_like_hugging_face("/m.gguf", CONTENT)
    stored.content = CONTENT[:1000]
    with pytest.raises(DownloadError, check=coded(ErrorCode.CONNECTION_LOST), match=r"300000.*1000"):
        fetch(f"{server.base_url}/m.gguf", tmp_path)


def test_a_body_longer_than_announced_is_not_kept(server: FileServer, tmp_path: Path) -> None:
    stored = server.put_like_hugging_face("/m.gguf", CONTENT)
    stored.content, stored.length, stored.ranges = CONTENT + b"more", False, False
    with pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_SENDS_TOO_MUCH), match="300000"):
        fetch(f"{server.base_url}/m.gguf", tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("range_header", ["bytes 0-9/300000", "bytes 1000-", "", "nonsense"])
def test_a_piece_that_is_not_the_one_asked_for_is_not_appended(
    server: FileServer, tmp_path: Path, range_header: str
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.extend([Drop(50_000), Headers({"Content-Range": range_header})])
    assert fetch(served.url, tmp_path) == DIGEST
    assert [request.offset for request in served.requests] == [0, 50_000, 0]


def test_a_whole_file_in_place_of_the_rest_is_taken_from_its_start(
    server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.extend([Drop(50_000), NoRange()])
    assert fetch(served.url, tmp_path) == DIGEST
    assert len(served.requests) == 2


def test_without_size_digest_or_end_the_file_is_refused(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.length = served.chunked = served.ranges = False
    with pytest.raises(DownloadError, check=coded(ErrorCode.FILE_NOT_VERIFIABLE)):
        fetch(served.url, tmp_path)
    assert fetch(served.url, tmp_path, sha256=DIGEST) == DIGEST


def test_redirects_that_lead_in_circles_end(server: FileServer, tmp_path: Path) -> None:
    server.redirect("/a/m.gguf", "/b/m.gguf", code=307)
    server.redirect("/b/m.gguf", f"{server.base_url}/a/m.gguf", code=301)
    with pytest.raises(DownloadError, check=coded(ErrorCode.TOO_MANY_REDIRECTS)):
        fetch(f"{server.base_url}/a/m.gguf", tmp_path)


def test_a_redirect_to_a_broken_address_is_not_followed(server: FileServer, tmp_path: Path) -> None:
    server.redirect("/m.gguf", "http://[half")
    with pytest.raises(DownloadError, check=coded(ErrorCode.REDIRECT_INVALID)):
        fetch(f"{server.base_url}/m.gguf", tmp_path)


def test_a_redirect_out_of_the_web_is_not_followed(server: FileServer, tmp_path: Path) -> None:
    server.redirect("/m.gguf", "file:///etc/passwd")
    with pytest.raises(DownloadError, check=coded(ErrorCode.ADDRESS_INVALID)):
        fetch(f"{server.base_url}/m.gguf", tmp_path)


def test_nobody_there_is_said_with_the_host(tmp_path: Path) -> None:
    host = f"127.0.0.1:{ports.free_port()}"
    with pytest.raises(DownloadError) as caught:
        fetch(f"http://{host}/m.gguf", tmp_path)
    assert caught.value.code is ErrorCode.SOURCE_UNREACHABLE
    assert host in caught.value.title
    assert "refused" in caught.value.message
    assert names(tmp_path) == set()


def test_an_unknown_host_is_said_with_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_UNREACHABLE), match=r"nowhere\.invalid"):
        fetch("http://nowhere.invalid/m.gguf", tmp_path)


def test_tls_that_is_none_fails_with_a_word_about_certificates(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    with pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_NOT_TRUSTED)):
        fetch(served.url.replace("http:", "https:"), tmp_path)
