"""Errors, and what is left of them in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tray_app.errors import (
    AppError,
    DownloadError,
    EngineError,
    ErrorCode,
    ErrorDocument,
    Fix,
    GatewayError,
    ModelError,
    SettingsError,
)
from tray_app.phrases import phrase
from tray_app.system.drives import DriveGoneError
from tray_app.system.ports import PortInUseError, PortOwner

CLASSES = (AppError, SettingsError, DownloadError, ModelError, EngineError, GatewayError)


def fields_of(error: AppError) -> tuple[object, ...]:
    return (
        error.code,
        error.title,
        error.message,
        error.hint,
        error.fix,
        error.setting,
        error.evidence,
    )


def there_and_back(error: AppError) -> AppError:
    return msgspec.json.decode(msgspec.json.encode(ErrorDocument.of(error)), type=ErrorDocument).error()


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_comes_back_of_the_same_class_with_all_its_fields(kind: type[AppError]) -> None:
    error = kind(
        ErrorCode.NOT_ENOUGH_MEMORY,
        phrase("{name} does not fit", name="a\x1b.gguf"),
        "It needs 9 GiB.",
        "Choose another.",
        fix=Fix.SETTING,
        setting="ctx_size",
        evidence=("out of memory", "ended"),
    )
    back = there_and_back(error)

    assert type(back) is kind
    assert fields_of(back) == fields_of(error)
    assert str(back) == str(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PortInUseError(8080, (PortOwner("nginx", 812),), 8081), EngineError),
        (DriveGoneError(Path("/media/zoe/USB")), ModelError),
    ],
)
def test_what_a_room_derives_of_a_class_comes_back_as_that_class(
    error: AppError, kind: type[AppError]
) -> None:
    back = there_and_back(error)

    assert type(back) is kind
    assert fields_of(back) == fields_of(error)


def test_every_class_of_the_tree_has_a_name_of_its_own_in_documents() -> None:
    assert len({each.kind for each in CLASSES}) == len(CLASSES)
    assert {each for each in AppError.__subclasses__() if each.__module__ == AppError.__module__} == {
        *CLASSES
    } - {AppError}


@pytest.mark.parametrize(
    ("changed", "kind", "code"),
    [
        ({}, EngineError, ErrorCode.ENGINE_CRASHED),
        ({"code": "never_heard_of", "fix": "press-harder"}, EngineError, ErrorCode.UNKNOWN),
        ({"kind": "weather"}, AppError, ErrorCode.ENGINE_CRASHED),
        ({"more": [1, 2]}, EngineError, ErrorCode.ENGINE_CRASHED),
    ],
)
def test_the_document_of_another_version_is_understood_as_far_as_it_goes(
    changed: dict[str, Any], kind: type[AppError], code: ErrorCode
) -> None:
    written = msgspec.to_builtins(ErrorDocument.of(EngineError(ErrorCode.ENGINE_CRASHED, "It crashed")))
    back = msgspec.convert(written | changed, ErrorDocument).error()

    assert (type(back), back.code, back.fix, back.title) == (kind, code, Fix.NONE, "It crashed")


def test_a_document_of_before_there_were_codes_is_read() -> None:
    old = b'{"title": "The engine crashed", "message": "Why.", "hint": "What helps."}'
    back = msgspec.json.decode(old, type=ErrorDocument)

    assert (back.code, back.title, back.message, back.hint) == (
        ErrorCode.UNKNOWN,
        "The engine crashed",
        "Why.",
        "What helps.",
    )
