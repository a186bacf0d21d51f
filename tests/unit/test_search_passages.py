"""Passages: all of a text is in them, each is short, and says where it stands."""

from hypothesis import given
from hypothesis import strategies as st

from tray_app.search.passages import MOST_BYTES, cleaned, passages, passages_of_lines

PIECES = [
    "Word ",
    "a sentence. ",
    "# Title\n",
    "\n",
    "\n\n",
    "- item\n",
    "日本語の文。",
    "x" * 700,
    "é",
    "!",
    "\r\n",
]
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=120).map("".join)


@given(texts, st.booleans())
def test_nothing_is_lost_and_each_is_short(text: str, headings: bool) -> None:
    text = cleaned(text)
    lines = text.split("\n")

    found = list(passages(text, headings=headings))

    for each in found:
        assert len(each.text.encode()) <= MOST_BYTES
        assert 1 <= each.first <= each.last <= len(lines)
        there = _letters("\n".join(lines[each.first - 1 : each.last]))
        assert _letters(each.text) in there
    said = "".join(each.text for each in found)
    assert all(word in said for word in text.split() if word.isalnum() and len(word) < 10)


def _letters(text: str) -> str:
    return "".join(text.split())


def test_a_short_text_stays_whole() -> None:
    (only,) = passages("First.\n\nSecond.\n")

    assert (only.text, only.first, only.last) == ("First.\n\nSecond.", 1, 3)


def test_a_paragraph_that_fits_is_not_cut() -> None:
    one, other = "First sentence. " * 40, "Other sentence. " * 40

    assert [each.text for each in passages(f"{one}\n\n{other}")] == [one.strip(), other.strip()]


def test_a_cut_paragraph_repeats_its_last_short_sentence() -> None:
    sentences = [f"Sentence number {number} tells something of its own." for number in range(60)]

    first, second, *_ = passages(" ".join(sentences))

    assert (
        first.text.rpartition(" Sentence")[2]
        == second.text.removeprefix("Sentence").partition(" Sentence")[0]
    )


def test_a_heading_begins_a_passage_where_there_is_enough_before_it() -> None:
    text = f"# One\n{'Words of the first part. ' * 20}\n## Two\nWords of the second."

    assert [each.text.splitlines()[0] for each in passages(text, headings=True)] == ["# One", "## Two"]
    assert len(list(passages(text))) == 1


def test_lines_are_counted_as_editors_do() -> None:
    text = cleaned("one\r\ntwo\r\rfour\n" + "\n" * 5 + "x" * 999)

    assert [(each.first, each.last) for each in passages(text)] == [(1, 4), (10, 10)]


def test_what_has_no_letters_is_no_passage() -> None:
    assert list(passages(cleaned("-----\n\n * * *\n\x00\ufeff"))) == []


def test_invisible_characters_go_and_words_stay_whole() -> None:
    assert cleaned("\ufeffsoft\xadware\x00is \ud800here") == "software is here"


def test_pasted_lines_are_texts_of_their_own() -> None:
    assert [(each.text, each.first) for each in passages_of_lines(["one", "  ", "three"])] == [
        ("one", 1),
        ("three", 3),
    ]


def test_a_megabyte_in_one_word_is_cut_quickly_and_wholly() -> None:
    found = list(passages("y" * 1_000_000))

    assert sum(len(each.text) for each in found) == 1_000_000
