"""The tables of why engines end: lines that they print, signals, and status codes of Windows. Pure.

The lines are those of PowerInfer's server, llama.cpp, the loaders of shared libraries and our own trampoline.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.phrases import Phrase

if TYPE_CHECKING:
    from tray_app.phrases import Text

NAMED = "{named}"
OTHER_ENGINE: Text = "Choose another engine in the settings."
_OTHER_MODEL = "Download the model again, or choose another model."
_LESS_MEMORY = "Reduce the context size, choose a smaller model, or close other programs."


@dataclass(frozen=True, slots=True)
class Cause:
    """The texts for one cause. `{named}` in title and message stands for what the log line names."""

    code: ErrorCode
    title: Text
    message: Text
    hint: Text
    fix: Fix = Fix.NONE
    setting: str = ""
    """The setting for `Fix.SETTING`; `NAMED`: the setting of the argument that the line names, if there is
    one."""
    permanent: bool = True
    """Whether starting the engine again would end the same way."""

    def error(self, named: str, setting: str, evidence: tuple[str, ...]) -> EngineError:
        """The cause as an error, with the value for `{named}` and the lines that show it."""
        title, message = (Phrase(str(text), {"named": named}) for text in (self.title, self.message))
        return EngineError(
            self.code,
            title,
            message,
            self.hint,
            fix=self.fix,
            setting=setting,
            evidence=evidence,
        )


_NOT_STARTED = Cause(
    ErrorCode.ENGINE_NOT_STARTED,
    "The engine could not be started",
    "The system refused to run {named}.",
    "If it is missing, an antivirus program may have removed it. Reinstall it, or choose another engine.",
    Fix.CHOOSE_ENGINE,
)
PORT_TAKEN = Cause(
    ErrorCode.ENGINE_PORT_TAKEN,
    "The engine's port was taken by another program",
    "Another program took the free port before the engine could use it.",
    "The app restarts it on another port.",
    permanent=False,
)
_NOT_NOW = Cause(
    ErrorCode.SYSTEM_RESOURCES_EXHAUSTED,
    "The system cannot start the engine right now",
    "There is not enough memory, or there are too many processes or open files, or the "
    "program file is being written: {named}.",
    "The app will try again. If this continues, close other programs.",
    permanent=False,
)
_NO_MEMORY = Cause(
    ErrorCode.NOT_ENOUGH_MEMORY,
    "There is not enough memory for this model",
    "The engine needs more than this computer has available.",
    _LESS_MEMORY,
    Fix.SETTING,
    "ctx_size",
)
_UNUSABLE_MODEL = Cause(
    ErrorCode.MODEL_NOT_USABLE,
    "The engine cannot use this model",
    "The file's header does not match its weights, or this engine does not support it.",
    "Download the model again, or choose another model or engine.",
    Fix.VERIFY_MODEL,
)
_VALUE = Cause(
    ErrorCode.ENGINE_VALUE_INVALID,
    "The engine does not accept the value of {named}",
    "The value is not valid or is missing.",
    "Correct it in the settings. It may be in “Extra arguments”.",
    Fix.SETTING,
    NAMED,
)

_GAVE_UP = Cause(
    ErrorCode.ENGINE_ABORTED,
    "The engine aborted",
    "An internal error occurred.",
    "See the last lines of its log. If it happens again, choose another model or engine.",
    permanent=False,
)
_CAUSES_BY_LINE = (
    (
        r"^error: (?:unknown|invalid) argument:\s*(\S*)",
        Cause(
            ErrorCode.ENGINE_ARGUMENT_UNKNOWN,
            "The engine does not know the argument {named}",
            "It does not recognize this argument.",
            "Remove it from “Extra arguments” in the settings, or correct its name.",
            Fix.SETTING,
            "extra_arguments",
        ),
    ),
    (
        r"^error: unavailable argument: (\S+)",
        Cause(
            ErrorCode.ENGINE_ARGUMENT_UNAVAILABLE,
            "The built-in engine does not support the argument {named}",
            "It is an argument of llama-server that the built-in llama.cpp library does not support.",
            "Remove it from “Extra arguments”, or set “Engine” to your own llama-server.",
            Fix.SETTING,
            "extra_arguments",
        ),
    ),
    (
        r"^error: no file for argument: (\S+):",
        Cause(
            ErrorCode.ENGINE_ARGUMENT_FILE_MISSING,
            "The engine cannot read the file or folder given with {named}",
            "It does not exist, or you do not have permission to read it.",
            "Correct “Extra arguments” in the settings. Paths must be complete.",
            Fix.SETTING,
            "extra_arguments",
        ),
    ),
    (r"^error: (?:invalid (?:parameter|value)|missing value) for argument: (\S+)", _VALUE),
    (r'^error while handling argument "([^"]+)"', _VALUE),
    (r"failed to parse (grammar)", _VALUE),
    (
        r"failed to load multimodal model, '([^']+)'",
        Cause(
            ErrorCode.PROJECTOR_UNUSABLE,
            "The engine cannot use the projector {named}",
            "It was made for another model, or this engine does not support it.",
            "Set “Projector” of this model to the mmproj file made for it, or to none. It may "
            "also be in “Extra arguments”.",
        ),
    ),
    (
        r"failed to load (?:lora adapter|draft model,) '([^']+)'",
        Cause(
            ErrorCode.ENGINE_ARGUMENT_FILE_UNUSABLE,
            "The engine cannot use the file {named}",
            "It is the wrong kind of file for this argument, or it was made for another model.",
            "Correct “Extra arguments” in the settings.",
            Fix.SETTING,
            "extra_arguments",
        ),
    ),
    (
        r"what\(\):\s+sto[a-z]+$",  # PowerInfer's parser of numbers, which does not name the argument
        Cause(
            ErrorCode.ENGINE_VALUE_INVALID,
            "The engine does not accept the value of an argument",
            "It needs a number but was given something else.",
            "Correct “Extra arguments” in the settings.",
            Fix.SETTING,
            "extra_arguments",
        ),
    ),
    (r"^exec-child: cannot now run (.+)", _NOT_NOW),
    (r"^exec-child: cannot run (.+)", _NOT_STARTED),
    (
        r"version [`'](GLIBC(?:XX)?_[\d.]+)' not found",
        Cause(
            ErrorCode.ENGINE_NEEDS_NEWER_SYSTEM,
            "The engine needs a newer system",
            "It needs {named}, which this system does not have.",
            "Use the built-in engine, or one that was built for this system or an older one.",
            Fix.CHOOSE_ENGINE,
        ),
    ),
    (
        # Not lines of the debugger that PowerInfer starts when one of its assertions fails.
        r"^(?!gdb).*error while loading shared libraries: ([^:\s]+)",
        Cause(
            ErrorCode.ENGINE_LIBRARY_MISSING,
            "The engine needs a missing system library",
            "{named} is not on this computer.",
            "Install the package that contains it, or choose another engine in the settings.",
            Fix.CHOOSE_ENGINE,
        ),
    ),
    (
        r"^dyld.*Library not loaded: (\S+)",
        Cause(
            ErrorCode.ENGINE_LIBRARY_MISSING,
            "The engine needs a missing system library",
            "{named} is not on this computer.",
            "Install the software that contains it, or choose another engine in the settings.",
            Fix.CHOOSE_ENGINE,
        ),
    ),
    (
        r"couldn't bind (?:to|HTTP) server socket",
        PORT_TAKEN,
    ),
    (
        r"CUDA error.*(?:no CUDA-capable device|driver version is insufficient)",
        Cause(
            ErrorCode.NVIDIA_GPU_MISSING,
            "The engine did not find an NVIDIA graphics card",
            "It was built for NVIDIA cards, but there is none, or its driver is missing or too old.",
            "Choose an engine that was built without CUDA, or install the NVIDIA driver.",
            Fix.CHOOSE_ENGINE,
        ),
    ),
    (
        r"n_threads must be > 1 to enable hybrid",
        Cause(
            ErrorCode.POWERINFER_NEEDS_THREADS,
            "This version of PowerInfer cannot run the model with one thread",
            "It was built for graphics cards. When part of a sparse model is in main memory, it "
            "needs several threads and then gives wrong results.",
            "Choose a PowerInfer server that was built without CUDA, or a model that fits in "
            "graphics memory.",
            Fix.CHOOSE_ENGINE,
        ),
    ),
    (
        r"invalid magic characters:? '?PWRI",
        Cause(
            ErrorCode.MODEL_NEEDS_POWERINFER,
            "This model needs the PowerInfer engine",
            "It is a sparse model, which other engines cannot read.",
            "Choose a PowerInfer server as the engine in the settings.",
            Fix.CHOOSE_ENGINE,
        ),
    ),
    (
        r"invalid magic characters|failed to read magic",
        Cause(
            ErrorCode.NOT_A_MODEL,
            "The model file is not a model",
            "It does not start like a GGUF file.",
            _OTHER_MODEL,
            Fix.VERIFY_MODEL,
        ),
    ),
    (
        r"failed to open (?:GGUF file )?'?(.+?)'?:? \(?No such file",
        Cause(
            ErrorCode.MODEL_FILE_MISSING,
            "The model file is missing",
            "{named} does not exist.",
            "Put it back, or choose another model.",
            Fix.SETTING,
            "model",
        ),
    ),
    (
        r"not within the file bounds|failed to read key-value pairs|unexpectedly reached end of file",
        Cause(
            ErrorCode.MODEL_FILE_INCOMPLETE,
            "The model file is incomplete",
            "The end of the file is missing.",
            _OTHER_MODEL,
            Fix.VERIFY_MODEL,
        ),
    ),
    (
        r"unknown model architecture: '([^']*)'",
        Cause(
            ErrorCode.MODEL_ARCHITECTURE_UNKNOWN,
            "The engine does not support “{named}” models",
            "The engine is too old for this architecture or was built without it.",
            "Choose another model, or another engine in the settings.",
            Fix.CHOOSE_ENGINE,
        ),
    ),
    (r"has wrong shape|tensor '[^']*' not found|wrong number of tensors|invalid n_rot", _UNUSABLE_MODEL),
    (
        (
            r"(?:CUDA error|cudaMalloc|hipMalloc).*out of memory|ErrorOutOfDeviceMemory"
            r"|to allocate (?:CUDA|ROCm|Vulkan)\d+ buffer"
        ),
        Cause(
            ErrorCode.GRAPHICS_MEMORY_SHORT,
            "There is not enough graphics memory for this model",
            "The engine needs more than the card has available. Other programs may be using some of it.",
            "Reduce “VRAM budget” or the context size, or close other programs that use the card.",
            Fix.SETTING,
            "vram_budget",
        ),
    ),
    (
        r"^(?!warning).*(?:bad_alloc|llama\.cpp:\d+: data$|insufficient mem|out of memory|failed to alloc)",
        _NO_MEMORY,
    ),
    (
        r" E llama_init_from_model: (.+)",
        Cause(
            ErrorCode.ENGINE_SETTINGS_INCOMPATIBLE,
            "The engine does not accept these settings",
            "It says: {named}.",
            "Correct the settings. The cause may be in “Extra arguments”.",
            Fix.SETTING,
            "extra_arguments",
        ),
    ),
    (r"GGML_ASSERT(?:\(|: )", _GAVE_UP),  # a long report of a debugger may follow
)
# The first row that matches any line wins, so causes are listed before the consequences that engines print
# later.
CAUSES_BY_LINE = tuple((re.compile(pattern, re.IGNORECASE), cause) for pattern, cause in _CAUSES_BY_LINE)

_ILLEGAL_INSTRUCTION = Cause(
    ErrorCode.ENGINE_NEEDS_NEWER_PROCESSOR,
    "This engine does not run on this processor",
    "It uses instructions that the processor does not have.",
    "Choose an engine that was built for older processors.",
    Fix.CHOOSE_ENGINE,
)
_BAD_ACCESS = Cause(
    ErrorCode.ENGINE_CRASHED,
    "The engine crashed",
    "It accessed invalid memory. A damaged model file may be the cause.",
    _OTHER_MODEL,
    Fix.VERIFY_MODEL,
    permanent=False,
)
_UNREADABLE = Cause(
    ErrorCode.MODEL_FILE_LOST,
    "The model can no longer be read",
    "While the engine was using it, its file was cut short or its drive was disconnected.",
    "Reconnect the drive, or download the model again.",
    Fix.VERIFY_MODEL,
    permanent=False,
)
_ENDED = Cause(
    ErrorCode.ENGINE_KILLED,
    "The engine was stopped by another program",
    "Another program stopped it, or the system did because it ran out of memory.",
    _LESS_MEMORY,
    Fix.SETTING,
    "ctx_size",
    permanent=False,
)
_STOPPED_BY_HAND = Cause(
    ErrorCode.ENGINE_KILLED,
    "The engine was stopped by another program",
    "Ctrl-C was pressed, its window was closed, or the user logged off.",
    "The app restarts it.",
    permanent=False,
)
_NO_DLL = Cause(
    ErrorCode.ENGINE_LIBRARY_MISSING,
    "The engine needs a missing system library",
    "A DLL that it needs is missing or has the wrong version.",
    "Install the Microsoft Visual C++ runtime, or choose another engine in the settings.",
    Fix.CHOOSE_ENGINE,
)
_OTHER_MACHINE = Cause(
    ErrorCode.ENGINE_FOR_OTHER_MACHINE,
    "This engine was built for another kind of computer",
    "The engine or a DLL that it needs does not work with this version of Windows.",
    OTHER_ENGINE,
    Fix.CHOOSE_ENGINE,
)

CAUSES_BY_EXIT = {
    "SIGILL": _ILLEGAL_INSTRUCTION,
    "SIGSEGV": _BAD_ACCESS,
    "SIGBUS": _UNREADABLE,
    "SIGABRT": _GAVE_UP,
    "SIGKILL": _ENDED,
    "SIGTERM": _ENDED,
    "SIGINT": _STOPPED_BY_HAND,
    "SIGHUP": _STOPPED_BY_HAND,
    "exit code 126": _NOT_STARTED,
    "exit code 127": _NOT_STARTED,
    "0xC0000005": _BAD_ACCESS,  # access violation
    "0xC0000006": _UNREADABLE,  # in-page error: the mapped file cannot be read
    "0xC0000017": _NO_MEMORY,
    "0xC000001D": _ILLEGAL_INSTRUCTION,
    "0xC000007B": _OTHER_MACHINE,  # invalid image format
    "0xC00000FD": _BAD_ACCESS,  # stack overflow
    "0xC000012D": _NO_MEMORY,  # commitment limit
    "0xC0000135": _NO_DLL,
    "0xC0000139": _NO_DLL,  # entry point not found
    "0xC000013A": _STOPPED_BY_HAND,  # control C
    "0xC0000142": Cause(
        ErrorCode.ENGINE_NOT_STARTED,
        "The engine could not be started",
        "A DLL failed to initialize. This also happens while Windows is shutting down.",
        "Try again. If it happens again, choose another engine in the settings.",
        Fix.CHOOSE_ENGINE,
        permanent=False,
    ),
    "0xC0000409": _GAVE_UP,  # abort, and a failed stack check
}
"""Keys: name of the signal, exit code as a shell has it, or status code of Windows in upper-case hexadecimal
digits."""

_NOT_OF_ENGINE = frozenset(
    (
        *(ErrorCode.ENGINE_PORT_TAKEN, ErrorCode.SYSTEM_RESOURCES_EXHAUSTED, ErrorCode.NOT_ENOUGH_MEMORY),
        *(ErrorCode.DRIVE_NOT_CONNECTED, ErrorCode.MODEL_FILE_MISSING, ErrorCode.MODEL_FILE_LOST),
        *(ErrorCode.MODEL_FILE_INCOMPLETE, ErrorCode.NOT_A_MODEL, ErrorCode.MODEL_FILE_NAME_UNUSABLE),
        *(ErrorCode.MODEL_EXCEEDS_LIMITS, ErrorCode.REQUEST_EXCEEDS_LIMITS, ErrorCode.MODEL_NEEDS_POWERINFER),
    )
)


def may_be_of_engine(error: EngineError) -> bool:
    """Whether another engine may run the model that one has failed with.

    Not where the machine, the file or a request is certain to be the cause.
    """
    return error.code not in _NOT_OF_ENGINE
