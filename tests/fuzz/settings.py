"""Targets that are settings: the file, what a person types, web origins."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fuzz.harness import Target, edited
from tray_app.errors import SettingsError
from tray_app.settings.fields import FIELDS
from tray_app.settings.model_settings import with_own
from tray_app.settings.origins import can_be_allowed, is_allowed, read_origin
from tray_app.settings.schema import Settings
from tray_app.settings.store import SettingsStore
from tray_app.settings.value_text import parse_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


SETTINGS = (
    b'# mine\nport = 8081\nmodel = "a.gguf" # the small one\nextra_arguments = ["--mlock", "-t"]\n',
    b'threads = "auto"\nvram_budget = 2.5\nallowed_origins = ["https://example.org"]\n[new]\na = 1\n',
    b"\xef\xbb\xbfport = 1\r\nmodels_folder = '/models'\r\nnetwork = \"lan\"\r\n",
    b"version = 3\n[models.'a.b'] # mine\nctx_size = 600\naliases = ['gpt']\n[models]\nc = {threads = 2}\n",
    b"models.a.threads = 2\nmodels.a.aliases = ['b']\nport = 1\n[models.b]\naliases = [\n  'a', # x\n]\n",
)
TOML_WORDS = (
    *(b"[", b"]", b"{", b"}", b"=", b'"', b"'", b"'''", b'"""', b"\n", b"\r", b"\0", b"\\u0000"),
    *(b"\\ud800", b"a.b.c", b"[[a]]", b"1e999", b"nan", b"0x", b"9" * 30, b"9" * 5000),
    *(b"1979-05-27T07:32:00Z", b"true", b"[" * 3000, b"{a=" * 1000, b"\xff", b"\xed\xa0\x80", b"port"),
    *(b"port.a = 1\n", b"port = 2\n", b"models", b"models.a", b"[models.a]\n", b"aliases = ['a']\n"),
    *(entry.name.encode() + b" = " for entry in FIELDS),
)
VALUES = st.one_of(
    st.text(max_size=12).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["true", "[]", "{}", '["a", 1]', '[["a"]]', '""', '"\\u0000"', '"null"', '["*"]', '["ws://a"]']
    ),
)


def _settings(lines: list[tuple[str, str]]) -> bytes:
    return "\n".join(f"{name} = {value}" for name, value in lines).encode("utf-8", "surrogatepass")


NAMES = st.sampled_from([entry.name for entry in FIELDS])


@contextmanager
def settings_ready() -> Iterator[Callable[[bytes], None]]:
    """A folder for the file."""
    with tempfile.TemporaryDirectory() as folder:
        yield partial(check_settings, Path(folder) / "settings.toml")


def check_settings(path: Path, data: bytes) -> None:
    """Settings and what is wrong with the file, which keeps every byte until a change, and then in a copy."""
    broken = path.with_name(f"{path.name}.broken")
    broken.unlink(missing_ok=True)
    path.write_bytes(data)
    store = SettingsStore(path)
    assert isinstance(store.current, Settings)
    assert path.read_bytes() == data
    reloaded = _reloads(store)
    assert (store.problem is None) is reloaded
    wanted = replace(store.current, ctx_size=1024 if store.current.ctx_size != 1024 else 2048)
    wanted = with_own(wanted, "a.b", {"threads": 7})  # in a table that may be there, in any form
    store.replace(wanted)
    assert store.current == wanted
    assert SettingsStore(path).current == wanted
    assert reloaded or broken.read_bytes() == data


def _reloads(store: SettingsStore) -> bool:
    try:
        store.reload()
    except SettingsError:
        return False
    return True


def check_typed(data: bytes) -> None:
    """What a person types for a setting: a value that the file gives back, or an error."""
    name, _, text = data.decode("utf-8", "surrogateescape").partition("\n")
    try:
        value = parse_value(name, text)
    except SettingsError:
        return
    entry = next(entry for entry in FIELDS if entry.name == name)
    assert entry.check(msgspec.to_builtins(value)) == value


TYPED = st.builds(
    lambda name, text: f"{name}\n{text}".encode("utf-8", "surrogatepass"),
    NAMES,
    st.text(max_size=20)
    | st.sampled_from(["[", '["', "['\\", "9" * 5000, "1e400", "nan", "-0", "\ud800", "\0", "'"]),
)


# Web origins: an entry of the setting, and what a page sends, on two lines.

ORIGINS = (
    *("https://example.org", "https://*.example.org", "http://localhost:*", "app://*", "null"),
    *("http://*:3000", "http://127.0.0.1:5173", "http://[::1]:3000", "https://xn--bcher-kva.example"),
    *("file://", "https://*"),
)
ORIGIN_WORDS = (
    *(b"*", b":", b"://", b"/", b".", b"@", b"#", b"?", b"\\", b"[", b"]", b"%", b"\n", b" ", b"\0"),
    *(b"null", b":80", b"evil.example", b"example.org", b".evil.example", b"localhost", b"127.0.0.1"),
    *(b"0x7f.1", b"\xc2\xad", b":0443", b"https://example.org", b"https://*.example.org"),
    *(b"http://localhost:*", b"9" * 5000, b"\xef\xbc\x8e"),
)


def check_origin(data: bytes) -> None:
    """An entry that is kept as it would be kept, and means no pages but those that it names."""
    typed, _, sent = data.decode("utf-8", "surrogateescape").partition("\n")
    can_be_allowed(sent)
    try:
        entry = read_origin(typed)
    except SettingsError:
        return
    assert read_origin(entry) == entry
    entry.encode("ascii")
    if is_allowed(sent, [entry]):
        assert entry in ("*", sent.lower()) or _is_named(sent.lower(), entry)


def _is_named(sent: str, entry: str) -> bool:
    """Whether an entry with a pattern, or without the port that its scheme has anyway, names this page."""
    scheme, _, place = entry.partition("://")
    parts = urlsplit(sent)
    host = place.removesuffix(":*")
    if host.startswith("*."):
        fits = (parts.hostname or "").endswith(host[1:])
    else:
        fits = host.startswith("*") or sent.startswith(f"{scheme}://{host}")
    return parts.scheme == scheme and fits and bool(parts.netloc or scheme == "file")


TARGETS = (
    Target(
        "settings",
        st.one_of(
            edited(SETTINGS, TOML_WORDS), st.lists(st.tuples(NAMES, VALUES), max_size=4).map(_settings)
        ),
        settings_ready,
        100,
    ),
    Target("typed", TYPED, lambda: nullcontext(check_typed), 200),
    Target(
        "origins",
        edited([f"{entry}\n{sent}".encode() for entry in ORIGINS for sent in ORIGINS], ORIGIN_WORDS),
        lambda: nullcontext(check_origin),
        300,
    ),
)
