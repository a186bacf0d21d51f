"""An error for a client, of whatever API. Pure."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from tray_app.phrases import visible


class ApiError(Exception):
    """An error for a client: status, message and, where it helps, the field that is wrong.

    `final`: the same request would fail again; clients try again after a status from 500 on unless they are
    told.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s
        self.final = final

    def body(self) -> bytes:
        """The JSON that OpenAI's clients expect."""
        fault = {
            "message": visible(self.message),
            "type": self._type(),
            "param": self.param,
            "code": self.code,
        }
        return msgspec.json.encode({"error": fault})

    def _type(self) -> str:
        match self.status:
            case HTTPStatus.UNAUTHORIZED:
                return "authentication_error"
            case HTTPStatus.FORBIDDEN:
                return "permission_error"
            case HTTPStatus.TOO_MANY_REQUESTS:
                return "rate_limit_error"
            case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return "server_error"
            case _:
                return "invalid_request_error"
