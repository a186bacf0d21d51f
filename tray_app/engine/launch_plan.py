"""What would be launched, as a value.

Pure. The engine is restarted only for a plan that is not equal to its own.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.engine.arguments import argument_named
from tray_app.engine.devices import cards_of
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.ineffective_settings import FIT_FLAG, LAYERS_FLAG, VRAM_FLAG, without_effect
from tray_app.engine.launch_dir import launch_dir_for
from tray_app.engine.load_limits import LoadLimits, load_limits_for
from tray_app.engine.owned_arguments import check_extra
from tray_app.engine.program import Engine
from tray_app.engine.sizing import (
    PROJECTOR,
    PROJECTOR_FLAG,
    as_loaded,
    context_config,
    graphics_room,
    layers_on_cards,
    least_on_card,
    memory_budget,
    missing_pooling,
    needed_memory,
    purpose_of,
    usual_workers,
)
from tray_app.errors import EngineError, ErrorCode
from tray_app.models.header import Purpose
from tray_app.models.memory import estimate_memory, prompt_cache_mib
from tray_app.phrases import phrase
from tray_app.settings.schema import AUTO
from tray_app.system.ports import LOOPBACK

if TYPE_CHECKING:
    from tray_app.engine.devices import EngineDevice
    from tray_app.engine.launch_dir import LaunchDir
    from tray_app.models.memory import ContextConfig, MemoryEstimate
    from tray_app.models.model import Model
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

PORT = "{port}"
"""Placeholder for the port, which is chosen when a process is started."""
HOST = "{host}"
"""Placeholder for a random loopback address. For PowerInfer, which has no keys: web pages could reach it at
127.0.0.1."""
_CAP = "--kv-unified-per-slot"
"""Limits each slot to its share of the common cache. Older servers lack this argument."""
_PATH = re.compile(r"[!-~]*")
"""The characters of a path that can be sent in a request: printable ASCII."""
_LOAD_MODE = "--load-mode"
_REARRANGED = ("Q4_0", "Q4_K", "IQ4_NL")

Options = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """An engine and the command line that runs it on a model."""

    engine: Engine
    model: Model
    argv: tuple[str, ...]
    context_size: int
    """How many tokens a request and its answer may have together; the gateway tells clients this number."""
    launch_dir: LaunchDir
    """Its working folder."""
    purpose: Purpose = Purpose.CHAT
    """What the model is for (embeddings, chats, ranking)."""
    load_limits: LoadLimits = LoadLimits()  # noqa: RUF009  immutable
    """How much it may use while it loads."""
    memory_bytes: int = 0
    """The main memory that it is expected to take, in all its processes."""
    graphics_bytes: int = 0
    """What it is expected to take of graphics cards that have memory of their own."""
    graphics_room_bytes: int = 0
    """What engines may take of the memory of these cards, all together."""
    workers: int = 1
    """How many processes run this command line at the same time, to compute a sparse model."""

    @property
    def soon_replaceable(self) -> bool:
        """Whether another engine takes its place as soon as it seems to be at fault. While it has several
        processes, the others go on.
        """
        return self.engine.replaceable and self.workers == 1

    @property
    def devices(self) -> tuple[EngineDevice, ...]:
        """The graphics cards that it computes with, as far as the engine lists any."""
        return () if _wants_no_card(self.argv) else self.engine.devices or ()

    @property
    def sees(self) -> bool:
        """Whether requests may have pictures: the model has a projector for them, or the extra arguments name
        one, which is taken to be for pictures.
        """
        if self.model.projector:
            return self.model.sees
        named = (argument_named(word.partition("=")[0]) for word in self.argv)
        return any(each is not None and each.parameter == PROJECTOR for each in named)

    def command(self, port: int, host: str = LOOPBACK) -> tuple[str, ...]:
        """The command line for a process that listens on `port` of `host`."""
        chosen = {PORT: str(port), HOST: host}
        return tuple(chosen.get(word, word) for word in self.argv)

    def display(self, port: int, host: str = LOOPBACK) -> str:
        """The command line as text, for a shell."""
        return shlex.join(self.command(port, host))


@dataclass(frozen=True, slots=True)
class RemotePlan:
    """A server that runs somewhere else: nothing is launched, it is only asked whether it answers."""

    url: str
    """The base URL for OpenAI's clients, such as http://box:8000/v1, without a slash at its end."""
    model: str = ""
    """The model for requests that name none of the server's models; empty: the first one that it lists."""
    key: str = field(default="", repr=False)
    engine: Engine = Engine(EngineKind.REMOTE, ())  # noqa: RUF009  immutable

    @property
    def soon_replaceable(self) -> bool:
        """No engine of this machine has its models."""
        return False

    @property
    def argv(self) -> tuple[str, ...]:
        """Always empty; views show plans of both kinds."""
        return ()


