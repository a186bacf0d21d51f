"""All targets."""

from __future__ import annotations

from tests.fuzz import chats, control, conversations, downloads, engines, gateway, models, settings

TARGETS = (
    *models.TARGETS,
    *settings.TARGETS,
    *downloads.TARGETS,
    *engines.TARGETS,
    *gateway.TARGETS,
    *chats.TARGETS,
    *conversations.TARGETS,
    *control.TARGETS,
)
