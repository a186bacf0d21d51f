"""Everything that may go wrong in front of a person: what happened, why, and what to do about it.

AppError
├── SettingsError    a setting or the settings file
├── DownloadError    a source, a transfer or a check of what arrived
├── ModelError       a file that is missing, damaged or no model
├── EngineError      the native server
└── GatewayError     the public address or a program that speaks to it

An `ErrorCode` says what happened, and an `ErrorDocument` is an error in JSON.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from tray_app.phrases import one_line, visible

if TYPE_CHECKING:
    from tray_app.phrases import Text


class ErrorCode(StrEnum):
    """What happened, for programs: each stays what it is, however the words change."""

    # The server, the app

    PORT_IN_USE = "port_in_use"
    """Another program listens on the port that was asked for."""
    PORT_REFUSED = "port_refused"
    """Nobody listens on the port, and the system does not give it out."""
    SERVER_NOT_RUNNING = "server_not_running"
    """No address is open."""
    SERVER_NOT_READY = "server_not_ready"
    """The server does not answer yet, or was stopped before it did."""
    SERVER_ASLEEP = "server_asleep"
    """The engine is stopped until somebody starts it; requests may not."""
    START_CALLED_OFF = "start_called_off"
    """The server was stopped before it had started."""
    APP_NOT_RUNNING = "app_not_running"
    """A command needs the running app, and there is none."""
    APP_ALREADY_RUNNING = "app_already_running"
    """A second app would share settings, models and logs with the first."""
    APP_UNREACHABLE = "app_unreachable"
    """A program holds the lock of the running app, and none answers."""
    APP_NOT_RESPONDING = "app_not_responding"
    """The running app has not answered in time."""
    APP_NOT_RECOGNIZED = "app_not_recognized"
    """Another program answers at the app's private port."""
    APP_VERSION_DIFFERS = "app_version_differs"
    """The running app is of another version, and does not know this command."""
    APP_ENDED = "app_ended"
    """The app ends, or ended while a command waited for it."""
    APP_REFUSED = "app_refused"
    """The running app does not do what a command asks of it."""
    NO_WINDOW = "no_window"
    """The app runs in a terminal."""
    OUTPUT_NOT_WRITABLE = "output_not_writable"
    """The terminal, pipe or file that a command prints to does not take it."""
    LAUNCH_AT_LOGIN_FAILED = "launch_at_login_failed"
    """The system does not let the app be started at login, or no longer."""
    CALLED_OFF = "called_off"
    """The person has called off what was being done."""
    SELFTEST_STALLED = "selftest_stalled"
    """Nothing of the self-test's download arrives."""
    INTERNAL_ERROR = "internal_error"
    """A defect of this app."""
    UNKNOWN = "unknown"
    """An error of another version of this app, whose code this one does not know."""

    # Models

    MODEL_NOT_CHOSEN = "model_not_chosen"
    """There is nothing to serve."""
    MODEL_NOT_NAMED = "model_not_named"
    """A command was given an empty name."""
    MODEL_NOT_FOUND = "model_not_found"
    """There is no model of this name."""
    MODEL_AMBIGUOUS = "model_ambiguous"
    """Several models have this name."""
    MODEL_NOT_DOWNLOADED = "model_not_downloaded"
    """The model is known, and not on this computer yet."""
    MODEL_BUILT_IN = "model_built_in"
    """The model comes with the app: it is neither downloaded nor removed."""
    MODEL_FILE_MISSING = "model_file_missing"
    """The model's file was moved or deleted."""
    MODEL_FILE_UNREADABLE = "model_file_unreadable"
    """The system does not let the model's file be read."""
    MODEL_FILE_LOST = "model_file_lost"
    """The model's file was cut short, or its drive went away, while it was used."""
    MODEL_FILE_INCOMPLETE = "model_file_incomplete"
    """The model's file ends before its last weight."""
    MODEL_FILE_DAMAGED = "model_file_damaged"
    """The model's file contradicts itself."""
    MODEL_IS_FOLDER = "model_is_folder"
    """The path of a model is that of a folder."""
    NOT_A_MODEL = "not_a_model"
    """The file does not begin as a model does."""
    NOT_A_WHOLE_MODEL = "not_a_whole_model"
    """The file is a projector or an adapter, which goes with a model."""
    PROJECTOR_UNUSABLE = "projector_unusable"
    """What is to be a model's projector is none, or the engine cannot use it."""
    MODEL_FORMAT_UNSUPPORTED = "model_format_unsupported"
    """The file is of a version of GGUF that this app does not read."""
    MODEL_BYTE_ORDER_UNSUPPORTED = "model_byte_order_unsupported"
    """The file's numbers are big-endian."""
    MODEL_TOO_LARGE = "model_too_large"
    """The model may need more memory than this machine has."""
    MODEL_NOT_LOADED = "model_not_loaded"
    """The model has no engine now."""
    MODEL_DOES_NOT_FIT = "model_does_not_fit"
    """There is no memory for the model besides those that are kept loaded."""
    MODEL_IN_USE = "model_in_use"
    """The model is being served, so its file stays."""
    MODEL_NOT_IMPORTED = "model_not_imported"
    """A file could not be brought into the models folder."""
    MODEL_NOT_REMOVED = "model_not_removed"
    """A file could not be moved to the trash or deleted."""
    MODEL_REPLACED = "model_replaced"
    """A file was exchanged while it was about to be removed."""
    MODEL_NOT_IN_FOLDER = "model_not_in_folder"
    """The file is outside of the models folder."""
    MODELS_FOLDER_MISSING = "models_folder_missing"
    """The models folder that was chosen is not there."""
    FOLDER_MISSING = "folder_missing"
    """There is no such folder."""
    DRIVE_NOT_CONNECTED = "drive_not_connected"
    """The drive or folder that the model is on is gone."""
    CATALOG_UNREADABLE = "catalog_unreadable"
    """The list of models that comes with the app cannot be read."""
    OWN_MODELS_INVALID = "own_models_invalid"
    """The person's own list of models has an error."""
    QUANTIZER_NOT_FOUND = "quantizer_not_found"
    """There is no program that quantizes."""
    QUANTIZATION_FAILED = "quantization_failed"
    """The program that quantizes gave up, or could not be run."""
    MODEL_NOT_QUANTIZABLE = "model_not_quantizable"
    """Only whole models in one file can be quantized."""
    QUANTIZATION_TYPE_INVALID = "quantization_type_invalid"
    """The model cannot be quantized to this type."""
    FILE_EXISTS = "file_exists"
    """A file of this name is there already, and stays."""
    NOT_ENOUGH_SPACE = "not_enough_space"
    """The disk has less room than is needed and left to other programs."""

    # The engine

    ENGINE_NOT_FOUND = "engine_not_found"
    """There is no engine at the path in the settings."""
    LLAMA_CPP_NOT_FOUND = "llama_cpp_not_found"
    """There is no llama.cpp for this machine."""
    LLAMA_SERVER_NOT_FOUND = "llama_server_not_found"
    """No folder of the PATH has a llama-server."""
    POWERINFER_NOT_FOUND = "powerinfer_not_found"
    """There is no PowerInfer engine on this machine."""
    NOT_AN_ENGINE = "not_an_engine"
    """The program does not answer as an engine does."""
    ENGINE_NOT_A_PROGRAM = "engine_not_a_program"
    """The file is no program that this system runs."""
    ENGINE_NOT_EXECUTABLE = "engine_not_executable"
    """The program has no permission to be run."""
    ENGINE_QUARANTINED = "engine_quarantined"
    """macOS does not run the program, because it was downloaded."""
    ENGINE_FOR_OTHER_MACHINE = "engine_for_other_machine"
    """The program was built for another system or processor family."""
    ENGINE_NEEDS_NEWER_PROCESSOR = "engine_needs_newer_processor"
    """The program uses instructions that this processor does not have."""
    MODEL_NEEDS_POWERINFER = "model_needs_powerinfer"
    """A sparse model runs on PowerInfer alone."""
    POWERINFER_NEEDS_THREADS = "powerinfer_needs_threads"
    """This PowerInfer cannot compute the model with one thread."""
    ANSWERS_DIFFER = "answers_differ"
    """PowerInfer gives different answers to the same text."""
    ENGINE_NOT_STARTED = "engine_not_started"
    """The system does not run the program."""
    SYSTEM_RESOURCES_EXHAUSTED = "system_resources_exhausted"
    """The system is short of memory, processes or open files just now."""
    ENGINE_PORT_TAKEN = "engine_port_taken"
    """Another program took the engine's private port."""
    ENGINE_LIBRARY_MISSING = "engine_library_missing"
    """The engine lacks a library of the system."""
    NVIDIA_GPU_MISSING = "nvidia_gpu_missing"
    """The engine was built for an NVIDIA graphics card, and finds none."""
    ENGINE_NEEDS_NEWER_SYSTEM = "engine_needs_newer_system"
    """The engine was built for a newer version of this system."""
    ENGINE_WITHOUT_CARD = "engine_without_card"
    """The engine was built for graphics cards, and finds none."""
    ENGINE_PROOF_FAILED = "engine_proof_failed"
    """The engine computes right with no kind of weights on this machine."""
    ENGINE_NOT_IN_ARCHIVE = "engine_not_in_archive"
    """What was to be installed as an engine has no program of one in it."""
    INSTALLATION_UNDER_WAY = "installation_under_way"
    """Another engine is being installed."""
    ENGINE_ARGUMENT_UNKNOWN = "engine_argument_unknown"
    """The engine does not know one of its arguments."""
    ENGINE_ARGUMENT_UNAVAILABLE = "engine_argument_unavailable"
    """The built-in engine does not have one of llama-server's arguments."""
    ENGINE_ARGUMENT_FILE_MISSING = "engine_argument_file_missing"
    """An argument names a file that is not there."""
    ENGINE_ARGUMENT_FILE_UNUSABLE = "engine_argument_file_unusable"
    """An argument names a file of another kind, or for another model."""
    ENGINE_VALUE_INVALID = "engine_value_invalid"
    """The engine does not accept the value of an argument."""
    ENGINE_SETTINGS_INCOMPATIBLE = "engine_settings_incompatible"
    """Some of the engine's arguments exclude each other."""
    EXTRA_ARGUMENT_NOT_ALLOWED = "extra_argument_not_allowed"
    """One of the extra arguments says what this app decides."""
    MODEL_ARCHITECTURE_UNKNOWN = "model_architecture_unknown"
    """The engine does not know this kind of model."""
    MODEL_NOT_USABLE = "model_not_usable"
    """The engine cannot load the model, or its answers are useless."""
    MODEL_FILE_NAME_UNUSABLE = "model_file_name_unusable"
    """The engine cannot open a file of this name."""
    NOT_ENOUGH_MEMORY = "not_enough_memory"
    """The engine asked for more memory than the machine could give."""
    ENGINE_ABORTED = "engine_aborted"
    """The engine hit an internal error and aborted."""
    ENGINE_CRASHED = "engine_crashed"
    """The engine accessed memory that is not there."""
    ENGINE_KILLED = "engine_killed"
    """Another program, the system or a person ended the engine."""
    ENGINE_ENDED = "engine_ended"
    """The engine ended by itself, for no reason that is known here."""
    ENGINE_STILL_RUNNING = "engine_still_running"
    """The engine did not end in time, and has its model's file open."""
    ENGINE_HUNG = "engine_hung"
    """The engine did nothing that was asked of it."""
    MODEL_EXCEEDS_LIMITS = "model_exceeds_limits"
    """The engine took more than it should while it loaded the model."""
    REQUEST_EXCEEDS_LIMITS = "request_exceeds_limits"
    """The engine computed over a request without end."""
    ENGINE_LIST_UNREADABLE = "engine_list_unreadable"
    """The list of engines on offer, which comes with the app, cannot be read."""
    ENGINE_NOT_INSTALLED = "engine_not_installed"
    """No engine of this name was installed with this app."""
    ENGINE_NOT_ON_OFFER = "engine_not_on_offer"
    """No engine of this name is on offer for this machine."""
    ENGINE_CHANGED = "engine_changed"
    """An installed engine's files are others than those that were installed."""
    ENGINE_NOTES_UNREADABLE = "engine_notes_unreadable"
    """What was noted of an installed engine is missing or damaged, so it is not used."""
    ENGINE_IN_USE = "engine_in_use"
    """The engine runs, or another program has its files open, so they stay."""
    ENGINE_NOT_STORED = "engine_not_stored"
    """The folder of the installed engines cannot be read or written."""
    ENGINES_LOCKED = "engines_locked"
    """Another program is changing the installed engines."""
    ARCHIVE_UNREADABLE = "archive_unreadable"
    """The file is no archive that can be unpacked, or not a whole one."""
    ARCHIVE_ENCRYPTED = "archive_encrypted"
    """The archive is locked with a password."""
    ARCHIVE_UNSAFE = "archive_unsafe"
    """Something in the archive would be written elsewhere, or be no ordinary file."""
    ARCHIVE_TOO_LARGE = "archive_too_large"
    """What the archive holds is far more than an engine takes."""
    ENGINE_SET_ASIDE = "engine_set_aside"
    """An installed engine has failed with a model, which another engine runs meanwhile."""
    GRAPHICS_MEMORY_SHORT = "graphics_memory_short"
    """The engine asked for more memory than the graphics card could give."""
    TUNING_UNDER_WAY = "tuning_under_way"
    """The number of threads is being measured already."""
    THREADS_NOT_TUNABLE = "threads_not_tunable"
    """The number of threads makes no difference here."""

    # A remote server

    REMOTE_ADDRESS_INVALID = "remote_address_invalid"
    """The remote server has no address, or one that is none."""
    REMOTE_IS_THIS_APP = "remote_is_this_app"
    """The remote server's address is this app's own."""
    REMOTE_NOT_RESPONDING = "remote_not_responding"
    """The remote server does not answer."""
    REMOTE_KEY_REFUSED = "remote_key_refused"
    """The remote server refuses the key."""
    REMOTE_WITHOUT_MODELS = "remote_without_models"
    """The remote server gives no list of models."""
    REMOTE_MODEL_NOT_FOUND = "remote_model_not_found"
    """The remote server does not have the chosen model."""
    REMOTE_NOT_WANTED = "remote_not_wanted"
    """The remote server is no longer asked for anything."""

    # Downloads

    ADDRESS_INVALID = "address_invalid"
    """What was typed is not the address of anything that can be downloaded."""
    ADDRESS_NAMES_NO_FILE = "address_names_no_file"
    """The address is that of a repository or a folder."""
    REPOSITORY_NOT_FOUND = "repository_not_found"
    """The host knows no such repository."""
    REPOSITORY_NOT_LISTED = "repository_not_listed"
    """The host gives no list of the repository's files."""
    SEARCH_NOT_ANSWERED = "search_not_answered"
    """The host gives no list of the models that were searched for."""
    REPOSITORY_WITHOUT_MODELS = "repository_without_models"
    """The repository has no GGUF model."""
    REPOSITORY_LACKS_TAG = "repository_lacks_tag"
    """The repository has no file of that quantization."""
    REPOSITORY_TAG_AMBIGUOUS = "repository_tag_ambiguous"
    """Several files of the repository fit."""
    SOURCE_UNREACHABLE = "source_unreachable"
    """Nobody answers at the address, or there is no network."""
    SOURCE_NOT_TRUSTED = "source_not_trusted"
    """The server's certificate is not trusted."""
    SOURCE_FAILED = "source_failed"
    """The server has a problem."""
    SOURCE_ASKED_TOO_OFTEN = "source_asked_too_often"
    """The server answers only so many requests in a few minutes."""
    SOURCE_REFUSED = "source_refused"
    """The server does not do what was asked."""
    SOURCE_FILE_NOT_FOUND = "source_file_not_found"
    """The server has no file at this address."""
    SIGN_IN_REQUIRED = "sign_in_required"
    """The server gives the file only to those who sign in."""
    TERMS_NOT_ACCEPTED = "terms_not_accepted"
    """The publisher wants its terms to be accepted first."""
    PROXY_INVALID = "proxy_invalid"
    """The proxy in the settings is none that can be used."""
    PROXY_UNREACHABLE = "proxy_unreachable"
    """The proxy does not answer."""
    PROXY_REFUSED = "proxy_refused"
    """The proxy does not connect to the server."""
    PROXY_LOGIN_REQUIRED = "proxy_login_required"
    """The proxy lets in only who signs in."""
    TOO_MANY_REDIRECTS = "too_many_redirects"
    """The server sends every request on to another address."""
    REDIRECT_INVALID = "redirect_invalid"
    """The server leads to a broken address."""
    REDIRECT_NOT_SECURE = "redirect_not_secure"
    """The server leads from https to http."""
    REDIRECT_TO_PRIVATE_NETWORK = "redirect_to_private_network"
    """A server of the internet leads to this computer or its network."""
    SOURCE_SENDS_COMPRESSED = "source_sends_compressed"
    """The server compresses the file, though it was asked not to."""
    SOURCE_SIZE_UNCLEAR = "source_size_unclear"
    """The server's size of the file cannot be understood."""
    SOURCE_SENDS_TOO_MUCH = "source_sends_too_much"
    """The server sends more than the file has."""
    SOURCE_CHANGED = "source_changed"
    """The server offers another file than the one that was begun."""
    SOURCE_SENDS_POINTER = "source_sends_pointer"
    """The address gives a Git LFS pointer in place of the file."""
    SOURCE_SENDS_WEB_PAGE = "source_sends_web_page"
    """The address gives a page for people in place of the file."""
    FILE_NOT_VERIFIABLE = "file_not_verifiable"
    """The server tells neither size nor SHA-256."""
    CHECKSUM_DIFFERS = "checksum_differs"
    """The file's SHA-256 is another than it should be."""
    CHECKSUM_INVALID = "checksum_invalid"
    """What was given as SHA-256 is none."""
    SPEED_INVALID = "speed_invalid"
    """What was given as a speed is none."""
    CONNECTION_LOST = "connection_lost"
    """The connection broke off too often."""
    DOWNLOAD_PAUSED = "download_paused"
    """The download is paused."""
    DOWNLOAD_CANCELLED = "download_cancelled"
    """The download is cancelled."""
    DOWNLOAD_ALREADY_RUNNING = "download_already_running"
    """Another program is downloading this file."""
    DOWNLOAD_NAME_TAKEN = "download_name_taken"
    """Another download has this name."""
    DOWNLOAD_FILE_NOT_OURS = "download_file_not_ours"
    """Something else has the name of the download's file."""
    MODEL_HAS_TOO_MANY_FILES = "model_has_too_many_files"
    """The model is split into more files than are fetched at once."""
    DISK_FULL = "disk_full"
    """Nothing more fits on the disk."""
    FILE_TOO_LARGE_FOR_DISK = "file_too_large_for_disk"
    """The disk cannot keep files that large."""

    # Settings and keys

    SETTING_UNKNOWN = "setting_unknown"
    """There is no setting of this name."""
    SETTING_VALUE_INVALID = "setting_value_invalid"
    """The setting cannot have this value."""
    SETTING_ENTRIES_INVALID = "setting_entries_invalid"
    """Some entries of the setting's list could never have an effect."""
    SETTING_HAS_CREDENTIALS = "setting_has_credentials"
    """The address in a setting has a login or a key in it."""
    SETTING_FOR_ALL_MODELS = "setting_for_all_models"
    """No model can have a value of its own of the setting."""
    SETTING_FOR_ONE_MODEL = "setting_for_one_model"
    """The setting has no value for all models, so a command must name one."""
    MODEL_SETTINGS_INVALID = "model_settings_invalid"
    """What the settings file has for a model is not a table of settings."""
    ALIAS_INVALID = "alias_invalid"
    """No model can have this other name."""
    ALIAS_TAKEN = "alias_taken"
    """Another model has this name already."""
    ORIGIN_INVALID = "origin_invalid"
    """The entry can match no web page."""
    SETTINGS_LOCKED = "settings_locked"
    """Another program is changing the settings."""
    SETTINGS_NOT_SAVED = "settings_not_saved"
    """The settings could not be written."""
    SETTINGS_FILE_NEWER = "settings_file_newer"
    """A newer version of this app has written the settings file."""
    SETTINGS_FILE_INVALID = "settings_file_invalid"
    """Something in the settings file cannot be read."""
    NETWORK_NEEDS_KEY = "network_needs_key"
    """The local network needs an API key, and there is none."""
    KEY_UNKNOWN = "key_unknown"
    """There is no key of this name."""
    KEY_INVALID = "key_invalid"
    """What was given cannot be a key."""
    KEY_GUESSABLE = "key_guessable"
    """The key is short, or built of a pattern."""
    KEYCHAIN_MISSING = "keychain_missing"
    """This system has no keychain."""
    KEYCHAIN_REFUSED = "keychain_refused"
    """The keychain is locked, or does not give access."""
    KEY_FILE_UNREADABLE = "key_file_unreadable"
    """The file of a key cannot be read."""
    KEY_FILE_EXPOSED = "key_file_exposed"
    """Other users could read the file of a key."""
    KEY_FILE_NOT_WRITABLE = "key_file_not_writable"
    """The file of a key could not be written or removed."""

    # Files

    FOLDER_NOT_WRITABLE = "folder_not_writable"
    """A folder cannot be written to."""
    FILE_NOT_WRITABLE = "file_not_writable"
    """A file cannot be written."""
    FILE_UNREADABLE = "file_unreadable"
    """A file cannot be read."""
    FILE_TOO_LARGE = "file_too_large"
    """A file has more than is taken at once."""
    FILE_NOT_TEXT = "file_not_text"
    """A file is not encoded in UTF-8."""
    FILE_FORMAT_UNKNOWN = "file_format_unknown"
    """Results cannot be saved under a name with this ending."""

    # Searching a person's own texts

    COLLECTION_NOT_FOUND = "collection_not_found"
    """There is no such collection of texts."""
    COLLECTION_NAME_INVALID = "collection_name_invalid"
    """A collection cannot have this name, or another one has it."""
    COLLECTION_UNREADABLE = "collection_unreadable"
    """The files of a collection are damaged or not there."""
    COLLECTION_FILE_NEWER = "collection_file_newer"
    """A newer version of this app has written the collection."""
    COLLECTION_IN_USE = "collection_in_use"
    """Something else is changing the collection."""
    COLLECTION_OUTDATED = "collection_outdated"
    """The model that made the collection's vectors has changed or is gone."""
    COLLECTION_FULL = "collection_full"
    """The collection has as many texts as are searched one by one."""
    QUERY_EMPTY = "query_empty"
    """Nothing was asked."""
    FILE_KIND_NOT_READ = "file_kind_not_read"
    """No texts are read from files of this kind."""
    FILE_WITHOUT_TEXT = "file_without_text"
    """A file has no text, or only pictures of it."""
    FILE_LOCKED = "file_locked"
    """A file can only be read with its password."""
    FILE_DAMAGED = "file_damaged"
    """A file is not what its name says, or is broken."""
    TOO_MANY_FILES = "too_many_files"
    """A folder has more files than are read at once."""

    # What the window asks of the server

    SERVER_UNREACHABLE = "server_unreachable"
    """Nobody answers at the server's address."""
    SERVER_NOT_RESPONDING = "server_not_responding"
    """The server has not answered in time."""
    REQUEST_REFUSED = "request_refused"
    """The server does not answer this request."""
    ANSWER_NOT_UNDERSTOOD = "answer_not_understood"
    """The server's answer is not what was expected."""
    ANSWER_BROKE_OFF = "answer_broke_off"
    """The server's answer ended halfway."""

    # Conversations

    CONVERSATION_NOT_FOUND = "conversation_not_found"
    """There is no such conversation, or no longer."""
    CONVERSATION_DAMAGED = "conversation_damaged"
    """The file of a conversation cannot be read, or only in part."""
    CONVERSATION_NOT_REMOVED = "conversation_not_removed"
    """The file of a conversation could not be moved to the trash or deleted."""
    CONVERSATION_TOO_LONG = "conversation_too_long"
    """The conversation has more tokens than fit into the model's context."""
    CONVERSATION_EMPTY = "conversation_empty"
    """There is no message to answer."""
    MODEL_CANNOT_CHAT = "model_cannot_chat"
    """The model was not made for conversations."""
    MODEL_CANNOT_SEE = "model_cannot_see"
    """The conversation has pictures, and the model reads text only."""

    @classmethod
    def _missing_(cls, _value: object) -> ErrorCode:
        return cls.UNKNOWN  # documents may be of another version of this app


