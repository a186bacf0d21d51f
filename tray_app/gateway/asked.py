"""What a body asks of an engine that speaks OpenAI's dialect, checked and without what is not for it. Pure.

Texts and pictures stay the JSON that they are in: none is copied, and none takes memory as a Python string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from tray_app.gateway.bodies import address_within, letters_in, letters_of, with_stops, without_nulls
from tray_app.gateway.known_fields import known
from tray_app.gateway.limits import MAX_BODY_BYTES
from tray_app.gateway.openai import NULL, ApiError, check_abilities, decode_part, raw_texts, wanted_dimensions
from tray_app.gateway.text_lengths import check_letters, most_letters
from tray_app.gateway.tools import with_chosen_tools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.gateway.openai import Fields
    from tray_app.gateway.upstream import Upstream

_MISSING = ("echo", "suffix", "best_of")
"""What llama.cpp takes no notice of, and an answer would be wrong without."""
_NO_MESSAGE = re.compile(rb"[\[\]\s]*")


class _Truncate(Struct, frozen=True):
    truncate: bool | None = None


@dataclass(frozen=True, slots=True)
class AskedEmbeddings:
    """What is to be embedded. `fields`: all that the engine is told, with the whole list in `input`."""

    fields: Fields
    texts: Sequence[Raw]
    dimensions: int | None
    truncate: bool


def asked_embeddings(body: Fields, upstream: Upstream) -> AskedEmbeddings:
    """What a request for embeddings asks for; `ApiError` for what cannot be asked."""
    fields = without_nulls(body)
    texts: Sequence[Raw] = raw_texts(fields.get("input", NULL))
    wanted = wanted_dimensions(value_of(fields, "dimensions"))
    truncate = "truncate" in fields and _is_true(fields["truncate"])
    if not upstream.is_remote:  # llama.cpp has one number of dimensions, and takes no notice of either
        fields = known(fields)
        fields.pop("dimensions", None)
        fields.pop("truncate", None)
        if prefix := upstream.prefix(value_of(body, "input_type")):
            start = msgspec.json.encode(prefix)[:-1]
            texts = [Raw(start + memoryview(text)[1:]) for text in texts]
            fields["input"] = Raw(msgspec.json.encode(texts))
        texts = _within_measure(texts, upstream, truncate=truncate)
        if truncate:
            fields["input"] = Raw(msgspec.json.encode(texts))
    elif wanted is not None:
        fields["dimensions"] = Raw(b"%d" % wanted)
    for text in texts:
        decode_part(text, str)  # or an engine, or a client, would be told of half a character
    return AskedEmbeddings(fields, texts, wanted, truncate)


def asked_completion(body: Fields, upstream: Upstream, param: str) -> Fields:
    """What a completion asks for, with its text in `param`; `ApiError` for what cannot be asked."""
    fields = without_nulls(body)
    if not upstream.is_remote:
        check_abilities(fields, _MISSING)
        fields = known(fields)
        names = ("messages", "tools") if param == "messages" else (param,)
        if param == "messages":
            fields = with_chosen_tools(fields)
        letters = letters_of(fields, names, most_letters(upstream) or MAX_BODY_BYTES)
        check_letters(upstream, {0: letters}, param)
        check_pictures(fields)
    if param == "messages" and _NO_MESSAGE.fullmatch(fields.get("messages", NULL)):
        raise ApiError(400, "'messages' must contain at least one message.", param="messages")
    return with_stops(fields, value_of(fields, "stop"))


def check_pictures(fields: Fields) -> None:
    """`ApiError` for a chat with a picture, a sound or a film that would have to be fetched from somewhere:
    the engine would ask any address, also those that only this computer can reach.
    """
    if place := address_within(fields.get("messages", NULL)):
        raise ApiError(
            400,
            f"{place}: images are not downloaded from a URL. Send the image in the request, as "
            "a data URL: data:image/png;base64,…",
            param="messages",
            code="unsupported_content",
        )


def _is_true(truncate: Raw) -> bool:
    return bool(decode_part(msgspec.json.encode({"truncate": truncate}), _Truncate).truncate)


def value_of(fields: Fields, name: str) -> object:
    """A field as a value; None if it is not there."""
    return decode_part(fields.get(name, NULL), object)


def as_sent(fields: Fields, model: str) -> bytes:
    """A body, or an answer, with this name of the model."""
    return msgspec.json.encode({**fields, "model": model})


def size_of(fields: Fields) -> int:
    """How many bytes the values of a body have, in JSON."""
    return sum(memoryview(value).nbytes for value in fields.values())


def _within_measure(texts: Sequence[Raw], upstream: Upstream, *, truncate: bool) -> Sequence[Raw]:
    """The texts; of those that are beyond all measure 400, or the beginning if they may be cut."""
    most = most_letters(upstream)
    if most is None:
        return texts
    letters = {index: letters_in(text) for index, text in enumerate(texts) if memoryview(text).nbytes > most}
    if not truncate:
        check_letters(upstream, letters, "input", can_truncate=True)
        return texts
    return [
        Raw(msgspec.json.encode(decode_part(text, str)[:most])) if letters.get(index, 0) > most else text
        for index, text in enumerate(texts)
    ]
