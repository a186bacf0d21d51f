"""The display adapters and the processor, on systems that are made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pytest

from tray_app.system.graphics import (
    Adapter,
    Maker,
    has_vulkan_on_linux,
    has_vulkan_on_windows,
    pci_adapters,
    windows_adapters,
)
from tray_app.system.processor import (
    is_virtual_on_linux,
    is_virtual_on_windows,
    linux_extensions,
    windows_extensions,
)

if TYPE_CHECKING:
    from pathlib import Path

NAMES = """# List of PCI ids
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t15bf  Phoenix1
\t744c  Navi 31 [Radeon RX 7900 XT/7900 XTX]
\t\t1002 0e3b  RX 7900 GRE [XFX]
10de  NVIDIA Corporation
\t2786  AD104 [GeForce RTX 4070]
8086  Intel Corporation
\t46a6  Alder Lake-P GT2 [Iris Xe Graphics]
\t56a0  DG2 [Arc A770]
C 03  Display controller
"""


def plugged_in(root: Path, place: str, pci_id: str, *, kind: str = "0x030000", driver: str = "") -> None:
    folder = root / "sys/bus/pci/devices" / place
    folder.mkdir(parents=True)
    maker, _, device = pci_id.partition(":")
    for name, text in (("vendor", f"0x{maker}"), ("device", f"0x{device}"), ("class", kind)):
        (folder / name).write_text(f"{text}\n")
    if driver:
        there = root / "sys/bus/pci/drivers" / driver
        there.mkdir(parents=True, exist_ok=True)
        (folder / "driver").symlink_to(there)


def with_names(root: Path) -> Path:
    file = root / "usr/share/misc/pci.ids"
    file.parent.mkdir(parents=True)
    file.write_text(NAMES)
    return root


def test_linux_tells_the_adapters_with_their_names_and_drivers(tmp_path: Path) -> None:
    with_names(tmp_path)
    plugged_in(tmp_path, "0000:00:02.0", "8086:46a6", driver="i915")
    plugged_in(tmp_path, "0000:00:1f.3", "8086:51c8", kind="0x040100", driver="snd_hda_intel")
    plugged_in(tmp_path, "0000:01:00.0", "10de:2786", kind="0x030200", driver="nouveau")
    plugged_in(tmp_path, "0000:03:00.0", "1002:744c", driver="amdgpu")
    plugged_in(tmp_path, "0000:04:00.0", "8086:56a0", driver="xe")
    plugged_in(tmp_path, "0000:65:00.0", "1002:15bf")

    assert pci_adapters(tmp_path) == (
        Adapter("Intel Iris Xe Graphics", Maker.INTEL, "8086:46a6", integrated=True, driver="i915"),
        Adapter("NVIDIA GeForce RTX 4070", Maker.NVIDIA, "10de:2786", integrated=False, driver="nouveau"),
        Adapter("AMD Radeon RX 7900 XT/7900 XTX", Maker.AMD, "1002:744c", integrated=False, driver="amdgpu"),
        Adapter("Intel Arc A770", Maker.INTEL, "8086:56a0", integrated=False, driver="xe"),
        Adapter("AMD Phoenix1", Maker.AMD, "1002:15bf", integrated=None, driver=""),
    )


@pytest.mark.parametrize(
    ("pci_id", "name"),
    [
        ("1af4:1050", "virtio"),
        ("1b36:0100", "QXL"),
        ("1234:1111", "QEMU"),
        ("15ad:0405", "VMware"),
        ("80ee:beef", "VirtualBox"),
        ("1414:5353", "Hyper-V"),
        ("1414:008e", "Microsoft Basic Render, as of WSL2"),
        ("1013:00b8", "Cirrus"),
        ("1002:5159", "ATI, as QEMU makes it up"),
        ("1a03:2000", "a server's own, for its console"),
    ],
)
def test_what_a_virtual_machine_or_a_server_shows_pictures_with_is_no_card(
    pci_id: str, name: str, tmp_path: Path
) -> None:
    plugged_in(tmp_path, "0000:00:02.0", pci_id)

    (adapter,) = pci_adapters(tmp_path)
    assert adapter == Adapter(f"graphics card {pci_id}", Maker.OTHER, pci_id), name


def test_a_card_without_a_known_name_has_its_maker_and_number(tmp_path: Path) -> None:
    plugged_in(tmp_path, "0000:01:00.0", "10de:ffff")

    (adapter,) = pci_adapters(tmp_path)
    assert adapter.name == "NVIDIA graphics card 10de:ffff"


def test_a_machine_without_pci_has_no_adapters(tmp_path: Path) -> None:
    assert pci_adapters(tmp_path) == ()


class FakeRegistry:
    """The calls of `winreg` that read, on a dictionary of keys."""

    HKEY_LOCAL_MACHINE = "HKLM"

    class Key(dict[str, str]):
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def __init__(self, keys: dict[str, dict[str, str]]) -> None:
        self.keys = keys

    def OpenKey(self, root: str, path: str) -> Key:  # noqa: N802 - Windows' names
        assert root == self.HKEY_LOCAL_MACHINE
        if path not in self.keys:
            raise FileNotFoundError(2, "no such key")
        return self.Key(self.keys[path])

    def QueryValueEx(self, key: Key, name: str) -> tuple[str, int]:  # noqa: N802
        if name not in key:
            raise FileNotFoundError(2, "no such value")
        return key[name], 1


ENUM = r"SYSTEM\CurrentControlSet\Enum"
CLASS = r"SYSTEM\CurrentControlSet\Control\Class"
DISPLAY = "{4d36e968-e325-11ce-bfc1-08002be10318}"


def place(bus: int) -> str:
    return rf"@System32\drivers\pci.sys,#65536;PCI bus %1, device %2, function %3;({bus},0,0)"


LAPTOP = {
    r"PCI\VEN_8086&DEV_46A6&SUBSYS_0B191028&REV_0C\3&11583659&0&10": {
        "DeviceDesc": "@oem7.inf,%iadlpd_w10_ds%;Intel(R) Iris(R) Xe Graphics",
        "LocationInformation": place(0),
        "Driver": rf"{DISPLAY}\0000",
    },
    r"PCI\VEN_10DE&DEV_2786&SUBSYS_88B01043&REV_A1\4&2283f625&0&0019": {
        "DeviceDesc": "@oem12.inf,%nvidia_dev.2786%;NVIDIA GeForce RTX 4070",
        "LocationInformation": place(1),
        "Driver": rf"{DISPLAY}\0001",
    },
    r"ROOT\BASICDISPLAY\0000": {"DeviceDesc": "@basicdisplay.inf,%msbda%;Microsoft Basic Display Driver"},
    r"SWD\RemoteDisplayEnum\RdpIdd_IndirectDisplay": {"DeviceDesc": "Microsoft Remote Display Adapter"},
}
DRIVERS = {
    rf"{CLASS}\{DISPLAY}\0000": {"DriverVersion": "31.0.101.5522"},
    rf"{CLASS}\{DISPLAY}\0001": {"DriverVersion": "32.0.15.8129"},
}


def on_windows(devices: dict[str, dict[str, str]]) -> tuple[Adapter, ...]:
    keys = {rf"{ENUM}\{device}": values for device, values in devices.items()}
    return windows_adapters(lambda: [*devices], FakeRegistry({**keys, **DRIVERS}))


def test_windows_tells_the_adapters_that_are_plugged_in() -> None:
    assert on_windows(LAPTOP) == (
        Adapter("Intel(R) Iris(R) Xe Graphics", Maker.INTEL, "8086:46a6", True, "31.0.101.5522"),
        Adapter("NVIDIA GeForce RTX 4070", Maker.NVIDIA, "10de:2786", False, "32.0.15.8129"),
        Adapter("Microsoft Basic Display Driver", Maker.OTHER),
        Adapter("Microsoft Remote Display Adapter", Maker.OTHER),
    )


@pytest.mark.parametrize(
    ("name", "integrated"),
    [
        ("AMD Radeon(TM) Graphics", True),
        ("AMD Radeon(TM) 780M Graphics", True),
        ("AMD Radeon 680M", True),
        ("AMD Radeon(TM) RX Vega 11 Graphics", True),
        ("AMD Radeon(TM) Vega 8 Graphics", True),
        ("AMD Radeon(TM) 8060S Graphics", True),
        ("AMD Radeon RX 7900 XTX", False),
        ("AMD Radeon RX 6700M", False),
        ("AMD Radeon PRO W6800", False),
        ("AMD Radeon VII", False),
        ("AMD Radeon HD 8570", None),
    ],
)
def test_amds_names_tell_which_are_a_part_of_the_processor(name: str, integrated: bool | None) -> None:
    device = {
        r"PCI\VEN_1002&DEV_1234\1": {"DeviceDesc": f"@oem1.inf,%amd%;{name}", "LocationInformation": place(5)}
    }

    assert on_windows(device) == (Adapter(name, Maker.AMD, "1002:1234", integrated),)


def test_a_card_with_windows_own_driver_is_not_called_by_it() -> None:
    device = {r"PCI\VEN_10DE&DEV_2786\1": {"DeviceDesc": "@display.inf,%x%;Microsoft Basic Display Adapter"}}

    (adapter,) = on_windows(device)
    assert adapter.name == "NVIDIA graphics card 10de:2786"


@pytest.mark.warns("Windows does not tell its display adapters")
def test_a_windows_that_refuses_stops_nobody() -> None:
    def refuse() -> list[str]:
        raise OSError("the configuration manager refuses")

    assert windows_adapters(refuse, FakeRegistry({})) == ()


def test_vulkan_is_there_if_its_loader_is(tmp_path: Path) -> None:
    def missing(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    assert not has_vulkan_on_linux(missing)
    assert has_vulkan_on_linux(str.upper)
    assert not has_vulkan_on_windows(tmp_path)
    (tmp_path / "vulkan-1.dll").touch()
    assert has_vulkan_on_windows(tmp_path)


def machine(root: Path, flags: str = "", maker: str = "", product: str = "") -> Path:
    for path, text in (
        ("proc/cpuinfo", f"processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: {flags}\nbugs\t\t: x\n"),
        ("sys/class/dmi/id/sys_vendor", maker),
        ("sys/class/dmi/id/product_name", product),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{text}\n")
    return root


def test_the_processor_tells_what_it_can_do_with_vectors(tmp_path: Path) -> None:
    flags = "fpu sse4_2 avx f16c avx2 avx512f avx512_vnni amx_bf16 amx_tile amx_int8 hypervisor"

    assert linux_extensions(machine(tmp_path, flags)) == ("avx", "avx2", "avx512f", "avx512_vnni", "amx_int8")
    assert linux_extensions(machine(tmp_path, "fpu avx avx2 avx_vnni")) == ("avx", "avx2", "avx_vnni")
    assert linux_extensions(tmp_path / "none") == ()


def test_windows_tells_three_of_them() -> None:
    class Kernel32:
        def IsProcessorFeaturePresent(self, number: int) -> int:  # noqa: N802
            return int(number in (39, 40))

    assert windows_extensions(Kernel32()) == ("avx", "avx2")


@pytest.mark.parametrize(
    ("flags", "maker", "product", "virtual"),
    [
        ("avx hypervisor", "", "", True),
        ("avx", "QEMU", "Standard PC (Q35 + ICH9, 2009)", True),
        ("", "Microsoft Corporation", "Virtual Machine", True),
        ("", "innotek GmbH", "VirtualBox", True),
        ("avx", "LENOVO", "21HM", False),
        ("avx", "Microsoft Corporation", "Surface Laptop 5", False),
    ],
)
def test_a_virtual_machine_is_known_by_its_processor_or_firmware(
    flags: str,
    maker: str,
    product: str,
    virtual: bool,
    tmp_path: Path,
) -> None:
    assert is_virtual_on_linux(machine(tmp_path, flags, maker, product)) is virtual
    if "hypervisor" not in flags:
        firmware = {"SystemManufacturer": maker, "SystemProductName": product}
        assert is_virtual_on_windows(FakeRegistry({r"HARDWARE\DESCRIPTION\System\BIOS": firmware})) is virtual
    assert not is_virtual_on_windows(FakeRegistry({}))
