"""The models that clients are told of. Runs on the event loop; looking loads nothing."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.leases import available
from tray_app.gateway.openai import ModelCard, ModelMeta
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from tray_app.gateway.upstream import Backend, OfferedModel


def all_models(backend: Backend) -> list[ModelCard]:
    """All models that requests can name, or a remote server's; 503 with the cause if there are none."""
    found = backend.look()
    if not isinstance(found, Unavailable) and found.is_remote:
        return [ModelCard(name) for name in found.model_ids()]
    offered = backend.offered()
    if not offered:
        available(found)
    return list(map(_card, offered))


def one_model(backend: Backend, wanted: str) -> ModelCard:
    """The model of this name, under this name; 404 with the ids that there are if none has it."""
    cards = all_models(backend)
    meant = backend.identify(wanted)
    for card in cards:
        if card.id in (wanted, meant):
            return replace(card, id=wanted)
    raise ApiError(
        HTTPStatus.NOT_FOUND,
        f"There is no model {wanted!r}. Available: {', '.join(repr(card.id) for card in cards)}.",
        param="model",
        code="model_not_found",
    )


def _card(model: OfferedModel) -> ModelCard:
    return ModelCard(
        model.id,
        model.created,
        meta=ModelMeta(
            state=model.state,
            kind=model.kind,
            context=model.context,
            dimensions=model.dimensions,
            size=model.size_bytes,
            engine=model.engine,
            pictures=model.pictures,
        ),
    )
