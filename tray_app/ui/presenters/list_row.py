"""The content of a row of a list: one or two lines, and perhaps a sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tray_app.ui.presenters.tone import Tone


@dataclass(frozen=True, slots=True)
class Piece:
    """One fact of the second line."""

    text: str
    tone: Tone = Tone.NEUTRAL
    sign: str = ""
    """A sign before it, in the color of the tone."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A word or two in a frame, after the title."""

    text: str
    accent: bool = False
    """Whether it stands out."""


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row, as it is drawn and as it is read aloud."""

    title: str
    symbol: str = ""
    """The symbol at its beginning."""
    lit: bool = False
    """Whether the symbol has the color of what is active."""
    chips: tuple[Chip, ...] = ()
    pieces: tuple[Piece, ...] = ()
    note: str = ""
    """A sentence below; if one row has it, all rows of the list have room for one."""
    permille: int | None = None
    """How far something is, 0 to 1000, as a bar below the words."""
    action: str = ""
    """The label of its button; empty without one."""
    opens: bool = False
    """Whether a click anywhere opens it, instead of a button."""
    more: bool = False
    """Whether there is a menu."""
    checked: bool | None = None
    """Whether it is ticked; None where rows cannot be."""
    hint: str = ""
    """Lines that the tooltip adds."""
    name: str = ""
    """The full name, where the title leaves out what the chips say."""

    @property
    def spoken(self) -> str:
        """All of it, for a screen reader."""
        words = (
            self.name or self.title,
            *(chip.text for chip in self.chips),
            *(piece.text for piece in self.pieces),
            self.note,
        )
        return ", ".join(filter(None, words))

    @property
    def tip(self) -> str:
        """All of it in lines, for a tooltip, since a narrow list cuts lines short."""
        facts = " · ".join(piece.text for piece in self.pieces if piece.text)
        return "\n".join(filter(None, (self.name or self.title, facts, self.note, self.hint)))
