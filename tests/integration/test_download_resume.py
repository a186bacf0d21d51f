"""Downloads that go on in a later run of the app, against a server whose file may have changed meanwhile."""

from __future__ import annotations

import hashlib
import itertools
import threading
from typing import TYPE_CHECKING

import pytest

from tests.fakes.downloads import IMPATIENT, Recorder, fetch, interrupt, model_bytes, received
from tests.fakes.errors import coded
from tests.fakes.file_server import Drop, FileServer, Node, Page, Stall, Status
from tray_app.download.faults import Interrupted
from tray_app.download.progress import Phase
from tray_app.download.response_body import ResponseBody
from tray_app.errors import DownloadError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = model_bytes(600_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
CHANGED = model_bytes(600_000, seed=2)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


def test_a_later_run_fetches_only_the_rest(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served, tmp_path, after_bytes=100_000)
    observer = Recorder()
    assert fetch(served.url, tmp_path, observer=observer) == DIGEST
    assert served.requests[1].offset == 100_000
    assert observer.received[0] == (100_000, len(CONTENT))
    assert observer.resumed


def test_a_file_that_changed_is_fetched_anew(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served, tmp_path, after_bytes=100_000)
    served.content = CHANGED
    observer = Recorder()
    assert fetch(served.url, tmp_path, observer=observer) == hashlib.sha256(CHANGED).hexdigest()
    assert not observer.resumed
    assert (tmp_path / "m.gguf").read_bytes() == CHANGED


def test_a_file_that_changes_between_two_connections_is_fetched_anew(
    server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Drop(100_000))
    observer = Recorder(at_trouble=lambda _error: setattr(served, "content", CHANGED))
    fetch(served.url, tmp_path, observer=observer)
    assert (tmp_path / "m.gguf").read_bytes() == CHANGED


def test_a_file_that_became_shorter_is_fetched_anew(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served, tmp_path, after_bytes=100_000)
    served.content = CONTENT[:50_000]
    fetch(served.url, tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT[:50_000]


def test_a_new_commit_with_the_same_digest_is_the_same_file(server: FileServer, tmp_path: Path) -> None:
    url = f"{server.base_url}/m.gguf"
    before = server.put_like_hugging_face("/m.gguf", CONTENT, revision="one")
    interrupt(before, tmp_path, after_bytes=100_000, url=url)
    stored = server.put_like_hugging_face("/m.gguf", CONTENT, revision="two")
    assert fetch(url, tmp_path) == DIGEST
    assert stored.requests[0].offset > 0


def test_a_new_digest_is_another_file(server: FileServer, tmp_path: Path) -> None:
    url = f"{server.base_url}/m.gguf"
    before = server.put_like_hugging_face("/m.gguf", CONTENT)
    interrupt(before, tmp_path, after_bytes=100_000, url=url)
    server.put_like_hugging_face("/m.gguf", CHANGED)
    fetch(url, tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == CHANGED


def test_without_evidence_that_it_is_the_same_file_nothing_is_spliced(
    server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.etag = ""
    interrupt(served, tmp_path, after_bytes=100_000)
    served.content = CHANGED
    fetch(served.url, tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == CHANGED


def test_a_part_that_was_whole_needs_no_server(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served, tmp_path, after_bytes=len(CONTENT))
    served.always = Status(404)
    assert fetch(served.url, tmp_path) == DIGEST
    assert len(served.requests) == 1


@pytest.mark.parametrize("fault", [Status(404), Status(401), Status(503), Page(), Stall(0)], ids=str)
def test_what_has_arrived_survives_a_failing_run(
    server: FileServer, tmp_path: Path, fault: Status | Page | Stall
) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served, tmp_path, after_bytes=100_000)
    kept = received(tmp_path)
    served.always = fault
    with pytest.raises(DownloadError):
        fetch(served.url, tmp_path, retry=IMPATIENT)
    assert received(tmp_path) == kept == ((0, 100_000),)
    served.always = None
    assert fetch(served.url, tmp_path) == DIGEST
    assert served.requests[-1].offset == 100_000


def test_an_aborted_body_without_a_length_is_not_taken_for_its_end(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.length = served.chunked = False
    stop = threading.Event()
    pieces = itertools.count()
    read = ResponseBody.read

    def read_until_aborted(answer: ResponseBody, most: int) -> bytes:
        if next(pieces) == 0:
            return read(answer, most)
        stop.set()
        return b""

    monkeypatch.setattr(ResponseBody, "read", read_until_aborted)
    with pytest.raises(Interrupted):
        fetch(served.url, tmp_path, sha256=DIGEST, stop=stop)
    monkeypatch.undo()
    assert fetch(served.url, tmp_path, sha256=DIGEST) == DIGEST


def test_bytes_damaged_on_the_disk_are_noticed(server: FileServer, tmp_path: Path) -> None:
    stored = server.put_like_hugging_face("/m.gguf", CONTENT)
    url = f"{server.base_url}/m.gguf"
    interrupt(stored, tmp_path, after_bytes=100_000, url=url)
    with (tmp_path / "m.gguf.part").open("r+b") as file:
        file.seek(50_000)
        file.write(b"rotten")
    with pytest.raises(DownloadError, check=coded(ErrorCode.CHECKSUM_DIFFERS)):
        fetch(url, tmp_path)
    assert not (tmp_path / "m.gguf").exists()
    assert fetch(url, tmp_path) == DIGEST


@pytest.mark.parametrize("here", [0, 10, 100_000, len(CONTENT) - 1])
def test_a_beginning_under_the_final_name_is_completed(server: FileServer, tmp_path: Path, here: int) -> None:
    stored = server.put_like_hugging_face("/m.gguf", CONTENT)
    (tmp_path / "m.gguf").write_bytes(CONTENT[:here])
    assert fetch(f"{server.base_url}/m.gguf", tmp_path) == DIGEST
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT
    assert stored.requests[-1].offset == here


def test_a_beginning_that_no_digest_could_confirm_is_left_alone(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    (tmp_path / "m.gguf").write_bytes(CONTENT[:100_000])
    with pytest.raises(DownloadError, check=coded(ErrorCode.FILE_EXISTS)):
        fetch(served.url, tmp_path)
    assert fetch(served.url, tmp_path, sha256=DIGEST) == DIGEST


def test_a_beginning_with_a_damaged_middle_never_becomes_the_file(server: FileServer, tmp_path: Path) -> None:
    server.put_like_hugging_face("/m.gguf", CONTENT)
    (tmp_path / "m.gguf").write_bytes(CONTENT[:1000] + b"rotten" + CONTENT[1006:300_000])
    with pytest.raises(DownloadError, check=coded(ErrorCode.CHECKSUM_DIFFERS)):
        fetch(f"{server.base_url}/m.gguf", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"m.gguf.damaged"}
    assert fetch(f"{server.base_url}/m.gguf", tmp_path) == DIGEST


def test_a_complete_file_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    server.put_like_hugging_face("/m.gguf", CONTENT)
    (tmp_path / "m.gguf").write_bytes(CONTENT)
    observer = Recorder()
    assert fetch(f"{server.base_url}/m.gguf", tmp_path, observer=observer) == DIGEST
    assert Phase.DOWNLOADING not in observer.phases
    assert observer.received == [(len(CONTENT), len(CONTENT))]


def test_a_complete_file_with_the_digest_given_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(CONTENT)
    assert fetch("http://nowhere.invalid/m.gguf", tmp_path, sha256=DIGEST) == DIGEST


def test_without_any_digest_the_size_decides(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    (tmp_path / "m.gguf").write_bytes(CONTENT)
    assert fetch(served.url, tmp_path) is None


def test_without_any_digest_a_file_that_ends_otherwise_is_another(server: FileServer, tmp_path: Path) -> None:
    """As after an update by the publisher, who seldom changes a model's size."""
    served = server.put("/m.gguf", CHANGED)
    (tmp_path / "m.gguf").write_bytes(CONTENT)
    with pytest.raises(DownloadError, check=coded(ErrorCode.FILE_EXISTS)):
        fetch(served.url, tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT


@pytest.mark.parametrize("there", [CHANGED, CONTENT + b"more", CHANGED[:-1], CHANGED[:10]])
def test_another_file_of_that_name_is_left_alone(server: FileServer, tmp_path: Path, there: bytes) -> None:
    server.put_like_hugging_face("/m.gguf", CONTENT)
    (tmp_path / "m.gguf").write_bytes(there)
    with pytest.raises(DownloadError, check=coded(ErrorCode.FILE_EXISTS)):
        fetch(f"{server.base_url}/m.gguf", tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == there


LARGE = model_bytes(20 << 20)
"""More than one piece, also with one connection."""


def nodes(count: int, requests: int = 40) -> list[Node]:
    """The computers of a mirror, which are asked in turn; each vouches for the same file in its own way."""
    return [Node(f'"node-{number % count}"') for number in range(requests)]


@pytest.mark.parametrize("count", [2, 3, 40])
@pytest.mark.parametrize("connections", [1, 4])
def test_a_mirror_whose_computers_have_etags_of_their_own_gives_the_file(
    server: FileServer, tmp_path: Path, count: int, connections: int
) -> None:
    served = server.put("/m.gguf", LARGE)
    served.faults.extend(nodes(count))
    assert fetch(served.url, tmp_path, connections=connections) == hashlib.sha256(LARGE).hexdigest()


def test_such_a_mirror_is_asked_until_the_computer_answers_that_was_begun_with(
    server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.etag = '"node-0"'
    interrupt(served, tmp_path, after_bytes=100_000)
    served.faults.extend([Node('"node-1"'), Node('"node-2"')])
    observer = Recorder()
    assert fetch(served.url, tmp_path, observer=observer) == DIGEST
    assert observer.resumed


@pytest.mark.parametrize("connections", [1, 4])
def test_pieces_of_two_files_are_never_put_together(
    server: FileServer, tmp_path: Path, connections: int
) -> None:
    """Of one size and date: one computer of the mirror has the model of yesterday still."""
    other = model_bytes(len(LARGE), seed=2)
    served = server.put("/m.gguf", LARGE)
    served.faults.extend([Node('"new"', LARGE), Node('"old"', other)] * 20)
    digest = fetch(served.url, tmp_path, connections=connections)
    assert digest in {hashlib.sha256(content).hexdigest() for content in (LARGE, other)}


def test_an_etag_is_the_same_with_the_mark_of_a_packing_proxy(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.etag = 'W/"one"'
    interrupt(served, tmp_path, after_bytes=100_000)
    served.etag = '"one"'
    observer = Recorder()
    fetch(served.url, tmp_path, observer=observer)
    assert observer.resumed
