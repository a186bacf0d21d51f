"""What a setting may be, and what a person reads when it may not."""

import re
import shlex
import sys

import pytest

from tests.fakes.errors import coded
from tray_app.errors import ErrorCode, SettingsError
from tray_app.settings.fields import FIELDS, Field, field_named
from tray_app.settings.schema import Settings
from tray_app.settings.value_text import parse_value


def test_every_field_has_a_title_a_help_text_and_a_group() -> None:
    assert [field.name for field in FIELDS if not (field.title and field.help and field.group)] == []


def test_every_default_is_a_value_the_field_accepts() -> None:
    assert Settings(**{field.name: field.check(field.default) for field in FIELDS}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "8081", 8081),
        ("threads", "auto", "auto"),
        ("threads", "4", 4),
        ("network", "lan", "lan"),
        ("temperature", "1", 1.0),
        ("vram_budget", "5.5", 5.5),
        ("memory_budget", "auto", "auto"),
        ("memory_budget", "0.1", 0.1),
        ("default_embedding", "bge.gguf", "bge.gguf"),
        ("default_chat", "", ""),
        ("strict_models", "on", True),
        ("keep_loaded", "on", True),
        ("workers", "64", 64),
        ("launch_at_login", "on", True),
        ("launch_at_login", "False", False),
        ("model", "モデル.gguf", "モデル.gguf"),
        ("extra_arguments", "--mlock --alias 'my model'", ("--mlock", "--alias", "my model")),
    ],
)
def test_a_typed_value_becomes_the_fields_type(name: str, text: str, value: object) -> None:
    assert parse_value(name, text) == value


def test_a_path_of_windows_keeps_its_backslashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    path = r"C:\Users\Zoë\my grammar.gbnf"

    assert parse_value("extra_arguments", f'--grammar-file "{path}"') == ("--grammar-file", path)
    shown = shlex.join(("--alias", path, "it's"))
    assert parse_value("extra_arguments", shown) == ("--alias", path, "it's")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("port", "0", "a whole number from 1 to 65535"),
        ("port", "80.5", "a whole number from 1 to 65535"),
        ("ctx_size", "511", 'a whole number from 512 to 1048576, or "auto"'),
        ("threads", "many", 'a whole number from 1 to 1024, or "auto"'),
        ("temperature", "nan", "a number from 0 to 2"),
        ("memory_budget", "0.05", 'a number from 0.1 to 65536, or "auto"'),
        ("workers", "0", 'a whole number from 1 to 64, or "auto"'),
        ("launch_at_login", "perhaps", "true or false"),
        ("network", "internet", "one of: local, lan"),
        ("extra_arguments", "'open", "a list of texts without control characters"),
        ("models_folder", "models", "the full path of a folder, or empty for the usual one"),
        ("models_folder", "./models", "the full path of a folder, or empty for the usual one"),
        ("models_folder", "~nobody-here/x", "the full path of a folder, or empty for the usual one"),
        ("models_folder", "$NOBODY_SET_THIS/x", "the full path of a folder, or empty for the usual one"),
        ("hf_endpoint", "http://[", "an http or https address"),
        ("remote_url", "http://box:port/v1", "an http or https address, or empty"),
        ("engines_address", "https://box:99999", "an http or https address, or empty"),
        ("models_folder", "file://box/x", "the full path of a folder, or empty for the usual one"),
    ],
)
def test_a_value_that_cannot_be_says_what_it_must_be(name: str, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_value(name, text)

    assert text in caught.value.title
    assert caught.value.message == f"It must be {expected}."
    assert f"{name} = " in caught.value.hint


@pytest.mark.parametrize("field", [field for field in FIELDS if field.kind in (str, tuple)])
def test_no_text_has_the_character_that_ends_texts(field: Field) -> None:
    value = ("--alias", "a\0b") if field.kind is tuple else "a\0b"
    with pytest.raises(SettingsError) as caught:
        field.check(value)

    assert field.name in caught.value.title
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize("name", ["remote_url", "remote_model", "hf_endpoint", "allowed_origins"])
@pytest.mark.parametrize("character", "\n\r\t\x1b\x7f")
def test_an_address_has_one_line(name: str, character: str) -> None:
    text = f"https://a{character}"
    with pytest.raises(SettingsError):
        field_named(name).check((text,) if field_named(name).kind is tuple else text)


def test_a_files_name_and_a_template_may_have_more_than_one_line() -> None:
    assert field_named("model").check("a\nb.gguf") == "a\nb.gguf"
    assert field_named("extra_arguments").check(["--chat-template", "a\n\tb"])


def test_a_misspelt_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTING_UNKNOWN), match="ctx_size"):
        field_named("ctxsize")


