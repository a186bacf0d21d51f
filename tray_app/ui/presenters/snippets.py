"""Short programs that embed texts with this server, to be copied. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tray_app.engine.launch_plan import LaunchPlan, RemotePlan
from tray_app.phrases import json_text
from tray_app.settings.keys import PLACEHOLDER
from tray_app.ui.presenters.menu import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.app.status import AppStatus

EXAMPLE = ("The quick brown fox jumps over the lazy dog.",)
NO_KEY = "none"
"""What a client that insists on a key sends to a server that needs none."""


def model_id(status: AppStatus) -> str:
    """The name by which clients request the model that is running or chosen."""
    match status.engine.plan:
        case LaunchPlan(model=model):
            return model.id
        case RemotePlan(model=name):
            return name or "default"
        case None:
            return status.settings.model or "default"


def key_for(status: AppStatus) -> str:
    """What stands for the key in an example."""
    return PLACEHOLDER if status.settings.network == "lan" else NO_KEY


def key_header(key: str) -> str:
    """An option of curl, with a blank before it; empty without a key."""
    return "" if key == NO_KEY else f" -H 'Authorization: Bearer {key}'"


def copied_text(command: Command, status: AppStatus) -> str:
    """What an entry of a menu Copy copies: an example, or else the address.

    Empty while the server has no address: that in the settings may belong to another program.
    """
    base_url, model, key = status.server.base_url, model_id(status), key_for(status)
    if base_url is None:
        return ""
    match command:
        case Command.COPY_CURL:
            return curl_snippet(base_url, model, key=key)
        case Command.COPY_PYTHON:
            return python_snippet(base_url, model, key=key)
        case Command.COPY_JAVASCRIPT:
            return javascript_snippet(base_url, model, key=key)
        case Command.COPY_4D:
            return fourd_snippet(base_url, model, key=key)
        case _:
            return base_url


def curl_snippet(base_url: str, model: str, texts: Sequence[str] = EXAMPLE, key: str = NO_KEY) -> str:
    """A command for a POSIX shell."""
    body = json_text({"model": model, "input": _input(texts)})
    return (
        f"curl {base_url}/embeddings{key_header(key)} -H 'Content-Type: application/json' \\\n"
        f"  --data-raw {shlex.quote(body)}"
    )


def python_snippet(base_url: str, model: str, texts: Sequence[str] = EXAMPLE, key: str = NO_KEY) -> str:
    """A program for the package `openai`."""
    return "\n".join(
        (
            "from openai import OpenAI",
            "",
            f"client = OpenAI(base_url={base_url!r}, api_key={key!r})",
            f"answer = client.embeddings.create(model={model!r}, input={_input(texts)!r})",
            "print([item.embedding for item in answer.data])",
        )
    )


def javascript_snippet(base_url: str, model: str, texts: Sequence[str] = EXAMPLE, key: str = NO_KEY) -> str:
    """A module for the package `openai` of npm."""
    body = json_text({"model": model, "input": _input(texts)})
    return "\n".join(
        (
            "import OpenAI from 'openai'",
            "",
            f"const client = new OpenAI({{ baseURL: {json_text(base_url)}, apiKey: '{key}' }})",
            f"const answer = await client.embeddings.create({body})",
            "console.log(answer.data.map(item => item.embedding))",
        )
    )


def fourd_snippet(base_url: str, model: str, texts: Sequence[str] = EXAMPLE, key: str = NO_KEY) -> str:
    """4D code for the component AI Kit; 4D writes texts as JSON does, and lists with semicolons."""
    words = [json_text(text) for text in texts]
    texts_4d = words[0] if len(words) == 1 else f"[{'; '.join(words)}]"
    return "\n".join(
        (
            f'var $client:=cs.AIKit.OpenAI.new({{apiKey: "{key}"; baseURL: "{base_url}"}})',
            f"var $result:=$client.embeddings.create({texts_4d}; {json_text(model)})",
            "var $embeddings:=$result.embeddings",
        )
    )


def _input(texts: Sequence[str]) -> str | list[str]:
    return texts[0] if len(texts) == 1 else list(texts)
