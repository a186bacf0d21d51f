"""Which models were trained so that their vectors can be cut to fewer dimensions. Pure.

That is Matryoshka training (https://arxiv.org/abs/2205.13147). Headers do not mention it, so models are known
by their names. Cut vectors of other models, such as BGE-M3, give worse results.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tray_app.models.model import Model

_FAMILIES = re.compile(
    r"nomic-embed-text-v(?:1-5|2)|embedding-?gemma|qwen3-embedding|mxbai-embed-large|jina-embeddings-v[345]"
    r"|(?:snowflake-)?arctic-embed-[ml]-v(?:1-5|2)"
)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


def are_trained_for(model: Model) -> bool:
    """Whether the model is known to be trained for shorter vectors."""
    names = (model.header.name or "", model.id, model.path.stem)
    return any(_FAMILIES.search(_NOT_IN_NAMES.sub("-", name.lower())) for name in names)
