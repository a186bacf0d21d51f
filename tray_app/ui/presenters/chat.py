"""Words of the page Chat: which model answers, what it waits for, when a conversation was. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.ui.presenters.engines import Standing, standing_of
from tray_app.ui.presenters.menu import is_remote, takes_models

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.chats.conversation import Conversation
    from tray_app.errors import AppError
    from tray_app.phrases import Translate

_MINUTE_S, _DAY_S = 60, 86_400


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model that can chat."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ChatModels:
    """The models that can chat, and the default one."""

    models: tuple[ChatModel, ...] = ()
    usual: str = ""
    """The id of the default chat model; empty if it cannot chat."""
    problem: AppError | None = None
    """Why the default model cannot chat."""

    def name_of(self, model_id: str) -> str:
        """The name of a model; its id if it is no longer installed."""
        return next((each.name for each in self.models if each.id == model_id), model_id)

    def answers(self, conversation: Conversation) -> str:
        """The id of the model that will answer; empty if there is none."""
        if conversation.model_id or self.usual:
            return conversation.model_id or self.usual
        return self.models[0].id if self.models else ""


@dataclass(frozen=True, slots=True)
class PickerView:
    """The button that shows the model and lets another one be chosen."""

    label: str
    usable: bool
    """Whether a message can be sent."""


def picker_view(
    conversation: Conversation, models: ChatModels, status: AppStatus, tr: Translate
) -> PickerView:
    """Which model answers a conversation."""
    if is_remote(status):
        return PickerView(tr("Remote server"), usable=True)
    model_id = models.answers(conversation)
    if not model_id:
        return PickerView(tr("No chat model"), usable=False)
    return PickerView(tr.said(models.name_of(model_id)), usable=True)


def wait_text(model_id: str, name: str, status: AppStatus, waited_s: float, tr: Translate) -> str:
    """What happens before the first word of an answer."""
    standing = standing_of(status, model_id)
    if standing in (Standing.LOADING, Standing.QUEUED) or status.server.state.gets_ready:
        return tr("Loading {model} …").format(model=name) if name else tr("Loading the model …")
    if not takes_models(status):
        return tr("Starting the server …")
    seconds = int(waited_s)
    return tr("Reading … {seconds} s").format(seconds=seconds) if seconds else tr("Reading …")


def when_text(at_s: float, now_s: float, tr: Translate) -> str:
    """When a conversation was saved last: the time of day, or the date."""
    at, now = time.localtime(at_s), time.localtime(now_s)
    if abs(now_s - at_s) < _MINUTE_S:  # the clock may have been set back since
        return tr("Just now")
    if at[:3] == now[:3]:
        return tr("Today, {time}").format(time=time.strftime("%H:%M", at))
    if time.localtime(now_s - _DAY_S)[:3] == at[:3]:
        return tr("Yesterday, {time}").format(time=time.strftime("%H:%M", at))
    return time.strftime("%Y-%m-%d", at)


def file_name_for(title: str) -> str:
    """The proposed name of the file for the export of a conversation, without an ending."""
    kept = "".join(letter if letter.isalnum() or letter in " -_" else " " for letter in title)
    return " ".join(kept.split())[:60] or "conversation"
