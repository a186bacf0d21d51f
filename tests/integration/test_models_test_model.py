"""The test model is what its script writes, and is read here as the gguf package reads it."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import pytest

from tests.fakes.models import header_bytes, write_model
from tray_app.engine.builds.build import weight_kind_of
from tray_app.models.ggml import FILE_TYPES, TENSOR_TYPES
from tray_app.models.gguf import read_header
from tray_app.models.header import Heads
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = resources() / "test-model"
PROOFS = resources() / "proof-models"


def field(reader: gguf.GGUFReader, key: str) -> Any:
    found = reader.get_field(key)
    return None if found is None else found.contents()


def test_the_script_writes_the_test_model_again_byte_for_byte(tmp_path: Path) -> None:
    script = runpy.run_path(str(FOLDER / "make_test_model.py"))

    script["main"](tmp_path / "again.gguf")

    assert (tmp_path / "again.gguf").read_bytes() == (FOLDER / "test.gguf").read_bytes()


def test_the_script_writes_the_models_of_proofs_again_byte_for_byte(tmp_path: Path) -> None:
    script = runpy.run_path(str(FOLDER / "make_test_model.py"))
    there = {path.name: path.read_bytes() for path in PROOFS.glob("*.gguf")}

    script["write_proofs"](tmp_path)

    assert len(there) == 4
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.gguf")} == there
    kept, again = (json.loads((folder / "vectors.json").read_bytes()) for folder in (PROOFS, tmp_path))
    for kind, vectors in kept["vectors"].items():
        for pooling, of_texts in vectors.items():
            np.testing.assert_allclose(of_texts, again["vectors"][kind][pooling], atol=0.01)


def test_the_models_of_proofs_are_small_and_each_is_of_its_kind() -> None:
    paths = sorted(PROOFS.glob("*.gguf"))

    assert sum(path.stat().st_size for path in PROOFS.iterdir()) < 1_500_000
    assert [weight_kind_of(read_header(path)) for path in paths] == ["F16", "Q4_0", "Q4_K", "Q8_0"]
    for path in paths:
        matrices = [each for each in gguf.GGUFReader(path).tensors if len(each.shape) > 1]
        assert {f"proof-{each.tensor_type.name}.gguf" for each in matrices} == {path.name}


def test_the_test_model_can_spell_every_text_and_has_no_token_twice() -> None:
    reader = gguf.GGUFReader(FOLDER / "test.gguf")
    tokens = field(reader, "tokenizer.ggml.tokens")

    assert len(set(tokens)) == len(tokens)
    assert {f"<0x{byte:02X}>" for byte in range(256)} <= set(tokens)
    assert read_header(FOLDER / "test.gguf").context_length == 512
    assert field(reader, "general.license") == "mit"


def written_by_gguf(path: Path, quantized: gguf.GGMLQuantizationType) -> Path:
    writer = gguf.GGUFWriter(path, "falcon")
    writer.add_name("Großes Modell")
    writer.add_context_length(4096)
    writer.add_embedding_length(512)
    writer.add_block_count(1)
    writer.add_chat_template("Größe: {{ messages }}")
    writer.add_head_count(8)
    writer.add_head_count_kv([2])
    writer.add_key_length(80)
    writer.add_feed_forward_length(2048)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"token {number}" for number in range(5000)])
    writer.add_token_scores([0.5] * 5000)
    writer.add_custom_alignment(64)
    weights = gguf.quants.quantize(np.ones((3, 512), np.float32), quantized)
    writer.add_tensor("norm", np.ones(5, np.float32))
    writer.add_tensor("weights", weights, raw_dtype=quantized)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("quantized", ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0"])
def test_files_of_the_gguf_package_are_understood_as_it_does(tmp_path: Path, quantized: str) -> None:
    path = written_by_gguf(tmp_path / "x.gguf", gguf.GGMLQuantizationType[quantized])
    reader = gguf.GGUFReader(path)

    header = read_header(path)

    assert header.architecture == field(reader, "general.architecture")
    assert header.context_length == field(reader, "falcon.context_length")
    assert header.embedding_length == field(reader, "falcon.embedding_length")
    assert header.chat_template == field(reader, "tokenizer.chat_template")
    assert header.quantization == quantized
    assert header.heads == Heads(query=8, kv_in_all_layers=2, key_length=80, value_length=64)
    assert header.feed_forward_length == field(reader, "falcon.feed_forward_length")
    assert (header.tokenizer, header.vocabulary_size) == ("gpt2", 5000)
    assert header.parameters == sum(int(tensor.n_elements) for tensor in reader.tensors)
    last = reader.tensors[-1]
    assert header.implied_size_bytes == last.data_offset + last.n_bytes


def test_the_gguf_package_reads_what_the_test_helpers_write(tmp_path: Path) -> None:
    reader = gguf.GGUFReader(write_model(tmp_path / "x.gguf", name="Tiny one"))

    assert field(reader, "general.name") == "Tiny one"
    assert field(reader, "tokenizer.ggml.tokens") == ["<unk>", "<s>", "</s>", "a"]
    assert header_bytes({"general.architecture": "llama"}).startswith(b"GGUF\x03\0\0\0")


def test_the_tables_of_types_are_those_of_the_gguf_package() -> None:
    sizes = {
        number: (kind.name, kind.block_elements, kind.block_bytes) for number, kind in TENSOR_TYPES.items()
    }

    assert sizes == {
        int(kind): (kind.name, *gguf.GGML_QUANT_SIZES[kind]) for kind in gguf.GGMLQuantizationType
    }
    for number, name in FILE_TYPES.items():
        assert gguf.LlamaFileType(number).name in {f"ALL_{name}", f"MOSTLY_{name}", f"MOSTLY_{name}_MOE"}
