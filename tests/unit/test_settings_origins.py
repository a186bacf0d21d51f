"""Web origins: how entries are read, what is refused and why, and which pages an entry means."""

from pathlib import Path

import pytest

from tests.fakes.errors import coded
from tray_app.errors import ErrorCode, SettingsError
from tray_app.settings.fields import EntriesError
from tray_app.settings.origins import can_be_allowed, is_allowed, read_origin, to_ask_about
from tray_app.settings.store import SettingsStore
from tray_app.settings.value_text import list_text, parse_value


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("HTTPS://Example.COM", "https://example.com"),
        (" https://example.org/ ", "https://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://example.org:80/", "http://example.org"),
        ("http://localhost:0080", "http://localhost"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
        ("app://obsidian.md", "app://obsidian.md"),
        ("app://.", "app://."),
        ("tauri://localhost", "tauri://localhost"),
        ("chrome-extension://ABCDEF", "chrome-extension://abcdef"),
        ("moz-extension://*", "moz-extension://*"),
        ("http://localhost:*", "http://localhost:*"),
        ("https://*.Example.org", "https://*.example.org"),
        ("file:///", "file://"),
        ("NULL", "null"),
        ("*", "*"),
    ],
)
def test_an_entry_is_kept_as_browsers_send_it(typed: str, kept: str) -> None:
    assert read_origin(typed) == kept
    assert read_origin(kept) == kept


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("example.net", "Write it as browsers send it: https://example.net"),
        ("localhost:3000", "http://localhost:3000"),
        ("http:/localhost:3000", "http://localhost:3000"),
        ("about:blank", "no scheme"),
        ("", "An empty entry"),
        ("https://example.org/app", "Write https://example.org instead of"),
        ("https://example.org?x", "do not send a path"),
        ("https://user@example.org", "do not send a user name"),
        ("*://example.org", r"cannot contain \*"),
        ("http*://example.org", r"cannot contain \*"),
        ("https://exa*mple.org", r"https://\*.example.org"),
        ("https://192.168.1.*", r"\* can only be"),
        ("https://*.*.org", r"\* can only be"),
        ("https://", "has no host"),
        ("http://:3000", "has no host"),
        ("moz-extension://", "has no host"),
        ("http://host:99999", "not a port"),
        ("http://host:x", "not a port"),
        ("wss://example.org", "do not use the scheme wss"),
        ("http://127.1", "not a host name"),
        ("http://exa mple", "not a host name"),
        ("https://straße.de", "xn--"),
        ("http://[fe80::1%eth0]", "not a host name"),
    ],
)
def test_what_can_never_match_is_refused_with_the_reason(typed: str, reason: str) -> None:
    with pytest.raises(SettingsError, check=coded(ErrorCode.ORIGIN_INVALID), match=reason):
        read_origin(typed)


@pytest.mark.parametrize(
    ("entry", "pages", "others"),
    [
        ("https://example.org", ["https://example.org", "https://EXAMPLE.org:443"], ["http://example.org"]),
        (
            "https://*.example.org",
            ["https://a.example.org", "https://a.b.example.org"],
            ["https://example.org", "https://evilexample.org", "https://a.example.org:8443"],
        ),
        (
            "http://localhost:*",
            ["http://localhost", "http://localhost:3000"],
            ["https://localhost:3000", "http://localhost.evil.example", "http://evil.example:3000"],
        ),
        (
            "moz-extension://*",
            ["moz-extension://0b4c-11"],
            ["chrome-extension://0b4c-11", "https://moz-extension", "null"],
        ),
        ("http://*:3000", ["http://box:3000"], ["http://box", "http://box:30000"]),
        ("https://*", ["https://example.org", "https://example.org:8443"], ["http://example.org", "null"]),
        ("file://*", ["file://"], ["null", "http://file"]),
        ("null", ["null"], ["https://null", "file://"]),
        ("*", ["null", "https://example.org", "app://x"], []),
    ],
)
def test_an_entry_means_these_pages_and_no_others(entry: str, pages: list[str], others: list[str]) -> None:
    assert [page for page in (*pages, *others) if is_allowed(page, [entry])] == pages


