from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tray_app.gateway.powerinfer.stops import StopScanner


def scan(words: list[str], pieces: list[str]) -> tuple[str, bool]:
    scanner = StopScanner(words)
    given_out = ""
    for piece in pieces:
        given_out += scanner.feed(piece)
        if scanner.stopped:
            break
    return given_out + scanner.flush(), scanner.stopped


def test_text_without_a_stop_word_comes_through_whole() -> None:
    assert scan(["USER:"], ["Hello", " there"]) == ("Hello there", False)


def test_text_ends_before_a_stop_word_that_comes_in_pieces() -> None:
    assert scan(["USER:"], ["Hello\nUS", "E", "R: and"]) == ("Hello\n", True)


def test_the_first_of_several_stop_words_counts() -> None:
    assert scan(["late", "soon"], ["not soon, later"]) == ("not ", True)


def test_a_word_within_another_ends_the_text_when_it_is_complete() -> None:
    assert scan(["abc", "b"], ["abc"]) == scan(["abc", "b"], ["a", "b", "c"]) == ("a", True)


def test_what_may_still_become_a_stop_word_is_held_back() -> None:
    scanner = StopScanner(["</s>"])
    assert scanner.feed("done</") == "done"
    assert scanner.feed("p>") == "</p>"


def test_what_is_held_back_at_the_end_is_not_lost() -> None:
    assert scan(["</s>"], ["done</"]) == ("done</", False)


def test_an_empty_stop_word_means_nothing() -> None:
    assert scan([""], ["Hello"]) == ("Hello", False)


@settings(max_examples=300)
@given(st.lists(st.text("ab", max_size=3), max_size=3), st.lists(st.text("ab", max_size=4), max_size=6))
def test_pieces_give_what_the_whole_text_gives(words: list[str], pieces: list[str]) -> None:
    text = "".join(pieces)
    found = [(text.find(word) + len(word), text.find(word)) for word in words if word and word in text]
    assert scan(words, pieces) == ((text[: min(found)[1]], True) if found else (text, False))
