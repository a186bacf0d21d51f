"""What a person sees who opens the public address in a browser, or asks it with curl. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WHAT = "PowerInfer Tray runs language models on this computer."
_KEY = "If an app asks for an API key, enter any word, unless this server has its own key."
_DIALECTS = (
    ("OpenAI", "/v1/chat/completions", "/v1"),
    ("Anthropic", "/v1/messages", ""),
    ("Ollama", "/api/chat", ""),
)
"""Each with a route without which it is not offered, and what its base URL ends in."""
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}"
    "th{text-align:left;font-weight:normal;padding-right:1.5rem}"
    "code{font-size:.95em}"
)


def as_text(server: str, routes: Sequence[tuple[str, str]]) -> str:
    """In plain text. `server` is the address without a path, `routes` are pairs of method and path."""
    bases = _bases(server, routes)
    return "\n".join(
        (
            _WHAT,
            "",
            "Base URLs for apps:",
            *(f"  {name:<10} {base}" for name, base in bases),
            "",
            _KEY,
            "",
            "Addresses:",
            *(f"  {method:<4} {server}{path}" for method, path in _shown(routes)),
            "",
        )
    )


def as_html(server: str, routes: Sequence[tuple[str, str]]) -> str:
    """The same as a page without scripts."""
    bases = "".join(f"<tr><th>{name}<td><code>{escape(base)}</code>" for name, base in _bases(server, routes))
    paths = "".join(f"<tr><th>{method}<td><code>{escape(path)}</code>" for method, path in _shown(routes))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>PowerInfer Tray</title><style>{_STYLE}</style>"
        f"<h1>PowerInfer Tray</h1><p>{_WHAT}"
        f"<h2>Base URLs for apps</h2><table>{bases}</table><p>{_KEY}"
        f"<h2>Addresses</h2><table>{paths}</table></html>\n"
    )


def _shown(routes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that people call by hand; Ollama's are only for its clients."""
    return [(method, path) for method, path in routes if path.startswith("/v1/")]


def _bases(server: str, routes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    paths = {path for _, path in routes}
    return [(name, server + end) for name, needed, end in _DIALECTS if needed in paths]