def test_only_an_origin_gets_into_a_command() -> None:
    assert can_be_allowed("app://obsidian.md")
    assert not any(map(can_be_allowed, ("https://x/y", '"; rm -rf ~; "', "https://*", "*", "http://a\nb")))


LISTS = (
    "http://a http://b",
    "http://a,http://b",
    "http://a, http://b,",
    '["http://a", "http://b"]',
    "['http://a', 'http://b',]",
    '"http://a" "HTTP://B/"',
    "http://a\nhttp://b http://a",
)


@pytest.mark.parametrize("typed", LISTS)
def test_a_list_is_understood_however_it_is_written(typed: str) -> None:
    assert parse_value("allowed_origins", typed) == ("http://a", "http://b")


@pytest.mark.parametrize("typed", ['["--pooling", "mean"]', "['--pooling', 'mean']", "--pooling mean"])
def test_other_lists_may_be_written_with_brackets_too(typed: str) -> None:
    assert parse_value("extra_arguments", typed) == ("--pooling", "mean")


@pytest.mark.parametrize("name", ["allowed_origins", "extra_arguments"])
@pytest.mark.parametrize("typed", ["[http://a]", '["http://a"', "[1]", '["a"]\nb=1 x', '[["a"]]'])
def test_what_only_looks_like_a_list_is_refused(name: str, typed: str) -> None:
    with pytest.raises(SettingsError):
        parse_value(name, typed)


@pytest.mark.parametrize(
    "words", [(), ("*",), ("http://localhost:*", "null"), ("[a]", "a b", "", "it's", "\\")]
)
def test_a_list_is_shown_as_it_is_typed(words: tuple[str, ...]) -> None:
    assert parse_value("extra_arguments", list_text(words)) == words
    assert list_text(("http://localhost:*",)) == "http://localhost:*"


def test_each_entry_that_cannot_be_is_told_and_the_others_hold(tmp_path: Path) -> None:
    with pytest.raises(EntriesError) as refused:
        parse_value("allowed_origins", "example.net HTTPS://a ws://b")
    assert refused.value.usable == ("https://a",)
    assert "example.net" in refused.value.message
    assert "ws" in refused.value.message

    file = tmp_path / "settings.toml"
    written = 'port = 9000\nallowed_origins = ["example.net", "HTTPS://Example.com/", 3]\n'
    file.write_text(written)
    store = SettingsStore(file)

    assert store.current.allowed_origins == ("https://example.com",)
    assert store.current.port == 9000
    assert store.problem
    assert "line 2" in store.problem.message
    assert "https://example.net" in store.problem.message
    assert file.read_text() == written


@pytest.mark.parametrize(
    ("origin", "entry"),
    [
        ("app://obsidian.md", "app://obsidian.md"),
        ("APP://Obsidian.md", "app://obsidian.md"),
        ("tauri://localhost", "tauri://localhost"),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
        ("vscode-webview://1a2b3c4d", "vscode-webview://*"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://localhost", "https://localhost"),
        ("http://notes.localhost:8000", "http://notes.localhost:8000"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
        ("http://[::1]:5173", "http://[::1]:5173"),
    ],
)
def test_apps_and_pages_of_this_computer_are_asked_about(origin: str, entry: str) -> None:
    assert to_ask_about(origin) == entry
    assert is_allowed(origin, [read_origin(entry)])


@pytest.mark.parametrize(
    "origin",
    [
        *("https://example.org", "http://localhost.example.org", "http://192.168.1.20", "http://0.0.0.0:80"),
        *("null", "NULL", "file://", "*", "app://*", "app://", "", "nonsense", "http://localhost/path"),
        *(
            "https://xn--lcalhost-73a",
            "http://[::2]",
            "javascript://x",
            "app://a b",
            "http://127.0.0.1.nip.io",
        ),
    ],
)
def test_nobody_is_asked_about_other_pages_and_what_any_page_can_pretend_to_be(origin: str) -> None:
    assert to_ask_about(origin) is None
