"""Every setting in one place: its name, type, default, range, unit and the words a person reads. Pure.

The dialog, the terminal commands and the documentation read `FIELDS`; the store validates with `Settings`.
Names are those of the 4D component where it has the option (`ctx_size`, `batch_size`, …).
"""

from __future__ import annotations

import difflib
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

import msgspec
import tomlkit
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


def _about(
    title: Text,
    help_text: Text,
    group: str,
    unit: Text = "",
    *,
    folder: bool = False,
    scope: Scope = Scope.ALL,
) -> Meta:
    extra = {"group": group, "unit": unit, "folder": folder, "scope": scope}
    return Meta(title=str(title), description=str(help_text), extra=extra)


ModelSettings = Mapping[str, Any]
"""By name, the settings of which a model has a value of its own. It is never changed, only replaced."""
_NONE: Mapping[str, ModelSettings] = MappingProxyType({})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the user chose. `msgspec.structs.replace` makes a changed copy.

    Models may have values of their own in `models`: `model_settings.effective` gives what holds for one.
    """

    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)],
        _about("Port", "Programs reach the server at http://127.0.0.1:PORT/v1.", "server"),
    ] = 8080
    model: Annotated[
        Words,
        _about(
            "Model", "An id of the catalogue, a file in the models folder, or the path of a file.", "server"
        ),
    ] = ""
    aliases: Annotated[
        tuple[Line, ...],
        _about(
            "Other names",
            "Names that also mean this model, for commands and for programs, as gpt-4o-mini.",
            "server",
            scope=Scope.ONE,
        ),
    ] = ()
    ctx_size: Annotated[
        Annotated[int, Meta(ge=512, le=1_048_576)] | Auto,
        _about(
            "Context size",
            "How much text the model sees at once. More needs more memory. "
            "Automatic: up to 8192, as model and memory allow.",
            "server",
            "tokens",
            scope=Scope.EACH,
        ),
    ] = AUTO
    batch_size: Annotated[
        Annotated[int, Meta(ge=32, le=65536)],
        _about(
            "Batch size",
            "How many tokens of a prompt are computed in one step.",
            "server",
            "tokens",
            scope=Scope.EACH,
        ),
    ] = 2048
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | Auto,
        _about(
            "Threads",
            "Processor threads while generating. Automatic: one for each physical core.",
            "server",
            scope=Scope.EACH,
        ),
    ] = AUTO
    threads_batch: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | Auto,
        _about(
            "Threads for batches",
            "Processor threads while reading a prompt. Automatic: as Threads.",
            "server",
            scope=Scope.EACH,
        ),
    ] = AUTO
    temperature: Annotated[
        Annotated[float, Meta(ge=0.0, le=2.0)],
        _about(
            "Temperature",
            "How freely the model chooses its words; for requests that name none.",
            "server",
            scope=Scope.EACH,
        ),
    ] = 0.7
    vram_budget: Annotated[
        Annotated[float, Meta(ge=0.0, le=1024.0)] | Auto,
        _about(
            "VRAM budget",
            "The most memory of each graphics card that engines may use.",
            "server",
            "GiB",
            scope=Scope.EACH,
        ),
    ] = AUTO
    engine: Annotated[
        Words,
        _about(
            "Engine",
            "auto, powerinfer, llama.cpp, llama-server, remote, an installed engine as llama.cpp-cuda, or "
            "the path of a server program of your own.",
            "engine",
            scope=Scope.EACH,
        ),
    ] = "auto"
    remote_url: Annotated[
        Line,
        _about(
            "Remote address",
            "For the engine remote: the base URL of an OpenAI-compatible server, as http://box:8000/v1.",
            "engine",
        ),
    ] = ""
    remote_model: Annotated[
        Line,
        _about(
            "Remote model",
            "Which of the remote server's models answers requests that name none of them. Empty: its first.",
            "engine",
        ),
    ] = ""
    extra_arguments: Annotated[
        tuple[Words, ...],
        _about(
            "Extra arguments", "Added to the engine's command line as they are.", "engine", scope=Scope.EACH
        ),
    ] = ()
    pooling: Annotated[
        Literal["auto", "mean", "cls", "last", "rank"],
        _about(
            "Pooling",
            "How a vector is made of a text. Automatic: as the model's file says.",
            "engine",
            scope=Scope.ONE,
        ),
    ] = "auto"
    projector: Annotated[
        Words,
        _about(
            "Projector",
            "The file (mmproj) with which this model sees pictures: a path, or a name in the models folder. "
            "Empty: the one beside the model. none: no pictures.",
            "engine",
            scope=Scope.ONE,
        ),
    ] = ""
    shorter_vectors: Annotated[
        Literal["auto", "yes", "no"],
        _about(
            "Shorter vectors",
            "Whether programs may ask for vectors with fewer dimensions, which only some models were trained "
            "for. Automatic: as known of the model.",
            "engine",
            scope=Scope.ONE,
        ),
    ] = "auto"
    prefix_query: Annotated[
        Words,
        _about(
            "Prefix of queries",
            "Put before a text that a program embeds as a query. What the model was trained with.",
            "engine",
            scope=Scope.ONE,
        ),
    ] = ""
    prefix_document: Annotated[
        Words,
        _about(
            "Prefix of documents",
            "Put before a text that a program embeds as a document. What the model was trained with.",
            "engine",
            scope=Scope.ONE,
        ),
    ] = ""
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | Auto,
        _about(
            "Workers",
            "How many processes of one thread each compute a sparse model. They share its weights. "
            "Automatic: one for every two physical cores, as memory allows.",
            "engine",
            scope=Scope.ONE,
        ),
    ] = AUTO
    start_on_demand: Annotated[
        bool,
        _about("Start on demand", "A request starts a server that sleeps, and waits for it.", "engine"),
    ] = False
    idle_minutes: Annotated[
        Annotated[int, Meta(ge=0, le=10_080)],
        _about(
            "Stop when idle",
            "After so long without a request the engine stops and frees its memory. 0: never.",
            "engine",
            "minutes",
            scope=Scope.EACH,
        ),
    ] = 0
    keep_loaded: Annotated[
        bool,
        _about(
            "Keep loaded",
            "No other model takes this one's place in memory when a request needs room.",
            "engine",
            scope=Scope.ONE,
        ),
    ] = False
    network: Annotated[
        Literal["local", "lan"],
        _about(
            "Who may connect",
            "Programs of this computer, or of the local network too, which then need an API key.",
            "network",
        ),
    ] = "local"
    allowed_origins: Annotated[
        tuple[Line, ...],
        _about(
            "Allowed web origins",
            "Web pages that may use the server, as https://example.org, http://localhost:* or app://*. "
            "With * every page that you visit may use it.",
            "network",
        ),
    ] = ()
    refused_origins: Annotated[
        tuple[Line, ...],
        _about(
            "Refused web origins",
            "Apps and pages of this computer that were refused: nobody is asked about them again.",
            "network",
        ),
    ] = ()
    native_routes: Annotated[
        bool,
        _about(
            "Native routes",
            "Also offer the engine's own routes, such as /completion and /tokenize.",
            "network",
        ),
    ] = False
    metrics: Annotated[
        bool,
        _about("Metrics", "Offer counters for Prometheus at /metrics.", "network"),
    ] = False
    memory_budget: Annotated[
        Annotated[float, Meta(ge=0.1, le=65_536.0)] | Auto,
        _about(
            "Memory budget",
            "The most memory that all loaded models may take together. "
            "Automatic: what is free, less a reserve for other programs.",
            "models",
            "GiB",
        ),
    ] = AUTO
    default_embedding: Annotated[
        Words,
        _about(
            "Default for embeddings",
            "Which model answers requests for embeddings and rankings that name no installed model. "
            "Empty: the setting Model.",
            "models",
        ),
    ] = ""
    default_chat: Annotated[
        Words,
        _about(
            "Default for chats",
            "Which model answers other requests that name no installed model. Empty: the setting Model.",
            "models",
        ),
    ] = ""
    strict_models: Annotated[
        bool,
        _about(
            "Installed names only",
            "A request for a model that is not installed gets an error, and no answer of another model.",
            "models",
        ),
    ] = False
    models_folder: Annotated[
        Words,
        _about(
            "Models folder",
            "Where downloads go and models are found. Empty: the usual place.",
            "models",
            folder=True,
        ),
    ] = ""
    connections: Annotated[
        Annotated[int, Meta(ge=1, le=8)] | Auto,
        _about(
            "Connections",
            "The most connections of one download. Automatic: few, and more while that makes it faster.",
            "models",
        ),
    ] = AUTO
    speed_limit: Annotated[
        Annotated[float, Meta(ge=0.0, le=100_000.0)],
        _about("Speed limit", "The most that downloads take of the line. 0: no limit.", "models", "MB/s"),
    ] = 0.0
    hf_endpoint: Annotated[
        Line,
        _about(
            "Hugging Face address",
            "Where hf: sources lead: Hugging Face itself, or the https address of a mirror.",
            "models",
        ),
    ] = "https://huggingface.co"
    engines_address: Annotated[
        Line,
        _about(
            "Address of engines",
            "Where engines are downloaded from. Empty: from their makers. Else the address of a mirror, "
            "which has them as RELEASE/FILE; what comes must be the same to the last byte.",
            "models",
        ),
    ] = ""
    check_for_newer: Annotated[
        bool,
        _about(
            "Look for newer models",
            "Ask once a week where your models came from whether their files have changed. "
            "Nothing is downloaded.",
            "models",
        ),
    ] = False
    launch_at_login: Annotated[
        bool,
        _about("Launch at login", "Start this app, hidden in the tray, when you log in.", "app"),
    ] = False
    start_server_with_app: Annotated[
        bool,
        _about("Start the server with the app", "Start the server as soon as the app runs.", "app"),
    ] = False
    language: Annotated[
        Literal["auto", "en", "fr", "ja"],
        _about("Language", "Of windows, menu and notices. The terminal speaks English.", "app"),
    ] = "auto"
    notices: Annotated[
        bool,
        _about(
            "Notices",
            "Tell when a download or the installation of an engine has ended, when the server has crashed, "
            "when an installed engine is not used, and when an app or a page of this computer was refused.",
            "app",
        ),
    ] = True
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
    group: str
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
        if self.name in _ADDRESSES and _WITH_SECRET.search(checked):
            raise self._refusal_of_secret()
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
            phrase(
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
        group=extra["group"],
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
