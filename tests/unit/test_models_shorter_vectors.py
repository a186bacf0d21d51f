"""Which models are known to give vectors that may be cut, by the names that their publishers give them."""

from pathlib import Path

import pytest

from tray_app.models.header import ModelHeader
from tray_app.models.model import Model
from tray_app.models.shorter_vectors import are_trained_for


def model(file_name: str, name: str | None) -> Model:
    path = Path(file_name)
    return Model(path.stem, name or path.stem, path, 1, ModelHeader(sparse=False, name=name))


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("nomic-embed-text-v1.5.Q8_0.gguf", "nomic-embed-text-v1.5"),
        ("nomic.gguf", "Nomic Embed Text v1.5"),
        ("nomic-embed-text-v2-moe.Q4_K_M.gguf", None),
        ("embeddinggemma-300M-Q8_0.gguf", "Embeddinggemma 300M"),
        ("model.gguf", "EmbeddingGemma 300m"),
        ("Qwen3-Embedding-0.6B-Q8_0.gguf", "Qwen3 Embedding 0.6B"),
        ("mxbai-embed-large-v1-f16.gguf", None),
        ("snowflake-arctic-embed-m-v1.5.gguf", None),
        ("snowflake-arctic-embed-l-v2.0.gguf", "Snowflake Arctic Embed L V2.0"),
    ],
)
def test_models_that_were_trained_for_it_are_known(file_name: str, name: str | None) -> None:
    assert are_trained_for(model(file_name, name))


@pytest.mark.parametrize(
    "file_name",
    [
        *("bge-m3.gguf", "bge-small-en-v1.5-q8_0.gguf", "nomic-embed-text-v1.Q8_0.gguf"),
        *("all-MiniLM-L6-v2.gguf", "Qwen3-0.6B-Q8_0.gguf", "Qwen3-Reranker-0.6B.gguf", "gemma-3-270m.gguf"),
        *("snowflake-arctic-embed-m.gguf", "multilingual-e5-large.gguf", "test.gguf"),
    ],
)
def test_no_others_are(file_name: str) -> None:
    assert not are_trained_for(model(file_name, None))
