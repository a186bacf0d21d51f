"""A conversation as the model's own template writes it. Runs on the gateway's event loop.

Templates are Jinja programs in model files, which are not trusted: `template_child.py` runs them in a process
of its own, which is killed if one takes too long or too much memory. Beyond Jinja's own they may use
`raise_exception`, as with Hugging Face's `apply_chat_template`
(https://huggingface.co/docs/transformers/chat_templating).
"""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.powerinfer.prompts import text_of
from tray_app.system.environment import bundle_folder, engine_environment, system_libraries
from tray_app.system.process import own_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.gateway.openai import ChatMessage

STOPS = ("</s>", "<|im_end|>")
"""Ends of a turn that some models write as text instead of a token."""
_LONGEST_TEMPLATE = 256 * 1024
"""In characters; the longest template of well-known models has 20,000."""
_LENGTH_BYTES = 4
_LONGEST_ANSWER_BYTES = 32 * 2**20
"""As large as the largest body of a request, of which a prompt is made."""


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """The limits for one template. Usual ones take milliseconds and very little memory."""

    time_s: float = 2.0
    memory_bytes: int = 256 * 2**20
    look_s: float = 0.02
    """How often its memory is looked at."""


class UnusableTemplateError(Exception):
    """The template in a model file does not work."""


class _Answer(msgspec.Struct, frozen=True):
    """See `template_child.rendered`."""

    text: str | None = None
    refusal: str = ""
    unusable: str | None = None


class TemplateRenderer:
    """Renders conversations one after the other; its process starts with the first of them."""

    def __init__(self, limits: RenderLimits | None = None) -> None:
        self._limits = limits or RenderLimits()
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def prompt(self, template: str, messages: Sequence[ChatMessage]) -> str:
        """The text that the model continues with its answer.

        `UnusableTemplateError` if the template cannot be read, 400 if it refuses the conversation.
        """
        if len(template) > _LONGEST_TEMPLATE:
            raise UnusableTemplateError(f"it is longer than {_LONGEST_TEMPLATE:,} characters")
        turns = [
            {"role": "system" if one.role == "developer" else one.role, "content": text_of(one)}
            for one in messages
        ]
        # PowerInfer adds the token for the beginning itself, and reads special tokens in a text as plain
        # characters. So the template gets none.
        values = {"messages": turns, "add_generation_prompt": True, "bos_token": "", "eos_token": ""}
        async with self._turn:
            answer = await self._asked(msgspec.json.encode({"template": template, "values": values}))
        if answer.unusable is not None:
            raise UnusableTemplateError(answer.unusable)
        if answer.text is None:
            raise _refused(answer.refusal)
        return answer.text

    async def close(self) -> None:
        """Kill the process, if there is one."""
        process, self._process = self._process, None
        if process:
            with suppress(ProcessLookupError):  # it has ended already
                process.kill()
            await process.wait()

    async def _asked(self, request: bytes) -> _Answer:
        process = self._process
        if process is None or process.returncode is not None:  # it may have been killed while it was idle
            process = await self._start()
        assert process.stdin  # noqa: S101  `_start` asks for pipes
        assert process.stdout  # noqa: S101
        self._process = None  # killed unless it has answered: the next request must not get this answer
        watch = asyncio.create_task(self._watch(process))
        try:
            process.stdin.write(len(request).to_bytes(_LENGTH_BYTES) + request)
            await process.stdin.drain()
            length = int.from_bytes(await process.stdout.readexactly(_LENGTH_BYTES))
            if length > _LONGEST_ANSWER_BYTES:
                raise _refused("its result is too long")
            answer = msgspec.json.decode(await process.stdout.readexactly(length), type=_Answer)
            self._process = process
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            raise _refused("it takes too long or too much memory") from exc
        finally:
            watch.cancel()
            if self._process is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return answer

    async def _start(self) -> asyncio.subprocess.Process:
        script = Path(__file__).with_name("template_child.py")
        # -P: Python must not import modules from the script's folder
        command = own_command("template-child", str(script), "-P")
        with system_libraries(bundle_folder()):
            return await asyncio.create_subprocess_exec(
                *command,
                str(self._limits.time_s),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=engine_environment(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Kill it when it takes too much memory."""
        with suppress(psutil.Error, ProcessLookupError):  # it has ended
            system = psutil.Process(process.pid)
            while system.memory_info().rss < self._limits.memory_bytes:  # noqa: ASYNC110  there is no event to wait for
                await asyncio.sleep(self._limits.look_s)
            process.kill()


def _refused(reason: str) -> ApiError:
    return ApiError(
        400, f"The model's chat template does not accept this conversation: {reason}", param="messages"
    )
