"""What is known about each setting besides its value, read from the schema: texts, limits, values. Pure.

The dialog, the terminal commands and the documentation read `FIELDS` and `MODEL_FIELDS`.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import joined, phrase
from tray_app.settings.addresses import has_secret, is_safe_address, is_server
from tray_app.settings.aliases import read_alias
from tray_app.settings.origins import read_origin
from tray_app.settings.schema import Scope, Settings
from tray_app.system.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tray_app.phrases import Phrase, Text

_EXAMPLES = {
    "allowed_origins": ["https://example.org", "http://localhost:*"],
    "refused_origins": ["app://example"],
    "aliases": ["gpt-4o-mini", "my-model"],
    "remote_url": "http://box:8000/v1",
    "engines_address": "https://mirror.example/llama.cpp",
    "updates_address": "https://mirror.example/latest.json",
}
"""Examples for the error about an invalid value, where the default would explain little."""
_READERS: dict[str, Callable[[str], str]] = {
    "allowed_origins": read_origin,
    "refused_origins": read_origin,
    "aliases": read_alias,
}
"""For lists whose entries must have a form: the function that reads one entry, or raises `SettingsError`."""
_ADDRESSES = {"remote_url": "remote", "hf_endpoint": "HOST", "engines_address": "HOST"}
"""Settings that hold the address of a server, and the name under which its key is kept."""
_WITHOUT_KEY = frozenset({"updates_address"})
"""The same for servers to which no key is ever sent."""


class EntriesError(SettingsError):
    """A list has invalid entries; `usable` are the valid ones."""

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
    """A longer explanation; may be empty."""
    words: str
    """Other words that people search it by, separated by commas."""
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
    """The only values of a `str` field; empty if any text is valid."""
    is_folder: bool
    """Whether the value is the path of a folder, or empty."""
    scope: Scope
    annotation: Any
    """Its type in `Settings`, with the limits."""

    @property
    def expectation(self) -> Phrase:
        """What a value must be, in a sentence."""
        if self.is_folder:
            return phrase("It must be the full path of a folder, or empty for the usual one.")
        if self.choices:
            return phrase("It must be one of: {choices}.", choices=", ".join(self.choices))
        if self.name in _WITHOUT_KEY:
            return phrase("It must be an https address, or an http address of this computer, or empty.")
        if self.name in _ADDRESSES:
            if self.default:
                return phrase("It must be an http or https address.")
            return phrase("It must be an http or https address, or empty.")
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
        """`value` as it is kept; `SettingsError` if the setting cannot have it."""
        if self.read_entry and isinstance(value, list | tuple):
            return self._entries(value)
        try:
            checked = msgspec.convert(value, self.annotation)
        except msgspec.ValidationError as exc:
            raise self.refusal(value) from exc
        if self.name in (*_ADDRESSES, *_WITHOUT_KEY) and has_secret(checked):
            raise self._refusal_of_secret()
        if self.name in _ADDRESSES and not is_server(checked.strip()) and (checked.strip() or self.default):
            raise self.refusal(value)
        if self.name in _WITHOUT_KEY and checked.strip() and not is_safe_address(checked.strip()):
            raise self.refusal(value)
        if self.is_folder and not checked.strip():
            return ""
        if self.is_folder and not expanded(checked).is_absolute():  # it would depend on the current folder
            raise self.refusal(value)
        return checked

    def _refusal_of_secret(self) -> SettingsError:
        """Like `refusal`, but without the secret value, because errors are shown and logged."""
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
        """The function that reads one entry of the list; None for lists of any texts, and without a list."""
        return _READERS.get(self.name)

    def _entries(self, entries: Iterable[object]) -> tuple[str, ...]:
        """The entries as they are kept, without repetitions; `EntriesError` says why others are invalid."""
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
        """The error for an invalid value, which says what a value must be."""
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
        # msgspec sorts `values`; people see them in the order of the schema.
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
"""Those with a value for all models."""
MODEL_FIELDS = tuple(field for field in ALL_FIELDS if field.scope is not Scope.ALL)
"""Those of which a model can have its own value."""

MODEL_REFERENCES = ("model", "default_embedding", "default_chat")
"""Settings that name a model by its id, by another name, or by a file. It need not be installed yet."""


def field_named(name: str) -> Field:
    """The field with this name; `SettingsError`, which suggests the most similar one, if there is none."""
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


def read_values(
    table: Mapping[str, Any],
    fields: Iterable[Field],
    check: Callable[[Field, object], Any] = Field.check,
) -> tuple[dict[str, Any], dict[str, SettingsError]]:
    """The usable values of these fields in a table of a settings file, and by name what is wrong with others.

    Unknown names are ignored: another version of this app may know them.
    """
    values: dict[str, Any] = {}
    faults: dict[str, SettingsError] = {}
    for field in fields:
        if field.name in table:
            try:
                values[field.name] = check(field, table[field.name])
            except SettingsError as exc:
                if isinstance(exc, EntriesError):
                    values[field.name] = exc.usable
                faults[field.name] = exc
    return values, faults
