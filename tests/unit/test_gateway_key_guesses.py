"""Who tries one key after the other has to wait, and nobody else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import make_mocked_request

from tray_app.gateway import limits
from tray_app.gateway.api_error import ApiError
from tray_app.gateway.key_guesses import Guesses

if TYPE_CHECKING:
    from aiohttp import web

KEY = "sk-of-this-house"
ATTACKER, NEIGHBOUR = "192.168.1.66", "192.168.1.20"

pytestmark = pytest.mark.warns("Wrong API keys")


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


REQUEST = make_mocked_request("GET", "/v1/models")


def asked(key: str | None, address: str) -> web.Request:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return REQUEST.clone(headers=headers, remote=address)


def status_of(guesses: Guesses, key: str | None, address: str) -> int:
    try:
        guesses.check(KEY, asked(key, address))
    except ApiError as refused:
        return refused.status
    return 200


def test_after_twenty_guesses_an_address_has_to_wait_and_no_other() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    seen = [status_of(guesses, f"guess-{number}", ATTACKER) for number in range(1000)]
    assert seen == [401] * limits.MAX_GUESSES + [429] * (1000 - limits.MAX_GUESSES)
    assert status_of(guesses, KEY, ATTACKER) == 429  # or a guess that is right would be told
    assert status_of(guesses, KEY, NEIGHBOUR) == 200
    clock.now_s += limits.GUESS_EVERY_S
    assert status_of(guesses, KEY, ATTACKER) == 200
    clock.now_s += limits.GUESS_EVERY_S / 2
    assert status_of(guesses, "one-more", ATTACKER) == 401
    assert status_of(guesses, "and-another", ATTACKER) == 429


def test_a_program_with_a_wrong_key_or_none_does_not_shut_out_its_neighbours() -> None:
    guesses = Guesses(Clock())
    for _ in range(1000):
        assert status_of(guesses, "the-key-of-last-year", NEIGHBOUR) == 401
        assert status_of(guesses, None, NEIGHBOUR) == 401
    assert status_of(guesses, KEY, NEIGHBOUR) == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("fd00::1", "fd00::2", True),
        ("fd00::1", "fd00:0:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.168.1.66", ATTACKER, True),
        (ATTACKER, NEIGHBOUR, False),
    ],
)
def test_who_counts_as_one_sender(one: str, other: str, same: bool) -> None:
    guesses = Guesses(Clock())
    for number in range(limits.MAX_GUESSES):
        status_of(guesses, f"guess-{number}", one)
    assert status_of(guesses, "one-more", other) == (429 if same else 401)


def test_the_log_tells_of_guesses_once_a_minute_and_never_the_key(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for minute in range(3):
        for number in range(500):
            status_of(guesses, f"guess-{minute}-{number}", f"10.0.{minute}.{number % 3}")
        clock.now_s += limits.GUESS_LOG_S
    lines = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lines) == 3
    assert "500" in lines[1].getMessage()  # those that were not even looked at are counted, too
    assert not [record for record in caplog.records if "guess-" in record.getMessage()]


def test_so_many_addresses_are_remembered_and_no_more() -> None:
    guesses = Guesses(Clock())
    for number in range(limits.MAX_GUESSERS + 100):
        status_of(guesses, "wrong", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(guesses._guessers) == limits.MAX_GUESSERS
