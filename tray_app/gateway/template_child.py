"""Writes conversations with the Jinja templates of model files, in a process of its own. See `templates.py`.

A template is a stranger's program. Jinja's sandbox keeps it from everything but the conversation, but not
from running for ever or from making a text of any length: a process can be ended.

Started by its path, so it imports nothing of this app; in a frozen app as `template-child`. It takes requests
from standard input and answers on standard output, each as JSON after its length in four bytes. It ends with
its input, and by itself over a template that takes longer than the seconds that are its argument.
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

# A template can fail as every program can.
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
    """Answer until standard input ends; the argument is how many seconds a template may take."""
    limit_s = float(arguments[0])
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  where the traceback of a late template goes
        while head := requests.read(_LENGTH_BYTES):
            request = json.loads(requests.read(int.from_bytes(head)))
            # A thread of C that needs no lock of Python's: it also ends one huge multiplication.
            faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
            answer = rendered(request["template"], request["values"])
            faulthandler.cancel_dump_traceback_later()
            _send(answers, answer)
    return 0


def rendered(source: str, values: dict[str, Any]) -> dict[str, str]:
    """What a template makes of these values: `text`, why it refuses them, or why it is `unusable` at all."""
    try:
        template = _compiled(source)
    except _FAILURES as exc:
        return {"unusable": _reason(exc)}
    try:
        return {"text": template.render(values)}
    except _FAILURES as exc:
        return {"refusal": _reason(exc)}


@lru_cache(maxsize=1)
def _compiled(source: str) -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(source)


def _refuse(message: str) -> NoReturn:
    """As Hugging Face's `apply_chat_template` offers it to templates."""
    raise TemplateError(message)


def _reason(failure: Exception) -> str:
    return str(failure) or type(failure).__name__


def _send(answers: BinaryIO, answer: dict[str, str]) -> None:
    content = json.dumps(answer).encode()
    answers.write(len(content).to_bytes(_LENGTH_BYTES) + content)
    answers.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
