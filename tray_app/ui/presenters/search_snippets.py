"""Short programs that search a collection with a vector database, to be copied. Pure.

They take texts and vectors from the collection's export as JSON Lines, and embed only the question.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from tray_app.phrases import json_text
from tray_app.ui.presenters.snippets import NO_KEY, key_header

_QDRANT = "http://localhost:6333"
_LIMIT = 20
_NO_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Searched:
    """The collection and the question of such a program."""

    base_url: str
    model: str
    name: str
    dimensions: int
    question: str
    key: str = NO_KEY
    """What stands for the key of the server."""

    @property
    def short_name(self) -> str:
        """The name in letters that URLs, file names and databases allow."""
        return _NO_NAME.sub("-", self.name.casefold()).strip("-") or "texts"


def qdrant_python(searched: Searched) -> str:
    """A program for the packages `openai` and `qdrant-client`."""
    name = searched.short_name
    return f"""\
# pip install openai qdrant-client
# {name}.jsonl is the export of the collection.
import json

from openai import OpenAI
from qdrant_client import QdrantClient, models

with open({name + ".jsonl"!r}, encoding="utf-8") as lines:
    rows = [json.loads(line) for line in lines]
store = QdrantClient(path="vectors")  # or url="{_QDRANT}"
if not store.collection_exists({name!r}):
    size = models.VectorParams(size={searched.dimensions}, distance=models.Distance.COSINE)
    store.create_collection({name!r}, vectors_config=size)
    store.upload_collection({name!r}, vectors=[row.pop("vector") for row in rows], payload=rows)

client = OpenAI(base_url={searched.base_url!r}, api_key="{searched.key}")
answer = client.embeddings.create(
    model={searched.model!r}, input={searched.question!r}, extra_body={{"input_type": "query"}}
)
found = store.query_points({name!r}, query=answer.data[0].embedding, limit={_LIMIT})
for hit in found.points:
    print(f"{{hit.score:.2f}}", hit.payload["source"], hit.payload["text"])
"""


def qdrant_curl(searched: Searched) -> str:
    """Commands for a POSIX shell, for curl and jq."""
    name = searched.short_name
    collection = f"{_QDRANT}/collections/{name}"
    size = json_text({"vectors": {"size": searched.dimensions, "distance": "Cosine"}})
    body = json_text({"model": searched.model, "input": searched.question, "input_type": "query"})
    put = f"curl -X PUT -H 'Content-Type: application/json' {collection}"
    return f"""\
# {name}.jsonl is the export of the collection; Qdrant listens at {_QDRANT}.
{put} --data-raw {shlex.quote(size)}
jq -cs '{{points: [to_entries[]
  | {{id: .key, vector: .value.vector, payload: (.value | del(.vector))}}]}}' {name}.jsonl |
  {put}/points --data-binary @-

curl {searched.base_url}/embeddings{key_header(searched.key)} -H 'Content-Type: application/json' \\
  --data-raw {shlex.quote(body)} |
  jq '{{query: .data[0].embedding, limit: {_LIMIT}, with_payload: true}}' |
  curl {collection}/points/query -H 'Content-Type: application/json' --data-binary @-
"""


def search_4d(searched: Searched) -> str:
    """4D code: AI Kit embeds, and 4D searches itself, in a table Passage with an attribute of 4D.Vector."""
    model, question = json_text(searched.model), json_text(searched.question)
    return f"""\
// A table Passage has the fields text (Text) and embedding (Object, class 4D.Vector).
var $client:=cs.AIKit.OpenAI.new({{apiKey: "{searched.key}"; baseURL: "{searched.base_url}"}})

// Once, and again when texts change:
var $passage : cs.PassageEntity
For each ($passage; ds.Passage.all())
\t$passage.embedding:=$client.embeddings.create($passage.text; {model}).vector
\t$passage.save()
End for each

// For each question:
var $vector:=$client.embeddings.create({question}; {model}).vector
var $near:={{vector: $vector; metric: mk cosine; threshold: 0.5}}
var $found:=ds.Passage.query("embedding > :1"; $near)
"""
