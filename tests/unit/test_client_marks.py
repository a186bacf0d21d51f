"""docs/clients.md has what the marks of the tests say, and a mark says nothing that nobody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.clients import DOCUMENT, marks, rendered

if TYPE_CHECKING:
    from pathlib import Path


def marked(folder: Path, mark: str, name: str = "test_it") -> Path:
    (folder / "test_one.py").write_text(f"{mark}\ndef {name}(): ...\n", encoding="utf-8")
    return folder


def test_the_table_is_what_dev_py_docs_writes() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert rendered(text) == text


def test_a_document_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        rendered("# Clients\n")


def test_a_mark_says_who_calls_what_and_how(tmp_path: Path) -> None:
    folder = marked(tmp_path, '@pytest.mark.client("curl", "chat", "models", works=False, how="405")')
    (mark,) = marks(folder)
    assert (mark.client, mark.calls, mark.works, mark.how, mark.test) == (
        "curl",
        ("chat", "models"),
        False,
        "405",
        "test_it",
    )


@pytest.mark.parametrize(
    ("mark", "name", "said"),
    [
        ('@pytest.mark.client("curl")', "test_it", "at least one call"),
        ('@pytest.mark.client("curl", "")', "test_it", "at least one call"),
        ('@pytest.mark.client("curl", CHAT)', "test_it", "as it is"),
        ('@pytest.mark.client("curl", "chat", speed=1)', "test_it", "nobody reads speed"),
        ('@pytest.mark.client("curl", "chat", works="no")', "test_it", "nobody reads works"),
        ('@pytest.mark.client("curl", "chat")', "it", "it is no test"),
        ('class Test:\n    @pytest.mark.client("curl", "chat")\n    def test_a(self): ...\n', "b", "no test"),
    ],
)
def test_a_mark_that_cannot_be_read_is_refused(tmp_path: Path, mark: str, name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(marks(marked(tmp_path, mark, name)))
