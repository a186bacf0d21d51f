"""Writes test.gguf, the model that comes with the app to check an installation. Run by hand and in a test.

A llama of two layers with random weights: `python make_test_model.py [OUTPUT]`. The same bytes come out every
time and everywhere: all randomness is PCG64's stream of raw integers, which NumPy promises never to change.
Tests that need several models make two more, which come with nothing: another llama and a BERT
(`--kind digits`, `--kind bert`). By the length of its embeddings one can tell which model gave an answer.
With `--proofs FOLDER` it writes what engines are proven with: a small llama in each kind of weights, and the
vectors that the built-in engine makes of `PROOF_TEXTS` with it.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

CONTEXT = 512
LAYERS = 2
HEADS = 4
FEED_FORWARD = 4
"""How many times the width of a layer is that of its inner part."""

UNKNOWN, BEGIN, END = 0, 1, 2
SPACE = "\u2581"  # how SentencePiece writes a blank
LETTERS = "etaoinshrdlcumwfgypbvkjxqz"
# The tokenizer joins the earlier of these pieces first; a word is reached as its start and a pair or letter.
PAIRS = [
    *("th", "he", "in", "er", "an", "re", "on", "at", "en", "nd", "ti", "es", "or", "te", "of", "ed"),
    *("is", "it", "al", "ar", "st", "to", "nt", "ng", "se", "ha", "as", "ou", "io", "le", "ve"),
]
WORDS = ["the", "and", "of", "to", "in", "is", "it", "at", "on", "as", "an", "or"]
DIGITS = "0123456789"
MARKS = ".,:;!?'\"()[]{}<>/\\|@#$%&*+-=_~^`"
OTHERS = f"{LETTERS.upper()}{DIGITS}{MARKS}\n"

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Llama:
    """A model that writes. Its text is letters and short words, or nothing but digits."""

    name: str
    seed: int
    width: int
    description: str
    digits: bool = False


@dataclass(frozen=True, slots=True)
class Bert:
    """A model that only reads: it embeds, and takes the mean of a text's tokens. It knows no capitals."""

    name: str = "Tests' encoder"
    seed: int = 20231221
    width: int = 32
    layers: int = LAYERS
    context: int = CONTEXT


TEST_MODEL = Llama(
    "Built-in test model",
    seed=20231219,
    width=64,
    description="Random weights, for checking an installation: its answers mean nothing.",
)
DIGITS_MODEL = Llama(
    "Tests' second chat model",
    seed=20231220,
    width=48,
    description="Random weights: its answers are digits and mean nothing.",
    digits=True,
)
PROOF_WIDTHS = {"F16": 128, "Q8_0": 256, "Q4_0": 256, "Q4_K": 256}
"""How wide the model is that engines are proven with, for each kind of weights.

Q4_K stores 256 weights at a time. All matrices have a multiple of 32 rows and of 128 columns: engines have
their fastest code, which is what may fail on a machine, for such sizes alone.
"""
PROOF_TEXTS = ("a", " ".join(["the weights of a model are told by what it reads"] * 6))
"""A text of few tokens and one of many: engines compute the two in different ways."""
_PROOF_SEED = 20231222
_PROOF_NAME = "proof-{kind}.gguf"
_PROOF_VECTORS = "vectors.json"
_PROOF_DIGITS = 5

KINDS: dict[str, Llama | Bert] = {"test": TEST_MODEL, "digits": DIGITS_MODEL, "bert": Bert()}


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


def _likelihood(token: str, kind: gguf.TokenType, *, digits: bool) -> float:
    """What is added to a token's logit, so that answers look as they should and never end by themselves."""
    if kind is not gguf.TokenType.NORMAL:
        return -40.0
    if digits:
        return 0.0 if token in DIGITS else -40.0
    if not token.removeprefix(SPACE).islower():
        return -20.0
    return 2.0 if token.startswith(SPACE) else 0.0


class _Weights:
    """Matrices of uniform random numbers, each scaled by the width of its input.

    Channel 0 of the hidden state is constant: every embedding sets it to one and no layer adds to it. Through
    the last matrix it becomes the bias that the architecture lacks; the last norm keeps it small outside.
    """

    FADE = 1 / 64

    def __init__(self, seed: int, width: int) -> None:
        self._bits = np.random.PCG64(seed)
        self._width = width

    def uniform(self, rows: int, columns: int) -> Floats:
        raw = np.asarray(self._bits.random_raw(rows * columns), dtype=np.uint64)
        return ((raw >> np.uint64(11)) / 2.0**52 - 1.0).reshape(rows, columns)

    def matrix(self, rows: int, columns: int) -> Floats:
        return self.uniform(rows, columns) * math.sqrt(3 / columns)

    def blocks_of_q4_k(self, rows: int, columns: int) -> npt.NDArray[np.uint8]:
        """A matrix as Q4_K stores it: blocks of 256 weights, each with two numbers, 12 bytes and 128 bytes.

        Only an engine can make such blocks of a matrix, so the bytes themselves are drawn. A weight is
        `d * scale * q - dmin * least`, with q of 4 bits and the other two of 6; `dmin` makes zero its mean.
        """
        count, sizes = rows * columns // 256, (12, 128)
        raw = np.asarray(self._bits.random_raw(count * sum(sizes)), dtype=np.uint64)
        drawn = (raw >> np.uint64(56)).astype(np.uint8).reshape(count, sum(sizes))
        unit = 1 / math.sqrt(columns) / 258  # by which numbers of 6 and 4 bits, drawn so, spread
        numbers = np.tile(np.array([unit, unit * 7.5], dtype="<f2").view(np.uint8), (count, 1))
        return np.concatenate((numbers, drawn), axis=1).reshape(rows, -1)

    def silent_in_channel_0(self, rows: int, columns: int) -> Floats:
        weights = self.matrix(rows, columns)
        weights[0] = 0
        return weights

    def embeddings(self, tokens: int) -> Floats:
        weights = self.uniform(tokens, self._width)
        weights[:, 0] = 1
        return weights

    def output(self, biases: list[float]) -> Floats:
        weights = self.uniform(len(biases), self._width) * 0.5
        weights[:, 0] = np.array(biases) / self.FADE
        return weights

    def output_norm(self) -> Floats:
        weights = np.ones(self._width)
        weights[0] = self.FADE
        return weights