Plan = LaunchPlan | RemotePlan


def plan_launch(settings: Settings, model: Model, engine: Engine, host: Host) -> LaunchPlan:
    """The launch on this machine that these settings ask for: those in force for the model, see `effective`.

    `SettingsError` if the extra arguments contradict what this app has to decide.
    """
    check_extra(settings.extra_arguments, engine.kind, sparse=model.header.sparse)
    model = as_loaded(settings, model, engine.kind, engine.flags)
    launch_dir = launch_dir_for(model.path.absolute(), engine.kind, host.system, own=not model.app)
    budget = memory_budget(engine.kind, host, engine.devices, settings.vram_budget)
    config = context_config(settings, model, engine.kind, budget, usual_workers(engine, host))
    alone = estimate_memory(model.header, model.weights_bytes, config.with_workers(1))
    load_limits = load_limits_for(
        alone.total_bytes,
        host.memory_bytes,
        may_use_cards=engine.kind is not EngineKind.LLAMA_CPP and engine.devices != (),
        has_extras=bool(settings.extra_arguments),
    )
    options = _common(settings, model, config, host, launch_dir)
    match engine.kind:
        case EngineKind.POWERINFER:
            options += _powerinfer(config)
            untold = without_effect(engine, host, sparse=model.header.sparse)
            if settings.vram_budget != AUTO and "vram_budget" not in untold:
                options += ((VRAM_FLAG, f"{settings.vram_budget:g}"),)
        case EngineKind.LLAMA_SERVER:
            options += _llama_server(settings, model, host, config, engine.flags)
            options += _on_cards(settings, model, alone, engine, host)
        case EngineKind.LLAMA_CPP:
            options += _embedded(settings, model, host, config)
    known = (option for option in options if not engine.flags or option[0] in engine.flags)
    words = (word for option in known for word in option)
    argv = (*engine.command, *words, *settings.extra_arguments)
    purpose = purpose_of(settings, model, engine.kind)
    room_bytes = 0 if _wants_no_card(argv) else graphics_room(engine, host, settings.vram_budget)
    estimate = estimate_memory(model.header, model.weights_bytes, config)
    needed = needed_memory(estimate, engine.kind, room_bytes)
    return LaunchPlan(
        engine,
        model,
        argv,
        config.context_size,
        launch_dir,
        purpose,
        load_limits,
        needed.main_bytes,
        needed.graphics_bytes,
        room_bytes,
        config.workers,
    )


def _wants_no_card(argv: tuple[str, ...]) -> bool:
    """Whether a command line says that no graphics card is to be used; of several devices the last counts."""
    named = ""
    for word, following in pairwise((*argv, "")):
        flag, equals, value = word.partition("=")
        argument = argument_named(flag)
        if argument and argument.parameter == "devices":
            named = value if equals else following
    return named == "none"


def plan_remote(settings: Settings, key: str) -> RemotePlan:
    """The use of the remote server that these settings name; `EngineError` if they name none."""
    url = settings.remote_url.strip().rstrip("/")
    if not _can_be_asked(url):
        raise EngineError(
            ErrorCode.REMOTE_ADDRESS_INVALID,
            "The remote server has no address",
            phrase("“{url}” is not a server address.", url=url)
            if url
            else "The setting “Remote server address” is empty.",
            "Enter its base URL, such as http://192.168.1.20:8000/v1.",
        )
    parts = urlsplit(url)
    if parts.hostname in ("localhost", LOOPBACK, "::1") and parts.port == settings.port:
        raise EngineError(
            ErrorCode.REMOTE_IS_THIS_APP,
            "The remote server cannot be this app itself",
            phrase("{url} is the address of this app.", url=url),
            "Enter the address of the other computer.",
        )
    return RemotePlan(url, settings.remote_model, key)


