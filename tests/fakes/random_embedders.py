"""Writes tiny models of random weights for llama.cpp, of the kinds that people embed and rank with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gguf
import numpy as np

from tests.fakes.random_models import add_vocabulary

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 64
_HEADS = 4
_KV_HEADS = 2
_HEAD_WIDTH = WIDTH // _HEADS
_LAYERS = 2
_GEMMA_LAYERS = 6  # of each six, one sees the whole text: llama.cpp ends without one
_FEED_FORWARD = 128
_VOCABULARY = 320
CONTEXT = 1024

Sizes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What the header says of how a model reads and pools; None leaves the key out."""

    architecture: str
    pooling: gguf.PoolingType | None = None
    causal: bool | None = None


def write_embedder(path: Path, kind: Kind) -> Path:
    """Write a model; the path again. One whose pooling is RANK has the head that gives scores."""
    writer = gguf.GGUFWriter(path, kind.architecture)
    writer.add_name("Random")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(_layers(kind.architecture))
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    if kind.pooling is not None:
        writer.add_pooling_type(kind.pooling)
    if kind.causal is not None:
        writer.add_causal_attention(kind.causal)
    if _labels(kind) > 1:
        writer.add_classifier_output_labels(["yes", "no"])
    if kind.architecture == "bert":
        writer.add_layer_norm_eps(1e-12)
        _add_words(writer)
    else:
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_head_count_kv(_KV_HEADS)
        writer.add_key_length(_HEAD_WIDTH)
        writer.add_value_length(_HEAD_WIDTH)
        writer.add_rope_dimension_count(_HEAD_WIDTH)
        if kind.architecture == "gemma-embedding":
            writer.add_sliding_window(512)
        add_vocabulary(writer, _VOCABULARY)
    random = np.random.default_rng(7)
    for name, size in _tensors(kind).items():
        is_norm = "norm" in name and name.endswith("weight")
        weights = np.ones(size) if is_norm else random.standard_normal(size) * 0.1
        writer.add_tensor(name, weights.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _labels(kind: Kind) -> int:
    """Scores that its head gives: a BERT's is one, others tell «yes» from «no»."""
    return 2 if kind.pooling is gguf.PoolingType.RANK and kind.architecture != "bert" else 1


def _layers(architecture: str) -> int:
    return _GEMMA_LAYERS if architecture == "gemma-embedding" else _LAYERS


def _add_words(writer: gguf.GGUFWriter) -> None:
    """The vocabulary of a BERT: words that begin one have a mark, which its tokenizer puts before each."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [f"\u2581word{number}" for number in range(_VOCABULARY - len(special))]
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("bert")
    writer.add_token_list([*special, *words])
    writer.add_token_types([*[control] * len(special), *[normal] * len(words)])
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)


def _tensors(kind: Kind) -> Sizes:
    """Names and sizes, rows before columns."""
    sizes = _of_bert() if kind.architecture == "bert" else _of_decoder(kind.architecture)
    if kind.pooling is gguf.PoolingType.RANK:
        sizes["cls.output.weight"] = (_labels(kind), WIDTH)
        if kind.architecture == "bert":
            sizes |= {"cls.weight": (WIDTH, WIDTH), "cls.bias": (WIDTH,), "cls.output.bias": (1,)}
    return sizes


def _of_bert() -> Sizes:
    sizes: Sizes = {
        "token_embd.weight": (_VOCABULARY, WIDTH),
        "token_types.weight": (2, WIDTH),
        "position_embd.weight": (CONTEXT, WIDTH),
        "token_embd_norm.weight": (WIDTH,),
        "token_embd_norm.bias": (WIDTH,),
    }
    for layer in range(_LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            sizes |= {f"blk.{layer}.{name}.weight": (WIDTH, WIDTH), f"blk.{layer}.{name}.bias": (WIDTH,)}
        for name in ("attn_output_norm", "layer_output_norm"):
            sizes |= {f"blk.{layer}.{name}.weight": (WIDTH,), f"blk.{layer}.{name}.bias": (WIDTH,)}
        sizes |= {
            f"blk.{layer}.ffn_up.weight": (_FEED_FORWARD, WIDTH),
            f"blk.{layer}.ffn_up.bias": (_FEED_FORWARD,),
            f"blk.{layer}.ffn_down.weight": (WIDTH, _FEED_FORWARD),
            f"blk.{layer}.ffn_down.bias": (WIDTH,),
        }
    return sizes


def _of_decoder(architecture: str) -> Sizes:
    kv_width = _HEAD_WIDTH * _KV_HEADS
    of_layer: Sizes = {
        "attn_norm.weight": (WIDTH,),
        "ffn_norm.weight": (WIDTH,),
        "attn_q.weight": (WIDTH, WIDTH),
        "attn_k.weight": (kv_width, WIDTH),
        "attn_v.weight": (kv_width, WIDTH),
        "attn_output.weight": (WIDTH, WIDTH),
        "ffn_gate.weight": (_FEED_FORWARD, WIDTH),
        "ffn_up.weight": (_FEED_FORWARD, WIDTH),
        "ffn_down.weight": (WIDTH, _FEED_FORWARD),
    }
    if architecture == "qwen2":
        of_layer |= {"attn_q.bias": (WIDTH,), "attn_k.bias": (kv_width,), "attn_v.bias": (kv_width,)}
    if architecture in ("qwen3", "gemma-embedding"):
        of_layer |= {"attn_q_norm.weight": (_HEAD_WIDTH,), "attn_k_norm.weight": (_HEAD_WIDTH,)}
    if architecture == "gemma-embedding":
        of_layer |= {"post_attention_norm.weight": (WIDTH,), "post_ffw_norm.weight": (WIDTH,)}
    sizes: Sizes = {"token_embd.weight": (_VOCABULARY, WIDTH), "output_norm.weight": (WIDTH,)}
    if architecture != "gemma-embedding":
        sizes["output.weight"] = (_VOCABULARY, WIDTH)
    return sizes | {
        f"blk.{layer}.{name}": size
        for layer in range(_layers(architecture))
        for name, size in of_layer.items()
    }