def _add_size(writer: gguf.GGUFWriter, width: int, layers: int, context: int) -> None:
    writer.add_license("mit")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FEED_FORWARD * width)
    writer.add_head_count(HEADS)


def _add_llama(writer: gguf.GGUFWriter, model: Llama) -> None:
    tokens, kinds = _vocabulary()
    writer.add_name(model.name)
    writer.add_description(model.description)
    _add_size(writer, model.width, LAYERS, CONTEXT)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(model.width // HEADS)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(_scores(tokens, kinds))
    writer.add_token_types(kinds)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHAT_TEMPLATE)
    likelihoods = [
        _likelihood(token, kind, digits=model.digits) for token, kind in zip(tokens, kinds, strict=True)
    ]
    for name, values in _llama_tensors(_Weights(model.seed, model.width), model.width, likelihoods):
        _add_tensor(writer, f"{name}.weight", values)


def _llama_tensors(weights: _Weights, width: int, biases: list[float]) -> Iterator[tuple[str, Floats]]:
    inner = FEED_FORWARD * width
    yield "token_embd", weights.embeddings(len(biases))
    for layer in range(LAYERS):
        yield f"blk.{layer}.attn_norm", np.ones(width)
        yield f"blk.{layer}.attn_q", weights.matrix(width, width)
        yield f"blk.{layer}.attn_k", weights.matrix(width, width)
        yield f"blk.{layer}.attn_v", weights.matrix(width, width)
        yield f"blk.{layer}.attn_output", weights.silent_in_channel_0(width, width)
        yield f"blk.{layer}.ffn_norm", np.ones(width)
        yield f"blk.{layer}.ffn_gate", weights.matrix(inner, width)
        yield f"blk.{layer}.ffn_up", weights.matrix(inner, width)
        yield f"blk.{layer}.ffn_down", weights.silent_in_channel_0(width, inner)
    yield "output_norm", weights.output_norm()
    yield "output", weights.output(biases)


def _add_bert(writer: gguf.GGUFWriter, model: Bert) -> None:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = f"{LETTERS}{DIGITS}{MARKS}"
    # As the converter writes a WordPiece vocabulary: the mark stands before words, not before their ends.
    tokens = [*special, *(SPACE + each for each in characters), *characters]
    normal = [gguf.TokenType.NORMAL] * (len(tokens) - len(special))
    writer.add_name(model.name)
    _add_size(writer, model.width, model.layers, model.context)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(special) + normal)
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_eos_token_id(3)
    writer.add_mask_token_id(4)
    for name, values in _bert_tensors(_Weights(model.seed, model.width), model, len(tokens)):
        # llama.cpp adds these two to others, for which they must be in F32.
        _add_tensor(writer, name, values, exact=name in ("token_types.weight", "position_embd.weight"))


