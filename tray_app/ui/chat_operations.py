"""What the page Chat asks of the app that takes more than one call. Runs off the GUI thread."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tray_app.app.chatting import check_model
from tray_app.app.start_job import StartCalledOffError
from tray_app.chats.conversation import Conversation, Message, Role
from tray_app.errors import AppError, ModelError
from tray_app.ui.operations import load_model
from tray_app.ui.presenters.chat import ChatModel, ChatModels
from tray_app.ui.presenters.chat_rows import rows_of
from tray_app.ui.presenters.menu import is_remote, takes_models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from tray_app.chats.conversation import Summary
    from tray_app.chats.finding import Found
    from tray_app.chats.store import Problem
    from tray_app.gateway.public_client import ChatPiece
    from tray_app.models.model import Model
    from tray_app.phrases import Translate
    from tray_app.settings.schema import Settings
    from tray_app.ui.app_protocol import AppProtocol
    from tray_app.ui.presenters.chat_rows import Shown


@dataclass(frozen=True, slots=True)
class ChatList:
    """The conversations to choose from: all of them, or those that contain some words."""

    words: str
    summaries: tuple[Summary, ...]
    found: tuple[Found, ...] = ()
    """Where the words are in each of them; empty without words."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenedChat:
    """A conversation with its rows."""

    conversation: Conversation
    shown: list[Shown]


def chat_models(app: AppProtocol) -> ChatModels:
    """The models that can chat, and the default one.

    The built-in test model is listed only if it is chosen, since its answers mean nothing.
    """
    settings, library = app.store.current, app.library
    builtin = {each.id for each in library.catalog if each.builtin}
    installed = [each for each in library.contents().models if each.id not in builtin]
    models = [each for each in installed if refusal(each, settings) is None]
    reference = settings.default_chat or settings.model
    usual = ""
    problem: AppError | None = None
    if reference:
        try:
            model = library.find(reference)
        except ModelError as exc:
            problem = exc
        else:
            problem = refusal(model, settings)
            if problem is None:
                usual = model.id
                models += [] if any(each.id == model.id for each in models) else [model]
    return ChatModels(tuple(ChatModel(each.id, each.name) for each in models), usual, problem)


def refusal(model: Model, settings: Settings) -> AppError | None:
    """Why a model cannot chat; None if it can."""
    empty = Conversation("", "", 0, 0)
    try:
        check_model(empty, model, model.settings_in(settings), sees=False)
    except ModelError as exc:
        return exc
    return None


def list_chats(app: AppProtocol, words: str) -> ChatList:
    """The conversations that contain these words, or all if there are none."""
    problems = app.chats.problems()
    if not words:
        return ChatList(words, app.chats.summaries(), (), problems)
    found = app.chats.search(words)
    return ChatList(words, tuple(each.summary for each in found), found, problems)


def open_chat(
    app: AppProtocol, conversation_id: str, named: Callable[[str], str], tr: Translate
) -> OpenedChat:
    """Read a conversation and make its rows. `named` gives the name of a model."""
    conversation = app.chats.read(conversation_id)
    return OpenedChat(conversation, rows_of(conversation.messages, named, tr))


def stream_answer(
    app: AppProtocol, conversation: Conversation, cancelled: Event, tell: Callable[[ChatPiece], object]
) -> None:
    """Hand the answer to a conversation to `tell`, piece by piece. A stopped server is started first."""
    status = app.status()
    if not is_remote(status) and not takes_models(status) and status.server.base_url is None:
        with suppress(StartCalledOffError):
            load_model(app, conversation.model_id or app.chosen_id() or "")
    if cancelled.is_set():
        return
    came: list[ChatPiece] = []
    try:
        for piece in app.stream_chat(conversation, cancelled):
            came.append(piece)
            tell(piece)
    except AppError:
        if came:
            _keep(app, conversation, came)
        raise


def _keep(app: AppProtocol, conversation: Conversation, came: Sequence[ChatPiece]) -> None:
    """Save what has arrived of an answer that broke off, in case the app is quitting and no page does it."""
    text, thoughts = "".join(each.text for each in came), "".join(each.reasoning for each in came)
    with suppress(AppError):  # it was never saved, or has been deleted
        there = app.chats.read(conversation.id)
        if len(there.messages) == len(conversation.messages):
            part = Message(
                Role.ASSISTANT,
                text,
                time.time(),
                reasoning=thoughts,
                model_id=came[-1].model_id,
                stopped=True,
            )
            app.chats.save(replace(there, messages=(*there.messages, part)))
