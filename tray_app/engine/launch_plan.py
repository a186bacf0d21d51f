"""What would be launched, as a value. Pure. Equal plans are one server: only another plan needs a restart."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.engine.ineffective_settings import VRAM_FLAG, without_effect
from tray_app.engine.kinds import Engine, EngineKind
from tray_app.engine.launch_dir import launch_dir_for
from tray_app.engine.load_limits import Allowance, allowance_for
from tray_app.engine.owned_arguments import check_extra
from tray_app.engine.sizing import load_of, missing_pooling, purpose_of, room_for
from tray_app.errors import EngineError
from tray_app.models.header import Purpose
from tray_app.models.memory import estimate, prompt_cache_mib
from tray_app.phrases import phrase
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from tray_app.engine.launch_dir import LaunchDir
    from tray_app.models.library import Model
    from tray_app.models.memory import ContextConfig
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

PORT = "{port}"
"""Stands in a plan for the port, which is chosen anew for every process."""
HOST = "{host}"
"""The same for a loopback address of its own, of an engine that would answer everybody at the usual one."""
LOOPBACK = "127.0.0.1"
_CAP = "--kv-unified-per-slot"
"""Keeps each slot to its share of a cache that all of them use. Older servers lack it."""
_PATH = re.compile(r"[!-~]*")
"""What a request can have as its path: letters beyond ASCII and blanks cannot be sent."""
_REARRANGED = ("Q4_0", "Q4_K", "IQ4_NL")

Options = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """An engine and the command line that runs it on a model."""

    engine: Engine
    model: Model
    argv: tuple[str, ...]
    context_size: int
    """How many tokens a request and its answer may have; what the gateway tells clients."""
    place: LaunchDir
    """Where it runs."""
    purpose: Purpose = Purpose.CHAT
    """What programs can ask of it."""
    allowance: Allowance = Allowance()  # noqa: RUF009  immutable
    """What it may use while it loads."""

    def command(self, port: int, host: str = LOOPBACK) -> tuple[str, ...]:
        """The command line for a process that listens on `port` of `host`."""
        chosen = {PORT: str(port), HOST: host}
        return tuple(chosen.get(word, word) for word in self.argv)

    def display(self, port: int, host: str = LOOPBACK) -> str:
        """The command line for people, as a shell would take it."""
        return shlex.join(self.command(port, host))


@dataclass(frozen=True, slots=True)
class RemotePlan:
    """A server that runs somewhere else: nothing is launched, it is only asked whether it answers."""

    url: str
    """As OpenAI's clients take it, http://box:8000/v1; no slash at its end."""
    model: str = ""
    """Its model for requests that name none of its models; empty for the first that it offers."""
    key: str = field(default="", repr=False)
    engine: Engine = Engine(EngineKind.REMOTE, ())  # noqa: RUF009  immutable

    @property
    def argv(self) -> tuple[str, ...]:
        """No command line: as `LaunchPlan` has it, for views that show both."""
        return ()

    def display(self, port: int) -> str:  # noqa: ARG002 - as `LaunchPlan`
        """What is used, for people."""
        return self.url


Plan = LaunchPlan | RemotePlan


def plan_launch(settings: Settings, model: Model, engine: Engine, host: Host) -> LaunchPlan:
    """The launch on this machine that these settings ask for: those in force for the model, see `effective`.

    `SettingsError` if the extra arguments contradict what this app has to decide.
    """
    check_extra(settings.extra_arguments, engine.kind, sparse=model.header.sparse)
    place = launch_dir_for(model.path.absolute(), engine.kind, host.system)
    load = load_of(settings, model, engine.kind, room_for(engine.kind, host, engine.devices))
    allowance = allowance_for(
        estimate(model.header, model.size_bytes, load).total_bytes,
        host.memory_bytes,
        may_use_cards=engine.kind is not EngineKind.LLAMA_CPP,
        has_extras=bool(settings.extra_arguments),
    )
    options = _common(settings, model, load, host, place)
    match engine.kind:
        case EngineKind.POWERINFER:
            options += _powerinfer(load)
            untold = without_effect(engine, host, sparse=model.header.sparse)
            if settings.vram_budget != AUTO and "vram_budget" not in untold:
                options += ((VRAM_FLAG, f"{settings.vram_budget:g}"),)
        case EngineKind.LLAMA_SERVER:
            options += _llama_server(settings, model, host, load, engine.flags)
        case EngineKind.LLAMA_CPP:
            options += _embedded(settings, model, host, load)
    known = (option for option in options if not engine.flags or option[0] in engine.flags)
    words = (word for option in known for word in option)
    argv = (*engine.command, *words, *settings.extra_arguments)
    purpose = purpose_of(settings, model, engine.kind)
    return LaunchPlan(engine, model, argv, load.context_size, place, purpose, allowance)


