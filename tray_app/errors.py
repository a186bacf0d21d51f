"""The errors that users can see: what happened, why, and what to do about it. Pure.

AppError
├── SettingsError    a setting, a key or the settings file
├── DownloadError    a source, a transfer or the check of a downloaded file
├── ModelError       a file that is missing, damaged or not a model
├── EngineError      the engine or its port
└── GatewayError     the public address or a request to it

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
    """What happened, for programs. A code keeps its value and meaning when texts change."""

    # The server, the app

    PORT_IN_USE = "port_in_use"
    """Another program is using the port."""
    PORT_REFUSED = "port_refused"
    """No program is using the port, but the system does not allow it."""
    SERVER_NOT_RUNNING = "server_not_running"
    """The server is not running."""
    SERVER_NOT_READY = "server_not_ready"
    """The server is not ready yet, or was stopped before it was."""
    SERVER_ASLEEP = "server_asleep"
    """The engine is stopped, and requests may not start it."""
    START_CALLED_OFF = "start_called_off"
    """The server was stopped before it was ready."""
    APP_NOT_RUNNING = "app_not_running"
    """The command needs the running app."""
    APP_ALREADY_RUNNING = "app_already_running"
    """The app is already running. A second one would share its settings, models and logs."""
    APP_UNREACHABLE = "app_unreachable"
    """The app seems to be running but does not answer."""
    APP_NOT_RESPONDING = "app_not_responding"
    """The running app did not answer in time."""
    APP_NOT_RECOGNIZED = "app_not_recognized"
    """Another program answered at the app's private port."""
    APP_VERSION_DIFFERS = "app_version_differs"
    """The running app has a different version and does not know this command."""
    APP_ENDED = "app_ended"
    """The app is quitting, or quit while a command was waiting for it."""
    APP_REFUSED = "app_refused"
    """The running app refused the command."""
    NO_HOME_FOLDER = "no_home_folder"
    """The user has no home folder, and `POWERINFER_TRAY_HOME` is not set."""
    NO_WINDOW = "no_window"
    """The app is running in a terminal and has no window."""
    OUTPUT_NOT_WRITABLE = "output_not_writable"
    """The command could not write its output."""
    LAUNCH_AT_LOGIN_FAILED = "launch_at_login_failed"
    """The system did not change launch at login."""
    CALLED_OFF = "called_off"
    """The user canceled the operation."""
    SELFTEST_STALLED = "selftest_stalled"
    """The self-test's download makes no progress."""
    INTERNAL_ERROR = "internal_error"
    """A bug in this app."""
    UNKNOWN = "unknown"
    """An error from another version of this app, with a code that this version does not know."""

    # Models

    MODEL_NOT_CHOSEN = "model_not_chosen"
    """No model is chosen."""
    MODEL_NOT_NAMED = "model_not_named"
    """A command was given an empty name."""
    MODEL_NOT_FOUND = "model_not_found"
    """There is no model with this name."""
    MODEL_AMBIGUOUS = "model_ambiguous"
    """Several models have this name."""
    MODEL_NOT_DOWNLOADED = "model_not_downloaded"
    """The model is in the catalog but not downloaded yet."""
    MODEL_BUILT_IN = "model_built_in"
    """The model comes with the app and cannot be downloaded or removed."""
    MODEL_FILE_MISSING = "model_file_missing"
    """The model file was moved or deleted."""
    MODEL_FILE_UNREADABLE = "model_file_unreadable"
    """The model file could not be read."""
    MODEL_FILE_LOST = "model_file_lost"
    """The model file was cut short or its drive was disconnected while in use."""
    MODEL_FILE_INCOMPLETE = "model_file_incomplete"
    """The end of the model file is missing."""
    MODEL_FILE_DAMAGED = "model_file_damaged"
    """The model file is damaged."""
    MODEL_IS_FOLDER = "model_is_folder"
    """The path of the model is a folder."""
    NOT_A_MODEL = "not_a_model"
    """The file does not start like a model."""
    NOT_A_WHOLE_MODEL = "not_a_whole_model"
    """The file is a projector or an adapter, which belongs to a model."""
    PROJECTOR_UNUSABLE = "projector_unusable"
    """The projector of the model is not a projector, or the engine cannot use it."""
    MODEL_FORMAT_UNSUPPORTED = "model_format_unsupported"
    """The file uses a version of GGUF that this app does not support."""
    MODEL_BYTE_ORDER_UNSUPPORTED = "model_byte_order_unsupported"
    """The file is big-endian."""
    MODEL_TOO_LARGE = "model_too_large"
    """The model may need more memory than this computer has."""
    MODEL_NOT_LOADED = "model_not_loaded"
    """The model is not loaded."""
    MODEL_DOES_NOT_FIT = "model_does_not_fit"
    """The models that are kept loaded leave too little memory for this one."""
    MODEL_IN_USE = "model_in_use"
    """The server is using the model, so its file was not touched."""
    MODEL_NOT_IMPORTED = "model_not_imported"
    """The file could not be imported into the models folder."""
    MODEL_NOT_REMOVED = "model_not_removed"
    """The file could not be moved to the trash or deleted."""
    MODEL_REPLACED = "model_replaced"
    """The file was replaced before it could be removed."""
    MODEL_NOT_IN_FOLDER = "model_not_in_folder"
    """The file is outside the models folder."""
    MODELS_FOLDER_MISSING = "models_folder_missing"
    """The chosen models folder does not exist."""
    FOLDER_MISSING = "folder_missing"
    """The folder does not exist."""
    DRIVE_NOT_CONNECTED = "drive_not_connected"
    """The drive or folder of the model is missing."""
    CATALOG_UNREADABLE = "catalog_unreadable"
    """The model catalog that comes with the app could not be read."""
    OWN_MODELS_INVALID = "own_models_invalid"
    """The user's own list of models has an error."""
    QUANTIZER_NOT_FOUND = "quantizer_not_found"
    """No program for quantizing was found."""
    QUANTIZATION_FAILED = "quantization_failed"
    """The program for quantizing failed or could not be run."""
    MODEL_NOT_QUANTIZABLE = "model_not_quantizable"
    """Only complete models in a single file can be quantized."""
    QUANTIZATION_TYPE_INVALID = "quantization_type_invalid"
    """The model cannot be quantized to this type."""
    FILE_EXISTS = "file_exists"
    """A file with this name already exists."""
    NOT_ENOUGH_SPACE = "not_enough_space"
    """The disk does not have enough free space, including what is kept for other programs."""

    # The engine

    ENGINE_NOT_FOUND = "engine_not_found"
    """There is no engine at the path in the settings."""
    LLAMA_CPP_NOT_FOUND = "llama_cpp_not_found"
    """There is no llama.cpp for this computer."""
    LLAMA_SERVER_NOT_FOUND = "llama_server_not_found"
    """No folder on the PATH contains a llama-server."""
    POWERINFER_NOT_FOUND = "powerinfer_not_found"
    """There is no PowerInfer engine on this computer."""
    NOT_AN_ENGINE = "not_an_engine"
    """The program does not behave like an engine."""
    ENGINE_NOT_A_PROGRAM = "engine_not_a_program"
    """The file is not a program that this system can run."""
    ENGINE_NOT_EXECUTABLE = "engine_not_executable"
    """The program has no execute permission."""
    ENGINE_QUARANTINED = "engine_quarantined"
    """macOS blocked the program because it was downloaded."""
    ENGINE_FOR_OTHER_MACHINE = "engine_for_other_machine"
    """The program was built for another system or processor family."""
    ENGINE_NEEDS_NEWER_PROCESSOR = "engine_needs_newer_processor"
    """The program uses instructions that this processor does not have."""
    MODEL_NEEDS_POWERINFER = "model_needs_powerinfer"
    """A sparse model runs only on PowerInfer."""
    POWERINFER_NEEDS_THREADS = "powerinfer_needs_threads"
    """This version of PowerInfer cannot run the model with one thread."""
    ANSWERS_DIFFER = "answers_differ"
    """PowerInfer gives different answers to the same text."""
    ENGINE_NOT_STARTED = "engine_not_started"
    """The system refused to run the program."""
    SYSTEM_RESOURCES_EXHAUSTED = "system_resources_exhausted"
    """The system is short of memory, processes or open files."""
    ENGINE_PORT_TAKEN = "engine_port_taken"
    """Another program took the engine's private port."""
    ENGINE_LIBRARY_MISSING = "engine_library_missing"
    """The engine needs a system library that is missing."""
    NVIDIA_GPU_MISSING = "nvidia_gpu_missing"
    """The engine was built for NVIDIA graphics cards but did not find one."""
    ENGINE_NEEDS_NEWER_SYSTEM = "engine_needs_newer_system"
    """The engine was built for a newer version of this system."""
    ENGINE_WITHOUT_CARD = "engine_without_card"
    """The engine was built for graphics cards but did not find one."""
    ENGINE_PROOF_FAILED = "engine_proof_failed"
    """The engine gave wrong results in every test on this computer."""
    ENGINE_NOT_IN_ARCHIVE = "engine_not_in_archive"
    """The archive or folder does not contain an engine."""
    INSTALLATION_UNDER_WAY = "installation_under_way"
    """Another engine is being installed."""
    ENGINE_ARGUMENT_UNKNOWN = "engine_argument_unknown"
    """The engine does not know one of its arguments."""
    ENGINE_ARGUMENT_UNAVAILABLE = "engine_argument_unavailable"
    """The built-in engine does not support one of llama-server's arguments."""
    ENGINE_ARGUMENT_FILE_MISSING = "engine_argument_file_missing"
    """An argument names a file that does not exist."""
    ENGINE_ARGUMENT_FILE_UNUSABLE = "engine_argument_file_unusable"
    """An argument names the wrong kind of file, or one for another model."""
    ENGINE_VALUE_INVALID = "engine_value_invalid"
    """The engine does not accept the value of an argument."""
    ENGINE_SETTINGS_INCOMPATIBLE = "engine_settings_incompatible"
    """Some of the engine's arguments exclude each other."""
    EXTRA_ARGUMENT_NOT_ALLOWED = "extra_argument_not_allowed"
    """One of the extra arguments is reserved for this app."""
    MODEL_ARCHITECTURE_UNKNOWN = "model_architecture_unknown"
    """The engine does not support this kind of model."""
    MODEL_NOT_USABLE = "model_not_usable"
    """The engine cannot load the model, or its answers are useless."""
    MODEL_FILE_NAME_UNUSABLE = "model_file_name_unusable"
    """The engine cannot open a file with this name."""
    NOT_ENOUGH_MEMORY = "not_enough_memory"
    """The engine needs more memory than this computer has available."""
    ENGINE_ABORTED = "engine_aborted"
    """The engine stopped with an internal error."""
    ENGINE_CRASHED = "engine_crashed"
    """The engine accessed invalid memory."""
    ENGINE_KILLED = "engine_killed"
    """Another program, the system or a user stopped the engine."""
    ENGINE_ENDED = "engine_ended"
    """The engine stopped for an unknown reason."""
    ENGINE_STILL_RUNNING = "engine_still_running"
    """The engine did not stop in time and is still using the model file."""
    ENGINE_HUNG = "engine_hung"
    """The engine stopped responding."""
    MODEL_EXCEEDS_LIMITS = "model_exceeds_limits"
    """The engine used too many resources while loading the model."""
    REQUEST_EXCEEDS_LIMITS = "request_exceeds_limits"
    """The engine worked on a request without end."""
    ENGINE_LIST_UNREADABLE = "engine_list_unreadable"
    """The list of available engines that comes with the app could not be read."""
    ENGINE_NOT_INSTALLED = "engine_not_installed"
    """No engine with this name is installed."""
    ENGINE_NOT_ON_OFFER = "engine_not_on_offer"
    """No engine with this name is available for this computer."""
    ENGINE_CHANGED = "engine_changed"
    """The files of an installed engine have changed since it was installed."""
    ENGINE_NOTES_UNREADABLE = "engine_notes_unreadable"
    """The installation record of an engine is missing or damaged, so it is not used."""
    ENGINE_IN_USE = "engine_in_use"
    """The engine is running, or another program is using its files."""
    ENGINE_NOT_STORED = "engine_not_stored"
    """The engines folder could not be read or written."""
    ENGINES_LOCKED = "engines_locked"
    """Another program is changing the installed engines."""
    ARCHIVE_UNREADABLE = "archive_unreadable"
    """The file is not an archive that can be unpacked, or it is incomplete."""
    ARCHIVE_ENCRYPTED = "archive_encrypted"
    """The archive is protected by a password."""
    ARCHIVE_UNSAFE = "archive_unsafe"
    """Something in the archive would be written outside its folder, or is not a regular file."""
    ARCHIVE_TOO_LARGE = "archive_too_large"
    """The archive contains far more than an engine needs."""
    ENGINE_SET_ASIDE = "engine_set_aside"
    """An installed engine failed with a model, so another engine runs it."""
    GRAPHICS_MEMORY_SHORT = "graphics_memory_short"
    """The engine needs more memory than the graphics card has available."""
    TUNING_UNDER_WAY = "tuning_under_way"
    """The best number of threads is already being measured."""
    THREADS_NOT_TUNABLE = "threads_not_tunable"
    """The number of threads makes no difference here."""

    # A remote server

    REMOTE_ADDRESS_INVALID = "remote_address_invalid"
    """The remote server has no address or an invalid one."""
    REMOTE_IS_THIS_APP = "remote_is_this_app"
    """The remote server's address is the address of this app."""
    REMOTE_NOT_RESPONDING = "remote_not_responding"
    """The remote server is not responding."""
    REMOTE_KEY_REFUSED = "remote_key_refused"
    """The remote server rejected the key."""
    REMOTE_WITHOUT_MODELS = "remote_without_models"
    """The remote server did not send a list of models."""
    REMOTE_MODEL_NOT_FOUND = "remote_model_not_found"
    """The remote server does not have the chosen model."""
    REMOTE_NOT_WANTED = "remote_not_wanted"
    """The remote server is no longer used."""

    # Downloads

    ADDRESS_INVALID = "address_invalid"
    """The text is not a URL that can be downloaded."""
    ADDRESS_NAMES_NO_FILE = "address_names_no_file"
    """The URL leads to a repository or a folder."""
    REPOSITORY_NOT_FOUND = "repository_not_found"
    """The repository does not exist."""
    REPOSITORY_NOT_LISTED = "repository_not_listed"
    """The server did not send a list of the repository's files."""
    SEARCH_NOT_ANSWERED = "search_not_answered"
    """The server did not send a list of models."""
    REPOSITORY_WITHOUT_MODELS = "repository_without_models"
    """The repository has no GGUF model."""
    REPOSITORY_LACKS_TAG = "repository_lacks_tag"
    """The repository has no file with that quantization."""
    REPOSITORY_TAG_AMBIGUOUS = "repository_tag_ambiguous"
    """Several files in the repository match."""
    SOURCE_UNREACHABLE = "source_unreachable"
    """The server cannot be reached, or there is no network."""
    SOURCE_NOT_TRUSTED = "source_not_trusted"
    """The server's certificate is not trusted."""
    SOURCE_FAILED = "source_failed"
    """The server has a problem."""
    SOURCE_ASKED_TOO_OFTEN = "source_asked_too_often"
    """Too many requests were sent to the server in a short time."""
    SOURCE_REFUSED = "source_refused"
    """The server refused the request."""
    SOURCE_FILE_NOT_FOUND = "source_file_not_found"
    """The server has no file at this URL."""
    SIGN_IN_REQUIRED = "sign_in_required"
    """The server requires you to sign in for this file."""
    TERMS_NOT_ACCEPTED = "terms_not_accepted"
    """You need to accept the publisher's terms first."""
    PROXY_INVALID = "proxy_invalid"
    """The proxy in the settings cannot be used."""
    PROXY_UNREACHABLE = "proxy_unreachable"
    """The proxy does not answer."""
    PROXY_REFUSED = "proxy_refused"
    """The proxy blocked the connection."""
    PROXY_LOGIN_REQUIRED = "proxy_login_required"
    """The proxy requires a login."""
    TOO_MANY_REDIRECTS = "too_many_redirects"
    """The server keeps redirecting to another URL."""
    REDIRECT_INVALID = "redirect_invalid"
    """The server redirects to an invalid URL."""
    REDIRECT_NOT_SECURE = "redirect_not_secure"
    """The server redirects from https to http."""
    REDIRECT_TO_PRIVATE_NETWORK = "redirect_to_private_network"
    """A server on the internet redirects to this computer or its network."""
    SOURCE_SENDS_COMPRESSED = "source_sends_compressed"
    """The server compressed the file, which the app cannot use."""
    SOURCE_SIZE_UNCLEAR = "source_size_unclear"
    """The server does not give a valid file size."""
    SOURCE_SENDS_TOO_MUCH = "source_sends_too_much"
    """The server sends more data than the file should have."""
    SOURCE_CHANGED = "source_changed"
    """The file on the server is no longer the one whose download was started."""
    SOURCE_SENDS_POINTER = "source_sends_pointer"
    """The URL leads to a Git LFS pointer instead of the file."""
    SOURCE_SENDS_WEB_PAGE = "source_sends_web_page"
    """The URL leads to a web page instead of the file."""
    FILE_NOT_VERIFIABLE = "file_not_verifiable"
    """The server gives neither the size nor the SHA-256 of the file."""
    RELEASE_NOT_READABLE = "release_not_readable"
    """The address in `updates_address` answers, but with no release."""
    UPDATE_NOT_SIGNED = "update_not_signed"
    """The package of a new version was not signed by the makers of this app."""
    CHECKSUM_DIFFERS = "checksum_differs"
    """The file's SHA-256 is not the expected one."""
    CHECKSUM_INVALID = "checksum_invalid"
    """The text is not a valid SHA-256."""
    SPEED_INVALID = "speed_invalid"
    """The text is not a valid speed."""
    CONNECTION_LOST = "connection_lost"
    """The connection was lost too many times."""
    DOWNLOAD_PAUSED = "download_paused"
    """The download is paused."""
    DOWNLOAD_CANCELLED = "download_cancelled"
    """The download was canceled."""
    DOWNLOAD_ALREADY_RUNNING = "download_already_running"
    """Another program is downloading this file."""
    DOWNLOAD_NAME_TAKEN = "download_name_taken"
    """Another download uses this file name."""
    DOWNLOAD_FILE_NOT_OURS = "download_file_not_ours"
    """Something else is using the download's file name."""
    MODEL_HAS_TOO_MANY_FILES = "model_has_too_many_files"
    """The model is split into too many files."""
    DISK_FULL = "disk_full"
    """The disk is full."""
    FILE_TOO_LARGE_FOR_DISK = "file_too_large_for_disk"
    """The disk cannot store such large files."""

    # Settings and keys

    SETTING_UNKNOWN = "setting_unknown"
    """There is no setting with this name."""
    SETTING_VALUE_INVALID = "setting_value_invalid"
    """The setting cannot have this value."""
    SETTING_ENTRIES_INVALID = "setting_entries_invalid"
    """Some entries of the setting's list can never have an effect."""
    SETTING_HAS_CREDENTIALS = "setting_has_credentials"
    """The address in the setting contains a login or a key."""
    SETTING_FOR_ALL_MODELS = "setting_for_all_models"
    """The setting applies to all models and cannot be set for one."""
    SETTING_FOR_ONE_MODEL = "setting_for_one_model"
    """The setting belongs to a single model, so the command must name one."""
    MODEL_SETTINGS_INVALID = "model_settings_invalid"
    """The settings file has something other than a table of settings for a model."""
    ALIAS_INVALID = "alias_invalid"
    """A model cannot have this other name."""
    ALIAS_TAKEN = "alias_taken"
    """Another model already has this name."""
    ORIGIN_INVALID = "origin_invalid"
    """The entry cannot match any web page."""
    SETTINGS_LOCKED = "settings_locked"
    """Another program is changing the settings."""
    SETTINGS_NOT_SAVED = "settings_not_saved"
    """The settings could not be saved."""
    SETTINGS_FILE_NEWER = "settings_file_newer"
    """The settings file is from a newer version of this app."""
    SETTINGS_FILE_INVALID = "settings_file_invalid"
    """Something in the settings file could not be read."""
    NETWORK_NEEDS_KEY = "network_needs_key"
    """The local network needs an API key, but there is none."""
    KEY_UNKNOWN = "key_unknown"
    """There is no key with this name."""
    KEY_INVALID = "key_invalid"
    """The text is not a valid key."""
    KEY_GUESSABLE = "key_guessable"
    """The key is too short or has a pattern."""
    KEYCHAIN_MISSING = "keychain_missing"
    """This system has no keychain."""
    KEYCHAIN_REFUSED = "keychain_refused"
    """The keychain is locked or denied access."""
    KEY_FILE_UNREADABLE = "key_file_unreadable"
    """The key file could not be read."""
    KEY_FILE_EXPOSED = "key_file_exposed"
    """Other users can read the key file."""
    KEY_FILE_NOT_WRITABLE = "key_file_not_writable"
    """The key file could not be written or removed."""

    # Files

    FOLDER_NOT_WRITABLE = "folder_not_writable"
    """Could not write to a folder."""
    FILE_NOT_WRITABLE = "file_not_writable"
    """A file could not be written."""
    FILE_UNREADABLE = "file_unreadable"
    """A file could not be read."""
    FILE_TOO_LARGE = "file_too_large"
    """The file is too large."""
    FILE_NOT_TEXT = "file_not_text"
    """The file is not text in UTF-8."""
    FILE_FORMAT_UNKNOWN = "file_format_unknown"
    """Results cannot be saved in a file with this extension."""

    # Searching a person's own texts

    COLLECTION_NOT_FOUND = "collection_not_found"
    """There is no such collection of texts."""
    COLLECTION_NAME_INVALID = "collection_name_invalid"
    """The collection cannot have this name, or another one already has it."""
    COLLECTION_UNREADABLE = "collection_unreadable"
    """The files of the collection are damaged or missing."""
    COLLECTION_FILE_NEWER = "collection_file_newer"
    """The collection is from a newer version of this app."""
    COLLECTION_IN_USE = "collection_in_use"
    """Another program is changing the collection."""
    COLLECTION_OUTDATED = "collection_outdated"
    """The model that created the collection's vectors has changed or was removed."""
    COLLECTION_FULL = "collection_full"
    """The collection has reached its limit."""
    QUERY_EMPTY = "query_empty"
    """The search is empty."""
    FILE_KIND_NOT_READ = "file_kind_not_read"
    """Files of this type are not supported."""
    FILE_WITHOUT_TEXT = "file_without_text"
    """The file contains no text, or only pictures of text."""
    FILE_LOCKED = "file_locked"
    """The file can be read only with its password."""
    FILE_DAMAGED = "file_damaged"
    """The file is damaged or not of the type that its name says."""
    TOO_MANY_FILES = "too_many_files"
    """The folder contains too many files."""

    # What the window asks of the server

    SERVER_UNREACHABLE = "server_unreachable"
    """There is no answer at the server's address."""
    SERVER_NOT_RESPONDING = "server_not_responding"
    """The server did not answer in time."""
    REQUEST_REFUSED = "request_refused"
    """The server refused the request."""
    ANSWER_NOT_UNDERSTOOD = "answer_not_understood"
    """The server's answer is not what was expected."""
    ANSWER_BROKE_OFF = "answer_broke_off"
    """The server's answer was interrupted."""

    # Conversations

    CONVERSATION_NOT_FOUND = "conversation_not_found"
    """There is no such conversation, or it was deleted."""
    CONVERSATION_DAMAGED = "conversation_damaged"
    """The file of the conversation could not be read, or only in part."""
    CONVERSATION_NOT_REMOVED = "conversation_not_removed"
    """The file of the conversation could not be moved to the trash or deleted."""
    CONVERSATION_TOO_LONG = "conversation_too_long"
    """The conversation has more tokens than the context size of the model."""
    CONVERSATION_EMPTY = "conversation_empty"
    """There is no message to answer."""
    MODEL_CANNOT_CHAT = "model_cannot_chat"
    """The model was not made for chat."""
    MODEL_CANNOT_SEE = "model_cannot_see"
    """The conversation contains pictures, but the model reads only text."""

    @classmethod
    def _missing_(cls, _value: object) -> ErrorCode:
        return cls.UNKNOWN  # a document may come from another version of this app


