"""The facts about a model that the entries of its header give. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tray_app.models.ggml import FILE_TYPES, TENSOR_TYPES
from tray_app.phrases import one_line, rewritten

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

_GUESSED_FILE_TYPE = 1024  # llama.cpp's LLAMA_FTYPE_GUESSED: added to a type that the file does not state

_BOTH_DIRECTIONS = ("llama-embed", "t5", "dream", "llada", "llada-moe", "rnd1")
"""Architectures without causal attention in llama.cpp, whatever the file says, besides encoders."""
_USED = frozenset(
    {
        "general.alignment",
        "general.architecture",
        "general.file_type",
        "general.name",
        "general.type",
        "clip.has_vision_encoder",
        "split.count",
        "tokenizer.chat_template",
        "tokenizer.ggml.model",
        "tokenizer.ggml.tokens",
    }
)
_USED_OF_ARCHITECTURE = (
    ".attention.causal",
    ".attention.head_count",
    ".attention.head_count_kv",
    ".attention.key_length",
    ".attention.value_length",
    ".block_count",
    ".context_length",
    ".embedding_length",
    ".expert_count",
    ".expert_used_count",
    ".feed_forward_length",
    ".image_size",
    ".patch_size",
    ".pooling_type",
    ".projection_dim",
    ".vocab_size",
)
"""Endings of keys that begin with the name of the architecture, which may come later in the file."""

Metadata = dict[str, Any]
"""The entries of a header: numbers, texts, and tuples of a few whole numbers."""


class GgufFileType(StrEnum):
    """What a GGUF file contains. Only models can be served."""

    MODEL = "model"
    PROJECTOR = "projector"
    """Turns pictures or sounds into what a model reads (`mmproj`)."""
    ADAPTER = "adapter"
    """Changes a model (LoRA, control vectors)."""
    OTHER = "supplement"
    """Importance matrices, vocabularies."""


class Pooling(StrEnum):
    """How the vectors of a text's tokens become one result. Names and order are those of llama.cpp's
    numbers.
    """

    NONE = "none"
    MEAN = "mean"
    CLS = "cls"
    """The vector of the first token."""
    LAST = "last"
    RANK = "rank"
    """Not a vector, but a score for how well a document answers a question."""


class Purpose(StrEnum):
    """What a model was made for."""

    CHAT = "chat"
    """Conversations and completions. Such a model can also make embeddings."""
    EMBEDDING = "embedding"
    RERANK = "rerank"


@dataclass(frozen=True, slots=True)
class Heads:
    """The attention heads of a model, which determine the size of its cache."""

    query: int
    """Query heads in the layer with the most."""
    kv_in_all_layers: int
    """Key-value heads of all layers together."""
    key_length: int
    """Numbers in one key."""
    value_length: int
    """Numbers in one value."""


@dataclass(frozen=True, slots=True)
class Projection:
    """How a projector turns a picture or a sound into vectors. `None` and 0 for what its file does not
    say.
    """

    length: int | None
    """Numbers in each of its vectors; those of its model have as many."""
    sees: bool
    """Whether it takes pictures, and not only sounds."""
    patches: int = 0
    """Pieces into which it cuts a picture."""
    width: int = 0
    """Numbers for each piece between two layers."""
    feed_forward: int = 0
    """Numbers for each piece within a layer."""


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """The facts in the header of a model file. `None` for what it does not say, or not in a known way."""

    sparse: bool
    """Whether it is a PWRI file, which only PowerInfer can run."""
    architecture: str = ""
    name: str | None = None
    """The publisher's name for the model."""
    context_length: int | None = None
    """Tokens in the longest context that the model was trained with."""
    embedding_length: int | None = None
    block_count: int | None = None
    quantization: str = ""
    """How the weights are stored: `F16`, `Q4_0`, `Q4_K_M`, …"""
    chat_template: str | None = None
    implied_size_bytes: int = 0
    """The end of the last weight in the file: a shorter file is incomplete."""
    role: GgufFileType = GgufFileType.MODEL
    parameters: int = 0
    """Weights in this file alone; see `split_count`."""
    split_count: int = 1
    """Files of the model."""
    heads: Heads | None = None
    feed_forward_length: int | None = None
    expert_count: int | None = None
    experts_used: int | None = None
    """Experts that compute one token."""
    tokenizer: str | None = None
    """`llama`, `gpt2`, `bert`, …"""
    vocabulary_size: int | None = None
    pooling: Pooling | None = None
    causal: bool | None = None
    """Whether a token depends only on earlier ones; False if texts are read in both directions."""
    projection: Projection | None = None
    """Only for projectors."""

    @property
    def kind(self) -> str:
        """`sparse` or `dense`."""
        return "sparse" if self.sparse else "dense"

    @property
    def encoder(self) -> bool:
        """Whether the model only encodes texts: it has no cache and predicts no tokens."""
        return (
            "bert" in self.architecture
            or self.architecture.endswith("encoder")
            or self.architecture.startswith("gemma-embedding")
        )

    @property
    def needs_whole_text(self) -> bool:
        """Whether a text must be processed in one batch, because its tokens also depend on later ones."""
        return self.causal is False or self.encoder or self.architecture in _BOTH_DIRECTIONS

    @property
    def usual_pooling(self) -> Pooling:
        """The file's own pooling, or else the one that most models of its kind are trained with."""
        if self.pooling not in (None, Pooling.NONE):
            return self.pooling
        return Pooling.MEAN if self.needs_whole_text else Pooling.LAST

    @property
    def purpose(self) -> Purpose:
        """What the model was made for. A decoder whose file gives a pooling was trained for embeddings."""
        if self.pooling is Pooling.RANK:
            return Purpose.RERANK
        told = self.pooling not in (None, Pooling.NONE)
        return (
            Purpose.EMBEDDING if told or self.encoder or self.architecture == "llama-embed" else Purpose.CHAT
        )


