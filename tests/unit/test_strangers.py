"""What strangers say (servers, engines, models, names of files) is shown and does nothing."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.models import header_bytes
from tests.fakes.strangers import CORPUS, INVISIBLE, harm_in
from tray_app.download.file_names import safe_name
from tray_app.download.network_errors import no_answer
from tray_app.download.refusals import refusal
from tray_app.errors import AppError, ErrorCode
from tray_app.gateway.openai import ApiError
from tray_app.gateway.refusals import read_refusal, remote_error
from tray_app.models.gguf import parse_header
from tray_app.phrases import LINE_LIMIT, json_text, one_line, phrase, presentable, visible
from tray_app.system.logs import AppLog
from tray_app.system.process import ask, read_batches
from tray_app.ui.presenters.snippets import curl_snippet, fourd_snippet, python_snippet

TEXTS = [pytest.param(text, id=name.replace(" ", "-")) for name, text in CORPUS.items()]
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
BEGINS_A_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ |  ")


def test_every_character_that_steers_is_harmful_and_no_letter_is() -> None:
    joiners = "\u200c\u200d"

    def is_harmed(sign: str) -> bool:
        return presentable(f"é{sign}é") != f"é{sign}é"

    for number in range(sys.maxunicode + 1):
        sign = chr(number)
        category = unicodedata.category(sign)
        if (category in STEERING and sign not in joiners) or sign in INVISIBLE:
            assert is_harmed(sign), hex(number)
        elif category[0] in "MNPS" or category == "Zs" or sign in joiners:
            assert not is_harmed(sign) or harm_in(sign) or 0x180B <= number <= 0x180F, hex(number)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_made_harmless_in_each_rendering(text: str) -> None:
    assert harm_in(presentable(text)) == set()
    assert harm_in(visible(text), allowed="\n\t") == set()
    assert harm_in(json_text(text)) == set()
    assert json.loads(json_text(text)) == text
    line = one_line(text)
    assert harm_in(line) == set()
    assert len(line) <= LINE_LIMIT
    assert line == line.strip()


@given(st.text())
def test_any_text_is_made_harmless_and_stays_so(text: str) -> None:
    for shown in (presentable(text), one_line(text), visible(text, kept="")):
        assert harm_in(shown) == set()
        shown.encode()
    assert presentable(presentable(text)) == presentable(text)
    assert visible(visible(text)) == visible(text)


def test_what_does_no_harm_stays_as_it_is() -> None:
    fine = CORPUS["fine"]
    assert presentable(fine) == visible(fine) == fine


@pytest.mark.parametrize("text", TEXTS)
def test_an_error_carries_no_harm_whoever_wrote_its_words(text: str) -> None:
    failure = OSError(5, text, text)
    error = AppError(
        ErrorCode.INTERNAL_ERROR,
        text,
        phrase("{a}: {b}", a=failure, b=Path("x") / text.replace("\0", "")),
        text,
        evidence=(text,),
    )
    for said in (error.title, error.message, error.hint, str(error), *map(str, error.texts), *error.evidence):
        assert harm_in(said, allowed="\n\t") == set()
    assert "\n" not in error.message
    assert "\n" not in error.evidence[0]


@pytest.mark.parametrize("text", TEXTS)
def test_a_server_writes_one_line_of_a_message(text: str) -> None:
    gated = refusal(403, "example.org", {"X-Error-Code": "GatedRepo", "X-Error-Message": text})
    broken = no_answer(requests.ConnectionError(OSError(text)), "example.org")
    other = no_answer(requests.exceptions.InvalidURL(text), "example.org")
    for error in (gated, broken, other):
        assert harm_in(error.message) == set()
        assert len(error.message) < LINE_LIMIT + 40


def test_a_server_that_names_no_reason_is_told_as_before() -> None:
    headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": CORPUS["blank"]}
    assert refusal(403, "example.org", headers).message.endswith("access to the file is restricted")


@pytest.mark.parametrize("text", TEXTS)
def test_an_engines_words_reach_a_client_as_one_line(text: str) -> None:
    said = text.encode("utf-8", "replace").decode()
    told = remote_error(read_refusal(400, {}, json.dumps({"error": {"message": said}}).encode()))
    assert harm_in(told.message) == set()
    assert len(told.message) <= LINE_LIMIT
    assert harm_in(json.loads(ApiError(404, text).body())["error"]["message"], allowed="\n\t") == set()


@pytest.mark.warns("The server said", "It failed for")
@pytest.mark.parametrize("text", TEXTS)
def test_nobody_but_the_app_begins_a_line_of_its_log(text: str, tmp_path: Path) -> None:
    log = AppLog(tmp_path)
    logger = logging.getLogger("tray_app.test")
    logger.warning("The server said %s", text)
    try:
        fail(text)
    except ValueError:
        logger.exception("It failed for %s", text)
    log.close()
    written = (tmp_path / "app.log").read_bytes().decode()
    assert harm_in(written, allowed="\n\t") == set()
    lines = written.split("\n")[:-1]
    assert all(map(BEGINS_A_LINE.match, lines)), lines
    assert len([line for line in lines if not line.startswith("  ")]) == 2
    assert "  Traceback (most recent call last):" in lines
    kept = [line.text for line in log.lines.since(0)]
    assert len(kept) == len(lines)
    assert harm_in("".join(kept), allowed="\t") == set()


@pytest.mark.parametrize("text", TEXTS)
def test_what_an_engine_prints_comes_as_harmless_lines(text: str) -> None:
    printed = text.encode("utf-8", "surrogateescape" if harmless_surrogates(text) else "replace")
    code = f"import sys; sys.stdout.buffer.write({printed!r})"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE) as engine:
        lines = [line for batch in read_batches(engine) for line in batch]
    assert harm_in("".join(lines), allowed="\t") == set()
    told = ask((sys.executable, "-I", "-S", "-c", code), timeout_s=30).text
    assert harm_in(told, allowed="\n\t") == set()


def fail(text: str) -> None:
    raise ValueError(text)


def harmless_surrogates(text: str) -> bool:
    """Whether the halves of characters in a text all stand for bytes."""
    return all(0xDC80 <= ord(sign) <= 0xDCFF for sign in text if unicodedata.category(sign) == "Cs")


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_model_says_of_itself_is_one_line(text: str) -> None:
    said = text.encode("utf-8", "replace").decode()
    header = parse_header(
        header_bytes({"general.architecture": "llama", "general.name": said, "tokenizer.ggml.model": said}),
        "x",
    )
    for shown in (header.name or "", header.tokenizer or ""):
        assert harm_in(shown) == set()
        assert len(shown) <= LINE_LIMIT


@pytest.mark.parametrize("text", TEXTS)
def test_a_downloaded_file_has_a_name_without_harm(text: str) -> None:
    assert harm_in(safe_name(text)) == set()


@pytest.mark.parametrize("text", TEXTS)
def test_an_example_that_is_copied_says_what_it_should_and_runs_nothing_else(text: str) -> None:
    model = text.replace("\0", "")
    for snippet in (curl_snippet("http://x/v1", model), fourd_snippet("http://x/v1", model)):
        assert harm_in(snippet, allowed="\n") == set()
    compile(python_snippet("http://x/v1", model), "snippet", "exec")
    if sys.platform != "win32":
        shell = f'curl() {{ printf %s "$5"; }}; {curl_snippet("http://x/v1", model)}'
        ran = subprocess.run(
            ["/bin/sh", "-c", os.fsencode(shell)], capture_output=True, check=True, timeout=30
        )
        assert ran.stderr == b""
        assert json.loads(ran.stdout)["model"] == model