class Fix(StrEnum):
    """What a button beside an error can do about it."""

    NONE = "none"
    FREE_PORT = "free-port"
    """Take the nearest free port."""
    VERIFY_MODEL = "verify-model"
    """Look whether the model's file is whole."""
    SETTING = "setting"
    """Open the settings at the field that `AppError.setting` names: that of a setting, or of a key."""
    CHOOSE_ENGINE = "choose-engine"
    ALLOW_ENGINE = "allow-engine"
    """Use an engine again that was set aside."""

    @classmethod
    def _missing_(cls, _value: object) -> Fix:
        return cls.NONE  # as above


class AppError(Exception):
    """An error that a person may read.

    `code` says what happened to programs, `title` says it to people; `message` says why, `hint` what to press
    or type. These three are plain English without a trailing newline; `texts` are the same as they were
    given, for a user interface that translates. `fix` is what a program can do about it, `setting` the name
    of the setting that is to blame, `evidence` the lines of a log that show the cause. What strangers wrote
    into any of them does no harm.
    """

    kind: ClassVar[str] = "app"
    """Which class of the tree above it is, for an `ErrorDocument`."""

    def __init__(  # noqa: PLR0913 - an error has so many parts
        self,
        code: ErrorCode,
        title: Text,
        message: Text = "",
        hint: Text = "",
        *,
        fix: Fix = Fix.NONE,
        setting: str = "",
        evidence: tuple[str, ...] = (),
    ) -> None:
        self.texts = (_harmless(title), _harmless(message), _harmless(hint))
        self.title, self.message, self.hint = map(str, self.texts)
        super().__init__(code, self.title, self.message, self.hint)
        self.code = code
        self.fix = fix
        self.setting = setting
        self.evidence = tuple(map(one_line, evidence))

    def __str__(self) -> str:
        parts = (self.title, self.message, *(f"  {line}" for line in self.evidence), self.hint)
        return "\n".join(part for part in parts if part)


