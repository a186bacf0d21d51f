"""Which models were trained so that the first numbers of a vector are a vector by themselves. Pure.

Matryoshka training (https://arxiv.org/abs/2205.13147): a file does not tell of it, but its name does. Cut
vectors of other models, as BGE-M3, are still vectors, but find worse.
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
    """Whether shorter vectors of this model are known to be as they should."""
    names = (model.header.name or "", model.id, model.path.stem)
    return any(_FAMILIES.search(_NOT_IN_NAMES.sub("-", name.lower())) for name in names)
