from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tray_app.ui.presenters.chat_blocks import blocks_of

if TYPE_CHECKING:
    from tray_app.ui.presenters.chat_blocks import Block

LETTERS = st.sampled_from(
    ["a", " ", "\n", "\n\n", "```", "~~~", "python", "- ", "   ", "1. ", "#", "|", "é", "\t"]
)
MARKDOWN = st.lists(LETTERS, max_size=60).map("".join)


def shown(markdown: str) -> list[tuple[str, str]]:
    """Text and language of each piece of code, `-` for other text."""
    return [(each.text, each.language if each.is_code else "-") for each in blocks_of(markdown)]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("", []),
        ("Hello **you**", [("Hello **you**", "-")]),
        ("a\n```python\nx = 1\n```\nb", [("a\n", "-"), ("x = 1", "python"), ("b", "-")]),
        ("```\nnot yet closed", [("not yet closed", "")]),
        ("~~~js\n```\n~~~", [("```", "js")]),
        ("````\n```\n````", [("```", "")]),
        ("```c++ title=x\n1\n```", [("1", "c++")]),
        ("`a` ``b``", [("`a` ``b``", "-")]),
        ("a\n```\r\nx\r\n```\r\nb", [("a\n", "-"), ("x", ""), ("b", "-")]),
        (
            "1. Do:\n   ```sh\n   ls\n     -l\n   ```\n   and\n2. then",
            [("1. Do:\n", "-"), ("ls\n  -l", "sh"), ("and\n2. then", "-")],
        ),
    ],
)
def test_code_is_taken_out_of_the_text(markdown: str, expected: list[tuple[str, str]]) -> None:
    assert shown(markdown) == expected


@example("1. a\n   ```sh\n   x\n   ```\n   b\n   c\n\n   ```\n   y\n   ```\n   d\n   e", 1)
@example("a\n\n" * 1000 + "~~~`\n```x`y\nb", 97)
@example("\n~~~```", 4)
@given(MARKDOWN, st.integers(1, 7))
@settings(deadline=None)
def test_what_grows_piece_by_piece_is_cut_as_what_is_there_at_once(markdown: str, step: int) -> None:
    prefixes = [markdown[:end] for end in range(0, len(markdown) + step, step)]
    nothing: tuple[Block, ...] = ()

    assert reduce(lambda before, prefix: blocks_of(prefix, before), prefixes, nothing) == blocks_of(markdown)


@pytest.mark.parametrize(
    "line", ["word word\n\n", "- item of a list\n", "a " * 40, "x" * 50, "> quoted\n", "日本語の文。"]
)
def test_a_long_text_is_cut_so_that_its_last_piece_stays_small(line: str) -> None:
    markdown = line * (60_000 // len(line))
    blocks = blocks_of(markdown)

    assert max(len(each.text) for each in blocks) <= 8000 + len(line)
    assert "".join(each.text for each in blocks) == markdown
    grown: tuple[Block, ...] = ()
    for end in range(500, len(markdown) + 500, 500):
        grown = blocks_of(markdown[:end], grown)
    assert grown == blocks


def test_a_list_is_not_cut_where_it_would_look_like_two() -> None:
    markdown = "Text.\n\n" * 300 + "- one\n\n- two\n\n" * 5 + "1. one\n\n" + "End."
    starts = [each.text.lstrip()[:2] for each in blocks_of(markdown)]

    assert set(starts) <= {"Te", "En"}


def test_long_code_is_shown_in_pieces_and_copied_whole() -> None:
    lines = [f"line {number}" for number in range(1000)]
    blocks = blocks_of("```\n" + "\n".join(lines) + "\n```\nEnd")
    code = [each for each in blocks if each.is_code]

    assert len(code) == 5
    assert [each.goes_on for each in code] == [False, True, True, True, True]
    assert "\n".join(each.text for each in code) == code[0].whole == "\n".join(lines)
    assert blocks[-1].text == "End"


def test_a_line_of_code_without_end_is_shown_in_pieces_and_copied_whole() -> None:
    line = "x = 1;" * 20_000
    blocks = blocks_of(f"```{'p' * 5000}\n{line}\n\nb\n```")

    assert max(len(each.text) for each in blocks) <= 20_010
    assert blocks[0].whole == f"{line}\n\nb"
    assert len(blocks[0].language) < 100
