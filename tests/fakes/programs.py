"""Headers of programs for machines that are not here."""

import struct


def elf(machine: int, order: str = "<") -> bytes:
    ident = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    return ident + struct.pack(f"{order}HHI", 2, machine, 1) + bytes(40)


def pe(machine: int, offset: int = 0x80, signature: bytes = b"PE\0\0") -> bytes:
    dos = (b"MZ" + bytes(58) + struct.pack("<I", offset)).ljust(offset, b"\0")
    return dos + signature + struct.pack("<H", machine) + bytes(18)


def thin(machine: int) -> bytes:
    return struct.pack("<III", 0xFEEDFACF, machine, 3) + bytes(20)


def fat(*machines: int, wide: bool = False) -> bytes:
    entry = ">IIQQII" if wide else ">IIIII"
    rest = (0,) * (len(entry) - 2)
    magic = 0xCAFEBABF if wide else 0xCAFEBABE
    return struct.pack(">II", magic, len(machines)) + b"".join(
        struct.pack(entry, machine, *rest) for machine in machines
    )
