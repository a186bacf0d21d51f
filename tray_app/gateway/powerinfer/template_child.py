"""Renders the chat templates (Jinja) of model files, in a process of its own. See `templates.py`.

A template is an untrusted program. Jinja's sandbox gives it access to nothing but the conversation, but does
not keep it from running for ever or from making an endless text. A process can be killed.

Started by its path, so it imports nothing of this app; in a frozen app as `template-child`. It reads requests
from standard input and writes answers to standard output, each as JSON after its length in four bytes. It
ends when its input ends, or when a template takes longer than the number of seconds in its argument.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from jinja2 import Template

_LENGTH_BYTES = 4
_KEPT_TEMPLATES = 4
"""Of models that are asked in turn. Reading one takes longer than using it."""

# A template can fail in any way.
_FAILURES = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def main(arguments: list[str]) -> int:
    """Answer until standard input ends; the argument is the time limit for a template in seconds."""
    limit_s = float(arguments[0])
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  for the traceback of a template that took too long
        while head := requests.read(_LENGTH_BYTES):
            request = json.loads(requests.read(int.from_bytes(head)))
            # A thread in C that does not need Python's lock: it also ends a template within one huge
            # multiplication.
            faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
            answer = rendered(request["template"], request["values"])
            faulthandler.cancel_dump_traceback_later()
            _send(answers, answer)
    return 0


def rendered(source: str, values: dict[str, Any]) -> dict[str, str]:
    """The result of a template: `text`, why it refuses the conversation, or why it is `unusable`."""
    try:
        template = _compiled(source)
    except _FAILURES as exc:
        return {"unusable": _reason(exc)}
    try:
        return {"text": template.render(values)}
    except _FAILURES as exc:
        return {"refusal": _reason(exc)}


@lru_cache(maxsize=_KEPT_TEMPLATES)
def _compiled(source: str) -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(source)


def _refuse(message: str) -> NoReturn:
    """`raise_exception`, as Hugging Face's `apply_chat_template` offers it to templates."""
    raise TemplateError(message)


def _reason(failure: Exception) -> str:
    return str(failure) or type(failure).__name__


def _send(answers: BinaryIO, answer: dict[str, str]) -> None:
    # A template may write half of a character, which is not JSON for whoever reads this.
    content = json.dumps(answer, ensure_ascii=False).encode(errors="replace")
    answers.write(len(content).to_bytes(_LENGTH_BYTES) + content)
    answers.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
