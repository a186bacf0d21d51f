"""An encoder of ours in fastembed, behind an HTTP route: what `bench_engines` runs with the Python of peers.

    PYTHON fastembed_server.py MODEL.gguf PORT

PYTHON is one that has fastembed, onnx and gguf. The model's weights are written as an ONNX file in F32, as
those are that fastembed downloads, and of the operators that onnxruntime's own optimizer makes of a BERT. How
fastembed then runs it is left to its defaults. It answers `/v1/models` and `/v1/embeddings`.
"""

import json
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import onnx
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from onnx import helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

NAME = "tests/encoder"
SPACE = "\u2581"  # how a GGUF file marks the first piece of a word
BEGIN, END, PADDING, UNKNOWN = "[CLS]", "[SEP]", "[PAD]", "[UNK]"
_FROM_ONNXRUNTIME = "com.microsoft"


def main(path: Path, port: int) -> None:
    """Serve until the process is ended."""
    reader = gguf.GGUFReader(path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tokenizer(reader, folder)
        width = write_onnx(reader, folder / "model.onnx")
        TextEmbedding.add_custom_model(
            NAME,
            PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf=NAME),
            dim=width,
            model_file="model.onnx",
        )
        embedding = TextEmbedding(NAME, specific_model_path=name)
    _Handler.embedding = embedding
    ThreadingHTTPServer(("127.0.0.1", port), _Handler).serve_forever()


class _Handler(BaseHTTPRequestHandler):
    embedding: Any

    def do_GET(self) -> None:
        self._answer({"data": [{"id": NAME}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        vectors = enumerate(self.embedding.embed(body["input"]))
        self._answer({"data": [{"index": index, "embedding": each.tolist()} for index, each in vectors]})

    def _answer(self, document: object) -> None:
        answer = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing: who asks knows what was asked."""


def write_tokenizer(reader: Any, folder: Path) -> None:
    """Write the files that fastembed reads of a tokenizer: WordPiece, as in the model's file."""
    tokens = reader.get_field("tokenizer.ggml.tokens").contents()
    kinds = reader.get_field("tokenizer.ggml.token_type").contents()
    ids = {
        _in_word_piece(token, kind): number
        for number, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
    }
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}", special_tokens=[(BEGIN, ids[BEGIN]), (END, ids[END])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    context = int(reader.get_field("bert.context_length").contents())
    config = {"pad_token": PADDING, "model_max_length": context}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": PADDING}), encoding="utf-8")


def _in_word_piece(token: str, kind: int) -> str:
    if kind == gguf.TokenType.CONTROL:
        return token
    return token.removeprefix(SPACE) if token.startswith(SPACE) else f"##{token}"


def write_onnx(reader: Any, path: Path) -> int:
    """Write the model; the length of its vectors."""
    weights = {each.name: np.array(each.data, np.float32) for each in reader.tensors}
    heads = int(reader.get_field("bert.attention.head_count").contents())
    layers = int(reader.get_field("bert.block_count").contents())
    width = weights["token_embd.weight"].shape[1]
    graph = _Graph(weights, heads)
    graph.embed()
    for layer in range(layers):
        graph.add_layer(f"blk.{layer}")
    kind = onnx.TensorProto
    inputs = [
        helper.make_tensor_value_info(name, kind.INT64, ["texts", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info(graph.last, kind.FLOAT, ["texts", "tokens", width])
    tensors = [numpy_helper.from_array(values, name) for name, values in graph.constants.items()]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "encoder", inputs, [output], tensors),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(_FROM_ONNXRUNTIME, 1)],
        ir_version=10,
    )
    onnx.save(model, path)
    return int(width)


class _Graph:
    """The operators of an encoder, one after the other; `last` is the name of what the last one gives."""

    def __init__(self, weights: dict[str, Any], heads: int) -> None:
        self.constants: dict[str, Any] = {}
        self.nodes: list[Any] = []
        self.last = ""
        self._weights = weights
        self._heads = heads

    def embed(self) -> None:
        """The sum of what stands for a token, its place and its kind."""
        tables = [self._as_it_is(f"{name}.weight") for name in ("token_embd", "position_embd", "token_types")]
        norm = [self._as_it_is(f"token_embd_norm.{part}") for part in ("weight", "bias")]
        numbers = {"input_ids": "ids", "token_type_ids": "types", "attention_mask": "mask"}
        for given, narrow in numbers.items():
            self._add("Cast", [given], narrow, to=onnx.TensorProto.INT32)
        self._add(
            "EmbedLayerNormalization",
            ["ids", "types", *tables, *norm],
            "embedded",
            "lengths",  # it insists on giving these, too
            domain=_FROM_ONNXRUNTIME,
            epsilon=1e-12,
        )

    def add_layer(self, name: str) -> None:
        """Attention and feed-forward, each followed by a norm."""
        before = self.last
        parts = [f"{name}.attn_{part}" for part in "qkv"]
        merged = self._constant(
            f"{name}.attn_qkv.weight", np.hstack([self._weights[f"{part}.weight"].T for part in parts])
        )
        bias = self._constant(
            f"{name}.attn_qkv.bias", np.hstack([self._weights[f"{part}.bias"] for part in parts])
        )
        self._add(
            "Attention",
            [before, merged, bias, "mask"],
            f"{name}.attention",
            domain=_FROM_ONNXRUNTIME,
            num_heads=self._heads,
        )
        self._add("MatMul", [self.last, self._turned(f"{name}.attn_output.weight")], f"{name}.attention_out")
        self._add_norm(before, f"{name}.attn_output")
        between = self.last
        self._add("MatMul", [between, self._turned(f"{name}.ffn_up.weight")], f"{name}.up")
        bias_up = self._as_it_is(f"{name}.ffn_up.bias")
        self._add("BiasGelu", [self.last, bias_up], f"{name}.gelu", domain=_FROM_ONNXRUNTIME)
        self._add("MatMul", [self.last, self._turned(f"{name}.ffn_down.weight")], f"{name}.down")
        self._add_norm(between, f"{name}.ffn_down", norm=f"{name}.layer_output_norm")

    def _add_norm(self, skipped: str, linear: str, norm: str = "") -> None:
        """Add the bias of a linear layer and what went around it, and norm the sum."""
        names = [f"{norm or f'{linear}_norm'}.weight", f"{norm or f'{linear}_norm'}.bias", f"{linear}.bias"]
        self._add(
            "SkipLayerNormalization",
            [self.last, skipped, *map(self._as_it_is, names)],
            f"{linear}.normed",
            domain=_FROM_ONNXRUNTIME,
            epsilon=1e-12,
        )

    def _add(self, operator: str, inputs: list[str], output: str, *unused: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, inputs, [output, *unused], **attributes))
        self.last = output

    def _as_it_is(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _turned(self, name: str) -> str:
        return self._constant(name, np.ascontiguousarray(self._weights[name].T))

    def _constant(self, name: str, values: Any) -> str:
        self.constants[name] = values
        return name


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
