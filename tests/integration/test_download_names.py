"""Downloads whose address names no model: one name everywhere, the same again when they go on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.fakes.downloads import QUICK, Recorder, Seen, fetch, interrupt, model_bytes
from tests.fakes.errors import coded
from tests.fakes.file_server import FileServer, Headers, Page, Stall, Status
from tray_app.download.connection_pool import TransferLimits
from tray_app.download.part import find_journals
from tray_app.download.queue import DownloadQueue
from tray_app.download.repository import address_of_file
from tray_app.errors import DownloadError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.file_server import ServedFile

CONTENT = model_bytes()
DIGEST = hashlib.sha256(CONTENT).hexdigest()
LONG_S = 20.0


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def queue() -> Iterator[DownloadQueue]:
    running = DownloadQueue(retry=QUICK, limits=lambda: TransferLimits(connections=1))
    yield running
    running.close(LONG_S)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def called(served: ServedFile, name: str) -> ServedFile:
    served.always = Headers({"Content-Disposition": f'attachment; filename="{name}"'})
    return served


def like_civitai(server: FileServer, name: str = "nice-model.gguf") -> str:
    stored = called(server.put("/bucket/8f1c", CONTENT), name)
    return server.redirect("/api/download/models/1", f"{stored.url}?X-Amz-Signature=1", code=307).url


def test_civitai_names_its_files_where_it_sends_us(server: FileServer, tmp_path: Path) -> None:
    observer = Recorder()
    assert fetch(like_civitai(server), tmp_path, observer=observer) == DIGEST
    assert (names(tmp_path), observer.names) == ({"nice-model.gguf"}, ["nice-model.gguf"])


def test_modelscope_names_them_in_the_query(server: FileServer, tmp_path: Path) -> None:
    stored = server.put("/lfs-objects/8f1c", CONTENT)
    url = server.redirect("/api/v1/models/o/r/repo", stored.url).url
    fetch(f"{url}?Revision=master&FilePath=sub%2Fmodelscope.gguf", tmp_path)
    assert names(tmp_path) == {"modelscope.gguf"}


def test_github_is_asked_for_the_bytes_of_an_asset(server: FileServer, tmp_path: Path) -> None:
    stored = called(server.put("/production-release-asset/1", CONTENT), "asset.gguf")
    asked = server.redirect("/repos/o/r/releases/assets/99", stored.url)
    fetch(asked.url, tmp_path)
    assert names(tmp_path) == {"asset.gguf"}
    assert asked.requests[0].headers["Accept"] == "application/octet-stream"


def test_a_blob_of_ollama_becomes_a_model_by_its_ending(server: FileServer, tmp_path: Path) -> None:
    fetch(server.put("/v2/library/x/blobs/sha256:0123abcd", CONTENT).url, tmp_path)
    assert names(tmp_path) == {"sha256_0123abcd.gguf"}


def test_a_file_that_is_no_model_and_whose_digest_is_given_keeps_its_name(
    server: FileServer, tmp_path: Path
) -> None:
    program = b"\x7fELF" + CONTENT
    fetch(server.put("/server", program).url, tmp_path, sha256=hashlib.sha256(program).hexdigest())
    assert names(tmp_path) == {"server"}


def test_queue_journal_and_result_have_one_name(
    server: FileServer, queue: DownloadQueue, tmp_path: Path
) -> None:
    url = like_civitai(server)
    server.files["/bucket/8f1c"].faults.extend(
        [Headers({"Content-Disposition": "attachment; filename=nice-model.gguf"}), Stall(100_000)]
    )
    seen = Seen(queue)
    download = queue.add(url, tmp_path)
    seen.wait_for(lambda snapshot: snapshot[-1].received_bytes == 100_000)

    (progress,) = queue.snapshot()
    assert (progress.name, progress.path) == ("nice-model.gguf", tmp_path / "nice-model.gguf")
    assert [(path.name, journal.source.file_name) for path, journal in find_journals(tmp_path)] == [
        ("nice-model.gguf", "nice-model.gguf")
    ]
    assert queue.add(url, tmp_path) == download
    queue.pause(download)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED), match="nice-model"):
        queue.wait(download, LONG_S)


def test_the_same_address_finds_its_part_again_also_where_the_server_changes_its_mind(
    server: FileServer, tmp_path: Path
) -> None:
    first = DownloadQueue(retry=QUICK, limits=lambda: TransferLimits(connections=1))
    url = called(server.put("/get", CONTENT), "one.gguf").url + "?id=1"
    server.files["/get"].faults.extend(
        [Headers({"Content-Disposition": "attachment; filename=one.gguf"}), Stall(100_000)]
    )
    seen = Seen(first)
    first.add(url, tmp_path)
    seen.wait_for(lambda snapshot: snapshot[-1].received_bytes == 100_000)
    first.close(LONG_S)
    called(server.files["/get"], "two.gguf")

    second = DownloadQueue(retry=QUICK)
    second.restore(tmp_path)
    assert [item.name for item in second.snapshot()] == ["one.gguf"]
    assert second.wait(second.add(url, tmp_path), LONG_S) == tmp_path / "one.gguf"
    assert second.snapshot()[0].resumed
    assert len(second.snapshot()) == 1
    second.close(LONG_S)
    assert names(tmp_path) == {"one.gguf"}


def test_an_order_whose_name_is_not_known_yet_survives_a_quit(server: FileServer, tmp_path: Path) -> None:
    url = like_civitai(server)
    server.files["/bucket/8f1c"].faults.append(Status(503))
    patient = DownloadQueue()  # waits a second before it asks again
    seen = Seen(patient)
    patient.add(url, tmp_path)
    seen.wait_for(lambda snapshot: snapshot[-1].error is not None)
    patient.close(LONG_S)

    second = DownloadQueue(retry=QUICK)
    second.restore(tmp_path)
    (left,) = second.snapshot()
    second.resume(left.id)
    assert second.wait(left.id, LONG_S).name == "nice-model.gguf"
    second.close(LONG_S)
    assert names(tmp_path) == {"nice-model.gguf"}


def test_a_second_source_of_one_name_is_refused(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "nice-model.gguf").write_bytes(model_bytes(seed=2))
    with pytest.raises(DownloadError, check=coded(ErrorCode.FILE_EXISTS)):
        fetch(like_civitai(server), tmp_path)
    assert names(tmp_path) == {"nice-model.gguf"}


def test_a_server_cannot_name_its_file_as_an_unfinished_one_to_replace_that(
    server: FileServer, tmp_path: Path
) -> None:
    interrupt(server.put("/mine.gguf", CONTENT), tmp_path, after_bytes=100_000)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_NAME_TAKEN)):
        fetch(like_civitai(server, "mine.gguf"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../evil.gguf", "evil.gguf"),
        ("C:\\\\Windows\\\\evil.gguf", "evil.gguf"),
        (".bashrc", "bashrc.gguf"),
        ("nul.gguf", "_nul.gguf"),
        ("evil.gguf.part", "evil.gguf.part.gguf"),
        ("x" * 3000 + ".gguf", "x" * 195 + ".gguf"),
        ("/etc/passwd", "passwd.gguf"),
    ],
)
def test_a_hostile_name_stays_in_the_folder(server: FileServer, tmp_path: Path, name: str, kept: str) -> None:
    folder = tmp_path / "in" / "models"
    fetch(like_civitai(server, name), folder)
    assert names(folder) == {kept}
    assert names(tmp_path) == {"in"}


def test_a_page_in_place_of_the_file_leaves_nothing(
    server: FileServer, queue: DownloadQueue, tmp_path: Path
) -> None:
    url = like_civitai(server)
    server.files["/bucket/8f1c"].always = Page()
    with pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_SENDS_WEB_PAGE)):
        queue.wait(queue.add(url, tmp_path), LONG_S)
    assert names(tmp_path) == set()


def test_a_repository_is_asked_which_file_a_quantization_is(server: FileServer) -> None:
    listing = b'{"id": "o/r", "siblings": [{"rfilename": "m-Q4_K_M.gguf"}, {"rfilename": "m-Q8_0.gguf"}]}'
    server.put("/api/models/o/r", listing)
    server.put("/api/models/o/r/revision/v1", listing)
    base = server.base_url
    found = [address_of_file(text, endpoint=base) for text in ("hf.co/o/r:q8_0", "hf:o/r:Q8_0@v1")]
    assert found == [f"{base}/o/r/resolve/main/m-Q8_0.gguf", f"{base}/o/r/resolve/v1/m-Q8_0.gguf"]
    with pytest.raises(
        DownloadError, check=coded(ErrorCode.REPOSITORY_TAG_AMBIGUOUS), match="It contains: Q4_K_M, Q8_0"
    ):
        address_of_file("hf.co/o/r", endpoint=base)
    with pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_FILE_NOT_FOUND)):
        address_of_file("hf.co/o/other:Q8_0", endpoint=base)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff", b'{"siblings": [{"rfilename": 1}]}'])
def test_a_list_that_is_none_is_refused_in_words(server: FileServer, body: bytes) -> None:
    server.put("/api/models/o/r", body)
    with pytest.raises(DownloadError, check=coded(ErrorCode.REPOSITORY_NOT_LISTED)):
        address_of_file("hf:o/r", endpoint=server.base_url)


def test_a_repository_that_is_not_there_is_said_to_be_so(server: FileServer) -> None:
    server.put("/api/models/o/r", b"").always = Status(401, {"X-Error-Code": "RepoNotFound"})
    with pytest.raises(DownloadError, check=coded(ErrorCode.REPOSITORY_NOT_FOUND)):
        address_of_file("hf:o/r", endpoint=server.base_url)
