"""Which quantization of a model is the best one for a machine, and why. Pure.

What counts is how much of its exactness a model loses with weights of so many bits (the documentation of
llama.cpp's quantizer has the numbers), and that each word of an answer takes a reading of all weights: with
half the bits it comes twice as fast.

- With 4 bits and more, a large model loses little; with fewer, much.
- A small model loses more by the same, and is fast anyway; and vectors are told apart by small differences.
  Both get 8 bits, which are as good as the original.
- Of the ways to store with as many bits, those lose least that give some to where they matter (`_K_M`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.models.header import Purpose
from tray_app.models.memory import Fit
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.models.header import ModelHeader
    from tray_app.models.hub import HubQuantization
    from tray_app.phrases import Phrase

SMALL_PARAMETERS = 2_500_000_000
"""A model with fewer is small."""

_LABEL = re.compile(r"(?:UD-)?(?P<family>I?Q|TQ|BF|FP|F|MXFP|NVFP)(?P<bits>\d+)_?(?P<mix>\w*)", re.IGNORECASE)
_LARGE = (4, 5, 6, 8, 16, 32, 3, 2, 1)
"""Bits of a weight, the best for a large model first."""
_SMALL = (8, 6, 5, 16, 4, 32, 3, 2, 1)
_MIXES = ("K_M", "K_XL", "K_L", "K", "K_S", "NL", "XL", "L", "M", "S", "XS", "XXS", "", "0", "1")
"""Ways to mix with as many bits, the best first. The last ones are older, and stored all weights alike."""
_PLAIN_8_BITS = (8, "0")
"""With so many bits, mixing only makes the file larger."""
_FEW_BITS = 4
_GONE = re.compile(r"Q4_0_[48]_[48]", re.IGNORECASE)
"""llama.cpp reads these no more."""


@dataclass(frozen=True, slots=True)
class JudgedQuantization:
    """A quantization, and whether it fits into this machine."""

    quantization: HubQuantization
    fit: Fit


@dataclass(frozen=True, slots=True)
class BestFile:
    """The best quantization for this machine."""

    quantization: HubQuantization
    fit: Fit
    reason: Phrase


def best_file(candidates: Sequence[JudgedQuantization], header: ModelHeader) -> BestFile | None:
    """The best of the quantizations of one model, of which `header` is that of any; None if none fits."""
    small = is_small(header)
    order = _SMALL if small else _LARGE
    for fit in (Fit.FITS, Fit.TIGHT):
        fitting = [each.quantization for each in candidates if each.fit is fit]
        if usable := [each for each in fitting if not _GONE.fullmatch(each.label)]:
            best = min(usable, key=lambda each: (*_rank(each.label, order), each.size_bytes, each.path))
            return BestFile(best, fit, _reason(best, candidates, header, fit))
    return None


def is_small(header: ModelHeader) -> bool:
    """Whether a model needs exact weights, and is fast also with them."""
    return header.purpose is not Purpose.CHAT or 0 < header.parameters < SMALL_PARAMETERS


def _rank(label: str, order: tuple[int, ...]) -> tuple[int, int]:
    """The place of a label: by its bits, then by its mix. What is not known comes last."""
    bits, mix = _bits_and_mix(label)
    if (bits, mix) == _PLAIN_8_BITS:
        return order.index(bits), -1
    return (
        order.index(bits) if bits in order else len(order),
        _MIXES.index(mix) if mix in _MIXES else len(_MIXES),
    )


def _bits_and_mix(label: str) -> tuple[int, str]:
    found = _LABEL.fullmatch(label)
    return (int(found["bits"]), found["mix"].upper()) if found else (0, "")


def _reason(
    best: HubQuantization, candidates: Sequence[JudgedQuantization], header: ModelHeader, fit: Fit
) -> Phrase:
    bits = _bits_and_mix(best.label)[0]
    text = phrase("It is the best one that fits.")
    if len(candidates) == 1:
        text = phrase("It is the only model here.")
    elif fit is Fit.TIGHT:
        text = phrase("It fits but leaves little memory for other programs.")
    elif 0 < bits < _FEW_BITS:
        text = phrase(
            "No better one fits. With only {bits} bits per weight, answers get worse, so a "
            "smaller model may be better.",
            bits=bits,
        )
    elif bits == _FEW_BITS:
        text = phrase(
            "It fits, loses little quality and answers about twice as fast as with 8 bits per weight."
        )
    elif bits and header.purpose is not Purpose.CHAT:
        text = phrase("It fits, and with {bits} bits per weight its results are nearly exact.", bits=bits)
    elif bits and is_small(header):
        text = phrase(
            "It fits, and a small model would lose a lot of quality with fewer than {bits} bits per weight.",
            bits=bits,
        )
    return text
