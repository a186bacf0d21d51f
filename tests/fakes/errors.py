"""Tells errors apart by their code, so that their words can be mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tray_app.errors import AppError, ErrorCode


@dataclass(frozen=True)
class coded:  # noqa: N801 - reads as a function: pytest.raises(ModelError, check=coded(ErrorCode.…))
    """For `pytest.raises`: whether an error has this code."""

    code: ErrorCode

    def __call__(self, error: AppError) -> bool:
        """The check that pytest makes; it shows this object where it fails."""
        return error.code is self.code
