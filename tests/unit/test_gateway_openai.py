from __future__ import annotations

import base64
import codecs
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray_app.gateway.events import EventSplitter
from tray_app.gateway.openai import (
    ApiError,
    ChatBody,
    CompletionBody,
    EmbeddingsBody,
    Fields,
    as_base64,
    ascii_json,
    check_abilities,
    decode,
    embedding_texts,
    shorter_length,
    stop_words,
    wanted_dimensions,
)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"messages":[{"role":"user","content":"x"}],"temperature":"0.5"}', "temperature"),
        (b'{"messages":[{"role":"user","content":"x"}],"stop":[1]}', "stop"),
        (b'{"messages":[{"role":"user","content":"x"}],"stream":"true"}', "stream"),
        (b'{"messages":[{"role":"user","content":"x"}],"max_tokens":"4"}', "max_tokens"),
        (b'{"messages":[{"role":"user","content":"x"}],"max_tokens":1.5}', "max_tokens"),
        (b'{"messages":[]}', "messages"),
        (b'{"messages":[{"role":"oracle","content":"x"}]}', "messages"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(body: bytes, param: str) -> None:
    with pytest.raises(ApiError) as refused:
        decode(body, ChatBody)
    assert (refused.value.status, refused.value.param) == (400, param)
    assert "The body is not valid: " in refused.value.message
    assert param in refused.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"input":"\xff"}',
        b'{"input":"\\ud800"}',
        b'{"input":' + b"[" * 10**5,
        b"1e999",
    ],
)
def test_what_is_no_json_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        decode(body, EmbeddingsBody)
    assert refused.value.status == 400
    assert refused.value.message.startswith("The body is not ")


def test_nulls_count_as_absent_and_unknown_fields_are_left_out() -> None:
    body = decode(b'{"prompt":"x","temperature":null,"stop":null,"system_prompt":"y"}', CompletionBody)
    assert body == CompletionBody(prompt="x")


@pytest.mark.parametrize(("value", "texts"), [("a", ["a"]), (["a", "b"], ["a", "b"])])
def test_texts_are_taken_alone_or_in_a_list(value: object, texts: list[str]) -> None:
    assert embedding_texts(value) == texts


@pytest.mark.parametrize("value", [5, 5.5])
def test_a_single_number_is_told_to_be_one(value: object) -> None:
    with pytest.raises(ApiError, match="is a number") as refused:
        embedding_texts(value)
    assert (refused.value.status, refused.value.param) == (400, "input")


@pytest.mark.parametrize(("value", "index"), [(["a", ""], 1), (["a", "b", None], 2), ([True], 0)])
def test_a_text_that_is_none_is_named_by_its_index(value: object, index: int) -> None:
    with pytest.raises(ApiError, match=f"at index {index} is "):
        embedding_texts(value)


@pytest.mark.parametrize(("value", "wanted"), [(None, None), (64, 64), (64.0, 64)])
def test_a_whole_number_of_dimensions_may_be_written_in_any_way(value: object, wanted: object) -> None:
    assert wanted_dimensions(value) == wanted


@pytest.mark.parametrize("value", [0, -1, 64.5, "64", True, [64]])
def test_what_is_no_number_of_dimensions_is_refused(value: object) -> None:
    with pytest.raises(ApiError, match="whole number of at least 1") as refused:
        wanted_dimensions(value)
    assert (refused.value.status, refused.value.param) == (400, "dimensions")


@pytest.mark.parametrize(
    ("stop", "words"), [(None, ()), ("", ()), (["", "a"], ("a",)), ("a", ("a",)), ([""], ())]
)
def test_an_empty_stop_text_is_none(stop: str | list[str] | None, words: tuple[str, ...]) -> None:
    assert stop_words(stop) == words


def test_a_mark_before_the_json_is_left_out() -> None:
    assert decode(codecs.BOM_UTF8 + b'{"input":"x"}', EmbeddingsBody).input == "x"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_unicode_is_named(encoding: str) -> None:
    with pytest.raises(ApiError, match="UTF-8") as refused:
        decode('{"input":"x"}'.encode(encoding), EmbeddingsBody)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "text", [r"a\ud83d", r"a\uD83D b", r"\ude00 a", r"\ud83d\ud83d\ude00", r"a\ud83da\ude00"]
)
def test_half_a_character_is_named(text: str) -> None:
    with pytest.raises(ApiError, match="half of a character") as refused:
        decode(f'{{"input":"{text}"}}'.encode(), Fields)
    assert refused.value.status == 400
    assert decode(rb'{"input":"\ud83d\ude00 \\ud83d"}', EmbeddingsBody).input == "\U0001f600 \\ud83d"


