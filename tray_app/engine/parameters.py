"""Sets llama.cpp's parameters as llama-server's arguments say. Runs in the process of the built-in engine.

An argument must have the effect that llama.cpp's own parser gives it; a test compares the two. That parser
cannot be called from Python on every system.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import xllamacpp

from tray_app.engine.arguments import NAMES, argument_named, nearest
from tray_app.engine.conversions import CONVERSIONS, Set, converter_like

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.engine.arguments import Argument
    from tray_app.engine.conversions import Conversion


class UsageError(Exception):
    """An argument that cannot be used."""


def apply_arguments(params: Any, arguments: Iterable[str]) -> None:
    """Apply a command line; of two settings of one parameter the later one counts.

    `UsageError` names the wrong argument.
    """
    words = deque(arguments)
    while words:
        flag = words.popleft()
        argument = argument_named(flag)
        conversion = _conversion(params, argument.parameter) if argument else None
        if argument is None or conversion is None:
            raise UsageError(_why_not(flag))
        _set(params, conversion, flag, _said(argument, flag, words))
        _remember_choice(params, argument.parameter)


def _conversion(params: Any, path: str) -> Conversion | None:
    """How a parameter is set; None if llama.cpp has none of that name, or none that a word can set."""
    if path in CONVERSIONS:
        return CONVERSIONS[path]
    try:
        convert = converter_like(attrgetter(path)(params))
    except AttributeError:
        return None
    return None if convert is None else (Set(path, lambda _, said: convert(said)),)


def _why_not(flag: str) -> str:
    if flag in NAMES:
        return f"unavailable argument: {flag}"
    near = nearest(flag)
    return f"unknown argument: {flag if flag.strip() else repr(flag)}" + (
        f" (did you mean {near}?)" if near else ""
    )


def _said(argument: Argument, flag: str, words: deque[str]) -> str | bool:
    """The value for a flag: the next word, or for a switch true or false."""
    if argument.switch is None:
        if not words:
            raise UsageError(f"missing value for argument: {flag}")
        return words.popleft()
    # a flag that is a parameter's own name is followed by its value
    if words and words[0] in ("true", "false"):
        return argument.switch is (words.popleft() == "true")
    return argument.switch


def _set(params: Any, conversion: Conversion, flag: str, said: str | bool) -> None:  # noqa: FBT001  the value that was given
    for each in conversion:
        folder, _, name = each.path.rpartition(".")
        owner = attrgetter(folder)(params) if folder else params
        try:
            setattr(owner, name, each.convert(getattr(owner, name), said))
        except OSError as exc:
            raise UsageError(f"no file for argument: {flag}: {exc.filename}") from None
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            raise UsageError(f"invalid value for argument: {flag}") from None


def _remember_choice(params: Any, path: str) -> None:
    """Note which sampling parameters the person has set: llama.cpp must not replace them by those of the
    model's file.
    """
    choices = xllamacpp.common_params_sampling_config.__members__
    if choice := choices.get(f"COMMON_PARAMS_{path.replace('.', '_CONFIG_').upper()}"):
        params.sampling.user_sampling_config |= choice.value
