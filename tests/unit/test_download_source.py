"""What people type, what servers say, and names that every system takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.errors import coded
from tray_app.download.file_names import NAME_LIMIT_BYTES, safe_name
from tray_app.download.source import (
    DownloadSource,
    RemoteFile,
    answered_span,
    checked_digest,
    describe_file,
    full_size,
    parse_source,
)
from tray_app.errors import DownloadError, ErrorCode

DIGEST = "ab" * 32
SOURCE = DownloadSource("https://example.org/a/m.gguf", "m.gguf")


@pytest.mark.parametrize(
    ("text", "url", "name"),
    [
        ("https://example.org/a/m.gguf", "https://example.org/a/m.gguf", "m.gguf"),
        ("  http://example.org/m.gguf?x=1#top ", "http://example.org/m.gguf?x=1", "m.gguf"),
        (
            "https://example.org/my%20m%C3%B6del.gguf",
            "https://example.org/my%20m%C3%B6del.gguf",
            "my mödel.gguf",
        ),
        (
            "https://huggingface.co/o/r/blob/main/sub/m.gguf?download=true",
            "https://huggingface.co/o/r/resolve/main/sub/m.gguf?download=true",
            "m.gguf",
        ),
        ("http://127.0.0.1:9/o/r/blob/v1/m.gguf", "http://127.0.0.1:9/o/r/resolve/v1/m.gguf", "m.gguf"),
        ("https://github.com/o/r/blob/main/m.gguf", "https://github.com/o/r/raw/main/m.gguf", "m.gguf"),
        ("hf:o/r/m.gguf", "https://huggingface.co/o/r/resolve/main/m.gguf", "m.gguf"),
        (
            "hf:o/r/sub dir/m.gguf@refs/pr/1",
            "https://huggingface.co/o/r/resolve/refs%2Fpr%2F1/sub%20dir/m.gguf",
            "m.gguf",
        ),
    ],
)
def test_a_source_is_the_address_of_the_file_itself(text: str, url: str, name: str) -> None:
    assert parse_source(text) == DownloadSource(url, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m.gguf",
        "ftp://example.org/m.gguf",
        "file:///etc/passwd",
        "https://",
        "https:///m.gguf",
        "https://example.org",
        "https://example.org/folder/",
        "https://example.org:port/m.gguf",
        "https://[::1/m.gguf",
        "hf:",
        "hf:owner/m.gguf",
        "hf:owner/repo/",
        "hf:owner/repo/m.gguf@",
    ],
)
def test_what_is_no_address_of_a_file_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(DownloadError) as caught:
        parse_source(text)
    assert "hf:owner/repository/file.gguf" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("m.gguf", "m.gguf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (".hidden.gguf", "hidden.gguf"),
        ("con .gguf", "_con .gguf"),
        ("a\u202efugg.gguf", "afugg.gguf"),
        ("a\x1b[31m\x9b\n.gguf", "a_[31m__.gguf"),
        ("a\u200b\u2028\ufeff.gguf", "a.gguf"),
        ("می‌خواهم.gguf", "می‌خواهم.gguf"),
        ("a\\b:c*?.gguf", "a_b_c__.gguf"),
        ("con.gguf", "_con.gguf"),
        ("LPT1", "_LPT1"),
        ("m.gguf. . ", "m.gguf"),
        ("..", "model"),
        ("a" * 199 + " b", "a" * 199),  # Windows would not find it under the longer name
        ("." * 300, "model"),
        ("モデル.gguf", "モデル.gguf"),
    ],
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(min_size=1, max_size=400))
def test_a_safe_name_is_one_short_component_and_stays_as_it_is(name: str) -> None:
    safe = safe_name(name.encode(errors="replace").decode())
    assert safe not in {"", ".", ".."}
    assert not set(safe) & set('<>:"/\\|?*\0')
    assert len(safe.encode()) <= NAME_LIMIT_BYTES
    assert safe_name(safe) == safe


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("模" * 300 + ".gguf").endswith("模.gguf")


def test_facts_stand_on_the_redirect_and_the_last_answer_does_not_overrule_them() -> None:
    redirect = {"X-Linked-Size": "7", "X-Linked-ETag": f'"{DIGEST}"', "X-Repo-Commit": "c0ffee"}
    remote = describe_file(SOURCE, [redirect, {"Content-Length": "7", "ETag": '"cdn"'}])
    assert remote == RemoteFile(SOURCE, 7, DIGEST, "c0ffee", DIGEST)


def test_a_small_file_without_lfs_has_no_digest() -> None:
    remote = describe_file(SOURCE, [{"X-Linked-ETag": 'W/"0123"'}, {"Content-Length": "7"}])
    assert (remote.sha256, remote.validator) == (None, "0123")


def test_a_plain_server_vouches_by_etag_or_by_time() -> None:
    assert describe_file(SOURCE, [{"ETag": '"e"', "Last-Modified": "Mon"}]).validator == '"e"'
    assert describe_file(SOURCE, [{"Last-Modified": "Mon"}]).validator == "Mon"


def test_the_size_of_a_partial_answer_is_that_of_the_whole_file() -> None:
    remote = describe_file(SOURCE, [{"Content-Range": "bytes 5-9/10", "Content-Length": "5"}])
    assert remote.size_bytes == 10


@pytest.mark.parametrize("text", ["", "bytes 5-9", "bytes */10", "5-9/10", "bytes -5-9/10"])
def test_an_unclear_content_range_gives_no_offset(text: str) -> None:
    assert answered_span({"Content-Range": text}) is None


def remote(
    *, url: str = SOURCE.url, size: int = 10, sha: str = "", revision: str = "", validator: str = ""
) -> RemoteFile:
    return RemoteFile(DownloadSource(url, "m.gguf"), size, sha or None, revision or None, validator or None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (remote(sha="a", revision="1"), remote(sha="a", revision="2", url="http://mirror/m.gguf"), True),
        (remote(sha="a", validator="e"), remote(sha="b", validator="e"), False),
        (remote(validator="e"), remote(validator="e"), True),
        (remote(validator="e"), remote(validator="f"), False),
        (remote(validator="e", revision="1"), remote(validator="e", revision="2"), False),
        (remote(validator="e"), remote(validator="e", size=11), False),
        (remote(validator="e"), remote(validator="e", url="http://other/m.gguf"), False),
        (remote(), remote(), False),
        (remote(validator="e"), remote(revision="1"), False),
    ],
)
def test_two_descriptions_are_the_same_file_only_with_evidence(
    one: RemoteFile, other: RemoteFile, *, same: bool
) -> None:
    assert one.is_same_as(other) is same
    assert other.is_same_as(one) is same


def test_a_digest_is_taken_in_any_case_and_nothing_else() -> None:
    assert checked_digest(f" {DIGEST.upper()}\n") == DIGEST
    with pytest.raises(DownloadError, check=coded(ErrorCode.CHECKSUM_INVALID)):
        checked_digest("abc")


BAD_NUMBERS = ["9" * 20, "9" * 5000, "-5", "+5", "5 5", "0x10", "1_0", "\uff15", "5, 5", "5.0", "²"]


@pytest.mark.parametrize("header", ["Content-Length", "X-Linked-Size"])
@pytest.mark.parametrize("number", BAD_NUMBERS, ids=lambda text: text[:6])
def test_a_size_that_is_no_number_is_told(header: str, number: str) -> None:
    with pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_SIZE_UNCLEAR)) as caught:
        describe_file(SOURCE, [{header: number}])
    assert header in caught.value.message
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("number", BAD_NUMBERS, ids=lambda text: text[:6])
@pytest.mark.parametrize("form", ["bytes {}-9/10", "bytes 0-{}/10", "bytes 0-9/{}"])
def test_a_content_range_of_odd_numbers_gives_neither_offset_nor_size(form: str, number: str) -> None:
    headers = {"Content-Range": form.format(number)}
    assert (answered_span(headers), full_size(headers)) == (None, None)


def test_the_largest_numbers_and_blanks_around_them_are_understood() -> None:
    assert describe_file(SOURCE, [{"Content-Length": " 9223372036854775807 "}]).size_bytes == 2**63 - 1
