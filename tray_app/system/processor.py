"""The vector extensions of the processor, and whether it is that of a virtual machine.

Engines have separate code for each generation of x86-64 processors.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tray_app.system.files import text_of
from tray_app.system.kernel32 import kernel32

EXTENSIONS = ("avx", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8")
"""The extensions for which engines have separate code, by their names in Linux, the oldest first."""

_WINDOWS_FEATURES = {39: "avx", 40: "avx2", 41: "avx512f"}
"""The numbers of Windows' PF_AVX_INSTRUCTIONS_AVAILABLE and its like. There are none for newer ones."""
_BIOS = r"HARDWARE\DESCRIPTION\System\BIOS"
_VIRTUAL_MAKERS = re.compile(
    r"VMware|VirtualBox|innotek|QEMU|KVM|Xen|Bochs|Parallels|BHYVE|OpenStack|Google Compute Engine"
    r"|Amazon EC2|Virtual Machine|Alibaba Cloud|DigitalOcean|Hetzner vServer",
    re.IGNORECASE,
)
"""Names of makers and products in the firmware of virtual machines."""


def linux_extensions(root: Path = Path("/")) -> tuple[str, ...]:
    """Those of `EXTENSIONS` that the processor has; none if it is of another architecture."""
    flags = _cpu_flags(root)
    return tuple(name for name in EXTENSIONS if name in flags)


def windows_extensions(library: Any = None) -> tuple[str, ...]:
    """The same for Windows, which tells three of them. `library` is a fake of kernel32 in tests."""
    library = library or kernel32()
    if library is None:
        return ()
    return tuple(
        name for number, name in _WINDOWS_FEATURES.items() if library.IsProcessorFeaturePresent(number)
    )


def is_virtual_on_linux(root: Path = Path("/")) -> bool:
    """Whether the processor or the firmware names a virtual machine."""
    told = [text_of(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name")]
    return "hypervisor" in _cpu_flags(root) or _VIRTUAL_MAKERS.search(" ".join(told)) is not None


def is_virtual_on_windows(registry: Any = None) -> bool:
    """Whether the firmware names a virtual machine.

    The processor's flag would not tell: Windows itself runs on a hypervisor on many machines. `registry`
    stands in for the module `winreg` in tests.
    """
    if registry is None:
        import winreg as registry
    told = []
    with suppress(OSError), registry.OpenKey(registry.HKEY_LOCAL_MACHINE, _BIOS) as key:
        for name in ("SystemManufacturer", "SystemProductName"):
            with suppress(OSError):
                told.append(str(registry.QueryValueEx(key, name)[0]))
    return _VIRTUAL_MAKERS.search(" ".join(told)) is not None


def glibc_version() -> tuple[int, ...]:
    """The version of GNU's C library; empty where there is another one, as on Alpine."""
    if sys.platform != "linux":
        return ()
    with suppress(OSError, ValueError):
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        return tuple(map(int, version.split("."))) if name == "glibc" else ()
    return ()


def _cpu_flags(root: Path) -> frozenset[str]:
    found = re.search(r"^flags\s*:(.*)$", text_of(root / "proc/cpuinfo"), re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()
