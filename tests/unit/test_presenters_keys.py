"""What the settings dialog says of keys, and what it makes of a draft that has some."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import make_status
from tests.fakes.languages import ENGLISH
from tray_app.app.server_status import ServerStatus
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode
from tray_app.settings.fields import FIELDS
from tray_app.settings.keys import GATEWAY, KEYS, REMOTE
from tray_app.settings.keystore import Keeper, KeptKeys, KeyLocation
from tray_app.settings.schema import Settings
from tray_app.system.keychain import KeychainError
from tray_app.ui.presenters.keys import (
    kept_text,
    key_consequence,
    key_doubts,
    key_problems,
    key_refusal,
)

if TYPE_CHECKING:
    from tray_app.ui.presenters.keys import Kept

LOCAL, LAN = Settings(), Settings(network="lan")
NOTHING = KeptKeys({})
NO_KEYCHAIN = KeptKeys({}, has_keychain=False)
IN_FILE = KeptKeys({"gateway": KeyLocation(Keeper.FILE, "/keys/gateway.key")}, has_keychain=False)
IN_VARIABLE = KeptKeys({"gateway": KeyLocation(Keeper.ENVIRONMENT, "POWERINFER_TRAY_KEY_GATEWAY")})


def in_keychain(name: str) -> KeptKeys:
    return KeptKeys({name: KeyLocation(Keeper.KEYCHAIN)})


LOCKED = KeychainError(ErrorCode.KEYCHAIN_REFUSED, "The keychain denied access", "it is locked", "Unlock it.")
NEEDED = {"gateway": "The local network needs one: type it, or press Generate."}


def test_every_key_belongs_to_a_setting_and_has_the_name_of_none() -> None:
    names = {field.name for field in FIELDS}

    assert {key.setting for key in KEYS} <= names
    assert not {key.name for key in KEYS} & names
    assert [(key.name, key.group) for key in KEYS] == [
        ("gateway", "network"),
        ("remote", "speed"),
        ("huggingface.co", "downloads"),
    ]


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        (in_keychain("remote"), "Kept in the system's keychain"),
        (in_keychain("gateway"), "None"),
        (NOTHING, "None"),
        (None, "Asking the keychain …"),
        (LOCKED, ""),
        (NO_KEYCHAIN, "None"),
        (KeptKeys({"remote": KeyLocation(Keeper.FILE, "/keys/remote.key")}), "Kept in a file"),
        (KeptKeys({"remote": KeyLocation(Keeper.ENVIRONMENT, "X")}), "Set in the environment"),
    ],
)
def test_an_empty_field_says_whether_there_is_a_key(kept: Kept, text: str) -> None:
    assert kept_text(REMOTE, kept, ENGLISH) == text


@pytest.mark.parametrize(
    ("keys", "kept", "problems"),
    [
        ({}, NOTHING, NEEDED),
        ({}, in_keychain("remote"), NEEDED),
        ({}, NO_KEYCHAIN, {"gateway": "The local network needs one."}),
        ({"gateway": None}, in_keychain("gateway"), NEEDED),
        ({"gateway": None}, None, NEEDED),
        ({}, in_keychain("gateway"), {}),
        ({"gateway": "sk-of-this-house"}, NOTHING, {}),
        ({}, None, {}),  # not known yet, or not to be known: the app will say it
        ({}, LOCKED, {}),
        ({}, IN_FILE, {}),
        ({}, IN_VARIABLE, {}),
    ],
)
def test_the_local_network_needs_a_key_that_is_kept_or_typed(
    keys: dict[str, str | None], kept: Kept, problems: dict[str, str]
) -> None:
    assert key_problems(LOCAL, LAN, keys, kept, ENGLISH) == problems
    assert key_problems(LOCAL, LOCAL, keys, kept, ENGLISH) == {}


def test_what_was_missing_before_the_draft_is_a_doubt_and_no_problem() -> None:
    assert key_problems(LAN, LAN, {}, NOTHING, ENGLISH) == {}
    assert key_doubts(LAN, {}, NOTHING, ENGLISH) == NEEDED
    assert key_problems(LAN, LAN, {"gateway": None}, in_keychain("gateway"), ENGLISH) == NEEDED
    assert key_problems(LAN, LOCAL, {"gateway": None}, in_keychain("gateway"), ENGLISH) == {}


@pytest.mark.parametrize("text", ["a b", "é", "a\nb"])
def test_what_cannot_be_a_key_is_a_problem_of_its_field(text: str) -> None:
    problems = key_problems(LOCAL, LOCAL, {"remote": text, "gateway": "sk-of-this-house"}, NOTHING, ENGLISH)

    assert problems == {"remote": "A key consists of letters, digits and symbols, without spaces."}


def test_a_keychain_that_refuses_is_doubted_and_one_that_is_not_there_is_of_no_use() -> None:
    assert key_doubts(LOCAL, {}, LOCKED, ENGLISH) == dict.fromkeys(
        (key.name for key in KEYS), "The keychain denied access.\nit is locked\nUnlock it."
    )
    assert key_refusal(GATEWAY, LOCKED, ENGLISH) == ""
    assert key_doubts(LOCAL, {}, NO_KEYCHAIN, ENGLISH) == {}
    assert key_refusal(GATEWAY, NO_KEYCHAIN, ENGLISH).startswith("This system has no keychain.\n")
    assert key_refusal(GATEWAY, None, ENGLISH) == key_refusal(GATEWAY, NOTHING, ENGLISH) == ""


def test_a_key_of_the_environment_is_not_changed_here_and_that_is_said() -> None:
    refusal = key_refusal(GATEWAY, IN_VARIABLE, ENGLISH)
    assert "POWERINFER_TRAY_KEY_GATEWAY" in refusal
    assert key_refusal(REMOTE, IN_VARIABLE, ENGLISH) == ""


def test_clients_are_told_of_another_key_while_they_need_one() -> None:
    serving = make_status(State.READY, settings=LAN)
    new_key = {GATEWAY.name: "sk-of-this-house"}

    assert key_consequence(serving, LAN, new_key, ENGLISH) == "Clients need the new key."
    assert key_consequence(serving, LAN, {}, ENGLISH) == ""
    assert key_consequence(serving, LOCAL, {GATEWAY.name: None}, ENGLISH) == ""
    assert key_consequence(replace(serving, server=ServerStatus()), LAN, new_key, ENGLISH) == ""
    assert key_consequence(make_status(State.READY, settings=LOCAL), LAN, new_key, ENGLISH) == ""
