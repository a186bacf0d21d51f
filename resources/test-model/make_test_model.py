"""Writes test.gguf, the model that comes with the app to check an installation. Run by hand and in a test.

A llama of two layers with random weights: `python make_test_model.py [OUTPUT]`. The same bytes come out every
time and everywhere: all randomness is PCG64's stream of raw integers, which NumPy promises never to change.
"""

import math
import sys
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

SEED = 20231219
CONTEXT = 512
WIDTH = 64
FEED_FORWARD = 256
LAYERS = 2
HEADS = 4

UNKNOWN, BEGIN, END = 0, 1, 2
SPACE = "\u2581"  # how SentencePiece writes a blank
LETTERS = "etaoinshrdlcumwfgypbvkjxqz"
# The tokenizer joins the earlier of these pieces first; a word is reached as its start and a pair or letter.
PAIRS = [
    *("th", "he", "in", "er", "an", "re", "on", "at", "en", "nd", "ti", "es", "or", "te", "of", "ed"),
    *("is", "it", "al", "ar", "st", "to", "nt", "ng", "se", "ha", "as", "ou", "io", "le", "ve"),
]
WORDS = ["the", "and", "of", "to", "in", "is", "it", "at", "on", "as", "an", "or"]
OTHERS = "ETAOINSHRDLCUMWFGYPBVKJXQZ0123456789.,:;!?'\"()[]{}<>/\\|@#$%&*+-=_~^`\n"

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)

Floats = npt.NDArray[np.float64]


def _vocabulary() -> tuple[list[str], list[gguf.TokenType]]:
    """The tokens in order of their ids, and what kind each one is."""
    special = ["<unk>", "<s>", "</s>"]
    raw_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    starts = [SPACE + letter for letter in LETTERS]
    words = [SPACE + word for word in WORDS]
    pieces = [SPACE, *LETTERS, *starts, *PAIRS, *words, *OTHERS]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * len(raw_bytes) + [gguf.TokenType.NORMAL] * len(pieces)
    return special + raw_bytes + pieces, kinds


def _scores(tokens: list[str], kinds: list[gguf.TokenType]) -> list[float]:
    """How eagerly the tokenizer merges into a piece: longer ones first, then in their order."""
    return [
        len(token) - number / len(tokens) if kind is gguf.TokenType.NORMAL else 0.0
        for number, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
    ]


def _likelihood(token: str, kind: gguf.TokenType) -> float:
    """What is added to a token's logit, so that answers look like words and never end by themselves."""
    if kind is not gguf.TokenType.NORMAL:
        return -40.0
    if not token.removeprefix(SPACE).islower():
        return -20.0
    return 2.0 if token.startswith(SPACE) else 0.0


class _Weights:
    """Matrices of uniform random numbers, each scaled by the width of its input.

    Channel 0 of the hidden state is constant: every embedding sets it to one and no layer adds to it. Through
    the last matrix it becomes the bias that the architecture lacks; the last norm keeps it small outside.
    """

    FADE = 1 / 64

    def __init__(self) -> None:
        self._bits = np.random.PCG64(SEED)

    def uniform(self, rows: int, columns: int) -> Floats:
        raw = np.asarray(self._bits.random_raw(rows * columns), dtype=np.uint64)
        return ((raw >> np.uint64(11)) / 2.0**52 - 1.0).reshape(rows, columns)

    def matrix(self, rows: int, columns: int) -> Floats:
        return self.uniform(rows, columns) * math.sqrt(3 / columns)

    def silent_in_channel_0(self, rows: int, columns: int) -> Floats:
        weights = self.matrix(rows, columns)
        weights[0] = 0
        return weights

    def embeddings(self, tokens: int) -> Floats:
        weights = self.uniform(tokens, WIDTH)
        weights[:, 0] = 1
        return weights

    def output(self, biases: list[float]) -> Floats:
        weights = self.uniform(len(biases), WIDTH) * 0.5
        weights[:, 0] = np.array(biases) / self.FADE
        return weights

    def output_norm(self) -> Floats:
        weights = np.ones(WIDTH)
        weights[0] = self.FADE
        return weights


def _add_metadata(writer: gguf.GGUFWriter, tokens: list[str], kinds: list[gguf.TokenType]) -> None:
    writer.add_name("Built-in test model")
    writer.add_description("Random weights, for checking an installation: its answers mean nothing.")
    writer.add_license("mit")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(_scores(tokens, kinds))
    writer.add_token_types(kinds)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHAT_TEMPLATE)


def _add_tensors(writer: gguf.GGUFWriter, biases: list[float]) -> None:
    weights = _Weights()

    def add(name: str, values: Floats) -> None:
        kind = np.float32 if values.ndim == 1 else np.float16
        writer.add_tensor(f"{name}.weight", values.astype(kind))

    add("token_embd", weights.embeddings(len(biases)))
    for layer in range(LAYERS):
        add(f"blk.{layer}.attn_norm", np.ones(WIDTH))
        add(f"blk.{layer}.attn_q", weights.matrix(WIDTH, WIDTH))
        add(f"blk.{layer}.attn_k", weights.matrix(WIDTH, WIDTH))
        add(f"blk.{layer}.attn_v", weights.matrix(WIDTH, WIDTH))
        add(f"blk.{layer}.attn_output", weights.silent_in_channel_0(WIDTH, WIDTH))
        add(f"blk.{layer}.ffn_norm", np.ones(WIDTH))
        add(f"blk.{layer}.ffn_gate", weights.matrix(FEED_FORWARD, WIDTH))
        add(f"blk.{layer}.ffn_up", weights.matrix(FEED_FORWARD, WIDTH))
        add(f"blk.{layer}.ffn_down", weights.silent_in_channel_0(WIDTH, FEED_FORWARD))
    add("output_norm", weights.output_norm())
    add("output", weights.output(biases))


def main(output: Path) -> None:
    """Write the model to `output`, replacing what is there."""
    tokens, kinds = _vocabulary()
    writer = gguf.GGUFWriter(output, "llama")
    _add_metadata(writer, tokens, kinds)
    _add_tensors(writer, [_likelihood(token, kind) for token, kind in zip(tokens, kinds, strict=True)])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("test.gguf"))
