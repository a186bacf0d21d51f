"""A real HTTP server on loopback that answers as Hugging Face is documented to; see `tray_app/models/hub.py`.

with FakeHub() as hub:
    hub.add("owner/name", {"model-Q8_0.gguf": content}, downloads=12)
    hub.rename("owner/old-name", "owner/name")
    run("models", "search", "name")         # with `hub.base_url` as the setting `hf_endpoint`

Files come as from there: the hub redirects to another host, a `FileServer`, and tells size and digest itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tests.fakes.file_server import FileServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.fakes.file_server import SparseContent

TREE_PAGE = 1000
"""So many files and folders of a repository come at once."""
TERMS = "Access to model is restricted. You must accept its terms."
EXPANDABLE = frozenset(
    {
        "downloads",
        "likes",
        "lastModified",
        "gated",
        "pipeline_tag",
        "cardData",
        "gguf",
        "author",
        "tags",
        "sha",
    }
)


@dataclass(slots=True)
class FakeRepository:
    """A repository. Tests may change every field while the server runs."""

    name: str
    files: dict[str, bytes | SparseContent | int]
    """The content of each, or only its size where nobody fetches it."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What a search can tell of it: `downloads`, `likes`, `lastModified`, `cardData`, `gguf`, …"""
    gated: bool = False
    """Whether only those with a token that has accepted its terms get its files."""
    private: bool = False
    """Whether only those with a token see it."""
    revisions: frozenset[str] = frozenset({"main"})
    xet: bool = True
    """Whether its large files are kept with Xet; where not, with LFS alone."""

    @property
    def has_gguf(self) -> bool:
        """Whether the hub gives it the tag `gguf`."""
        return any(path.lower().endswith(".gguf") for path in self.files)


