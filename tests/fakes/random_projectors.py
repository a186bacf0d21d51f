"""Writes projectors of random weights, with which llama.cpp gives pictures to a model: it sees noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gguf
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

_MERGED = 4
"""So many patches of a row become one token, and of a column too."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How large a projector of the kind of Gemma 3 is."""

    makes: int = 64
    """How many numbers the vectors have that it makes: as many as those of its model."""
    width: int = 32
    layers: int = 1
    heads: int = 2
    feed_forward: int = 64
    picture: int = 64
    """The side of a picture in pixels."""
    patch: int = 8


def write_projector(path: Path, sight: Sight = Sight(), name: str = "Random") -> Path:
    """Write a projector that llama.cpp loads; the path again."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_clip_has_vision_encoder(value=True)
    writer.add_clip_projector_type("gemma3")
    writer.add_vision_projection_dim(sight.makes)
    writer.add_vision_image_size(sight.picture)
    writer.add_vision_patch_size(sight.patch)
    writer.add_vision_embedding_length(sight.width)
    writer.add_vision_feed_forward_length(sight.feed_forward)
    writer.add_vision_block_count(sight.layers)
    writer.add_vision_head_count(sight.heads)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_use_gelu(value=True)
    writer.add_uint32("clip.vision.projector.scale_factor", _MERGED)
    for tensor, size in _tensors(sight).items():
        writer.add_tensor(tensor, _weights(tensor, size))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(sight: Sight) -> dict[str, tuple[int, ...]]:
    """Sizes by name, rows before columns."""
    wide, patches = sight.width, (sight.picture // sight.patch) ** 2
    tensors: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (wide, 3, sight.patch, sight.patch),
        "v.patch_embd.bias": (wide,),
        "v.position_embd.weight": (patches, wide),
        "v.post_ln.weight": (wide,),
        "v.post_ln.bias": (wide,),
        "mm.input_projection.weight": (wide, sight.makes),
        "mm.soft_emb_norm.weight": (wide,),
    }
    for layer in range(sight.layers):
        sizes = {
            **dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (wide, wide)),
            "ffn_up": (sight.feed_forward, wide),
            "ffn_down": (wide, sight.feed_forward),
            **dict.fromkeys(("ln1", "ln2"), (wide,)),
        }
        for name, size in sizes.items():
            tensors[f"v.blk.{layer}.{name}.weight"] = size
            tensors[f"v.blk.{layer}.{name}.bias"] = size[:1]
    return tensors


def _weights(name: str, size: tuple[int, ...]) -> np.ndarray:
    if len(size) == 1:
        return np.zeros(size, np.float32) if name.endswith("bias") else np.ones(size, np.float32)
    weights = np.random.default_rng(0).standard_normal(size, np.float32) * np.float32(0.02)
    return weights if name.startswith(("v.position", "v.patch")) else weights.astype(np.float16)
