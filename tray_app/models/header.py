"""What a model file says of itself, made from the entries of its header. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tray_app.models.ggml import FILE_TYPES, TENSOR_TYPES
from tray_app.phrases import one_line, rewritten

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

_GUESSED_FILE_TYPE = 1024  # llama.cpp's flag for a file type that it has worked out by itself

_BOTH_DIRECTIONS = ("llama-embed", "t5", "dream", "llada", "llada-moe", "rnd1")
"""Architectures that llama.cpp computes so without a word of it in the file; encoders do besides."""
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
"""Each stands behind the name of the architecture, which may come later in the file."""

Metadata = dict[str, Any]
"""Numbers, texts, and tuples of a few whole numbers."""


class GgufFileType(StrEnum):
    """What a file of this format is for. Only a model can be served."""

    MODEL = "model"
    PROJECTOR = "projector"
    """Turns pictures or sounds into what a model reads (`mmproj`)."""
    ADAPTER = "adapter"
    """Changes a model (LoRA, control vectors)."""
    OTHER = "supplement"
    """Importance matrices, vocabularies."""


class Pooling(StrEnum):
    """How one answer is made of the vectors of a text's tokens, in llama.cpp's words."""

    NONE = "none"
    MEAN = "mean"
    CLS = "cls"
    """The first token's."""
    LAST = "last"
    RANK = "rank"
    """No vector, but a score: how well a document answers a question."""


class Purpose(StrEnum):
    """What programs can ask a model for."""

    CHAT = "chat"
    """It writes: conversations, completions. Embeddings can be made with it, too."""
    EMBEDDING = "embedding"
    RERANK = "rerank"


@dataclass(frozen=True, slots=True)
class Heads:
    """The attention of a model, as far as its cache is concerned."""

    query: int
    """Heads in the layer that has most of them."""
    kv_in_all_layers: int
    """Key-value heads of all layers together."""
    key_length: int
    """Numbers in one key."""
    value_length: int


@dataclass(frozen=True, slots=True)
class Projection:
    """What a projector makes of a picture or a sound. `None` and 0 where its file says nothing of it."""

    length: int | None
    """Numbers in each of its vectors: as many as those of the model have that it was made for."""
    sees: bool
    """Whether it takes pictures; others take sounds alone."""
    patches: int = 0
    """Pieces into which it cuts a picture."""
    width: int = 0
    """Numbers that it has of each piece between its layers."""
    feed_forward: int = 0
    """The same at the widest place of a layer."""


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """What a model file says of itself. `None` where it says nothing that can be understood."""

    sparse: bool
    """A PWRI file, that only PowerInfer runs."""
    architecture: str = ""
    name: str | None = None
    """What its publisher calls it."""
    context_length: int | None = None
    """Tokens that the model was trained to see at once."""
    embedding_length: int | None = None
    block_count: int | None = None
    quantization: str = ""
    """How the weights are stored: `F16`, `Q4_0`, `Q4_K_M`, …"""
    chat_template: str | None = None
    implied_size_bytes: int = 0
    """Where the last weight ends: a shorter file is incomplete."""
    role: GgufFileType = GgufFileType.MODEL
    parameters: int = 0
    """Weights in this file; see `split_count`."""
    split_count: int = 1
    """Files that make up the model."""
    heads: Heads | None = None
    feed_forward_length: int | None = None
    expert_count: int | None = None
    experts_used: int | None = None
    """How many of the experts work on one token."""
    tokenizer: str | None = None
    """`llama`, `gpt2`, `bert`, …"""
    vocabulary_size: int | None = None
    pooling: Pooling | None = None
    causal: bool | None = None
    """Whether a token sees only those before it; False where a text is read in both directions."""
    projection: Projection | None = None
    """Only a projector's."""

    @property
    def kind(self) -> str:
        """`sparse` or `dense`."""
        return "sparse" if self.sparse else "dense"

    @property
    def encoder(self) -> bool:
        """Whether it only reads: no cache, no next token."""
        return (
            "bert" in self.architecture
            or self.architecture.endswith("encoder")
            or self.architecture.startswith("gemma-embedding")
        )

    @property
    def needs_whole_text(self) -> bool:
        """Whether a text must be read in one piece, because its tokens also see those after them."""
        return self.causal is False or self.encoder or self.architecture in _BOTH_DIRECTIONS

    @property
    def usual_pooling(self) -> Pooling:
        """The file's own pooling; where it tells none, what models of its kind are mostly trained with."""
        if self.pooling not in (None, Pooling.NONE):
            return self.pooling
        return Pooling.MEAN if self.needs_whole_text else Pooling.LAST

    @property
    def purpose(self) -> Purpose:
        """What it was made for: a model that says how it pools is no longer one that writes."""
        if self.pooling is Pooling.RANK:
            return Purpose.RERANK
        told = self.pooling not in (None, Pooling.NONE)
        return (
            Purpose.EMBEDDING if told or self.encoder or self.architecture == "llama-embed" else Purpose.CHAT
        )


def is_used(key: str) -> bool:
    """Whether `model_header` looks at the entry of that name: others need not be kept."""
    return key in _USED or key.endswith(_USED_OF_ARCHITECTURE)


def model_header(
    metadata: Metadata,
    lengths: Mapping[str, int],
    elements: Counter[int],
    implied_size_bytes: int,
    *,
    sparse: bool,
) -> ModelHeader | None:
    """The header as a value; None if it does not even name an architecture.

    `lengths`: how many items the arrays have. `elements`: how many numbers of which type the tensors have.
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
    """The name of the mix if the file tells it, else of the type that most of its numbers have."""
    if isinstance(file_type, int) and (mix := FILE_TYPES.get(file_type & ~_GUESSED_FILE_TYPE)):
        return mix
    if not elements:
        return "unknown"
    number = max(elements, key=lambda each: elements[each])
    return TENSOR_TYPES[number].name if number in TENSOR_TYPES else f"type {number}"


_PROJECTORS = "clip"
"""The architecture of all projectors, by the first one that llama.cpp had."""
_ROLES = {"model": GgufFileType.MODEL, "mmproj": GgufFileType.PROJECTOR, "adapter": GgufFileType.ADAPTER}


def _role(declared: Any, architecture: str) -> GgufFileType:
    """`general.type`, which older files do not have: then a projector is known by its architecture."""
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
    """The attention, with what llama.cpp takes for values that are not told; None if too little is."""
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
    """By llama.cpp's number; any other value tells nothing."""
    number = _size(value)
    return None if number is None else dict(enumerate(Pooling)).get(number)


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _largest(value: Any) -> int | None:
    """A number that some models give for each layer."""
    return _size(max(value) if isinstance(value, tuple) and value else value)


def _label(value: Any) -> str | None:
    """A text to be shown, and for names of files: what is harmful is left out."""
    return one_line(rewritten(value, lambda _: "")) or None if isinstance(value, str) else None


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
