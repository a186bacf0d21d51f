"""The header reader: what it understands, and what it says of files that are no whole model."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from tests.fakes.models import (
    HTML_PAGE,
    LFS_POINTER,
    Tensor,
    header_bytes,
    model_bytes,
    write_model,
    write_truncated_model,
)
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.gguf import (
    FIRST_READ_BYTES,
    MAX_HEADER_BYTES,
    MAX_KEPT_NUMBERS,
    NeedMoreBytesError,
    parse_header,
    read_header,
)
from tray_app.models.header import GgufFileType, Heads, Pooling

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.models import Value

LLAMA = {"general.architecture": "llama"}


def error_of(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read_header(path)
    assert caught.value.hint
    return caught.value


def error_of_bytes(folder: Path, content: bytes) -> ModelError:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return error_of(path)


def test_a_dense_model_tells_what_it_is(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "tiny.gguf"))

    assert not header.sparse
    assert header.architecture == "llama"
    assert (header.context_length, header.embedding_length, header.block_count) == (512, 32, 1)
    assert (header.quantization, header.chat_template) == ("F16", None)
    assert header.implied_size_bytes == (tmp_path / "tiny.gguf").stat().st_size


def test_the_magic_of_powerinfer_means_sparse(tmp_path: Path) -> None:
    assert read_header(write_model(tmp_path / "tiny.gguf", sparse=True)).sparse


def test_version_2_is_read_like_version_3() -> None:
    assert parse_header(header_bytes(LLAMA, version=2), "x") == parse_header(header_bytes(LLAMA), "x")


def test_a_chat_template_is_kept_as_it_is() -> None:
    template = "{% for m in messages %}\n{{ m.content }}\n{% endfor %}"
    data = header_bytes({**LLAMA, "tokenizer.chat_template": template})

    assert parse_header(data, "x").chat_template == template


def test_a_label_cannot_send_control_characters_to_a_terminal() -> None:
    data = header_bytes({**LLAMA, "tokenizer.ggml.model": "A\x1b[2J\nB"})

    assert parse_header(data, "x").tokenizer == "A[2JB"


@pytest.mark.parametrize("value", ["2048", 2048.0, True, [2048]])
def test_a_size_of_the_wrong_type_counts_as_not_told(value: str | float | list[int]) -> None:
    assert parse_header(header_bytes({**LLAMA, "llama.context_length": value}), "x").context_length is None


@pytest.mark.parametrize(
    ("file_type", "expected"), [(2, "Q4_0"), (15, "Q4_K_M"), (15 | 1024, "Q4_K_M"), (999, "Q8_0")]
)
def test_quantization_is_the_mix_that_is_told_or_the_type_of_most_weights(
    file_type: int, expected: str
) -> None:
    tensors = [Tensor("norm", (32,), 0, 128), Tensor("weights", (32, 100), 8, 3400)]
    data = header_bytes({**LLAMA, "general.file_type": file_type}, tensors)

    assert parse_header(data, "x").quantization == expected


def test_weights_of_a_type_from_the_future_do_not_hinder() -> None:
    header = parse_header(header_bytes(LLAMA, [Tensor(type_number=77)]), "x")

    assert header.quantization == "type 77"


HEADS: dict[str, Value] = {
    **LLAMA,
    "llama.embedding_length": 4096,
    "llama.block_count": 3,
    "llama.attention.head_count": 32,
    "llama.feed_forward_length": 14336,
}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, Heads(32, 96, 128, 128)),
        ({"llama.attention.head_count_kv": 8}, Heads(32, 24, 128, 128)),
        ({"llama.attention.head_count_kv": [8, 0, 4]}, Heads(32, 12, 128, 128)),
        ({"llama.attention.head_count": [16, 32, 8]}, Heads(32, 96, 128, 128)),
        (
            {"llama.attention.key_length": 256, "llama.attention.value_length": 64},
            Heads(32, 96, 256, 64),
        ),
        ({"llama.attention.head_count": 0}, None),
        ({"llama.attention.head_count": -1}, None),
        ({"llama.attention.head_count": "many"}, None),
        ({"llama.block_count": "three"}, None),
    ],
)
def test_attention_is_what_is_told_or_follows_from_it(told: dict[str, Value], expected: Heads | None) -> None:
    assert parse_header(header_bytes({**HEADS, **told}), "x").heads == expected


def test_parameters_are_the_numbers_in_all_tensors() -> None:
    data = header_bytes(LLAMA, [Tensor("a", (32, 4)), Tensor("b", (32,), 0, 128)])

    assert parse_header(data, "x").parameters == 32 * 4 + 32


def test_tokenizer_vocabulary_and_experts_are_told() -> None:
    told: dict[str, Value] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": ["a", "b", "c"],
        "llama.expert_count": 8,
        "llama.expert_used_count": 2,
        "llama.feed_forward_length": [64, 512, 64],
    }
    header = parse_header(header_bytes({**LLAMA, **told}), "x")

    assert (header.tokenizer, header.vocabulary_size) == ("gpt2", 3)
    assert (header.expert_count, header.experts_used, header.feed_forward_length) == (8, 2, 512)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, GgufFileType.MODEL),
        ({"general.type": "model"}, GgufFileType.MODEL),
        ({"general.type": "adapter"}, GgufFileType.ADAPTER),
        ({"general.type": "mmproj"}, GgufFileType.PROJECTOR),
        ({"general.type": "imatrix"}, GgufFileType.OTHER),
        ({"general.architecture": "clip"}, GgufFileType.PROJECTOR),
        ({"general.architecture": "controlvector"}, GgufFileType.ADAPTER),
    ],
)
def test_what_a_file_is_for_is_told_or_known_by_its_architecture(
    told: dict[str, str], expected: GgufFileType
) -> None:
    assert parse_header(header_bytes({**LLAMA, **told}), "x").role is expected


def test_an_array_of_numbers_beyond_the_limit_is_not_kept() -> None:
    told = {"llama.feed_forward_length": [7] * (MAX_KEPT_NUMBERS + 1)}

    assert parse_header(header_bytes({**LLAMA, **told}), "x").feed_forward_length is None


def test_the_implied_size_follows_the_alignment() -> None:
    data = header_bytes({**LLAMA, "general.alignment": 4096}, [Tensor(), Tensor("b")], alignment=4096)

    assert parse_header(data, "x").implied_size_bytes == len(data) + 4096 + 256


def test_a_vocabulary_larger_than_the_first_read_is_stepped_over(tmp_path: Path) -> None:
    tokens = [f"token {number}" for number in range(60_000)]
    data = header_bytes({"tokenizer.ggml.tokens": tokens, **LLAMA})
    assert len(data) > 2 * FIRST_READ_BYTES
    path = tmp_path / "large.gguf"
    path.write_bytes(data)

    assert read_header(path).architecture == "llama"


def test_every_cut_inside_the_header_asks_for_more_but_never_for_more_than_there_is() -> None:
    whole = header_bytes({**LLAMA, "tokenizer.ggml.tokens": ["a", "b"], "x.ids": [1, 2]}, [Tensor()])
    for length in range(4, len(whole) - 31):
        with pytest.raises(NeedMoreBytesError) as caught:
            parse_header(whole[:length], "x")
        assert length < caught.value.size_bytes <= len(whole)


def test_a_missing_file_is_named_with_its_path(tmp_path: Path) -> None:
    error = error_of(tmp_path / "gone.gguf")

    assert error.code is ErrorCode.MODEL_FILE_MISSING
    assert "gone.gguf" in error.title
    assert str(tmp_path) in error.message


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    assert error_of(tmp_path).code is ErrorCode.MODEL_IS_FOLDER


def test_nothing_is_at_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    assert error_of(tmp_path / "a\0b.gguf").code is ErrorCode.MODEL_FILE_MISSING


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in the file system are a Unix thing")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")

    assert "not a regular file" in error_of(tmp_path / "pipe.gguf").message


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"", "The file is empty", "Download it again"),
        (HTML_PAGE, "HTML page", "/resolve/"),
        (b"\xef\xbb\xbf\n " + HTML_PAGE.upper(), "HTML page", "/resolve/"),
        (LFS_POINTER, "Git LFS pointer", "git lfs pull"),
        (b"PK\x03\x04....", r"b'PK\x03\x04'", "GGUF"),
        (b"GG", "b'GG'", "GGUF"),
    ],
)
def test_what_is_no_model_is_called_by_its_name(
    tmp_path: Path, content: bytes, message: str, hint: str
) -> None:
    error = error_of_bytes(tmp_path, content)

    assert error.code is ErrorCode.NOT_A_MODEL
    assert message in error.message
    assert hint in error.hint


def test_a_file_without_its_end_is_incomplete_and_says_how_much_is_missing(tmp_path: Path) -> None:
    path = write_truncated_model(tmp_path / "half.gguf", sparse=True)
    whole, half = len(model_bytes(sparse=True)), path.stat().st_size

    error = error_of(path)

    assert error.code is ErrorCode.MODEL_FILE_INCOMPLETE
    assert error.message == f"It has {half:,} of {whole:,} bytes, so {whole - half:,} are missing."


def test_a_file_that_lacks_a_single_byte_is_incomplete(tmp_path: Path) -> None:
    assert error_of_bytes(tmp_path, model_bytes()[:-1]).code is ErrorCode.MODEL_FILE_INCOMPLETE


def test_a_file_cut_within_its_header_is_incomplete(tmp_path: Path) -> None:
    error = error_of_bytes(tmp_path, model_bytes()[:100])

    assert error.code is ErrorCode.MODEL_FILE_INCOMPLETE
    assert "ends after 100 bytes" in error.message


@pytest.mark.parametrize(
    ("version", "code", "word"),
    [
        (1, ErrorCode.MODEL_FORMAT_UNSUPPORTED, "old"),
        (0x7FFF, ErrorCode.MODEL_FORMAT_UNSUPPORTED, "new"),
        (4, ErrorCode.MODEL_FORMAT_UNSUPPORTED, "new"),
        (0x03000000, ErrorCode.MODEL_BYTE_ORDER_UNSUPPORTED, ""),
    ],
)
def test_other_versions_are_refused_with_a_way_out(
    tmp_path: Path, version: int, code: ErrorCode, word: str
) -> None:
    error = error_of_bytes(tmp_path, header_bytes(LLAMA, version=version))

    assert error.code is code
    assert word in error.title


HUGE = 1 << 62
ONE_ENTRY = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"GGUF" + struct.pack("<IQQ", 3, HUGE, 0), id="tensors"),
        pytest.param(b"GGUF" + struct.pack("<IQQ", 3, 0, HUGE), id="entries"),
        pytest.param(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, HUGE), id="length of a key"),
        pytest.param(ONE_ENTRY + struct.pack("<IQ", 8, HUGE), id="length of a text"),
        pytest.param(ONE_ENTRY + struct.pack("<IIQ", 9, 8, HUGE), id="texts in an array"),
        pytest.param(ONE_ENTRY + struct.pack("<IIQ", 9, 12, HUGE), id="numbers in an array"),
        pytest.param(ONE_ENTRY + struct.pack("<IIQQ", 9, 8, 1, HUGE), id="length of a text in an array"),
        pytest.param(ONE_ENTRY + struct.pack("<IIQ", 9, 9, 1), id="array of arrays"),
        pytest.param(ONE_ENTRY + struct.pack("<I", 99), id="type of an entry"),
        pytest.param(header_bytes({"general.name": "x"}), id="no architecture"),
        pytest.param(header_bytes({"general.architecture": 1}), id="architecture that is no text"),
        pytest.param(header_bytes({**LLAMA, "general.alignment": 0}, [Tensor()]), id="alignment"),
        pytest.param(header_bytes(LLAMA, [Tensor(shape=(1,) * 5)]), id="dimensions"),
    ],
)
def test_impossible_headers_are_called_damaged(tmp_path: Path, content: bytes) -> None:
    assert error_of_bytes(tmp_path, content).code is ErrorCode.MODEL_FILE_DAMAGED


def test_a_header_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with path.open("wb") as file:
        file.write(ONE_ENTRY + struct.pack("<IIQ", 9, 0, MAX_HEADER_BYTES))
        file.truncate(2 * MAX_HEADER_BYTES)  # a sparse file: no disk is used

    assert error_of(path).code is ErrorCode.MODEL_FILE_DAMAGED


def test_weights_of_astronomic_size_are_merely_missing(tmp_path: Path) -> None:
    content = header_bytes(LLAMA, [Tensor(shape=((1 << 64) - 1,) * 4, type_number=2)])

    assert "are missing" in error_of_bytes(tmp_path, content).message


@pytest.mark.parametrize("number", range(5))
def test_pooling_and_direction_are_those_of_the_file(number: int) -> None:
    facts: dict[str, Value] = {**LLAMA, "llama.pooling_type": number, "llama.attention.causal": False}
    header = parse_header(header_bytes(facts), "x")

    assert header.pooling is list(Pooling)[number]
    assert header.causal is False
    assert header.needs_whole_text