@pytest.mark.parametrize("value", [[1, 2], [[1, 2], [3]], ["a", 1]])
def test_token_numbers_are_refused_with_the_option_that_helps(value: object) -> None:
    with pytest.raises(ApiError, match="check_embedding_ctx_length=False") as refused:
        embedding_texts(value)
    assert (refused.value.status, refused.value.param) == (400, "input")


def test_as_many_texts_are_taken_as_openai_takes() -> None:
    assert len(embedding_texts(["x"] * 2048)) == 2048


@pytest.mark.parametrize("can_be_cut", [False, True])
@pytest.mark.parametrize("wanted", [None, 64])
def test_the_native_number_of_dimensions_may_be_named(wanted: int | None, can_be_cut: bool) -> None:
    assert shorter_length(wanted, 64, can_be_cut=can_be_cut) is None


def test_fewer_dimensions_are_given_by_models_that_were_trained_for_it() -> None:
    assert shorter_length(32, 64, can_be_cut=True) == 32


@pytest.mark.parametrize(
    ("wanted", "can_be_cut", "words"),
    [
        (32, False, r"always have 64 dimensions\. If the model .*shorter_vectors yes"),
        (65, False, r"always have 64 dimensions\.$"),
        (65, True, "have at most 64 dimensions.$"),
    ],
)
def test_any_other_number_of_dimensions_is_refused(wanted: int, can_be_cut: bool, words: str) -> None:
    with pytest.raises(ApiError, match=words) as refused:
        shorter_length(wanted, 64, can_be_cut=can_be_cut)
    assert (refused.value.status, refused.value.param) == (400, "dimensions")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_errors_have_the_types_that_clients_know(status: int, kind: str) -> None:
    error = ApiError(status, "what happened", param="here", code="why", retry_after_s=2)
    fault = {"message": "what happened", "type": kind, "param": "here", "code": "why"}
    assert json.loads(error.body()) == {"error": fault}
    assert error.retry_after_s == 2


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("n", "1", False),
        ("n", "2", True),
        ("n", "null", False),
        ("echo", "false", False),
        ("echo", "true", True),
        ("tools", "[]", False),
        ("tools", "[{}]", True),
        ("response_format", '{"type":"text"}', False),
        ("response_format", '{"type":"json_object"}', True),
        ("modalities", '["text"]', False),
        ("modalities", '["audio"]', True),
        ("seed", "7", False),
    ],
)
def test_what_an_engine_cannot_do_is_refused_if_it_is_asked_for(
    name: str, value: str, *, refused: bool
) -> None:
    fields = decode(f'{{"{name}":{value}}}'.encode(), Fields)
    missing = ("n", "best_of", "echo", "tools", "response_format", "modalities")
    if not refused:
        check_abilities(fields, missing)
        return
    with pytest.raises(ApiError) as error:
        check_abilities(fields, missing)
    assert json.loads(error.value.body()) == {
        "error": {
            "message": f"This engine does not support '{name}'. Leave it out.",
            "type": "invalid_request_error",
            "param": name,
            "code": "unsupported_parameter",
        }
    }
    assert error.value.status == 400


@pytest.mark.parametrize("value", [None, [], "", ["a", ""], {"a": 1}, [None], ["x"] * 2049])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ApiError, match="'input' ") as refused:
        embedding_texts(value)
    assert (refused.value.status, refused.value.param) == (400, "input")


def test_base64_is_little_endian_float32() -> None:
    assert struct.unpack("<3f", base64.b64decode(as_base64([1.0, -0.5, 0.25]))) == (1.0, -0.5, 0.25)


@given(st.text())
def test_escaping_changes_the_bytes_but_not_the_value(text: str) -> None:
    escaped = ascii_json(json.dumps({"text": text}, ensure_ascii=False).encode(errors="surrogatepass"))
    assert escaped.isascii()
    assert json.loads(escaped) == {"text": text}


@given(st.integers(1, 12))
def test_events_are_put_together_whatever_the_pieces(size: int) -> None:
    stream = b': ping\n\ndata: {"a":"\xc3\xa9"}\r\n\r\ndata:{"b":1}\n\ndata: [DONE]\n\n'
    splitter = EventSplitter()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    events = [event for piece in pieces for event in splitter.feed(piece)]
    assert events == [b'{"a":"\xc3\xa9"}', b'{"b":1}', b"[DONE]"]
