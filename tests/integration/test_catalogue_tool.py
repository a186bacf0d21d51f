"""`dev.py catalogue`: sizes and digests come from the servers, and stay as they are where none answers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.fakes.file_server import FileServer
from tools.catalogue import CATALOG, main, rewritten
from tray_app.models.catalog import load_catalog
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """# What people read first.

[[models]]
id = "test"
name = "Built in"
file_name = "test.gguf"
size_bytes = 7
note = "Comes with the app."

[[models]]
id = "a"
name = "A"
source = "hf:owner/a/a.gguf"
file_name = "a.gguf"
size_bytes = 1_000_000
size_is_approximate = true
note = "It stays where it is."  # and so does this

[[models]]
id = "sees"
name = "Sees"
source = "hf:owner/b/b.gguf"
file_name = "b.gguf"
projector = "hf:owner/b/mmproj-b.gguf"
note = "With a projector."
"""
A, B, PROJECTOR = b"a" * 1_234_567, b"b" * 9, b"p" * 1_000


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def put(server: FileServer, path: str, content: bytes) -> None:
    server.put_like_hugging_face(f"/owner/{path.replace('/', '/resolve/main/')}", content)


def test_sizes_and_digests_are_those_that_the_server_tells(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FileServer() as server:
        put(server, "a/a.gguf", A)
        put(server, "b/b.gguf", B)
        put(server, "b/mmproj-b.gguf", PROJECTOR)

        assert main(catalog, server.base_url) == 0
        assert "2 entries asked about; changed." in capsys.readouterr().out
        assert main(catalog, server.base_url) == 0

    assert "nothing has changed" in capsys.readouterr().out
    _, a, sees = load_catalog(catalog)
    assert (a.size_bytes, a.size_is_approximate) == (len(A), False)
    assert a.sha256 == hashlib.sha256(A).hexdigest()
    assert (sees.size_bytes, sees.projector_size_bytes) == (len(B), len(PROJECTOR))
    text = catalog.read_text(encoding="utf-8")
    assert "size_bytes = 1_234_567\n" in text
    assert [line for line in text.splitlines() if line in TEXT.splitlines()] == [
        line
        for line in TEXT.splitlines()
        if line not in ("size_bytes = 1_000_000", "size_is_approximate = true")
    ]


def test_an_entry_that_is_refused_stays_and_the_others_are_told(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FileServer() as server:
        put(server, "b/b.gguf", B)
        put(server, "b/mmproj-b.gguf", PROJECTOR)

        assert main(catalog, server.base_url) == 1

    assert capsys.readouterr().out.startswith("a: ")
    _, a, sees = load_catalog(catalog)
    assert (a.size_bytes, a.size_is_approximate, sees.size_bytes) == (1_000_000, True, len(B))


def test_without_a_network_nothing_is_changed_and_it_says_so(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(catalog, f"http://127.0.0.1:{free_port()}") == 1

    assert capsys.readouterr().err.startswith("The catalog stays as it was. ")
    assert catalog.read_text(encoding="utf-8") == TEXT


def test_the_shipped_catalogue_is_taken_apart_and_put_together_again() -> None:
    text = CATALOG.read_text(encoding="utf-8")

    assert rewritten(text, {}) == text
    assert rewritten(text, {}).count("[[models]]\n") == len(load_catalog(CATALOG))
