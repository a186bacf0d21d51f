"""All targets."""

from __future__ import annotations

from tests.fuzz import (
    chats,
    collections,
    control,
    conversations,
    downloads,
    engines,
    gateway,
    models,
    settings,
)

TARGETS = (
    *models.TARGETS,
    *settings.TARGETS,
    *downloads.TARGETS,
    *engines.TARGETS,
    *gateway.TARGETS,
    *chats.TARGETS,
    *conversations.TARGETS,
    *collections.TARGETS,
    *control.TARGETS,
)
