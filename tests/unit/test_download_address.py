"""Addresses as people paste them: what is meant, and what is refused in words."""

from __future__ import annotations

import time

import pytest

from tests.fakes.errors import coded
from tray_app.download.address import Repository, address_in, is_address, read_address
from tray_app.download.repository import choose_file
from tray_app.download.source import parse_source
from tray_app.errors import DownloadError, ErrorCode

HF = "https://huggingface.co"
FILE = f"{HF}/o/r/resolve/main/m.gguf"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (f'"{FILE}"', FILE),
        (f"'{FILE}'", FILE),
        (f"<{FILE}>", FILE),
        (f"“{FILE}”", FILE),
        (f"« {FILE} »", FILE),
        (f"`{FILE}`", FILE),
        (f"({FILE})", FILE),
        (f"\r\n\t {FILE}\u00a0\n", FILE),
        (f"\ufeff{FILE}\u200b", FILE),
        (f"{FILE}.", FILE),
        (f"{FILE},", FILE),
        (f"{FILE})!", FILE),
        (f"{FILE}。", FILE),
        (f"[the model]({FILE})", FILE),
        ("https://x.org/m%20(1)", "https://x.org/m%20(1)"),
        ("huggingface.co/o/r/resolve/main/m.gguf", FILE),
        ("HuggingFace.co/o/r/blob/main/m.gguf", "https://HuggingFace.co/o/r/resolve/main/m.gguf"),
        ("www.huggingface.co/o/r/blob/main/m.gguf", "https://www.huggingface.co/o/r/resolve/main/m.gguf"),
        ("https://hf.co/o/r/resolve/main/m.gguf", FILE),
        ("hf.co/o/r/blob/main/m.gguf?download=true", f"{FILE}?download=true"),
        ("hf.co/o/r/m.gguf", FILE),
        ("hf://o/r/m.gguf", FILE),
        (f"{HF}/o/r/raw/main/m.gguf", FILE),
        (f"{HF}/o/r?show_file_info=m.gguf", FILE),
        (f"{HF}/o/r/tree/v1?show_file_info=sub%2Fm.gguf", f"{HF}/o/r/resolve/v1/sub/m.gguf"),
        (
            "github.com/o/r/releases/download/v1/m.gguf",
            "https://github.com/o/r/releases/download/v1/m.gguf",
        ),
        (
            "https://www.modelscope.cn/models/o/r/file/view/master/sub%2Fm.gguf?status=2",
            "https://www.modelscope.cn/models/o/r/resolve/master/sub/m.gguf",
        ),
        (
            "modelscope.cn/models/o/r/resolve/master/m.gguf",
            "https://modelscope.cn/models/o/r/resolve/master/m.gguf",
        ),
        ("civitai.com/api/download/models/7", "https://civitai.com/api/download/models/7"),
    ],
)
def test_what_stands_around_an_address_does_not_matter_nor_which_page_it_is_of(text: str, url: str) -> None:
    assert parse_source(text).url == url
    assert is_address(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("hf.co/o/r:Q4_K_M", Repository(HF, "o/r", "Q4_K_M")),
        ("hf:o/r:q4_k_m", Repository(HF, "o/r", "q4_k_m")),
        ("hf:o/r:Q8_0@dev", Repository(HF, "o/r", "Q8_0", "dev")),
        ("hf.co/o/r:latest", Repository(HF, "o/r")),
        ("huggingface.co/o/r", Repository(HF, "o/r")),
        (f"{HF}/o/r:Q4_0", Repository(HF, "o/r", "Q4_0")),
        (f"{HF}/o/r/tree/main/BF16", Repository(HF, "o/r", folder="BF16")),
        (f" <{HF}/o/r/>.", Repository(HF, "o/r")),
        ("ollama run hf.co/o/r:Q4_K_M", Repository(HF, "o/r", "Q4_K_M")),
        ('$ ollama pull hf.co/o/r:Q4_K_M "hello"', Repository(HF, "o/r", "Q4_K_M")),
    ],
)
def test_a_repository_is_told_from_a_file(text: str, meant: Repository) -> None:
    assert read_address(text) == meant


def test_short_forms_lead_to_the_mirror_and_whole_addresses_where_they_say() -> None:
    mirror = "https://mirror.example"
    assert read_address("hf.co/o/r:Q4_0", mirror) == Repository(mirror, "o/r", "Q4_0")
    assert read_address("hf:o/r", f" {mirror}/ ") == Repository(mirror, "o/r")
    assert parse_source("hf.co/o/r/m.gguf", mirror).url == f"{mirror}/o/r/resolve/main/m.gguf"
    assert read_address(f"{mirror}/o/r", mirror) == Repository(mirror, "o/r")
    assert parse_source("https://huggingface.co/o/r/blob/main/m.gguf", mirror).url == FILE


