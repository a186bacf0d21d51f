"""Every setting in one place: its name, type, default, range, unit and the words a person reads. Pure.

The dialog, the terminal commands and the documentation read `FIELDS`; the store validates with `Settings`.
Names are those of the 4D component where it has the option (`ctx_size`, `batch_size`, …).
"""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import joined, phrase
from tray_app.settings.aliases import read_alias
from tray_app.settings.origins import read_origin
from tray_app.system.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tray_app.phrases import Phrase, Text

Auto = Literal["auto"]
AUTO: Auto = "auto"

# NUL ends a text for systems and engines; what is no name of a file and no prompt has no line ends, either.
Words = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z")]
Line = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
_EXAMPLES = {
    "allowed_origins": ["https://example.org", "http://localhost:*"],
    "refused_origins": ["app://example"],
    "aliases": ["gpt-4o-mini", "my-model"],
}
"""What says more than the default, in the error of a value that cannot be."""
_READERS: dict[str, Callable[[str], str]] = {
    "allowed_origins": read_origin,
    "refused_origins": read_origin,
    "aliases": read_alias,
}
"""How one entry of a list is read, for lists that take no other text; `SettingsError` if it is none."""


_ADDRESSES = {"remote_url": "remote", "hf_endpoint": "HOST", "engines_address": "HOST"}
"""Settings that are the address of a server, and the key that is kept for it."""
_WITHOUT_KEY = frozenset({"updates_address"})
"""Those of servers to which no key is ever sent."""
_THIS_COMPUTER = ("127.0.0.1", "::1", "localhost")
_WITH_SECRET = re.compile(r"^(?:[^/]*//)?[^/?#]*@|://[^@]*:[^@]*@|[?#]")
"""A login, also where its password has signs in it that end the name of a host; a query, for `?key=…`."""


class Scope(Enum):
    """Whom a setting is for."""

    ALL = auto()
    """The app as a whole."""
    EACH = auto()
    """Every model, unless one has a value of its own."""
    ONE = auto()
    """A single model: there is no value for all."""


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
"""By name, the settings of which a model has a value of its own. It is never changed, only replaced."""
_NONE: Mapping[str, ModelSettings] = MappingProxyType({})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the user chose. `msgspec.structs.replace` makes a changed copy.

    Models may have values of their own in `models`: `model_settings.effective` gives what holds for one.
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
            details="Where hf: sources lead. A mirror needs an https address.",
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
    """By the ids of models, what they have of their own; also of models that are not installed."""


class EntriesError(SettingsError):
    """A list has entries that it cannot have; `usable` are the others."""

    def __init__(self, name: str, reasons: list[Text], usable: tuple[str, ...]) -> None:
        super().__init__(
            ErrorCode.SETTING_ENTRIES_INVALID,
            phrase("The setting {name} has entries that it cannot have", name=name),
            joined("\n", reasons),
        )
        self.usable = usable