def _harmless(text: Text) -> Text:
    return visible(text) if isinstance(text, str) else text


class SettingsError(AppError):
    """A value that a setting cannot have, or a settings file that cannot be read or written."""

    kind = "settings"


class DownloadError(AppError):
    """A source that cannot be understood or reached, or bytes that are not what was announced."""

    kind = "download"


class ModelError(AppError):
    """A model that is not there, not whole, or not a model."""

    kind = "model"


class EngineError(AppError):
    """An engine that cannot be found, started or kept running."""

    kind = "engine"


class GatewayError(AppError):
    """The public address cannot be offered, or a request to it failed."""

    kind = "gateway"


_CLASSES: dict[str, type[AppError]] = {
    each.kind: each
    for each in (AppError, SettingsError, DownloadError, ModelError, EngineError, GatewayError)
}


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An `AppError` in JSON: in a file, as a command's output, or on its way from one process to another."""

    code: ErrorCode = ErrorCode.UNKNOWN
    """What was written before there were codes has none."""
    kind: str = AppError.kind
    title: str
    message: str
    hint: str
    fix: Fix = Fix.NONE
    setting: str = ""
    evidence: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: AppError, **more: Any) -> Self:
        """The document of an error; `more` are the fields that a subclass has in addition."""
        return cls(
            code=error.code,
            kind=error.kind,
            title=error.title,
            message=error.message,
            hint=error.hint,
            fix=error.fix,
            setting=error.setting,
            evidence=error.evidence,
            **more,
        )

    def error(self) -> AppError:
        """The error again: of its class in the tree above, which those that a room derives of it are, too."""
        return _CLASSES.get(self.kind, AppError)(
            self.code,
            self.title,
            self.message,
            self.hint,
            fix=self.fix,
            setting=self.setting,
            evidence=self.evidence,
        )
