"""What bodies ask for, read without a copy of what is large."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.asked import asked_embeddings
from tray_app.gateway.bodies import address_within, letters_in, letters_of, without_nulls
from tray_app.gateway.openai import embedding_texts, named_model, raw_texts
from tray_app.gateway.raw_json import Fields, decode
from tray_app.gateway.upstream import Upstream

TINY = Upstream("http://127.0.0.1:9", speaks_openai=True, model_id="t", model_name="T", context_size=64)
MOST = 64 * 32


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def fields(**values: object) -> Fields:
    return decode(body(**values), Fields)


@given(st.text(), st.booleans())
def test_letters_are_counted_as_python_does(text: str, escaped: bool) -> None:
    raw = Raw(json.dumps(text, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))
    beyond = sum(letter > "\uffff" for letter in text) if escaped else 0  # written as two halves
    assert letters_in(raw) == len(text) + beyond


def test_pictures_are_no_letters() -> None:
    parts = [
        {"type": "text", "text": "four" * 1000},
        {"type": "image_url", "image_url": {"url": "data:," + "A" * 9999}},
    ]
    fields = decode(body(messages=[{"role": "user", "content": parts}]), dict[str, Raw])
    assert letters_of(fields, ("messages",), 100) == 4000 + len("usertextimage_url")
    assert letters_of(fields, ("messages",), 100_000) == 0


@pytest.mark.parametrize(
    "value", [None, 7, [], [""], "", ["x", 1], [[1, 2]], [None], {"a": 1}, ["x"] * 2049, [True]]
)
def test_what_is_no_text_is_refused_as_ever(value: object) -> None:
    with pytest.raises(ApiError) as by_value:
        embedding_texts(value)
    with pytest.raises(ApiError) as in_json:
        raw_texts(Raw(json.dumps(value).encode()))
    assert str(in_json.value) == str(by_value.value)


@pytest.mark.parametrize("value", ["x", ["x"], ["a", "é", "😀"], ' "', ["\\"]])
def test_texts_stay_as_they_are(value: object) -> None:
    data = json.dumps({"input": value}, indent=2, ensure_ascii=False).encode()
    texts = raw_texts(decode(data, dict[str, Raw])["input"])
    assert [msgspec.json.decode(text) for text in texts] == embedding_texts(value)


def test_a_long_text_is_cut_where_that_is_asked_for_and_refused_where_not() -> None:
    texts = ["fits", "é" * (MOST + 1)]
    asked = asked_embeddings(fields(input=texts, truncate=True), TINY)
    assert [msgspec.json.decode(text) for text in asked.texts] == ["fits", "é" * MOST]
    assert msgspec.json.decode(asked.fields["input"]) == ["fits", "é" * MOST]
    with pytest.raises(ApiError, match="index 1 of 'input' has 2049 characters"):
        asked_embeddings(fields(input=texts), TINY)
    assert len(asked_embeddings(fields(input=["é" * MOST]), TINY).texts) == 1  # which is more bytes


def test_a_models_name_may_not_be_a_book() -> None:
    with pytest.raises(ApiError, match="'model' is longer than"):
        named_model(fields(model="x" * 1001))


@pytest.mark.parametrize("value", [None, "", 7, ["tiny"], {"id": "tiny"}])
def test_what_is_no_name_names_no_model(value: object) -> None:
    assert named_model(fields(model=value)) == named_model({}) == ""


def test_half_a_character_in_a_list_is_found_here() -> None:
    with pytest.raises(ApiError, match="half of a character"):
        asked_embeddings(decode(b'{"input":["fits","x\\ud83d"]}', Fields), TINY)


@pytest.mark.parametrize(
    "data", [b'{"input":"\xff"}', b'{"x":"' + b"a" * 70_000 + b"\xc3" + b'"}', b'{"a":"\xed\xa0\x80"}']
)
def test_what_is_not_utf8_is_refused_wherever_it_stands(data: bytes) -> None:
    with pytest.raises(ApiError, match="not encoded in UTF-8"):
        decode(data, dict[str, Raw])


def test_a_letter_may_lie_across_pieces() -> None:
    text = "a" * (64 * 1024 - len('{"x":"') - 1) + "😀é"
    assert msgspec.json.decode(decode(body(x=text), dict[str, Raw])["x"]) == text
    data = json.dumps({"x": text}, ensure_ascii=False).encode()
    assert msgspec.json.decode(decode(data, dict[str, Raw])["x"]) == text


def test_a_null_in_a_picture_is_no_null() -> None:
    picture = Raw(b'[{"content":[{"image_url":{"url":"AAnullAA"}}]}]')
    fields = without_nulls({"messages": picture, "tools": Raw(b'[{"a":\n null,"b":1}]')})
    assert fields["messages"] is picture
    assert msgspec.json.decode(fields["tools"]) == [{"b": 1}]


_HIDDEN = "\\u0068\\u0074\\u0074\\u0070\\u003a\\u002f\\u002fa/b"


@pytest.mark.parametrize(
    ("part", "is_one"),
    [
        ('{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}', False),
        ('{"type":"image_url","image_url":{"url":"iVBO","detail":"low"}}', False),
        ('{"type":"image_url","image_url":{"url":"iVBO\\/\\/"}}', False),
        ('{"type":"text","text":"http://a/b"}', False),
        ('{"type":"text","image_url":5}', False),
        ('{"type":"image_url","image_url":{"url":"http://a/b"}}', True),
        ('{"type":"image_url","image_url":"http://a/b"}', True),
        (f'{{"type":"image_url","image_url":{{"url":"{_HIDDEN}"}}}}', True),
        ('{"type":"image\\u005furl","image\\u005furl":{"url":"http://a/b"}}', True),
        ('{"type":"image_url","image_url":{"url":"data:,","url":"http://a/b"}}', True),
        ('{"type":"image_url","image_url":{"url":"DATA:http://a"}}', True),
        ('{"type":"input_video","input_video":{"data":"file:///a"}}', True),
    ],
)
def test_the_address_of_a_picture_is_found_however_it_is_written(part: str, is_one: bool) -> None:
    messages = Raw(f'[5, {{"role":"user","content":"x"}}, {{"content":[7, {part}]}}]'.encode())
    assert address_within(messages) == ("messages[2].content[1]" if is_one else None)


@pytest.mark.parametrize("messages", [b"null", b"5", b'"x"', b"[[]]", b'{"a":1}', b'[{"content":{"a":1}}]'])
def test_what_are_no_messages_have_no_address(messages: bytes) -> None:
    assert address_within(Raw(messages)) is None
