"""The display adapters of this machine, and whether programs can compute with them by Vulkan.

The system is asked, which knows the cards of all makers. NVIDIA's driver knows more of its own: `nvidia.py`.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray_app.system.files import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_log = logging.getLogger(__name__)

_DISPLAY = "0x03"
"""How the class of a display controller begins, by the PCI standard."""
_NAME_LISTS = ("usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids")
"""Where systems keep the names of PCI devices, as pciutils reads them."""
_EMULATED = {"1002:5046", "1002:5159"}
"""AMD cards that QEMU emulates (its device `ati-vga`)."""
_DISPLAY_CLASS = "{4d36e968-e325-11ce-bfc1-08002be10318}"
"""Windows' class of display adapters."""
_PRESENT_OF_CLASS = 0x100 | 0x200
"""CM_GETIDLIST_FILTER_PRESENT and CM_GETIDLIST_FILTER_CLASS."""
_DEVICES = r"SYSTEM\CurrentControlSet\Enum"
_CLASSES = r"SYSTEM\CurrentControlSet\Control\Class"
_PCI_DEVICE = re.compile(r"^PCI\\VEN_(?P<maker>[0-9A-F]{4})&DEV_(?P<kind>[0-9A-F]{4})", re.IGNORECASE)
_BUS = re.compile(r"\((?P<bus>\d+),\d+,\d+\)\s*$")
"""The end of a device's place in Windows' registry: bus, device and function."""
_PART_OF_PROCESSOR = re.compile(
    r"Radeon(?:\(TM\))? (?:RX )?(?:Vega \d+ |R\d |\d+[MS] )?Graphics\b|\b\d{3}M\b"
)
"""The names that AMD gives to the graphics of its processors, such as “Radeon(TM) 780M Graphics”."""
_OWN_CARD = re.compile(r"Radeon (?:RX \d{3,4}|Pro W|PRO W|VII|R9 )|Instinct")


class Maker(StrEnum):
    """The maker of an adapter, if engines can compute with it."""

    NVIDIA = "NVIDIA"
    AMD = "AMD"
    INTEL = "Intel"
    OTHER = "other"
    """A maker whose adapters no engine uses, or the software of a virtual machine or a remote session."""


_MAKERS = {"10de": Maker.NVIDIA, "1002": Maker.AMD, "8086": Maker.INTEL}


@dataclass(frozen=True, slots=True)
class Adapter:
    """A display adapter: a graphics card, or the graphics part of a processor."""

    name: str
    maker: Maker
    pci_id: str = ""
    """Maker and kind by the PCI standard, such as `10de:2786`; empty if it is no PCI device."""
    integrated: bool | None = None
    """Whether it is a part of the processor and shares the main memory; None if that is not known."""
    driver: str = ""
    """The driver that the system uses it with, such as `amdgpu`, or its version on Windows."""


def pci_adapters(root: Path = Path("/")) -> tuple[Adapter, ...]:
    """The adapters that Linux knows, in the order of their buses. `root` stands in for `/` in tests."""
    folders = sorted((root / "sys/bus/pci/devices").glob("*"))
    found = [
        (folder, _pci_id(folder)) for folder in folders if text_of(folder / "class").startswith(_DISPLAY)
    ]
    names = _pci_names({pci_id for _, pci_id in found}, root) if found else {}
    return tuple(_pci_adapter(folder, pci_id, names.get(pci_id, "")) for folder, pci_id in found)


def _pci_adapter(folder: Path, pci_id: str, name: str) -> Adapter:
    driver = folder / "driver"
    bus = folder.name.split(":")[-2] if folder.name.count(":") > 1 else ""
    return _adapter(
        pci_id, name, int(bus, 16) if bus else None, driver.resolve().name if driver.exists() else ""
    )


def _pci_id(folder: Path) -> str:
    return ":".join(text_of(folder / part).removeprefix("0x") for part in ("vendor", "device"))


def _pci_names(pci_ids: set[str], root: Path) -> dict[str, str]:
    """The names of these devices, by PCI id. Of “Navi 31 [Radeon RX 7900 XT]”, the text in brackets."""
    for path in _NAME_LISTS:
        with suppress(OSError), (root / path).open(encoding="utf-8", errors="replace") as lines:
            return {pci_id: name for pci_id, name in _listed_names(lines) if pci_id in pci_ids}
    return {}


