"""The header of a model on a real HTTP server, read without downloading the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.errors import coded
from tests.fakes.file_server import FileServer, Headers, NoRange, Status
from tests.fakes.models import HTML_PAGE, header_bytes, model_bytes
from tray_app.errors import DownloadError, ErrorCode, ModelError
from tray_app.models.gguf import FIRST_READ_BYTES
from tray_app.models.remote_header import fetch_remote_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.models import Value

LARGE_VOCABULARY: dict[str, Value] = {
    "general.architecture": "llama",
    "tokenizer.ggml.tokens": [f"token {number}" for number in range(30_000)],
}


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


def test_a_model_is_known_before_it_is_downloaded(server: FileServer) -> None:
    content = model_bytes(sparse=True)
    served = server.put("/my%20model.gguf", content)

    model = fetch_remote_header(served.url)

    assert (model.id, str(model.path), model.size_bytes) == ("my-model", "my model.gguf", len(content))
    assert (model.header.kind, model.header.quantization) == ("sparse", "F16")


def test_the_size_is_the_one_of_the_redirect(server: FileServer) -> None:
    content = model_bytes()
    server.put_like_hugging_face("/o/r/resolve/main/a.gguf", content)

    assert fetch_remote_header(f"{server.base_url}/o/r/resolve/main/a.gguf").size_bytes == len(content)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_long_header_is_read_to_its_end_and_no_further(server: FileServer, *, ranges: bool) -> None:
    header = header_bytes(LARGE_VOCABULARY)
    assert len(header) > 2 * FIRST_READ_BYTES
    served = server.put("/a.gguf", header)
    served.always = None if ranges else NoRange()

    assert fetch_remote_header(served.url).header.vocabulary_size == 30_000
    assert len(served.requests) == 2
    assert served.requests[1].headers["Range"].startswith(f"bytes={FIRST_READ_BYTES}-")


def test_all_files_of_a_split_model_count(server: FileServer) -> None:
    content = model_bytes(extra={"split.count": 2})
    for number in (1, 2):
        server.put(f"/m-{number:05}-of-00002.gguf", content)

    model = fetch_remote_header(f"{server.base_url}/m-00002-of-00002.gguf")

    assert model.size_bytes == 2 * len(content)
    assert model.header.parameters == 2 * 4096


def test_a_file_that_is_cut_on_the_server_is_incomplete(server: FileServer) -> None:
    content = model_bytes()
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_INCOMPLETE)) as caught:
        fetch_remote_header(server.put("/a.gguf", content[:-100]).url)
    assert "100 are missing" in caught.value.message

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_FILE_INCOMPLETE), match="header"):
        fetch_remote_header(server.put("/b.gguf", content[:100]).url)


def test_a_web_page_is_called_one(server: FileServer) -> None:
    with pytest.raises(ModelError, check=coded(ErrorCode.NOT_A_MODEL), match="HTML"):
        fetch_remote_header(server.put("/a.gguf", HTML_PAGE).url)


def test_what_goes_with_a_model_is_told_from_one_before_it_is_downloaded(server: FileServer) -> None:
    with pytest.raises(ModelError, check=coded(ErrorCode.NOT_A_WHOLE_MODEL)):
        fetch_remote_header(server.put("/a.gguf", model_bytes(extra={"general.type": "adapter"})).url)


def test_a_refusal_is_told_as_for_a_download(server: FileServer) -> None:
    served = server.put("/a.gguf", b"")
    served.always = Status(404)

    with pytest.raises(DownloadError):
        fetch_remote_header(served.url)


def test_the_name_is_the_one_that_the_download_will_have(server: FileServer) -> None:
    served = server.put("/api/download/models/1", model_bytes())
    served.always = Headers({"Content-Disposition": 'attachment; filename="nice-model.gguf"'})

    assert str(fetch_remote_header(served.url).path) == "nice-model.gguf"