@dataclass(frozen=True, slots=True)
class HubRequest:
    """What a client asked."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HubAnswer:
    """An answer that the real hub would not give."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeHub:
    """The server. Everything it started has ended when the `with` block is left."""

    def __init__(self) -> None:
        self.repositories: dict[str, FakeRepository] = {}
        self.renamed: dict[str, str] = {}
        self.tokens: set[str] = set()
        """Those that are known, and have accepted all terms."""
        self.requests: list[HubRequest] = []
        self.answers: dict[str, HubAnswer] = {}
        """What is answered at a path in place of what the hub would answer."""
        self.links_lead_to = ""
        """Where links to a next page lead, as with a mirror that passes them on; empty: here."""
        self.left = 500
        """Requests that are answered before the limit is reached."""
        self.reset_s = 300
        self.storage = FileServer()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._http.daemon_threads = False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), name="fake-hub")

    def __enter__(self) -> Self:
        self.storage.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self.storage.__exit__()

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def add(
        self, name: str, files: Mapping[str, bytes | SparseContent | int], **facts: Any
    ) -> FakeRepository:
        """A repository; `facts` as `FakeRepository.facts`."""
        repository = self.repositories[name] = FakeRepository(name, dict(files), facts)
        return repository

    def rename(self, old: str, new: str) -> None:
        """Let a repository that is there be known under an earlier name, too."""
        self.renamed[old] = new

    def asked(self, part: str) -> list[HubRequest]:
        """The requests whose paths have this in them."""
        return [request for request in self.requests if part in request.path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: object) -> None:
        """Silent: tests look at `requests`."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        self.hub.requests.append(HubRequest(parts.path, dict(query), dict(self.headers)))
        self.close_connection = True  # so that the server ends with its last request
        if answer := self.hub.answers.get(parts.path):
            self._send(answer.status, answer.body, answer.headers)
        elif self.hub.left <= 0:
            self._refuse(429, "", "We had to rate limit you")
        elif self._token() not in {None, *self.hub.tokens}:
            self._refuse(401, "", "Invalid credentials in Authorization header")
        else:
            self.hub.left -= 1
            self._route(unquote(parts.path), query)

    def _route(self, path: str, query: Sequence[tuple[str, str]]) -> None:
        match path.strip("/").split("/"):
            case ["api", "models"]:
                self._search(query)
            case ["api", "models", owner, name, *rest]:
                if repository := self._repository(f"{owner}/{name}"):
                    self._describe(repository, rest, dict(query))
            case [owner, name, "resolve", revision, *rest]:
                if (repository := self._repository(f"{owner}/{name}")) and self._has(repository, revision):
                    self._resolve(repository, revision, "/".join(rest))
            case _:
                self._refuse(404, "", "Not Found")

    def _repository(self, name: str) -> FakeRepository | None:
        if new := self.hub.renamed.get(name):
            self._send(307, b"", {"Location": self.path.replace(quote(name), quote(new), 1)})
            return None
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and self._token() is None):
            self._refuse(404 if self._token() else 401, "RepoNotFound", "Repository not found")
            return None
        return repository

    def _has(self, repository: FakeRepository, revision: str) -> bool:
        if revision in repository.revisions:
            return True
        self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return False

    def _search(self, query: Sequence[tuple[str, str]]) -> None:
        asked = dict(query)
        expand = [value for name, value in query if name in {"expand", "expand[]"}]
        if unknown := set(expand) - EXPANDABLE:
            self._refuse(400, "", f"Invalid expand: {', '.join(unknown)}")
            return
        words = asked.get("search", "").lower().split()
        found = [
            each
            for each in self.hub.repositories.values()
            if all(word in each.name.lower() for word in words)
            and (asked.get("filter") != "gguf" or each.has_gguf)
            and not each.private
        ]
        sort = asked.get("sort", "trendingScore")
        found.sort(key=lambda each: each.facts.get(sort) or 0, reverse=True)
        documents = [
            {"_id": "6".zfill(24), "id": each.name, **{name: _fact(each, name) for name in expand}}
            for each in found
        ]
        self._page(documents, int(asked.get("limit", "1000")), query)

    def _describe(self, repository: FakeRepository, rest: list[str], query: dict[str, str]) -> None:
        match rest:
            case ["tree", revision, *folder] if self._has(repository, revision):
                entries = _tree(repository, "/".join(folder), recursive=query.get("recursive") == "true")
                self._page(entries, TREE_PAGE, tuple(query.items()))
            case [] | ["revision", _]:
                siblings = [{"rfilename": path} for path in repository.files]
                self._json({"id": repository.name, "siblings": siblings, **repository.facts})
            case ["tree", _, *_]:
                pass  # it was refused
            case _:
                self._refuse(404, "", "Not Found")

    def _resolve(self, repository: FakeRepository, revision: str, path: str) -> None:
        if repository.gated and self._token() is None:
            self._refuse(401, "GatedRepo", TERMS)
            return
        content = repository.files.get(path)
        if content is None or isinstance(content, int):
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        stored = f"/{repository.name}/{revision}/{quote(path)}"
        if stored not in self.hub.storage.files:
            self.hub.storage.put(stored, content).etag = ""
        sha256 = _digest(path, content)
        headers = {
            "Location": self.hub.storage.base_url + stored,
            "X-Linked-Size": str(len(content)),
            "X-Linked-ETag": f'"{sha256}"',
            "X-Repo-Commit": "c0ffee",
        }
        if repository.xet:
            xet = f"{self.hub.base_url}/api/models/{repository.name}/xet-read-token/c0ffee"
            headers |= {"X-Xet-Hash": sha256, "Link": f'<{xet}>; rel="xet-auth"'}
        self._send(302, b"", headers)

    def _page(self, entries: list[Any], size: int, query: Sequence[tuple[str, str]]) -> None:
        """Some of the entries, and a link to the next ones, which repeats all that was asked."""
        cursor = dict(query).get("cursor")
        start = int(base64.urlsafe_b64decode(cursor)) if cursor else 0
        headers = {}
        if start + size < len(entries):
            following = base64.urlsafe_b64encode(str(start + size).encode()).decode()
            rest = [(name, value) for name, value in query if name != "cursor"]
            link = f"{urlsplit(self.path).path}?{urlencode([*rest, ('cursor', following)])}"
            headers["Link"] = f'<{self.hub.links_lead_to or self.hub.base_url}{link}>; rel="next"'
        self._json(entries[start : start + size], headers)

    def _token(self) -> str | None:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if kind == "Bearer" else None

    def _json(self, document: Any, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self._send(200, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})

    def _refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message, "Content-Type": "application/json"}
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        limits = {
            "RateLimit": f'"api";r={self.hub.left};t={self.hub.reset_s}',
            "RateLimit-Policy": '"fixed window";"api";q=500;w=300',
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        self.send_response(status)
        for name, value in (limits | dict(headers)).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _fact(repository: FakeRepository, name: str) -> Any:
    if name == "gated":
        return "auto" if repository.gated else False
    return repository.facts.get(name)


def _tree(repository: FakeRepository, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """Files and folders below a folder, in the order of their paths."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, Any]] = {}
    for path, content in repository.files.items():
        if not path.startswith(prefix):
            continue
        steps = path[len(prefix) :].split("/")
        for depth in range(1, len(steps)):
            above = prefix + "/".join(steps[:depth])
            entries[above] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": above}
        entries[path] = _file(path, content, xet=repository.xet)
    shown = (each for path, each in sorted(entries.items()) if recursive or "/" not in path[len(prefix) :])
    return list(shown)


def _file(path: str, content: bytes | SparseContent | int, *, xet: bool) -> dict[str, Any]:
    size = content if isinstance(content, int) else len(content)
    entry: dict[str, Any] = {"type": "file", "oid": "1" * 40, "size": size, "path": path}
    if path.lower().endswith((".gguf", ".bin", ".safetensors")):
        digest = _digest(path, content)
        entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 134}
        if xet:
            entry["xetHash"] = digest
    return entry


def _digest(path: str, content: bytes | SparseContent | int) -> str:
    """That of the content; of what is too large to be hashed here, some other."""
    return hashlib.sha256(content if isinstance(content, bytes) else path.encode()).hexdigest()
