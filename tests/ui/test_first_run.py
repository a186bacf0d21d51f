"""From the first window to an embedding in at most four clicks, and to an answer in the chat in two more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")

from tests.first_run import PICTURES, chat, embed, recording
from tray_app.ui.presenters.notices import Page

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.ui.look import Look

MOST_CLICKS = 4


def test_a_first_run_takes_four_clicks_to_an_embedding_and_two_more_to_a_chat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worn: Look
) -> None:
    assert worn
    monkeypatch.setenv("HOME", str(tmp_path))  # where no other app has models
    with recording(tmp_path / "app") as (app, run):
        assert run.window.current() is Page.HOME
        embed(run)
        embedding = len(run.clicks)
        chat(app, run)

        assert embedding <= MOST_CLICKS
        assert len(run.clicks) <= embedding + 2
        assert [each.label for each in run.clicks][1::2] == ["Open Embeddings", "Download 383 kB"]
        assert "1. Download" in run.table()
    assert (PICTURES / f"first-run-{len(run.clicks)}.png").is_file()