@pytest.mark.parametrize(
    "text",
    [
        "m.gguf",
        "models/m.gguf",
        "my.folder/m.gguf",
        "C:\\models\\m.gguf",
        "ollama run llama3",
        "hfx:o/r",
        "",
        '""',
        "nothf.co/o/r",
    ],
)
def test_what_is_on_this_computer_is_no_address(text: str) -> None:
    assert not is_address(text)
    assert address_in(text) == ""


@pytest.mark.parametrize("text", ["https://x.org/a\nb.gguf", "https://x.org/\udcff.gguf", "hf:o/r/\0.gguf"])
def test_letters_that_no_address_has_are_refused_in_words(text: str) -> None:
    with pytest.raises(DownloadError, check=coded(ErrorCode.ADDRESS_INVALID)):
        parse_source(text)


PATHS = [
    "README.md",
    "model-Q4_K_M.gguf",
    "model-UD-Q4_K_XL.gguf",
    "model-Q4_K_XL.gguf",
    "model.IQ4_XS.GGUF",
    "BF16/model-BF16-00001-of-00002.gguf",
    "BF16/model-BF16-00002-of-00002.gguf",
    "Q8_0/model-00001-of-00002.gguf",
    "Q8_0/model-00002-of-00002.gguf",
    "mmproj-model-F16.gguf",
    "imatrix_unsloth.gguf",
]


@pytest.mark.parametrize(
    ("tag", "path"),
    [
        ("Q4_K_M", "model-Q4_K_M.gguf"),
        ("q4_k_m", "model-Q4_K_M.gguf"),
        ("q4-k-m", "model-Q4_K_M.gguf"),
        ("Q4_K_XL", "model-Q4_K_XL.gguf"),
        ("UD-Q4_K_XL", "model-UD-Q4_K_XL.gguf"),
        ("iq4_xs", "model.IQ4_XS.GGUF"),
        ("bf16", "BF16/model-BF16-00001-of-00002.gguf"),
        ("Q8_0", "Q8_0/model-00001-of-00002.gguf"),
        ("Model-Q4_K_M.gguf", "model-Q4_K_M.gguf"),
    ],
)
def test_a_quantization_names_one_file_of_a_repository(tag: str, path: str) -> None:
    assert choose_file(Repository(HF, "o/r", tag), PATHS) == path


@pytest.mark.parametrize(
    ("tag", "code"),
    [("Q2_K", ErrorCode.REPOSITORY_LACKS_TAG), ("", ErrorCode.REPOSITORY_TAG_AMBIGUOUS)],
)
def test_where_no_file_or_several_fit_all_are_listed(tag: str, code: ErrorCode) -> None:
    with pytest.raises(DownloadError) as caught:
        choose_file(Repository(HF, "o/r", tag), PATHS)
    assert caught.value.code is code
    assert f"o/r has {'no Q2_K' if tag else 'several'}" in caught.value.title
    assert caught.value.message == "It contains: Q4_K_M, UD-Q4_K_XL, Q4_K_XL, IQ4_XS, BF16, Q8_0."
    assert caught.value.hint == "Choose one of them: hf.co/o/r:Q4_K_M"


def test_files_that_are_no_quantization_apart_are_listed_by_their_names() -> None:
    with pytest.raises(
        DownloadError, check=coded(ErrorCode.REPOSITORY_TAG_AMBIGUOUS), match=r"a-Q4_0\.gguf, b-Q4_0\.gguf"
    ):
        choose_file(Repository(HF, "o/r", "Q4_0"), ["a-Q4_0.gguf", "b-Q4_0.gguf"])


def test_the_only_model_needs_no_quantization_and_none_is_said_to_be_none() -> None:
    assert choose_file(Repository(HF, "o/r"), ["m.gguf", "mmproj.gguf", "README.md"]) == "m.gguf"
    with pytest.raises(DownloadError, check=coded(ErrorCode.REPOSITORY_WITHOUT_MODELS), match="o/r"):
        choose_file(Repository(HF, "o/r"), ["model.safetensors"])


@pytest.mark.parametrize(
    "text",
    [
        "https://a.b/" + "x" * (1 << 20) + ".gguf",
        "https://a.b/x.gguf" + ")" * (1 << 20),
        "[" * (1 << 20) + "](https://a.b/x.gguf)",
        "https://a.b/\udcff.gguf",
        "https://a.b/x\0.gguf",
        "https://a.b/x\n.gguf",
        "hf:a/b/\x1b[31m.gguf",
    ],
    ids=["1 MB", "brackets", "opened", "bytes", "NUL", "line feed", "escape"],
)
def test_an_address_with_odd_letters_or_too_many_is_refused_in_a_few_words(text: str) -> None:
    begun_s = time.process_time()
    is_address(text)
    with pytest.raises(DownloadError, check=coded(ErrorCode.ADDRESS_INVALID)) as caught:
        parse_source(text)
    assert len(str(caught.value)) < 400
    assert time.process_time() - begun_s < 0.5
    str(caught.value).encode()