def plan_remote(settings: Settings, key: str) -> RemotePlan:
    """The use of the remote server that these settings name; `EngineError` if they name none."""
    url = settings.remote_url.strip().rstrip("/")
    if not _can_be_asked(url):
        raise EngineError(
            "The remote server has no address",
            phrase("«{url}» is not the address of a server.", url=url)
            if url
            else "The setting «Remote address» is empty.",
            "Give its base URL, as http://192.168.1.20:8000/v1.",
        )
    parts = urlsplit(url)
    if parts.hostname in ("localhost", LOOPBACK, "::1") and parts.port == settings.port:
        raise EngineError(
            "The remote server cannot be this app itself",
            phrase("{url} is the address that this app offers.", url=url),
            "Give the address of the other machine.",
        )
    return RemotePlan(url, settings.remote_model, key)


def _can_be_asked(url: str) -> bool:
    """Whether a URL says where to connect, and can be written into a request as it is."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        port = parts.port
    except ValueError:  # a port that is no number, brackets that do not close, dots without a name between
        return False
    return (
        parts.scheme in ("http", "https")
        and host != b""
        and port != 0
        and _PATH.fullmatch(parts.path) is not None
    )


def _common(settings: Settings, model: Model, load: ContextConfig, host: Host, place: LaunchDir) -> Options:
    threads, threads_batch = _threads(settings, model, host)
    return (
        ("--model", place.model),
        ("--port", PORT),
        ("--ctx-size", str(load.all_contexts_size)),
        ("--threads", str(threads)),
        ("--threads-batch", str(threads_batch)),
    )


def _threads(settings: Settings, model: Model, host: Host) -> tuple[int, int]:
    """How many write tokens, and how many read a text."""
    if model.header.sparse:
        return 1, 1  # more would lose sums: see ONE_THREAD
    threads = host.physical_cores if settings.threads == AUTO else settings.threads
    return threads, threads if settings.threads_batch == AUTO else settings.threads_batch


def _powerinfer(load: ContextConfig) -> Options:
    # Never --temp, which it does not know: the temperature is a field of each request.
    return (
        ("--host", HOST),
        ("--batch-size", str(load.batch_size)),
        ("--embedding",),
    )


def _llama_server(
    settings: Settings, model: Model, host: Host, load: ContextConfig, flags: frozenset[str]
) -> Options:
    return (
        ("--host", LOOPBACK),
        *_llama_cpp(settings, model, load),
        ("--parallel", str(load.slots)),
        ("--kv-unified",) if _shares_cache(load, flags) else ("--no-kv-unified",),
        (_CAP, str(load.context_size)),
        ("--cache-ram", str(prompt_cache_mib(model.header, load))),
        *((("--no-mmap",),) if _is_repacked(model, host) else ()),
        ("--ubatch-size", str(load.batch_size)),
        ("--embedding",),
        ("--sse-ping-interval", "0"),  # comments in a stream stop some clients
        ("--no-webui",),
        ("--cors-origins", ""),  # no web page may read an answer
    )


def _shares_cache(load: ContextConfig, flags: frozenset[str]) -> bool:
    """Whether all slots have one cache, which is right wherever a slot cannot take more of it than its share.

    With a cache for each, llama.cpp cuts texts of unequal length into pieces and pools each piece alone: the
    vectors of a list are wrong, unless it is the last token's that counts.
    """
    takes_whole_texts = load.batch_size >= load.context_size
    return _CAP in flags or takes_whole_texts


def _embedded(settings: Settings, model: Model, host: Host, load: ContextConfig) -> Options:
    return (
        *_llama_cpp(settings, model, load),
        ("--n-parallel", str(load.slots)),
        ("--kv-unified",),
        (_CAP, str(load.context_size)),
        ("--cache-ram-mib", str(prompt_cache_mib(model.header, load))),
        *((("--load-mode", "none"),) if _is_repacked(model, host) else ()),
    )


def _is_repacked(model: Model, host: Host) -> bool:
    """Whether llama.cpp copies the weights into an order that the processor likes better.

    A file that is mapped into memory would then be there twice, in both orders. Measured with llama.cpp's
    buffers and the memory of its process; Metal computes with the mapped file.
    """
    return not host.apple_silicon and model.header.quantization.startswith(_REARRANGED)


def _llama_cpp(settings: Settings, model: Model, load: ContextConfig) -> Options:
    pooling = missing_pooling(settings, model)
    told = (("--pooling", pooling.value),) if pooling else ()
    return (("--alias", model.id), ("--batch-size", str(load.batch_size)), *told)