def _can_be_asked(url: str) -> bool:
    """Whether a URL says where to connect, and can be written into a request as it is."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        port = parts.port
    except ValueError:  # the port is not a number, a bracket is not closed, or a label of the name is empty
        return False
    return (
        parts.scheme in ("http", "https")
        and host != b""
        and port != 0
        and _PATH.fullmatch(parts.path) is not None
    )


def _common(
    settings: Settings, model: Model, config: ContextConfig, host: Host, launch_dir: LaunchDir
) -> Options:
    threads, threads_batch = _threads(settings, model, host)
    return (
        ("--model", launch_dir.model),
        ("--port", PORT),
        ("--ctx-size", str(config.all_contexts_size)),
        ("--threads", str(threads)),
        ("--threads-batch", str(threads_batch)),
    )


def _threads(settings: Settings, model: Model, host: Host) -> tuple[int, int]:
    """The threads for generation and for prompts."""
    if model.header.sparse:
        return 1, 1  # more threads compute wrongly: see ONE_THREAD
    threads = host.physical_cores if settings.threads == AUTO else settings.threads
    return threads, threads if settings.threads_batch == AUTO else settings.threads_batch


def _powerinfer(config: ContextConfig) -> Options:
    # PowerInfer has no --temp: the temperature is a field of each request.
    return (
        ("--host", HOST),
        ("--batch-size", str(config.batch_size)),
        ("--embedding",),
    )


def _llama_server(
    settings: Settings, model: Model, host: Host, config: ContextConfig, flags: frozenset[str]
) -> Options:
    return (
        ("--host", LOOPBACK),
        *_llama_cpp(settings, model, config),
        ("--parallel", str(config.slots)),
        ("--kv-unified",) if _shares_cache(config, flags) else ("--no-kv-unified",),
        (_CAP, str(config.context_size)),
        ("--cache-ram", str(prompt_cache_mib(model.header, config))),
        *(_unmapped(flags) if _is_repacked(model, host) else ()),
        ("--ubatch-size", str(config.batch_size)),
        ("--embedding",),
        ("--sse-ping-interval", "0"),  # some clients stop at a comment in a stream
        ("--no-webui",),
        ("--cors-origins", ""),  # web pages must not read answers
    )


def _unmapped(flags: frozenset[str]) -> Options:
    """That the file is not mapped; servers had `--no-mmap` before they had `--load-mode`."""
    return ((_LOAD_MODE, "none"),) if _LOAD_MODE in flags else (("--no-mmap",),)


def _on_cards(
    settings: Settings, model: Model, estimate: MemoryEstimate, engine: Engine, host: Host
) -> Options:
    """How much of the cards a llama-server may use.

    By itself it takes what is free of them, less a reserve. `--fit-target` is what stays free of each card;
    without it, a llama-server has to be told how many layers fit.
    """
    if "vram_budget" in without_effect(engine, host, sparse=model.header.sparse):
        return ()
    cards = listed = cards_of(engine.devices, host)
    budget = settings.vram_budget
    if budget != AUTO:
        least_bytes = least_on_card(model, estimate)
        cards = tuple(card for card in cards if card.usable_bytes(budget) >= least_bytes)
        if not cards:
            return (("--device", "none"),)
    if FIT_FLAG not in engine.flags:
        layers = layers_on_cards(model, estimate, cards, budget)
        return () if layers is None else ((LAYERS_FLAG, str(layers)),)
    if budget == AUTO:
        return ()
    left_free = [str(card.left_free_mib(budget)) for card in cards]
    fit: Options = (("--fit", "on"), (FIT_FLAG, ",".join(left_free)))
    if len(listed) == 1 or not all(card.id for card in cards):
        return fit
    return (("--device", ",".join(card.id for card in cards)), *fit)  # so that their order is known


def _shares_cache(config: ContextConfig, flags: frozenset[str]) -> bool:
    """Whether all slots use one cache. That is right if no slot can take more than its share.

    With a separate cache for each slot, llama.cpp cuts texts of unequal length into pieces and pools each
    piece alone: vectors of a list are then wrong, except with pooling by the last token.
    """
    takes_whole_texts = config.batch_size >= config.context_size
    return _CAP in flags or takes_whole_texts


def _embedded(settings: Settings, model: Model, host: Host, config: ContextConfig) -> Options:
    return (
        *_llama_cpp(settings, model, config),
        ("--n-parallel", str(config.slots)),
        ("--kv-unified",),
        (_CAP, str(config.context_size)),
        ("--cache-ram-mib", str(prompt_cache_mib(model.header, config))),
        *((("--load-mode", "none"),) if _is_repacked(model, host) else ()),
    )


def _is_repacked(model: Model, host: Host) -> bool:
    """Whether llama.cpp copies the weights into an order that is faster on this processor.

    If the file were also mapped into memory, it would be there twice. Measured with llama.cpp's buffers and
    the memory of its process. Metal computes with the mapped file itself.
    """
    return not host.apple_silicon and model.header.quantization.startswith(_REARRANGED)


def _llama_cpp(settings: Settings, model: Model, config: ContextConfig) -> Options:
    pooling = missing_pooling(settings, model)
    told = (("--pooling", pooling.value),) if pooling else ()
    sight = ((PROJECTOR_FLAG, str(model.projector.path.absolute())),) if model.projector else ()
    return (("--alias", model.id), ("--batch-size", str(config.batch_size)), *told, *sight)