def is_used(key: str) -> bool:
    """Whether `model_header` uses the entry with this key; others need not be kept."""
    return key in _USED or key.endswith(_USED_OF_ARCHITECTURE)


def model_header(
    metadata: Metadata,
    lengths: Mapping[str, int],
    elements: Counter[int],
    implied_size_bytes: int,
    *,
    sparse: bool,
) -> ModelHeader | None:
    """The header as a value; None if it does not name an architecture.

    `lengths`: the number of items in each array. `elements`: the number of weights by the number of their
    type.
    """
    architecture = _label(metadata.get("general.architecture"))
    if architecture is None:
        return None
    template = metadata.get("tokenizer.chat_template")

    def size(key: str) -> int | None:
        return _size(metadata.get(f"{architecture}.{key}"))

    return ModelHeader(
        sparse=sparse,
        architecture=architecture,
        name=_label(metadata.get("general.name")),
        context_length=size("context_length"),
        embedding_length=size("embedding_length"),
        block_count=size("block_count"),
        quantization=_quantization(metadata.get("general.file_type"), elements),
        chat_template=template if isinstance(template, str) else None,
        implied_size_bytes=implied_size_bytes,
        role=_role(metadata.get("general.type"), architecture),
        parameters=elements.total(),
        split_count=max(1, _size(metadata.get("split.count")) or 1),
        heads=_heads(metadata, architecture),
        feed_forward_length=_largest(metadata.get(f"{architecture}.feed_forward_length")),
        expert_count=size("expert_count"),
        experts_used=size("expert_used_count"),
        tokenizer=_label(metadata.get("tokenizer.ggml.model")),
        vocabulary_size=lengths.get("tokenizer.ggml.tokens") or size("vocab_size"),
        pooling=_pooling(metadata.get(f"{architecture}.pooling_type")),
        causal=_truth(metadata.get(f"{architecture}.attention.causal")),
        projection=_projection(metadata) if architecture == _PROJECTORS else None,
    )


def _quantization(file_type: Any, elements: Counter[int]) -> str:
    """The name of the file's mix of types, or else of the type of most of its weights."""
    if isinstance(file_type, int) and (mix := FILE_TYPES.get(file_type & ~_GUESSED_FILE_TYPE)):
        return mix
    if not elements:
        return "unknown"
    number = max(elements, key=lambda each: elements[each])
    return TENSOR_TYPES[number].name if number in TENSOR_TYPES else f"type {number}"


_PROJECTORS = "clip"
"""The architecture that llama.cpp writes into all projectors, whatever model they are for."""
_ROLES = {"model": GgufFileType.MODEL, "mmproj": GgufFileType.PROJECTOR, "adapter": GgufFileType.ADAPTER}


def _role(declared: Any, architecture: str) -> GgufFileType:
    """By the architecture of projectors and control vectors, or else by `general.type`, which old files
    lack.
    """
    if architecture == _PROJECTORS:
        return GgufFileType.PROJECTOR
    if architecture == "controlvector":
        return GgufFileType.ADAPTER
    return _ROLES.get(declared, GgufFileType.OTHER) if isinstance(declared, str) else GgufFileType.MODEL


def _projection(metadata: Metadata) -> Projection:
    def size(key: str) -> int:
        return _size(metadata.get(f"{_PROJECTORS}.vision.{key}")) or 0

    length = size("projection_dim") or _size(metadata.get(f"{_PROJECTORS}.audio.projection_dim"))
    row = size("image_size") // max(1, size("patch_size"))
    told = _truth(metadata.get(f"{_PROJECTORS}.has_vision_encoder"))
    return Projection(
        length=length or None,
        sees=row > 0 if told is None else told,
        patches=row * row,
        width=size("embedding_length"),
        feed_forward=size("feed_forward_length"),
    )


def _heads(metadata: Metadata, architecture: str) -> Heads | None:
    """The heads, with llama.cpp's defaults for missing values; None if the file says too little."""
    prefix = f"{architecture}.attention"
    query = _largest(metadata.get(f"{prefix}.head_count"))
    layers = _size(metadata.get(f"{architecture}.block_count"))
    width = _size(metadata.get(f"{architecture}.embedding_length"))
    if not query or not layers or not width:
        return None
    by_layer = metadata.get(f"{prefix}.head_count_kv", query)
    in_all = (
        sum(max(0, heads) for heads in by_layer)
        if isinstance(by_layer, tuple)
        else (_size(by_layer) or query) * layers
    )
    return Heads(
        query=query,
        kv_in_all_layers=in_all,
        key_length=_size(metadata.get(f"{prefix}.key_length")) or width // query,
        value_length=_size(metadata.get(f"{prefix}.value_length")) or width // query,
    )


def _pooling(value: Any) -> Pooling | None:
    """The pooling with llama.cpp's number; None for any other value."""
    number = _size(value)
    return None if number is None else dict(enumerate(Pooling)).get(number)


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _largest(value: Any) -> int | None:
    """A number, or the largest of several: some models give one for each layer."""
    return _size(max(value) if isinstance(value, tuple) and value else value)


def _label(value: Any) -> str | None:
    """A text in one line without harmful characters, fit to be shown and for file names; None if empty."""
    return one_line(rewritten(value, lambda _: "")) or None if isinstance(value, str) else None


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
