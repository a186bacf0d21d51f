"""What Hugging Face's API tells, and what is taken of it: a server answers as it is documented to."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.errors import coded
from tests.fakes.hub import FakeHub, HubAnswer
from tests.fakes.models import model_bytes
from tray_app.download.address import Repository
from tray_app.download.faults import TransientError
from tray_app.download.session import Session
from tray_app.errors import DownloadError, ErrorCode
from tray_app.models.hub import PAGE_SIZE, HubModel, Sort, files, search
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.models.hub import HubFiles, SearchPage

CONTENT = model_bytes()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


def found(hub: FakeHub, words: str = "", **more: Any) -> SearchPage:
    with Session() as session:
        return search(session, hub.base_url, words, **more)


def listed(hub: FakeHub, name: str = "o/r", key: str | None = None, **more: str) -> HubFiles:
    with Session(lambda address: key if address.startswith(hub.base_url) else None) as session:
        return files(session, Repository(hub.base_url, name, **more))


def paths(listing: HubFiles) -> list[list[str]]:
    return [[file.path for file in each.files] for each in listing.quantizations]


# Search


def test_a_search_tells_what_people_choose_by(hub: FakeHub) -> None:
    hub.add(
        "Qwen/Qwen3-Embedding-0.6B-GGUF",
        {"Qwen3-Embedding-0.6B-Q8_0.gguf": 639_150_592},
        downloads=123_456,
        likes=789,
        lastModified="2025-06-19T10:52:03.000Z",
        pipeline_tag="feature-extraction",
        cardData={"license": "apache-2.0", "language": ["en", "fr", "ja"]},
        gguf={"total": 595_776_512, "architecture": "qwen3", "context_length": 32_768, "chat_template": "…"},
    )
    hub.add("Qwen/Qwen3-Embedding-0.6B", {"model.safetensors": 1_191_586_416})

    assert found(hub, "embedding qwen3").repositories == (
        HubModel(
            "Qwen/Qwen3-Embedding-0.6B-GGUF",
            downloads=123_456,
            likes=789,
            modified="2025-06-19",
            license="apache-2.0",
            languages=("en", "fr", "ja"),
            task="feature-extraction",
            architecture="qwen3",
            parameters=595_776_512,
            context_length=32_768,
        ),
    )
    asked = hub.requests[-1].query
    assert (asked["search"], asked["filter"], asked["sort"]) == ("embedding qwen3", "gguf", "downloads")


def test_a_search_goes_on_page_by_page_in_its_order(hub: FakeHub) -> None:
    for number in range(2 * PAGE_SIZE + 1):
        hub.add(f"o/model-{number}", {"m.gguf": 1}, downloads=number, likes=100 - number)

    pages = [found(hub, "model", sort=Sort.LIKES)]
    while pages[-1].next:
        pages.append(found(hub, page=pages[-1].next))

    assert [len(page.repositories) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 1]
    names = [each.repository for page in pages for each in page.repositories]
    assert names == [f"o/model-{number}" for number in range(2 * PAGE_SIZE + 1)]


def test_a_mirror_that_passes_on_links_to_hugging_face_is_asked_itself(hub: FakeHub) -> None:
    hub.links_lead_to = "https://huggingface.co"
    for number in range(PAGE_SIZE + 1):
        hub.add(f"o/model-{number:02}", {"m.gguf": 1})
    hub.add("o/r", {f"{number:04}.bin": 1 for number in range(1500)} | {"m.gguf": 1})

    following = found(hub, page=found(hub, "model").next)

    assert [each.repository for each in following.repositories] == [f"o/model-{PAGE_SIZE}"]
    assert paths(listed(hub)) == [["m.gguf"]]


def test_nothing_found_is_an_empty_page(hub: FakeHub) -> None:
    assert found(hub, "there is none") == found(hub, "there is none", sort=Sort.NEWEST)
    assert found(hub, "there is none").repositories == ()


def test_what_strangers_write_is_short_and_harmless(hub: FakeHub) -> None:
    hub.add(
        "o/r",
        {"m.gguf": 1},
        downloads=-1,
        likes=1 << 70,
        lastModified="<script>",
        pipeline_tag=["\x1b[31mred"],
        cardData={"license": "x" * 10_000, "language": ["fr\u202e", 7, "../..", "DE", None]},
        gguf={"total": "many", "architecture": {"a": 1}, "context_length": True},
    )
    hub.add("o/card-of-text", {"m.gguf": 1}, cardData="text", gguf=[1], lastModified=20250101)
    hub.add("../../etc", {"m.gguf": 1})
    hub.add("o/r?x=1", {"m.gguf": 1})
    hub.add("o/\x1b[2J", {"m.gguf": 1})
    hub.add("gpt2", {"m.gguf": 1})

    plain, hostile = found(hub).repositories

    assert (hostile.repository, plain) == ("o/r", HubModel("o/card-of-text"))
    assert (hostile.downloads, hostile.likes, hostile.modified, hostile.task) == (None, None, "", "�[31mred")
    assert (hostile.parameters, hostile.architecture, hostile.context_length) == (None, "", None)
    assert hostile.languages == ("de",)
    assert len(hostile.license) < 100


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"{}", b"\xff", b"[" * 100_000, b"[1,", b'[{"id":"o/r"}' + b" " * (17 << 20) + b"]"],
    ids=["page", "object", "no text", "deep", "cut", "endless"],
)
def test_an_answer_that_is_no_list_is_refused_in_words(hub: FakeHub, body: bytes) -> None:
    hub.answers["/api/models"] = HubAnswer(body)
    hub.answers["/api/models/o/r/tree/main"] = HubAnswer(body)
    long = len(body) > 16 << 20
    with pytest.raises(
        DownloadError, check=coded(ErrorCode.CONNECTION_LOST if long else ErrorCode.SEARCH_NOT_ANSWERED)
    ):
        found(hub)
    with pytest.raises(
        DownloadError, check=coded(ErrorCode.CONNECTION_LOST if long else ErrorCode.REPOSITORY_NOT_LISTED)
    ):
        listed(hub)


@pytest.mark.parametrize("ask", [found, listed])
def test_a_list_that_is_far_too_long_is_told_as_a_list(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, ask: Callable[[FakeHub], object]
) -> None:
    monkeypatch.setattr("tray_app.models.hub._LONGEST_PAGE_BYTES", 1000)
    for path in ("/api/models", "/api/models/o/r/tree/main"):
        hub.answers[path] = HubAnswer(b"[" + b" " * 1000 + b"]")

    with pytest.raises(
        DownloadError, check=coded(ErrorCode.CONNECTION_LOST), match="The server's list"
    ) as raised:
        ask(hub)

    assert "is kept" not in str(raised.value)


def test_a_page_has_no_more_than_was_asked_for_and_bad_entries_are_left_out(hub: FakeHub) -> None:
    entries = [{"id": 1}, 2, {"id": "o/r"}, *({"id": f"o/r{number}"} for number in range(1000))]
    hub.answers["/api/models"] = HubAnswer(json.dumps(entries).encode())

    names = [each.repository for each in found(hub).repositories]

    assert names[:2] == ["o/r", "o/r0"]
    assert len(names) < PAGE_SIZE


# Files


def test_files_have_their_sizes_and_digests_and_what_is_split_is_one(hub: FakeHub) -> None:
    hub.add(
        "o/r",
        {
            "README.md": 100,
            "config.json": b"{}",
            "m-Q4_K_M.gguf": CONTENT,
            "m-Q8_0-00001-of-00002.gguf": 5000,
            "m-Q8_0-00002-of-00002.gguf": 6000,
            "BF16/m-00001-of-00003.gguf": 9000,
            "BF16/m-00003-of-00003.gguf": 9000,
            "mmproj-F16.gguf": 700,
            "m.imatrix.gguf": 10,
        },
    )

    listing = listed(hub)

    assert paths(listing) == [
        ["m-Q4_K_M.gguf"],
        ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"],
    ], "BF16 lacks its second file"
    small, split = listing.quantizations
    assert small.files[0].sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (small.size_bytes, split.size_bytes) == (len(CONTENT), 11_000)
    assert [(each.label, each.model) for each in listing.quantizations] == [("Q4_K_M", "m"), ("Q8_0", "m")]
    assert [each.path for each in listing.projectors] == ["mmproj-F16.gguf"]
    assert listing.complete


@pytest.mark.parametrize(
    ("path", "label", "model"),
    [
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL", "qwen3-8b"),
        ("bge-m3.i1-IQ4_XS.gguf", "IQ4_XS", "bge-m3.i1"),
        ("qwen2.5-7b-instruct-q4_k_m-00001-of-00001.gguf", "Q4_K_M", "qwen2.5-7b-instruct"),
        ("BF16/model-00001-of-00001.gguf", "BF16", "model"),
        ("ggml-model.gguf", "", "ggml-model"),
    ],
)
def test_which_model_and_which_quantization_a_name_tells(
    hub: FakeHub, path: str, label: str, model: str
) -> None:
    hub.add("o/r", {path: 1})
    quantization = listed(hub).quantizations[0]
    assert (quantization.label, quantization.model) == (label, model)


def test_a_small_file_outside_of_lfs_has_no_digest(hub: FakeHub) -> None:
    entry = {"type": "file", "oid": "1" * 40, "size": 7, "path": "m.gguf"}
    hub.answers["/api/models/o/r/tree/main"] = HubAnswer(json.dumps([entry]).encode())
    assert listed(hub).quantizations[0].files[0].sha256 is None


def test_ten_thousand_files_are_all_looked_at(hub: FakeHub) -> None:
    hub.add("o/r", {f"data/{number:05}.bin": 1 for number in range(10_000)} | {"z/m-Q8_0.gguf": 9})

    listing = listed(hub)

    assert paths(listing) == [["z/m-Q8_0.gguf"]]
    assert listing.complete
    assert len(hub.requests) == 11


def test_a_list_that_never_ends_is_left_in_time(hub: FakeHub) -> None:
    link = f'<{hub.base_url}/api/models/o/r/tree/main?cursor=again>; rel="next"'
    entry = {"type": "file", "oid": "1", "size": 7, "path": "m.gguf"}
    hub.answers["/api/models/o/r/tree/main"] = HubAnswer(json.dumps([entry]).encode(), headers={"Link": link})

    assert not listed(hub).complete


def test_a_repository_with_thousands_of_models_is_not_looked_through(hub: FakeHub) -> None:
    hub.add("o/r", {f"{number}/m-Q8_0.gguf": 1 for number in range(1001)})
    listing = listed(hub)
    assert (len(listing.quantizations), listing.complete) == (1000, False)


def test_only_the_folder_that_was_named_counts(hub: FakeHub) -> None:
    hub.add("o/r", {"a/m-Q8_0.gguf": 1, "ab/m-Q8_0.gguf": 1, "m-Q8_0.gguf": 1, "ab/mmproj.gguf": 1})
    listing = listed(hub, folder="a")
    assert (paths(listing), listing.projectors) == ([["a/m-Q8_0.gguf"]], ())


def test_a_revision_is_asked_for_also_with_a_slash_in_it(hub: FakeHub) -> None:
    hub.add("o/r", {"m.gguf": 1}).revisions = frozenset({"refs/pr/1"})
    hub.answers["/api/models/o/r/tree/refs%2Fpr%2F1"] = HubAnswer(b"[]")
    assert listed(hub, revision="refs/pr/1").quantizations == ()
    with pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_FILE_NOT_FOUND), match="revision"):
        listed(hub, revision="v9")


def test_a_renamed_repository_is_known_by_its_new_name(hub: FakeHub) -> None:
    hub.add("new/name", {f"{number:04}.bin": 1 for number in range(1200)} | {"m.gguf": 1})
    hub.rename("old/name", "new/name")

    listing = listed(hub, "old/name")

    assert listing.repository.name == "new/name"
    assert paths(listing) == [["m.gguf"]]
    assert [request.path for request in hub.requests] == [
        "/api/models/old/name/tree/main",
        "/api/models/new/name/tree/main",
        "/api/models/new/name/tree/main",
    ]


def test_paths_that_lead_elsewhere_or_cannot_be_read_are_left_out(hub: FakeHub) -> None:
    names = [
        "../m.gguf",
        "a/../../m.gguf",
        "/m.gguf",
        "a//m.gguf",
        "./m.gguf",
        "a\\m.gguf",
        "\x1b[2Jm.gguf",
        "\u202em.gguf",
        "x" * 600 + ".gguf",
        "naïve 模型.gguf",
    ]
    entries = [{"type": "file", "oid": "1", "size": 7, "path": name} for name in names]
    entries += [
        {"type": "file", "oid": "1", "size": size, "path": f"{size}.gguf"} for size in (-1, 0, 1 << 61)
    ]
    hub.answers["/api/models/o/r/tree/main"] = HubAnswer(json.dumps(entries).encode())

    assert paths(listed(hub)) == [["naïve 模型.gguf"]]


# Refusals


def test_a_repository_that_is_not_there_is_said_to_be_so(hub: FakeHub) -> None:
    with pytest.raises(DownloadError, check=coded(ErrorCode.REPOSITORY_NOT_FOUND)):
        listed(hub)


def test_a_token_opens_what_is_private_and_goes_nowhere_else(hub: FakeHub) -> None:
    hub.tokens = {"hf_secret"}
    hub.add("o/r", {"m.gguf": 1}).private = True
    with pytest.raises(DownloadError, check=coded(ErrorCode.REPOSITORY_NOT_FOUND)):
        listed(hub)
    assert listed(hub, key="hf_secret").quantizations

    with FakeHub() as elsewhere:
        elsewhere.add("o/r", {"m.gguf": 1})
        there = f"{elsewhere.base_url}/api/models/o/r/tree/main?recursive=true"
        hub.answers["/api/models/o/moved/tree/main"] = HubAnswer(b"", 307, {"Location": there})
        listed(hub, "o/moved", key="hf_secret")
        assert elsewhere.requests
        assert all("Authorization" not in request.headers for request in elsewhere.requests)


def test_a_token_that_is_not_known_is_said_to_be_refused(hub: FakeHub) -> None:
    hub.add("o/r", {"m.gguf": 1})
    with pytest.raises(DownloadError, check=coded(ErrorCode.SIGN_IN_REQUIRED)):
        listed(hub, key="hf_wrong")


@pytest.mark.parametrize("ask", [found, listed])
def test_a_limit_says_how_long_to_wait(hub: FakeHub, ask: Callable[[FakeHub], object]) -> None:
    hub.left, hub.reset_s = 0, 55
    with pytest.raises(
        TransientError, check=coded(ErrorCode.SOURCE_ASKED_TOO_OFTEN), match="in 55 s"
    ) as caught:
        ask(hub)
    assert caught.value.retry_after_s == 55
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"RateLimit": '"api";r=3;t=55'}, 0),
        ({"RateLimit": '"api";r=0;t=99999'}, 900),
        ({"RateLimit": "soon", "Retry-After": "7"}, 7),
        ({"RateLimit": '"api"; r=0 ; t=' + "9" * 5000}, 0),
        ({"RateLimit": ""}, 0),
    ],
)
def test_a_limit_without_a_time_is_one_all_the_same(
    hub: FakeHub, headers: dict[str, str], wait_s: float
) -> None:
    hub.answers["/api/models"] = HubAnswer(b"", 429, headers)
    with pytest.raises(TransientError, check=coded(ErrorCode.SOURCE_ASKED_TOO_OFTEN)) as caught:
        found(hub)
    assert caught.value.retry_after_s == wait_s


def test_without_a_network_it_is_one_sentence() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with (
        Session() as session,
        pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_UNREACHABLE)) as caught,
    ):
        search(session, nobody, "bge")
    assert str(caught.value).count("\n") == 0
    assert "Check your internet connection" in str(caught.value)
