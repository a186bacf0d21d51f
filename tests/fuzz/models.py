"""Targets that are models: headers of files, their names, a person's own list of models."""

from __future__ import annotations

import struct
import tempfile
import unicodedata
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.fakes.models import Tensor, header_bytes, model_bytes
from tests.fuzz.harness import Target, edited
from tests.fuzz.settings import TOML_WORDS
from tray_app.errors import ModelError
from tray_app.models.catalog import CatalogEntry, load_own_models
from tray_app.models.fit_text import fit_line
from tray_app.models.gguf import read_growing
from tray_app.models.index import Index
from tray_app.models.memory import GIB, ContextConfig, MemoryBudget, judge
from tray_app.models.model_names import ids_of
from tray_app.phrases import Translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import SearchStrategy


LONGEST_MESSAGE = 1000
"""What a person may be asked to read; foreign text in it is cut."""

# Model headers.

WHOLE = header_bytes(
    {
        "general.architecture": "llama",
        "general.alignment": 32,
        "general.file_type": 2,
        "split.count": 2,
        "llama.context_length": 2048,
        "llama.embedding_length": 64,
        "llama.block_count": 2,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": [2, 2],
        "llama.attention.key_length": 16,
        "llama.feed_forward_length": 128,
        "llama.expert_count": 4,
        "tokenizer.ggml.tokens": ["<unk>", "a", "b"],
        "tokenizer.ggml.token_type": [2, 1, 1],
        "tokenizer.chat_template": "{{ messages }}",
    },
    [Tensor(), Tensor("norm", (32,), 0, 128)],
)
NASTY = st.sampled_from([0, 1, 2, 4, 8, 9, 255, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
KEYS = st.sampled_from(
    [
        *("general.architecture", "general.alignment", "general.name", "general.type", "general.file_type"),
        *("split.count", "llama.context_length", "llama.embedding_length", "llama.block_count"),
        *("llama.attention.head_count", "llama.attention.head_count_kv", "llama.attention.key_length"),
        *("llama.attention.value_length", "llama.feed_forward_length", "llama.expert_used_count"),
        *(
            "llama.pooling_type",
            "llama.attention.causal",
            "tokenizer.ggml.model",
            "tokenizer.ggml.tokens",
            "tokenizer.chat_template",
            "llama.vocab_size",
            "clip.has_vision_encoder",
            "clip.vision.image_size",
            "clip.vision.patch_size",
            "clip.vision.projection_dim",
        ),
    ]
)
SCALARS = dict(zip((*range(8), 10, 11, 12), "BbHhIif?Qqd", strict=True))
"""Type numbers of GGUF and how their values are packed."""


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(data)) + data


def _number(code: str, number: int) -> bytes:
    if code in "fd":
        return struct.pack(f"<{code}", float(number))
    size = struct.calcsize(f"<{code}")
    return (number % (1 << 8 * size)).to_bytes(size, "little")


def _entry(key: str, kind: int, numbers: list[int], text: str) -> bytes:
    """One entry of a header, with a value of any kind that the format has, and of some that it has not."""
    start = _text(key) + struct.pack("<I", kind)
    if kind == 8:
        return start + _text(text)
    if kind == 9:
        item = numbers[0] % 13
        items = (
            _text(text) if item == 8 else b"".join(_number(SCALARS.get(item, "B"), each) for each in numbers)
        )
        return start + struct.pack("<IQ", item, len(numbers)) + items
    return start + _number(SCALARS.get(kind, "I"), numbers[0])


def _tensor(name: str, shape: list[int], kind: int, offset: int) -> bytes:
    sizes = b"".join(_number("Q", size) for size in shape)
    return _text(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


def _header(magic: bytes, entries: list[bytes], tensors: list[bytes], alike: bytes) -> bytes:
    architecture = _text("general.architecture") + struct.pack("<I", 8) + _text("llama")
    counts = struct.pack("<IQQ", 3, len(tensors), len(entries) + 1)
    return magic + counts + architecture + b"".join(entries) + b"".join(tensors) + alike


def _patched(at: int, number: int, code: str) -> bytes:
    patch = _number(code, number)
    return WHOLE[:at] + patch + WHOLE[at + len(patch) :]


MAGICS = st.sampled_from([b"GGUF", b"PWRI"])
HEADERS: SearchStrategy[bytes] = st.one_of(
    st.builds(
        bytes.__add__, st.sampled_from([b"GGUF\x03\0\0\0", b"PWRI\x03\0\0\0", b"GGUF", b""]), st.binary()
    ),
    st.builds(_patched, st.integers(4, len(WHOLE) - 8), NASTY, st.sampled_from("BIQ")),
    st.builds(
        _header,
        MAGICS,
        st.lists(
            st.builds(
                _entry, KEYS, st.integers(0, 13), st.lists(NASTY, min_size=1, max_size=3), st.text(max_size=9)
            ),
            max_size=6,
        ),
        st.lists(
            st.builds(_tensor, st.text(max_size=5), st.lists(NASTY, max_size=5), st.integers(0, 40), NASTY),
            max_size=3,
        ),
        st.binary(max_size=4),
    ),
    edited([WHOLE, b"PWRI" + WHOLE[4:], model_bytes()[:400]], [b"\xff" * 8, b"\0" * 8, b"llama."]),
)


def check_header(data: bytes) -> None:
    """A header whose numbers can be used, or an error that a person can read."""
    try:
        message, header = "", read_growing("a.gguf", lambda _, wanted: data[:wanted])
    except ModelError as error:
        message, header = str(error), None
    if header is None:
        assert len(message) < LONGEST_MESSAGE
        return
    assert header.implied_size_bytes >= 0
    sizes = (header.context_length, header.embedding_length, header.block_count, header.vocabulary_size)
    assert all(size is None or size >= 0 for size in sizes)
    for text in (header.architecture, header.name or "", header.quantization):
        assert text.isprintable()
    assert fit_line(
        judge(header, len(data), ContextConfig(2048, 512), MemoryBudget(16 * GIB)), Translate()
    ).isprintable()


OWN_MODELS = (
    b'[[models]]\nid = "mine"\nsource = "hf:owner/repo/mine.gguf"\nname = "Mine"\n',
    b'[[models]]\nid="a"\nsource="https://example.org/a.gguf"\n[[models]]\nid="b"\nsource="hf:o/r/b.gguf"\n',
)


@contextmanager
def own_models_ready() -> Iterator[Callable[[bytes], None]]:
    """A folder for the file."""
    with tempfile.TemporaryDirectory() as folder:
        yield partial(check_own_models, Path(folder) / "models.toml")


def check_own_models(path: Path, data: bytes) -> None:
    """A list of models, or what is wrong with it."""
    path.write_bytes(data)
    try:
        entries = load_own_models(path, ())
    except ModelError:
        return
    assert all(isinstance(entry, CatalogEntry) for entry in entries)


# Names of files in the models folder, with NUL between them, which no name can have.

LETTERS = st.text(st.sampled_from("aéÀ :-.\udc93(日/\u202e\u0301ß🦙2") | st.characters(), max_size=8)
FILE_NAMES = st.lists(LETTERS.filter(bool), max_size=10).map(
    lambda stems: "\0".join(f"{stem}.gguf" for stem in stems).encode("utf-8", "surrogatepass")
)
RESERVED = ("test", "tiny")
UNSEEN = {"Cc", "Cs", "Zl", "Zp"}
"""Categories of what no name for people may have: it would steer a terminal, or cannot be printed."""


def check_names(data: bytes) -> None:
    """Each file has an id of its own, which leads back to it and does not depend on its neighbours."""
    names = sorted({name for name in data.decode("utf-8", "surrogateescape").split("\0") if _is_a_file(name)})
    ids = ids_of(names, {}, RESERVED)
    assert sorted(ids) == names
    assert len(set(ids.values())) == len(names)
    assert ids == ids_of(names[::-1], {}, RESERVED)
    beside = ids_of([*names, "unrelated.gguf"], {}, RESERVED)
    assert all(beside[name] == ids[name] for name in names)
    index = Index(Path("/models"), names, (), Path("/builtin.gguf"))
    for path in index.files:
        found = index.id_of(path)
        found.encode()
        assert not set(found) & set(' :/%?#{}"\\')
        assert found not in {"", ".", ".."}
        assert index.with_id(found) == path
        assert not any(unicodedata.category(sign) in UNSEEN for sign in index.name_of(path))


def _is_a_file(name: str) -> bool:
    """Whether there can be a file of this name below the models folder; "/" is between folders."""
    parts = name.split("/")
    return all(part not in {"", ".", ".."} for part in parts) and name.endswith(".gguf")


TARGETS = (
    Target("headers", HEADERS, lambda: nullcontext(check_header), 400),
    Target("names", FILE_NAMES, lambda: nullcontext(check_names)),
    Target("own-models", edited(OWN_MODELS, TOML_WORDS), own_models_ready),
)