@dataclass(frozen=True, slots=True)
class Field:
    """What is known about one setting besides its value."""

    name: str
    title: str
    help: str
    """What it does, in a few words."""
    details: str
    """What else there is to say about it; may be empty."""
    words: str
    """What else people call it: whoever looks for that finds the setting."""
    group: str
    advanced: bool
    """Whether few people need it."""
    unit: str
    default: Any
    kind: type
    """`int`, `float`, `bool`, `str` or `tuple` (of texts)."""
    minimum: float | None
    maximum: float | None
    may_be_auto: bool
    choices: tuple[str, ...]
    """The only values of a `str` field; empty where any text will do."""
    is_folder: bool
    """Whether a text is the path of a folder, or empty."""
    scope: Scope
    annotation: Any

    @property
    def expectation(self) -> Phrase:
        """What a value must be, in a sentence."""
        if self.is_folder:
            return phrase("It must be the full path of a folder, or empty for the usual one.")
        if self.choices:
            return phrase("It must be one of: {choices}.", choices=", ".join(self.choices))
        if self.name in _WITHOUT_KEY:
            return phrase("It must be an https address, or an http address of this computer, or empty.")
        limits = {"minimum": f"{self.minimum or 0:g}", "maximum": f"{self.maximum or 0:.12g}"}
        return {
            (int, False): phrase("It must be a whole number from {minimum} to {maximum}.", **limits),
            (int, True): phrase(
                'It must be a whole number from {minimum} to {maximum}, or "auto".', **limits
            ),
            (float, False): phrase("It must be a number from {minimum} to {maximum}.", **limits),
            (float, True): phrase('It must be a number from {minimum} to {maximum}, or "auto".', **limits),
            (bool, False): phrase("It must be true or false."),
            (str, False): phrase("It must be a text without control characters."),
            (tuple, False): phrase("It must be a list of texts without control characters."),
        }[self.kind, self.may_be_auto]

    def check(self, value: object) -> Any:
        """`value` as this setting keeps it; `SettingsError` if the setting cannot have it."""
        if self.read_entry and isinstance(value, list | tuple):
            return self._entries(value)
        try:
            checked = msgspec.convert(value, self.annotation)
        except msgspec.ValidationError as exc:
            raise self.refusal(value) from exc
        if self.name in (*_ADDRESSES, *_WITHOUT_KEY) and _WITH_SECRET.search(checked):
            raise self._refusal_of_secret()
        if self.name in _WITHOUT_KEY and checked.strip() and not is_safe_address(checked.strip()):
            raise self.refusal(value)
        if self.is_folder and not checked.strip():
            return ""
        if self.is_folder and not expanded(checked).is_absolute():  # another one in every terminal
            raise self.refusal(value)
        return checked

    def _refusal_of_secret(self) -> SettingsError:
        """As `refusal`, without the value: it is shown and logged wherever the address is."""
        return SettingsError(
            ErrorCode.SETTING_HAS_CREDENTIALS,
            phrase("The setting {name} cannot have a login or a key in its address", name=self.name),
            phrase("Addresses are shown and logged, and no key is sent to this one.")
            if self.name in _WITHOUT_KEY
            else phrase(
                "Addresses are shown and logged; keys belong in the keychain: powerinfer-tray key set {key}",
                key=_ADDRESSES[self.name],
            ),
            "Leave out what stands before an @ and after a ?, and these signs.",
        )

    @property
    def read_entry(self) -> Callable[[str], str] | None:
        """How one entry of the list is read; None where it may be any text, or where there is no list."""
        return _READERS.get(self.name)

    def _entries(self, entries: Iterable[object]) -> tuple[str, ...]:
        """Every entry as it is kept, each once; `EntriesError` with the reason for each that cannot be."""
        read: dict[str, None] = {}
        reasons: list[Text] = []
        for entry in entries:
            try:
                if not isinstance(entry, str) or self.read_entry is None:
                    raise self.refusal(entry)
                read[self.read_entry(entry)] = None
            except SettingsError as exc:
                reasons.append(exc.texts[1])
        if reasons:
            raise EntriesError(self.name, reasons, tuple(read))
        return tuple(read)

    def refusal(self, value: object) -> SettingsError:
        """The error that says what a value must be in place of this one."""
        import tomlkit  # slow to import, and seldom needed

        return SettingsError(
            ErrorCode.SETTING_VALUE_INVALID,
            phrase("The setting {name} cannot be {value}", name=self.name, value=repr(value)),
            self.expectation,
            phrase(
                "For example: {name} = {example}",
                name=self.name,
                example=tomlkit.item(_EXAMPLES.get(self.name, self.default)).as_string(),
            ),
        )


def _field(info: msgspec.structs.FieldInfo) -> Field:
    node = msgspec.inspect.type_info(info.type)
    extra: dict[str, Any] = {}
    title = help_text = ""
    while isinstance(node, msgspec.inspect.Metadata):
        extra |= node.extra or {}
        schema = node.extra_json_schema or {}
        title, help_text = schema.get("title", title), schema.get("description", help_text)
        node = node.type
    choices: tuple[str, ...] = ()
    if isinstance(node, msgspec.inspect.LiteralType):
        # `values` is sorted; a person reads them in the order of the schema.
        choices, node = typing.get_args(typing.get_args(info.type)[0]), msgspec.inspect.StrType()
    options = node.types if isinstance(node, msgspec.inspect.UnionType) else (node,)
    auto = any(isinstance(option, msgspec.inspect.LiteralType) for option in options)
    value = next(option for option in options if not isinstance(option, msgspec.inspect.LiteralType))
    kinds: dict[type, type] = {
        msgspec.inspect.IntType: int,
        msgspec.inspect.FloatType: float,
        msgspec.inspect.BoolType: bool,
        msgspec.inspect.StrType: str,
        msgspec.inspect.VarTupleType: tuple,
    }
    return Field(
        name=info.name,
        title=title,
        help=help_text,
        details=extra["details"],
        words=extra["words"],
        group=extra["group"],
        advanced=extra["advanced"],
        unit=extra["unit"],
        default=info.default,
        kind=kinds[type(value)],
        minimum=getattr(value, "ge", None),
        maximum=getattr(value, "le", None),
        may_be_auto=auto,
        choices=choices,
        is_folder=extra["folder"],
        scope=extra["scope"],
        annotation=info.type,
    )