@pytest.mark.parametrize(("text", "kept"), [("  ", ""), ('"~/models"', '"~/models"'), ("~", "~")])
def test_the_models_folder_is_kept_as_it_was_typed(text: str, kept: str) -> None:
    assert parse_value("models_folder", text) == kept


@pytest.mark.parametrize("name", ["model", "models_folder", "extra_arguments"])
def test_bytes_that_are_no_letters_are_refused_in_words(name: str) -> None:
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTING_VALUE_INVALID), match=name) as refused:
        parse_value(name, "gr\udcf6n.gguf")
    str(refused.value).encode()


@pytest.mark.parametrize("name", ["remote_url", "hf_endpoint"])
@pytest.mark.parametrize(
    "address",
    [
        "http://bob:s3cret@box:8000/v1",
        "https://s3cret@box/v1",
        "HTTP://bob:s3cret@box",
        "bob:s3cret@box:8000/v1",
        "//bob:s3cret@box/v1",
        "http://bob:s3c/ret@box/v1",
        "http://bob:s3c?ret@box/v1",
        "http://bob:s3c#ret@box/v1",
        "http://bob:%73ecret@box/v1",
        " http://bob:s3cret@box/v1",
        "http://box/v1?key=s3cret",
        "http://box/v1#s3cret",
    ],
)
def test_an_address_with_a_login_or_key_is_refused_and_not_repeated(name: str, address: str) -> None:
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTING_HAS_CREDENTIALS)) as refused:
        parse_value(name, address)
    assert not re.search("s3c|ecret|bob", str(refused.value))


@pytest.mark.parametrize("name", ["remote_url", "hf_endpoint", "engines_address"])
@pytest.mark.parametrize(
    "address",
    ["box", "box 8000", "box:8000/v1", "ftp://box/v1", "http://", "http://a b/", "//box", "http://[::1/"],
)
def test_what_is_no_address_of_a_server_is_refused(name: str, address: str) -> None:
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTING_VALUE_INVALID)) as caught:
        parse_value(name, address)
    assert "http or https" in caught.value.message
    assert f'{name} = "http' in caught.value.hint


@pytest.mark.parametrize("name", ["remote_url", "engines_address"])
def test_an_address_may_be_empty_where_that_means_something(name: str) -> None:
    assert parse_value(name, "") == ""


def test_there_is_always_an_address_for_models() -> None:
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTING_VALUE_INVALID)):
        parse_value("hf_endpoint", " ")


@pytest.mark.parametrize("address", ["http://box:8000/v1", "https://[::1]:80/v1", "http://box/v1/@cf/model"])
def test_an_address_without_one_is_taken(address: str) -> None:
    assert parse_value("remote_url", address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://mirror.example/latest.json",
        "HTTPS://mirror.example:8443/a%20b",
        "http://127.0.0.1:8000/latest.json",
        "http://localhost/x",
        "http://[::1]:9/x",
    ],
)
def test_new_versions_are_asked_for_where_nobody_else_can_listen(address: str) -> None:
    assert parse_value("updates_address", address) == address


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://mirror.example/latest.json", ErrorCode.SETTING_VALUE_INVALID),
        ("http://127.0.0.1.example/", ErrorCode.SETTING_VALUE_INVALID),
        ("http://localhost.example/", ErrorCode.SETTING_VALUE_INVALID),
        ("mirror.example", ErrorCode.SETTING_VALUE_INVALID),
        ("file:///etc/passwd", ErrorCode.SETTING_VALUE_INVALID),
        ("javascript:alert(1)", ErrorCode.SETTING_VALUE_INVALID),
        ("https://", ErrorCode.SETTING_VALUE_INVALID),
        ("https://mirror.example:99999/", ErrorCode.SETTING_VALUE_INVALID),
        ("https://a b/", ErrorCode.SETTING_VALUE_INVALID),
        ("https://[::1/", ErrorCode.SETTING_VALUE_INVALID),
        ("https://user:password@mirror.example/", ErrorCode.SETTING_HAS_CREDENTIALS),
        ("https://mirror.example/?key=1", ErrorCode.SETTING_HAS_CREDENTIALS),
    ],
)
def test_they_are_asked_for_nowhere_else(address: str, code: ErrorCode) -> None:
    with pytest.raises(SettingsError, check=coded(code)) as caught:
        parse_value("updates_address", address)
    if code is ErrorCode.SETTING_VALUE_INVALID:
        assert 'updates_address = "https://' in caught.value.hint