def _listed_names(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    maker = ""
    for line in lines:
        if line[:1] not in "\t#\n":
            maker = line[:4]
        elif line.startswith("\t") and not line.startswith("\t\t"):
            kind, _, name = line.strip().partition("  ")
            in_brackets = re.search(r"\[([^]]+)\]$", name)
            yield f"{maker}:{kind}", in_brackets[1] if in_brackets else name


def windows_adapters(
    device_ids: Callable[[], Sequence[str]] | None = None, registry: Any = None
) -> tuple[Adapter, ...]:
    """The adapters that are plugged in, by Windows' list of devices and its registry.

    In tests, `device_ids` stands in for the call that lists them, `registry` for the module `winreg`.
    """
    if registry is None:
        import winreg as registry
    try:
        return tuple(_windows_adapter(device, registry) for device in (device_ids or _display_devices)())
    except OSError as exc:
        _log.warning("Windows does not tell its display adapters: %s", exc)
        return ()


def _windows_adapter(device: str, registry: Any) -> Adapter:
    key = rf"{_DEVICES}\{device}"
    # “@oem12.inf,%nvidia_dev.2786%;NVIDIA GeForce RTX 4070”: where the text is from, and the text
    name = _value(registry, key, "DeviceDesc").rpartition(";")[2]
    place = _BUS.search(_value(registry, key, "LocationInformation"))
    own = _value(registry, key, "Driver")
    driver = _value(registry, rf"{_CLASSES}\{own}", "DriverVersion") if own else ""
    pci = _PCI_DEVICE.match(device)
    pci_id = f"{pci['maker']}:{pci['kind']}".lower() if pci else ""
    return _adapter(pci_id, name, int(place["bus"]) if place else None, driver)


def _display_devices() -> list[str]:
    r"""The ids of the display adapters that are there now, such as `PCI\VEN_10DE&DEV_2786&…`."""
    if sys.platform == "win32":
        library, length = ctypes.WinDLL("cfgmgr32"), ctypes.c_ulong(0)
        failed = library.CM_Get_Device_ID_List_SizeW(ctypes.byref(length), _DISPLAY_CLASS, _PRESENT_OF_CLASS)
        ids = ctypes.create_unicode_buffer(length.value + 1)
        if failed or library.CM_Get_Device_ID_ListW(_DISPLAY_CLASS, ids, length, _PRESENT_OF_CLASS):
            raise OSError("the configuration manager refuses")
        return [device for device in ctypes.wstring_at(ids, length.value).split("\0") if device]
    return []


def _value(registry: Any, path: str, name: str) -> str:
    try:
        with registry.OpenKey(registry.HKEY_LOCAL_MACHINE, path) as key:
            return str(registry.QueryValueEx(key, name)[0])
    except OSError:
        return ""


def _adapter(pci_id: str, name: str, bus: int | None, driver: str) -> Adapter:
    maker = Maker.OTHER if pci_id in _EMULATED else _MAKERS.get(pci_id[:4], Maker.OTHER)
    if maker is not Maker.OTHER and "Microsoft Basic" in name:  # Windows has no driver of the maker for it
        name = ""
    title = name or (f"graphics card {pci_id}" if pci_id else "unknown adapter")
    if maker is not Maker.OTHER and maker.lower() not in title.lower():
        title = f"{maker} {title}"
    return Adapter(title, maker, pci_id, _integrated(maker, title, bus), driver)


def _integrated(maker: Maker, name: str, bus: int | None) -> bool | None:
    match maker:
        case Maker.NVIDIA:
            return False
        case Maker.INTEL:  # its processors have theirs on the first bus, where no card can be
            return None if bus is None else bus == 0
        case Maker.AMD if _OWN_CARD.search(name):
            return False
        case Maker.AMD if _PART_OF_PROCESSOR.search(name):
            return True
    return None


def has_vulkan_on_linux(load: Callable[[str], object] = ctypes.CDLL) -> bool:
    """Whether Vulkan's loader is installed, without which an engine for Vulkan does not start."""
    try:
        load("libvulkan.so.1")
    except OSError:
        return False
    return True


def has_vulkan_on_windows(system_folder: Path | None = None) -> bool:
    """The same for Windows, where the drivers of cards bring the loader."""
    folder = system_folder or Path(os.environ.get("SystemRoot", r"C:\Windows")) / "System32"  # noqa: SIM112
    return (folder / "vulkan-1.dll").is_file()
