"""Downloads that go on in a later run of the app, against a server whose file may have changed meanwhile."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.fakes.downloads import IMPATIENT, Recorder, fetch, interrupt, model_bytes
from tests.fakes.file_server import Drop, FileServer, Page, Stall, Status
from tray_app.download.answer import Answer
from tray_app.download.faults import Interrupted
from tray_app.download.progress import Phase
from tray_app.errors import DownloadError

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
    interrupt(served.url, tmp_path, after_bytes=100_000)
    kept = (tmp_path / "m.gguf.part").stat().st_size
    observer = Recorder()
    assert fetch(served.url, tmp_path, observer=observer) == DIGEST
    assert served.requests[1].offset == kept >= 100_000
    assert observer.received[0] == (kept, len(CONTENT))
    assert observer.resumed


def test_a_file_that_changed_is_fetched_anew(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served.url, tmp_path, after_bytes=100_000)
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
    observer = Recorder(at_bytes=lambda received: setattr(served, "content", CHANGED) if received else None)
    fetch(served.url, tmp_path, observer=observer)
    assert (tmp_path / "m.gguf").read_bytes() == CHANGED


def test_a_file_that_became_shorter_is_fetched_anew(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served.url, tmp_path, after_bytes=100_000)
    served.content = CONTENT[:50_000]
    fetch(served.url, tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT[:50_000]


def test_a_new_commit_with_the_same_digest_is_the_same_file(server: FileServer, tmp_path: Path) -> None:
    url = f"{server.base_url}/m.gguf"
    server.put_like_hugging_face("/m.gguf", CONTENT, revision="one")
    interrupt(url, tmp_path, after_bytes=100_000)
    stored = server.put_like_hugging_face("/m.gguf", CONTENT, revision="two")
    assert fetch(url, tmp_path) == DIGEST
    assert stored.requests[0].offset > 0


def test_a_new_digest_is_another_file(server: FileServer, tmp_path: Path) -> None:
    url = f"{server.base_url}/m.gguf"
    server.put_like_hugging_face("/m.gguf", CONTENT)
    interrupt(url, tmp_path, after_bytes=100_000)
    server.put_like_hugging_face("/m.gguf", CHANGED)
    fetch(url, tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == CHANGED


def test_without_evidence_that_it_is_the_same_file_nothing_is_spliced(
    server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.etag = ""
    interrupt(served.url, tmp_path, after_bytes=100_000)
    served.content = CHANGED
    fetch(served.url, tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == CHANGED


def test_a_part_that_was_whole_needs_no_server(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served.url, tmp_path, after_bytes=len(CONTENT))
    served.always = Status(404)
    assert fetch(served.url, tmp_path) == DIGEST
    assert len(served.requests) == 1


@pytest.mark.parametrize("fault", [Status(404), Status(401), Status(503), Page(), Stall(0)], ids=str)
def test_what_has_arrived_survives_a_failing_run(
    server: FileServer, tmp_path: Path, fault: Status | Page | Stall
) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served.url, tmp_path, after_bytes=100_000)
    kept = (tmp_path / "m.gguf.part").read_bytes()
    served.always = fault
    with pytest.raises(DownloadError):
        fetch(served.url, tmp_path, patience=IMPATIENT)
    assert (tmp_path / "m.gguf.part").read_bytes() == kept
    served.always = None
    assert fetch(served.url, tmp_path) == DIGEST
    assert served.requests[-1].offset == len(kept)


def test_an_aborted_body_without_a_length_is_not_taken_for_its_end(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.length = served.chunked = False
    stop = threading.Event()
    pieces = itertools.count()
    read = Answer.read

    def read_until_aborted(answer: Answer) -> bytes:
        if next(pieces) == 0:
            return read(answer)
        stop.set()
        return b""

    monkeypatch.setattr(Answer, "read", read_until_aborted)
    with pytest.raises(Interrupted):
        fetch(served.url, tmp_path, sha256=DIGEST, stop=stop)
    monkeypatch.undo()
    assert fetch(served.url, tmp_path, sha256=DIGEST) == DIGEST


def test_bytes_damaged_on_the_disk_are_noticed(server: FileServer, tmp_path: Path) -> None:
    server.put_like_hugging_face("/m.gguf", CONTENT)
    url = f"{server.base_url}/m.gguf"
    interrupt(url, tmp_path, after_bytes=100_000)
    with (tmp_path / "m.gguf.part").open("r+b") as file:
        file.seek(50_000)
        file.write(b"rotten")
    with pytest.raises(DownloadError, match="damaged"):
        fetch(url, tmp_path)
    assert not (tmp_path / "m.gguf").exists()
    assert fetch(url, tmp_path) == DIGEST


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


@pytest.mark.parametrize("there", [CHANGED, CONTENT[:-1], b""])
def test_another_file_of_that_name_is_left_alone(server: FileServer, tmp_path: Path, there: bytes) -> None:
    server.put_like_hugging_face("/m.gguf", CONTENT)
    (tmp_path / "m.gguf").write_bytes(there)
    with pytest.raises(DownloadError, match="Another file of this name"):
        fetch(f"{server.base_url}/m.gguf", tmp_path)
    assert (tmp_path / "m.gguf").read_bytes() == there


DOWNLOADER = """
import itertools, sys
from pathlib import Path
from tests.fakes.downloads import Patience, Recorder, fetch
observer = Recorder(at_bytes=lambda received: print(received, flush=True))
seconds = itertools.count(0.0)  # a second at every look: a checkpoint after every piece
fetch(
    sys.argv[1],
    Path(sys.argv[2]),
    observer=observer,
    patience=Patience(stall_bytes=0),
    clock=lambda: next(seconds),
)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_a_killed_process_loses_at_most_what_its_journal_did_not_know(
    server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.extend([Drop(200_000), Stall(100_000)])
    argv = [sys.executable, "-c", DOWNLOADER, served.url, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 300_000:
                break
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "m.gguf").exists()
    assert fetch(served.url, tmp_path) == DIGEST
    assert (tmp_path / "m.gguf").read_bytes() == CONTENT
    assert served.requests[-1].offset >= 100_000
