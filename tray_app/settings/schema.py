"""Every setting in one place: its name, type, default, range, unit and the texts that people read. Pure.

`fields.py` reads all this from the annotations. Names are those of the 4D component where it has the option
(`ctx_size`, `batch_size`, …).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from tray_app.phrases import Text

Auto = Literal["auto"]
AUTO: Auto = "auto"

# NUL ends a text for systems and engines. Only file names and prompts may contain line ends.
Words = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z")]
Line = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]*\Z")]


class Scope(Enum):
    """What a value of a setting applies to."""

    ALL = auto()
    """The whole app."""
    EACH = auto()
    """Every model that does not have a value of its own."""
    ONE = auto()
    """A single model; there is no value for all."""


def _about(  # noqa: PLR0913 - what there is to know about a setting, each by its name
    title: Text,
    help_text: Text,
    group: str,
    unit: Text = "",
    *,
    details: Text = "",
    words: Text = "",
    advanced: bool = False,
    folder: bool = False,
    scope: Scope = Scope.ALL,
) -> Meta:
    extra = {
        "group": group,
        "unit": unit,
        "details": details,
        "words": words,
        "advanced": advanced,
        "folder": folder,
        "scope": scope,
    }
    return Meta(title=str(title), description=str(help_text), extra=extra)


ModelSettings = Mapping[str, Any]
"""A model's own values, by the names of the settings. Never changed, only replaced."""
_NONE: Mapping[str, ModelSettings] = MappingProxyType({})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the user has chosen. `msgspec.structs.replace` makes a changed copy.

    Models may have values of their own in `models`; `model_settings.effective` gives those that apply to one.
    """

    language: Annotated[
        Literal["auto", "en", "fr", "ja"],
        _about(
            "Language",
            "For the window, the menu and notifications",
            "general",
            details="The command line and the logs are always in English.",
            words="translation, locale",
        ),
    ] = "auto"
    launch_at_login: Annotated[
        bool,
        _about(
            "Launch at login",
            "Start in the tray when you log in",
            "general",
            words="autostart, boot, startup",
        ),
    ] = False
    start_server_with_app: Annotated[
        bool,
        _about(
            "Start the server automatically",
            "As soon as the app starts",
            "general",
            words="autostart, launch",
        ),
    ] = False
    notices: Annotated[
        bool,
        _about(
            "Notifications",
            "Downloads, crashes and refused apps",
            "general",
            details="Tells you when a download or the installation of an engine finishes, when the server "
            "crashes, when an installed engine is not used, when a new version is available, and when an "
            "app or a web page on this computer is refused.",
            words="messages, alerts, notices",
        ),
    ] = True
    check_for_updates: Annotated[
        bool,
        _about(
            "Tell me about new versions",
            "Once a week. Nothing is installed",
            "general",
            details="Asks where this app is released which version is the newest. Only the version that you "
            "have is sent.",
            words="update, upgrade, release, check",
        ),
    ] = False
    updates_address: Annotated[
        Line,
        _about(
            "Release address",
            "Empty: the releases on GitHub",
            "general",
            details="Where to ask for the newest version: the https address of a copy of what GitHub says of "
            "the latest release (JSON).",
            words="update, mirror, proxy, GitHub",
            advanced=True,
        ),
    ] = ""
    model: Annotated[
        Words,
        _about(
            "Model",
            "Loaded when the server starts",
            "models",
            details="Choose an installed model, or enter the ID of one in the catalog, the name of a file in "
            "the models folder, or the path of a file.",
            words="GGUF, LLM, weights",
        ),
    ] = ""
    aliases: Annotated[
        tuple[Line, ...],
        _about(
            "Other names",
            "Names that apps can use for this model",
            "models",
            details="For apps that only know the names of other models: gpt-4o-mini, for example.",
            words="alias, rename",
            scope=Scope.ONE,
        ),
    ] = ()
    ctx_size: Annotated[
        Annotated[int, Meta(ge=512, le=1_048_576)] | Auto,
        _about(
            "Context size",
            "How much text the model can use",
            "models",
            "tokens",
            details="A token is about three quarters of an English word. A larger context needs more memory. "
            "Automatic: up to 8192 tokens, as far as the model and the memory allow.",
            words="context length, window, num_ctx, n_ctx, memory",
            scope=Scope.EACH,
        ),
    ] = AUTO
    memory_budget: Annotated[
        Annotated[float, Meta(ge=0.1, le=65_536.0)] | Auto,
        _about(
            "Memory limit",
            "For all loaded models together",
            "models",
            "GiB",
            details="Models are unloaded when another one would exceed it. Automatic: the memory that is "
            "free, minus a reserve for other apps.",
            words="RAM, memory budget",
        ),
    ] = AUTO
    vram_budget: Annotated[
        Annotated[float, Meta(ge=0.0, le=1024.0)] | Auto,
        _about(
            "VRAM budget",
            "Graphics memory to use on each card",
            "models",
            "GiB",
            details="The most memory of each graphics card that engines may use. Automatic: what is free.",
            words="GPU, VRAM, graphics memory limit, graphics card, video memory, layers",
            scope=Scope.EACH,
        ),
    ] = AUTO
    idle_minutes: Annotated[
        Annotated[int, Meta(ge=0, le=10_080)],
        _about(
            "Stop when idle",
            "Unload the model after this time",
            "models",
            "minutes",
            details="After so many minutes without a request, the engine stops and frees its memory. 0 means "
            "never.",
            words="sleep, unload, timeout, keep alive",
            scope=Scope.EACH,
        ),
    ] = 0
    start_on_demand: Annotated[
        bool,
        _about(
            "Start on demand",
            "A request wakes a sleeping server",
            "models",
            details="A request starts an engine that has stopped because it was idle, and waits for it. A "
            "server that you stop yourself stays stopped.",
            words="wake, sleep, idle",
        ),
    ] = False
    keep_loaded: Annotated[
        bool,
        _about(
            "Keep loaded",
            "Never make room for another model",
            "models",
            details="The model stays in memory when another one needs room, and is loaded when the server "
            "starts.",
            words="pin, memory, unload",
            scope=Scope.ONE,
        ),
    ] = False
    temperature: Annotated[
        Annotated[float, Meta(ge=0.0, le=2.0)],
        _about(
            "Temperature",
            "Higher values give more varied answers",
            "answers",
            details="For requests that do not set a temperature themselves.",
            words="creativity, randomness, sampling",
            scope=Scope.EACH,
        ),
    ] = 0.7
    default_chat: Annotated[
        Words,
        _about(
            "Default chat model",
            "When a request names no installed model",
            "answers",
            details="Answers every request except those for embeddings and rankings. Empty: the setting "
            "Model.",
            words="fallback",
        ),
    ] = ""
    default_embedding: Annotated[
        Words,
        _about(
            "Default embedding model",
            "When a request names no installed model",
            "answers",
            details="Answers requests for embeddings and rankings. Empty: the setting Model.",
            words="vectors, rerank, fallback",
        ),
    ] = ""
    projector: Annotated[
        Words,
        _about(
            "Projector",
            "Lets this model see pictures",
            "answers",
            details="The mmproj file of the model: a path, or a name in the models folder. Empty: the file "
            "beside the model. none: no pictures.",
            words="vision, images, mmproj, multimodal",
            scope=Scope.ONE,
        ),
    ] = ""
    prefix_query: Annotated[
        Words,
        _about(
            "Query prefix",
            "Put before texts embedded as queries",
            "answers",
            details="Use the prefix that the model was trained with. You find it on the model's page.",
            words="instruction, search_query, embeddings",
            scope=Scope.ONE,
        ),
    ] = ""
    prefix_document: Annotated[
        Words,
        _about(
            "Document prefix",
            "Put before texts embedded as documents",
            "answers",
            details="Use the prefix that the model was trained with. You find it on the model's page.",
            words="instruction, passage, search_document, embeddings",
            scope=Scope.ONE,
        ),
    ] = ""
    strict_models: Annotated[
        bool,
        _about(
            "Installed models only",
            "Refuse requests for other models",
            "answers",
            details="A request for a model that is not installed gets an error, not an answer from the "
            "default model.",
            words="strict, model not found",
            advanced=True,
        ),
    ] = False
    pooling: Annotated[
        Literal["auto", "mean", "cls", "last", "rank"],
        _about(
            "Pooling",
            "How a text becomes one vector",
            "answers",
            details="Automatic: as the model's file says.",
            words="mean, cls, last, rank, embeddings",
            advanced=True,
            scope=Scope.ONE,
        ),
    ] = "auto"
    shorter_vectors: Annotated[
        Literal["auto", "yes", "no"],
        _about(
            "Shorter vectors",
            "Let apps ask for fewer dimensions",
            "answers",
            details="Only some models are trained for it. Automatic: by the model's name.",
            words="Matryoshka, dimensions, embeddings",
            advanced=True,
            scope=Scope.ONE,
        ),
    ] = "auto"
    engine: Annotated[
        Words,
        _about(
            "Engine",
            "The program that runs models",
            "speed",
            details="Choose one, or enter auto, powerinfer, llama.cpp, llama-server, remote, an installed "
            "engine such as llama.cpp-cuda, or the path of a server program of your own.",
            words="llama.cpp, PowerInfer, CUDA, Vulkan, GPU, runtime",
            scope=Scope.EACH,
        ),
    ] = "auto"
    remote_url: Annotated[
        Line,
        _about(
            "Remote server address",
            "A server with OpenAI's API",
            "speed",
            details="For the engine remote: its base URL, http://box:8000/v1, for example.",
            words="URL, endpoint, OpenAI",
        ),
    ] = ""
    remote_model: Annotated[
        Line,
        _about(
            "Remote model",
            "For requests that name no model",
            "speed",
            details="Which of the remote server's models answers them. Empty: its first.",
        ),
    ] = ""
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | Auto,
        _about(
            "Threads",
            "For writing answers",
            "speed",
            details="How many processor threads write an answer. Automatic: one for each physical core.",
            words="CPU, cores, performance",
            scope=Scope.EACH,
        ),
    ] = AUTO
    threads_batch: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | Auto,
        _about(
            "Threads for prompts",
            "For reading prompts and texts to embed",
            "speed",
            details="How many processor threads read a prompt. Automatic: the same number as Threads.",
            words="CPU, cores, batch, performance",
            advanced=True,
            scope=Scope.EACH,
        ),
    ] = AUTO
    batch_size: Annotated[
        Annotated[int, Meta(ge=32, le=65536)],
        _about(
            "Batch size",
            "Prompt tokens processed in one step",
            "speed",
            "tokens",
            words="n_batch, ubatch, performance",
            advanced=True,
            scope=Scope.EACH,
        ),
    ] = 512
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | Auto,
        _about(
            "Workers",
            "Processes that run a sparse model",
            "speed",
            details="Each has one thread, and all share the model's weights. Automatic: one for every two "
            "physical cores, as far as memory allows.",
            words="PowerInfer, parallel, processes",
            advanced=True,
            scope=Scope.ONE,
        ),
    ] = AUTO
    extra_arguments: Annotated[
        tuple[Words, ...],
        _about(
            "Extra arguments",
            "Added to the engine's command line",
            "speed",
            details="As the engine's help lists them: --flash-attn off, for example.",
            words="flags, options, parameters, command line",
            advanced=True,
            scope=Scope.EACH,
        ),
    ] = ()
    network: Annotated[
        Literal["local", "lan"],
        _about(
            "Who can connect",
            "The local network needs an API key",
            "network",
            words="LAN, host, bind, share",
        ),
    ] = "local"
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)],
        _about(
            "Port",
            "Part of the address that apps use",
            "network",
            details="Apps connect to http://127.0.0.1:PORT/v1.",
            words="address, URL, listen",
        ),
    ] = 8080
    allowed_origins: Annotated[
        tuple[Line, ...],
        _about(
            "Allowed web pages",
            "Web pages that may use the server",
            "network",
            details="Origins such as https://example.org, http://localhost:* or app://*. With * every page "
            "that you visit may use the server.",
            words="CORS, origins, browser",
            advanced=True,
        ),
    ] = ()
    refused_origins: Annotated[
        tuple[Line, ...],
        _about(
            "Refused apps and web pages",
            "You are not asked about them again",
            "network",
            details="The origins of apps and web pages on this computer that you have refused.",
            words="CORS, origins, blocked",
            advanced=True,
        ),
    ] = ()
    native_routes: Annotated[
        bool,
        _about(
            "Engine routes",
            "Also offer the engine's own API",
            "network",
            details="Routes such as /completion and /tokenize.",
            words="native routes, endpoints, API",
            advanced=True,
        ),
    ] = False
    metrics: Annotated[
        bool,
        _about(
            "Metrics",
            "Offer Prometheus counters at /metrics",
            "network",
            words="monitoring, statistics",
            advanced=True,
        ),
    ] = False
    models_folder: Annotated[
        Words,
        _about(
            "Models folder",
            "Where models are stored",
            "downloads",
            details="Downloads go here, and installed models are found here. Empty: the default folder.",
            words="directory, path, disk, location",
            folder=True,
        ),
    ] = ""
    speed_limit: Annotated[
        Annotated[float, Meta(ge=0.0, le=100_000.0)],
        _about(
            "Speed limit",
            "For all downloads together",
            "downloads",
            "MB/s",
            details="0 means no limit.",
            words="bandwidth, throttle",
        ),
    ] = 0.0
    check_for_newer: Annotated[
        bool,
        _about(
            "Check for newer models",
            "Once a week. Nothing is downloaded",
            "downloads",
            details="Asks where your models came from whether their files have changed.",
            words="update",
        ),
    ] = False
    hf_endpoint: Annotated[
        Line,
        _about(
            "Hugging Face address",
            "Hugging Face, or a mirror of it",
            "downloads",
            details="Where hf: sources lead. Use an https address for a mirror, so that your access token "
            "stays private.",
            words="mirror, HF_ENDPOINT, proxy",
        ),
    ] = "https://huggingface.co"
    connections: Annotated[
        Annotated[int, Meta(ge=1, le=8)] | Auto,
        _about(
            "Connections",
            "At most, for one download",
            "downloads",
            details="Automatic: a few, and more as long as that makes the download faster.",
            words="parallel, segments",
            advanced=True,
        ),
    ] = AUTO
    engines_address: Annotated[
        Line,
        _about(
            "Engine download address",
            "Empty: directly from the engines' makers",
            "downloads",
            details="The address of a mirror, which has the files as RELEASE/FILE. They must be identical to "
            "the originals.",
            words="mirror, proxy, GitHub",
            advanced=True,
        ),
    ] = ""
    models: Mapping[str, ModelSettings] = _NONE
    """The models' own values, by model id; also those of models that are not installed."""
