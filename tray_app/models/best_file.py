"""Which quantization of a model is the best one for this computer, and why. Pure.

Fewer bits per weight make answers less exact (the documentation of llama.cpp's quantizer has the numbers),
but faster: each token takes a reading of all weights, so half the bits are twice as fast.

- A large model loses little with 4 bits or more, and much with fewer.
- A small model loses more and is fast anyway, and vectors differ only a little from each other. Both get 8
  bits, which are as good as the original.
- Of several mixes with the same number of bits, those are best that give more bits to important weights
  (`_K_M`).
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
"""A model with fewer weights is small."""

_LABEL = re.compile(r"(?:UD-)?(?P<family>I?Q|TQ|BF|FP|F|MXFP|NVFP)(?P<bits>\d+)_?(?P<mix>\w*)", re.IGNORECASE)
_LARGE = (4, 5, 6, 8, 16, 32, 3, 2, 1)
"""Bits per weight, the best for a large model first."""
_SMALL = (8, 6, 5, 16, 4, 32, 3, 2, 1)
"""The same for a small model."""
_MIXES = ("K_M", "K_XL", "K_L", "K", "K_S", "NL", "XL", "L", "M", "S", "XS", "XXS", "", "0", "1")
"""Mixes with the same number of bits, the best first. The last ones are older and store all weights alike."""
_PLAIN_8_BITS = (8, "0")
"""The best one with 8 bits: a mix only makes the file larger."""
_FEW_BITS = 4
_GONE = re.compile(r"Q4_0_[48]_[48]", re.IGNORECASE)
"""Quantizations that llama.cpp can no longer read."""


@dataclass(frozen=True, slots=True)
class JudgedQuantization:
    """A quantization, and whether it fits into the memory of this computer."""

    quantization: HubQuantization
    fit: Fit


@dataclass(frozen=True, slots=True)
class BestFile:
    """The best quantization for this computer."""

    quantization: HubQuantization
    fit: Fit
    reason: Phrase
    """Why it is the best one, in a sentence."""


def best_file(candidates: Sequence[JudgedQuantization], header: ModelHeader) -> BestFile | None:
    """The best quantization of a model; None if none fits. `header`: the header of any of them."""
    small = is_small(header)
    order = _SMALL if small else _LARGE
    for fit in (Fit.FITS, Fit.TIGHT):
        fitting = [each.quantization for each in candidates if each.fit is fit]
        if usable := [each for each in fitting if not _GONE.fullmatch(each.label)]:
            best = min(usable, key=lambda each: (*_rank(each.label, order), each.size_bytes, each.path))
            return BestFile(best, fit, _reason(best, candidates, header, fit))
    return None


def is_small(header: ModelHeader) -> bool:
    """Whether a model needs exact weights and is fast even with them."""
    return header.purpose is not Purpose.CHAT or 0 < header.parameters < SMALL_PARAMETERS


def _rank(label: str, order: tuple[int, ...]) -> tuple[int, int]:
    """The rank of a label by its bits, then by its mix; smaller is better. Unknown ones come last."""
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
