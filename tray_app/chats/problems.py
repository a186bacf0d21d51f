"""What people are told of conversations that cannot be read or saved. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.chats.lines import Reading
    from tray_app.phrases import Text

_MOST_LINES_NAMED = 5


def not_found(conversation_id: str) -> AppError:
    """There is no file for a conversation."""
    return AppError(
        ErrorCode.CONVERSATION_NOT_FOUND,
        "The conversation is gone",
        phrase("There is no file for {name}: it was deleted or moved.", name=conversation_id),
        "Choose another conversation.",
    )


def cannot_save(cause: Text, hint: Text) -> AppError:
    """A conversation, or its folder, cannot be written."""
    return AppError(ErrorCode.FILE_NOT_WRITABLE, "The conversation could not be saved", cause, hint)


def damaged(path: Path, reading: Reading) -> AppError:
    """Why not all of a file was read. A newer version explains lines that are not understood."""
    if reading.conversation is None:
        return AppError(
            ErrorCode.CONVERSATION_DAMAGED,
            phrase("{name} cannot be read", name=path.name),
            "It contains nothing that this app can read as a conversation.",
            "The file stays as it is. You can open it in a text editor.",
        )
    lines = ", ".join(map(str, reading.damaged[:_MOST_LINES_NAMED]))
    more = len(reading.damaged) - _MOST_LINES_NAMED
    cause: Text
    if reading.newer:
        title = phrase("{name} was written by a newer version of this app", name=path.name)
        cause = "It may contain more than is shown."
    elif more > 0:
        title = phrase("Only part of {name} could be read", name=path.name)
        cause = phrase(
            "Lines {lines} and {count} more contain something this app does not understand.",
            lines=lines,
            count=more,
        )
    else:
        title = phrase("Only part of {name} could be read", name=path.name)
        cause = phrase("These lines contain something this app does not understand: {lines}.", lines=lines)
    return AppError(
        ErrorCode.CONVERSATION_DAMAGED,
        title,
        cause,
        "You can continue with what was read. The original is then kept beside it.",
    )


def kept_copy(path: Path) -> AppError:
    """There is a copy of a file that was damaged."""
    return AppError(
        ErrorCode.CONVERSATION_DAMAGED,
        phrase("{name} is a copy of a damaged file", name=path.name),
        "It holds what could not be read when the conversation was continued.",
        "Open it in a text editor, and delete it when you no longer need it.",
    )
