"""Targets that are engines: the arguments that they are given, and what they print."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.fakes import llamacpp_parser
from tests.fuzz.harness import Target, edited
from tray_app.engine.arguments import NAMES
from tray_app.engine.diagnosis import diagnose, will_not_recover
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.llamacpp_child import default_params
from tray_app.engine.owned_arguments import check_extra
from tray_app.engine.parameters import UsageError, apply_arguments
from tray_app.errors import SettingsError
from tray_app.phrases import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Extra arguments, as a list in JSON.

SAFE_VALUES = ("1", "0", "x", "", "/dev/null", "true", "a=b", "-1")
OWNED = (
    *("model.path", "n_ctx", "port", "hostnames", "api_keys", "api_prefix", "public_path", "reuse_port"),
    *("ssl_file_key", "ssl_file_cert", "cors_origins", "cors_methods", "cors_headers", "cors_credentials"),
    *("ui", "agent", "embedding", "sse_ping_interval", "sleep_idle_seconds", "server_tools", "hf_token"),
    *("model.url", "model.hf_repo", "model.hf_file", "models_dir", "ui_mcp_proxy", "mcp_servers_config"),
)
"""What this app alone decides, as llama.cpp calls it."""
APPS_OWN = ["--embeddings"]
"""What the app always gives a llama-server."""
WRITING = ("--log-file", "--log-prompts-dir", "--slot-save-path", "-lcd", "--lookup-cache-dynamic", "--rpc")
"""Arguments whose value is a place that llama.cpp's parser itself writes to or asks."""
FLAG_EDITS = st.sampled_from(
    [
        lambda flag: flag,
        lambda flag: flag.replace("-", "_"),
        lambda flag: flag[:2] + flag[2:].replace("-", "_"),
        lambda flag: f"--{flag.strip('-')}",
        lambda flag: f"-{flag.strip('-')}",
        lambda flag: f"{flag}=1",
        lambda flag: flag.upper(),
        lambda flag: f"{flag} ",
        lambda flag: f" {flag}",
        lambda flag: f"{flag}\0",
        lambda flag: flag.replace("-", "\u2010"),
        lambda flag: flag[:-1],
    ]
)
FLAGS = st.sampled_from(sorted(NAMES | {f"--{path}" for path in OWNED})) | st.text("-_abmcn.", max_size=5)
ARGUMENTS = st.lists(
    st.builds(lambda flag, edit: edit(flag), FLAGS, FLAG_EDITS) | st.sampled_from(SAFE_VALUES), max_size=4
).map(lambda words: json.dumps(words).encode())
PLAIN = {path: llamacpp_parser.leaves(default_params()).get(path) for path in OWNED}


@contextmanager
def arguments_ready() -> Iterator[Callable[[bytes], None]]:
    """A folder where an argument may write, and what llama.cpp's own parser makes of none, where it is."""
    native = llamacpp_parser.parsed(APPS_OWN) if llamacpp_parser.there_is_one() else None
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield lambda data: check_arguments(data, native)


def check_arguments(data: bytes, native: dict[str, Any] | None) -> None:
    """Whatever passes the check of the app leaves alone what the app decides, in both kinds of llama.cpp."""
    words = _words(data)
    try:
        for sparse in (True, False):
            check_extra(words, EngineKind.POWERINFER, sparse=sparse)
        check_extra(words, EngineKind.LLAMA_CPP, sparse=False)
    except SettingsError:
        return
    params = default_params()
    with contextlib.suppress(UsageError):
        apply_arguments(params, words)
    found = llamacpp_parser.leaves(params)
    assert {path: found.get(path) for path in OWNED} == PLAIN
    if native is None or any("\0" in word or word.replace("_", "-").startswith(WRITING) for word in words):
        return
    with _silenced():
        parsed = llamacpp_parser.parsed([*APPS_OWN, *words])
    assert parsed is None or all(parsed.get(path) == native.get(path) for path in OWNED)


def _words(data: bytes) -> tuple[str, ...]:
    try:
        words = json.loads(data)
    except ValueError:
        return ()
    return tuple(word for word in words if isinstance(word, str)) if isinstance(words, list) else ()


@contextmanager
def _silenced() -> Iterator[None]:
    """llama.cpp's parser prints every word that it does not know."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a descriptor is needed
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


# What an engine has printed, after its exit code on the first line.

PRINTED = (
    b"1\nerror: unknown argument: --wurst\n",
    b"-9\nllama_model_load: error loading model: tensor 'x' data is not within the file bounds\n",
    b"3221225781\nggml_backend_cuda: out of memory\nerror: invalid value for argument: --pooling\n",
    b"-11\nmain: couldn't bind to server socket: hostname=127.0.0.1 port=9\n",
)
PRINTED_WORDS = (
    *(b"\n", b"error: ", b"argument", b"--", b"\x1b[31m", b"\0", b"\xff", b"'", b'"', b"%s", b"{", b"}"),
    *(b"{name}", b"unknown model architecture: ''", b"failed to load model", b"out of memory"),
    *(b"No such file", b"a" * 3000, b"-1", b"999999999999", b"\xe2\x80\xae", b"\r"),
    *(b"failed to decode the batch", b"unsupported", b"/lib/x.so"),
)


def check_output(data: bytes) -> None:
    """An end has a cause that people can read, and not more lines that show it than a window has room for."""
    code, _, printed = data.partition(b"\n")
    lines = printed.decode("utf-8", "replace").split("\n")
    number = int(code) if re.fullmatch(rb"-?[0-9]{1,10}", code) else 1
    failure = diagnose(number, lines)
    will_not_recover(lines)
    assert failure.error.title
    assert failure.error.message
    assert set(failure.error.evidence) <= set(map(one_line, lines))


TARGETS = (
    Target("arguments", ARGUMENTS, arguments_ready, 150),
    Target("output", edited(PRINTED, PRINTED_WORDS), lambda: nullcontext(check_output)),
)
