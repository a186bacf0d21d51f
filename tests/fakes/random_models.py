"""Writes models of random weights that llama.cpp runs: large enough to measure; their answers are noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gguf
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


_FIRST_BYTE = 3
"""Where the tokens for single bytes begin in a llama's vocabulary."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a llama is."""

    width: int = 512
    layers: int = 4
    heads: int = 8
    kv_heads: int = 2
    feed_forward: int = 2048
    vocabulary: int = 16_000
    context: int = 8192
    weights: str = "F16"
    """How its matrices are stored, by GGUF's names: F16, or Q8_0 and others that Python can make."""
    broken_letter: str = ""
    """A letter (ASCII) of which the model makes NaN."""
    silent: bool = False
    """Whether all its vectors are zeros."""


def write_llama(path: Path, shape: Shape) -> Path:
    """Write a llama with a vocabulary of made-up words; the path again."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Random")
    stored = gguf.GGMLQuantizationType[shape.weights]
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{shape.weights}"])
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    add_vocabulary(writer, shape.vocabulary)
    for name, size in _tensors(shape):
        weights = _weights(size)
        if name == "token_embd.weight" and shape.broken_letter:
            weights[_FIRST_BYTE + ord(shape.broken_letter)] = np.nan
        if name == "output_norm.weight" and shape.silent:
            weights[:] = 0
        if shape.weights != "F16" and weights.ndim > 1:
            packed = gguf.quants.quantize(weights.astype(np.float32), stored)
            writer.add_tensor(name, packed, raw_dtype=stored)
        else:
            writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """Made-up words, after the tokens that every such vocabulary has."""
    control, byte, normal = gguf.TokenType.CONTROL, gguf.TokenType.BYTE, gguf.TokenType.NORMAL
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{number:02X}>" for number in range(256))]
    types = [gguf.TokenType.UNKNOWN, control, control, *[byte] * 256]
    tokens += [f"word{number}" for number in range(size - len(tokens))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * size)
    writer.add_token_types([*types, *[normal] * (size - len(types))])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _tensors(shape: Shape) -> list[tuple[str, tuple[int, ...]]]:
    """Names and sizes, rows before columns."""
    kv_width = shape.width // shape.heads * shape.kv_heads
    tensors: list[tuple[str, tuple[int, ...]]] = [
        ("token_embd.weight", (shape.vocabulary, shape.width)),
        ("output_norm.weight", (shape.width,)),
        ("output.weight", (shape.vocabulary, shape.width)),
    ]
    for layer in range(shape.layers):
        sizes = {
            "attn_norm": (shape.width,),
            "ffn_norm": (shape.width,),
            "attn_q": (shape.width, shape.width),
            "attn_k": (kv_width, shape.width),
            "attn_v": (kv_width, shape.width),
            "attn_output": (shape.width, shape.width),
            "ffn_gate": (shape.feed_forward, shape.width),
            "ffn_up": (shape.feed_forward, shape.width),
            "ffn_down": (shape.width, shape.feed_forward),
        }
        tensors += [(f"blk.{layer}.{name}.weight", size) for name, size in sizes.items()]
    return tensors


def _weights(size: tuple[int, ...]) -> NDArray[np.float16] | NDArray[np.float32]:
    if len(size) == 1:
        return np.ones(size, np.float32)  # norms
    return (np.random.default_rng(0).standard_normal(size, np.float32) * 0.02).astype(np.float16)