ALL_FIELDS: tuple[Field, ...] = tuple(
    _field(info) for info in msgspec.structs.fields(Settings) if info.name != "models"
)
FIELDS = tuple(field for field in ALL_FIELDS if field.scope is not Scope.ONE)
"""Those that have a value for all models."""
MODEL_FIELDS = tuple(field for field in ALL_FIELDS if field.scope is not Scope.ALL)
"""Those of which a model may have a value of its own."""

MODEL_REFERENCES = ("model", "default_embedding", "default_chat")
"""Settings that name a model: by its id, another name of it, or a file. It need not be installed yet."""


def field_named(name: str) -> Field:
    """The field of that name; `SettingsError` that names the nearest one if there is none."""
    for field in ALL_FIELDS:
        if field.name == name:
            return field
    import difflib

    names = [field.name for field in ALL_FIELDS]
    nearest = difflib.get_close_matches(name, names, n=1)
    raise SettingsError(
        ErrorCode.SETTING_UNKNOWN,
        phrase("There is no setting {name}", name=repr(name)),
        phrase("Did you mean {name}?", name=nearest[0])
        if nearest
        else phrase("The settings are: {names}.", names=", ".join(names)),
        "All settings with their values: powerinfer-tray settings show",
    )


def parse_value(name: str, text: str) -> Any:
    """The value that a person typed for a setting; `SettingsError` if it is none."""
    field = field_named(name)
    try:
        text.encode()  # the file cannot hold bytes that are no letters
        return field.check(_from_text(field, text))
    except (ValueError, RecursionError) as exc:  # int, float, shlex or a reader of lists could not read it
        raise field.refusal(text) from exc


def _from_text(field: Field, text: str) -> object:
    if field.may_be_auto and text == AUTO:
        return AUTO
    if field.kind is bool:
        words = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
        return words.get(text.lower(), text)
    if field.kind is tuple:
        if text.strip().startswith("["):
            return _bracketed(text.strip())
        return _words(text, separators=",;" if field.read_entry else "")
    return field.kind(text)


def value_text(value: object) -> str:
    """A setting's value as it is typed; `parse_value` reads it back."""
    return list_text(value) if isinstance(value, tuple) else str(value)


def is_safe_address(text: str) -> bool:
    """Whether it is an address at which nobody else can listen: of https, or of this computer; without a
    login.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # looked at here, so that a bad one fails here
    except ValueError:
        return False
    if re.search(r"\s", text) or not host or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _THIS_COMPUTER)


def list_text(words: Iterable[str]) -> str:
    """A list as it is typed; `parse_value` reads it back."""
    return " ".join(shlex.quote(word) if _NEEDS_QUOTES.search(word) else word for word in words)


_NEEDS_QUOTES = re.compile(r"""^$|^\[|[\s"'\\]""")


def _words(text: str, separators: str) -> list[str]:
    """A text's words as a shell reads them; on Windows, a backslash stands in a path and for itself."""
    reader = shlex.shlex(text, posix=True)
    reader.whitespace += separators
    reader.whitespace_split = True
    reader.commenters = ""
    if sys.platform == "win32":
        reader.escape = ""
    return list(reader)


def _bracketed(text: str) -> list[Any]:
    """A list as JSON, TOML and `settings get` write it; `ValueError` if it is none."""
    try:
        return list(msgspec.json.decode(text, type=list))
    except msgspec.DecodeError:
        return list(tomllib.loads(f"list = {text}")["list"])
