"""Whether the user has switched a launch agent off in macOS's System Settings. Any thread.

macOS 13 and later list launch agents under General, Login Items. launchd does not start those that are
switched off there, although their property list is unchanged. Only the framework ServiceManagement can tell.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FRAMEWORK = "/System/Library/Frameworks/ServiceManagement.framework/ServiceManagement"
_OBJECTIVE_C = "/usr/lib/libobjc.A.dylib"
_REQUIRES_APPROVAL = 2  # SMAppServiceStatusRequiresApproval


def switched_off(agent: Path) -> bool:
    """Whether `agent` is switched off in System Settings; False before macOS 13, which has no such switch."""
    ctypes.CDLL(_FRAMEWORK)
    runtime = ctypes.CDLL(_OBJECTIVE_C)
    for function in (runtime.objc_getClass, runtime.sel_registerName):
        function.argtypes, function.restype = [ctypes.c_char_p], ctypes.c_void_p
    service = runtime.objc_getClass(b"SMAppService")
    if not service:
        return False

    def send(receiver: int, selector: bytes, argument: object, kind: type, result: type) -> int:
        message = runtime["objc_msgSend"]  # a new object each time, because the argument types are set on it
        message.argtypes, message.restype = [ctypes.c_void_p, ctypes.c_void_p, kind], result
        return int(message(receiver, runtime.sel_registerName(selector), argument))

    string, locator = runtime.objc_getClass(b"NSString"), runtime.objc_getClass(b"NSURL")
    path = send(string, b"stringWithUTF8String:", bytes(agent), ctypes.c_char_p, ctypes.c_void_p)
    url = send(locator, b"fileURLWithPath:", path, ctypes.c_void_p, ctypes.c_void_p)
    return send(service, b"statusForLegacyURL:", url, ctypes.c_void_p, ctypes.c_long) == _REQUIRES_APPROVAL