def _bert_tensors(weights: _Weights, model: Bert, tokens: int) -> Iterator[tuple[str, Floats]]:
    width, inner = model.width, FEED_FORWARD * model.width
    yield "token_embd.weight", weights.uniform(tokens, width)
    yield "token_types.weight", weights.uniform(2, width)
    yield "position_embd.weight", weights.uniform(model.context, width) * 0.5
    yield from _norm("token_embd_norm", width)
    for layer in range(model.layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"blk.{layer}.{name}.weight", weights.matrix(width, width)
            yield f"blk.{layer}.{name}.bias", np.zeros(width)
        yield from _norm(f"blk.{layer}.attn_output_norm", width)
        yield f"blk.{layer}.ffn_up.weight", weights.matrix(inner, width)
        yield f"blk.{layer}.ffn_up.bias", np.zeros(inner)
        yield f"blk.{layer}.ffn_down.weight", weights.matrix(width, inner)
        yield f"blk.{layer}.ffn_down.bias", np.zeros(width)
        yield from _norm(f"blk.{layer}.layer_output_norm", width)


def _norm(name: str, width: int) -> Iterator[tuple[str, Floats]]:
    yield f"{name}.weight", np.ones(width)
    yield f"{name}.bias", np.zeros(width)


def _add_tensor(writer: gguf.GGUFWriter, name: str, values: Floats, *, exact: bool = False) -> None:
    writer.add_tensor(name, values.astype(np.float32 if exact or values.ndim == 1 else np.float16))


def _add_proof(writer: gguf.GGUFWriter, kind: str) -> None:
    """A llama of one layer that shares its keys and values among all heads, and knows letters only."""
    width = PROOF_WIDTHS[kind]
    tokens, types = _proof_vocabulary()
    writer.add_name(f"Proof of {kind}")
    writer.add_license("mit")
    writer.add_file_type(
        {
            "F16": gguf.LlamaFileType.MOSTLY_F16,
            "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
            "Q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
            "Q4_K": gguf.LlamaFileType.MOSTLY_Q4_K_S,
        }[kind]
    )
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(width)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // HEADS)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(_scores(tokens, types))
    writer.add_token_types(types)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(True)
    shared = width // HEADS
    weights = _Weights(_PROOF_SEED, width)
    for name, rows in (
        ("token_embd", len(tokens)),
        ("blk.0.attn_q", width),
        ("blk.0.attn_k", shared),
        ("blk.0.attn_v", shared),
        ("blk.0.attn_output", width),
        ("blk.0.ffn_gate", width),
        ("blk.0.ffn_up", width),
        ("blk.0.ffn_down", width),
        ("output", len(tokens)),
    ):
        _add_stored(writer, f"{name}.weight", kind, weights, rows, width)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        _add_tensor(writer, f"{name}.weight", np.ones(width))


def _proof_vocabulary() -> tuple[list[str], list[gguf.TokenType]]:
    """As `_vocabulary`; the line end, which PowerInfer looks for, is the only token for a byte."""
    special, words = ["<unk>", "<s>", "</s>", "<0x0A>"], [SPACE + word for word in WORDS]
    pieces = [SPACE, *LETTERS, *(SPACE + letter for letter in LETTERS), *PAIRS, *words, *LETTERS.upper()]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL, gguf.TokenType.BYTE]
    unused = [f"<unused{number}>" for number in range(-(len(special) + len(pieces)) % 32)]
    kinds += [gguf.TokenType.NORMAL] * len(pieces) + [gguf.TokenType.UNUSED] * len(unused)
    return special + pieces + unused, kinds


def _add_stored(
    writer: gguf.GGUFWriter, name: str, kind: str, weights: _Weights, rows: int, columns: int
) -> None:
    stored = gguf.GGMLQuantizationType[kind]
    if kind == "F16":
        _add_tensor(writer, name, weights.matrix(rows, columns))
    elif kind == "Q4_K":
        writer.add_tensor(name, weights.blocks_of_q4_k(rows, columns), raw_dtype=stored)
    else:
        exact = weights.matrix(rows, columns).astype(np.float32)
        writer.add_tensor(name, gguf.quants.quantize(exact, stored), raw_dtype=stored)


def write_proofs(folder: Path) -> None:
    """Write the models that engines are proven with, and the vectors that they are to make with them."""
    folder.mkdir(exist_ok=True)
    vectors = {}
    for kind in PROOF_WIDTHS:
        path = folder / _PROOF_NAME.format(kind=kind)
        writer = gguf.GGUFWriter(path, "llama")
        _add_proof(writer, kind)
        _write(writer)
        vectors[kind] = {pooling: vectors_of(path, pooling) for pooling in ("mean", "last")}
    document = {"texts": PROOF_TEXTS, "vectors": vectors}
    (folder / _PROOF_VECTORS).write_text(json.dumps(document) + "\n", encoding="utf-8")


def vectors_of(path: Path, pooling: str) -> list[list[float]]:
    """What the built-in engine makes of each of `PROOF_TEXTS` with this pooling."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.embedding = True
    params.n_ctx, params.n_batch, params.n_ubatch = CONTEXT, CONTEXT, CONTEXT
    params.n_parallel = 1
    params.pooling_type = xllamacpp.llama_pooling_type[f"LLAMA_POOLING_TYPE_{pooling.upper()}"]
    answer = xllamacpp.Server(params).handle_embeddings({"input": list(PROOF_TEXTS)})
    return [[round(number, _PROOF_DIGITS) for number in each["embedding"]] for each in answer["data"]]


def main(output: Path, model: Llama | Bert = TEST_MODEL) -> None:
    """Write a model to `output`, replacing what is there."""
    writer = gguf.GGUFWriter(output, type(model).__name__.lower())
    if isinstance(model, Llama):
        _add_llama(writer, model)
    else:
        _add_bert(writer, model)
    _write(writer)


def _write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", nargs="?", type=Path, default=Path(__file__).with_name("test.gguf"))
    parser.add_argument("--kind", choices=KINDS, default="test", help="which model (default: test)")
    parser.add_argument("--proofs", type=Path, metavar="FOLDER", help="write the models of proofs there")
    options = parser.parse_args()
    if options.proofs:
        write_proofs(options.proofs)
    else:
        main(options.output, KINDS[options.kind])