class Fix(StrEnum):
    """What the button beside an error does."""

    NONE = "none"
    """There is no button."""
    FREE_PORT = "free-port"
    """Use the nearest free port."""
    VERIFY_MODEL = "verify-model"
    """Check the model's files."""
    SETTING = "setting"
    """Open the settings at the setting or key that `AppError.setting` names."""
    CHOOSE_ENGINE = "choose-engine"
    """Open the settings at the engine."""
    ALLOW_ENGINE = "allow-engine"
    """Use an engine again that was set aside."""

    @classmethod
    def _missing_(cls, _value: object) -> Fix:
        return cls.NONE  # as above


class AppError(Exception):
    """An error that users can see.

    `code` says what happened for programs, and `title` for people; `message` says why, and `hint` what to do.
    These three are plain English without a trailing newline; `texts` are the same three as they were given,
    for a user interface that translates. `fix` is what a button can do about it, `setting` the name of the
    setting or key that is the cause, `evidence` the lines of a log that show the cause. Harmful characters in
    any of them are replaced.
    """

    kind: ClassVar[str] = "app"
    """The name of the class in the tree above, for an `ErrorDocument`."""

    def __init__(  # noqa: PLR0913 - the parts of an error
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
    """An invalid value of a setting or key, or a settings file that cannot be read or written."""

    kind = "settings"


class DownloadError(AppError):
    """A source that is invalid or cannot be reached, or received bytes that are not the expected ones."""

    kind = "download"


class ModelError(AppError):
    """A model that is missing or incomplete, or a file that is not a model."""

    kind = "model"


class EngineError(AppError):
    """An engine that cannot be found, started or kept running."""

    kind = "engine"


class GatewayError(AppError):
    """A public address that cannot be opened, or a request to it that has failed."""

    kind = "gateway"


_CLASSES: dict[str, type[AppError]] = {
    each.kind: each
    for each in (AppError, SettingsError, DownloadError, ModelError, EngineError, GatewayError)
}


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An `AppError` in JSON: in a file, in the output of a command, or sent to another process."""

    code: ErrorCode = ErrorCode.UNKNOWN
    """Missing in documents of the first versions of this app."""
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
        """The error of this document, as an instance of the class in the tree above; subclasses are not
        restored.
        """
        return _CLASSES.get(self.kind, AppError)(
            self.code,
            self.title,
            self.message,
            self.hint,
            fix=self.fix,
            setting=self.setting,
            evidence=self.evidence,
        )
