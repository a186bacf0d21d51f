"""Names of downloads: from the address, from what servers say, and never what a hostile one would like."""

from __future__ import annotations

import time

import pytest

from tray_app.download.file_names import disposition_name, first_name, last_name, told_name
from tray_app.download.source import parse_source

CIVITAI = "https://civitai.com/api/download/models/1"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="nice-model.gguf"', "nice-model.gguf"),
        ("attachment; filename=nice-model.gguf", "nice-model.gguf"),
        ("attachment;FileName = nice model.gguf ; size=5", "nice model.gguf"),
        ("attachment; filename=\"a.gguf\"; filename*=UTF-8''na%C3%AFve.gguf", "naïve.gguf"),
        ("attachment; filename*=UTF-8''na%C3%AFve.gguf; filename=\"a.gguf\"", "naïve.gguf"),
        ("attachment; filename*=utf-8'en'%E6%97%A5.gguf", "日.gguf"),
        ("attachment; filename*=iso-8859-1''%FCber.gguf", "über.gguf"),
        ("attachment; filename*=\"UTF-8''a%20b.gguf\"", "a b.gguf"),
        ("attachment; filename*=a.gguf", "a.gguf"),
        ("attachment; filename*=klingon''x; filename=a.gguf", "a.gguf"),
        ("attachment; filename*=undefined''x; filename=a.gguf", "a.gguf"),
        ("inline;filename=a.gguf", "a.gguf"),
        ('filename="a.gguf"', "a.gguf"),
        ('attachment; filename="a.gguf', "a.gguf"),
        ("attachment; filename='a.gguf'", "a.gguf"),
        ('attachment; filename="my\\"own\\".gguf"', 'my"own".gguf'),
        ('attachment; filename="a;b=c.gguf"; x=y', "a;b=c.gguf"),
        ('attachment; x="; filename=evil"; filename=good.gguf', "good.gguf"),
        ('attachment; filename="my%20model.gguf"', "my model.gguf"),
        ('attachment; filename="=?UTF-8?B?5pel5pys6KqeLmdndWY=?="', "日本語.gguf"),
        ('attachment; filename="' + "日.gguf".encode().decode("latin-1") + '"', "日.gguf"),
        ('attachment; filename="\xfcber.gguf"', "über.gguf"),
        ('attachment; filename="../../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\models\\a.gguf"', "a.gguf"),
        ("attachment; filename*=UTF-8''..%2F..%2Fa.gguf", "a.gguf"),
        ("attachment", ""),
        ("", ""),
        ("attachment; filename=", ""),
        ('attachment; filename="."', ""),
        ('attachment; filename="/"', ""),
    ],
)
def test_a_content_disposition_is_read_as_browsers_do(header: str, name: str) -> None:
    assert disposition_name(header) == name


def test_a_header_made_to_be_read_slowly_is_not() -> None:
    start_s = time.process_time()
    disposition_name(';a="' * 16_000)
    assert time.process_time() - start_s < 1


@pytest.mark.parametrize(
    ("url", "answers", "name"),
    [
        (CIVITAI, [{}, {"Content-Disposition": 'attachment; filename="nice.gguf"'}], "nice.gguf"),
        (CIVITAI, [{"Content-Disposition": 'attachment; filename="nice.gguf"'}, {}], "nice.gguf"),
        (CIVITAI, [{}], "1.gguf"),
        (CIVITAI, [{"Content-Disposition": "attachment; filename=model.bin"}], "model.bin.gguf"),
        (CIVITAI, [{"Content-Disposition": "attachment; filename=.hidden.gguf"}], "hidden.gguf"),
        (CIVITAI, [{"Content-Disposition": "attachment; filename=.gguf"}], "gguf.gguf"),
        (CIVITAI, [{"Content-Disposition": "attachment; filename=con.gguf"}], "_con.gguf"),
        (CIVITAI, [{"Location": "https://cdn.example/x/real.gguf?sig=1"}, {}], "real.gguf"),
        (CIVITAI, [{"Location": "https://cdn.example/x/1?filename=real.gguf"}, {}], "real.gguf"),
        (
            "https://modelscope.cn/api/v1/models/o/r/repo?Revision=master&FilePath=sub%2Fm.gguf",
            [{"Location": "https://cdn.example/lfs-objects/8f/1234"}, {}],
            "m.gguf",
        ),
        ("https://registry.ollama.ai/v2/library/x/blobs/sha256:0123", [{}], "sha256_0123.gguf"),
        ("https://api.github.com/repos/o/r/releases/assets/99", [{}], "99.gguf"),
        ("https://x.org/get?file=m.gguf", [{}], "m.gguf"),
    ],
)
def test_the_name_comes_from_the_header_the_address_the_query_or_the_redirect(
    url: str, answers: list[dict[str, str]], name: str
) -> None:
    assert not parse_source(url).settled
    assert last_name(url, told_name(url, answers), is_model=True) == name


def test_what_is_no_model_keeps_its_ending() -> None:
    assert last_name("https://x.org/server", None, is_model=False) == "server"


def test_before_anybody_was_asked_two_addresses_never_share_a_name() -> None:
    names = [first_name(f"https://x.org/get?id={number}") for number in (1, 2)]
    assert names[0] != names[1]
    assert first_name("https://x.org/get?id=1") == names[0]
    assert names[0][0].startswith("get-")
    assert names[0][1] is False


def test_a_models_name_in_the_path_is_the_last_word() -> None:
    assert first_name("https://x.org/a/m.gguf?filename=other.gguf") == ("m.gguf", True)
    assert first_name("https://x.org/repo?FilePath=m.gguf") == ("m.gguf", False)
