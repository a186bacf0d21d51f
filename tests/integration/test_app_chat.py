"""Conversations with real models on the real engine: answers, stops, and why there is none."""

from __future__ import annotations

import base64
import re
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gguf
import pytest

from tests.fakes.apps import DEADLINE_S, ready, real_app, wait_for_leases
from tests.fakes.chat_templates import PLAIN, write_with_template
from tests.fakes.errors import coded
from tests.fakes.random_models import Shape, write_llama
from tests.fakes.random_projectors import write_projector
from tests.fakes.several_models import install_models
from tray_app.chats.conversation import Attachment, Message, Role
from tray_app.errors import AppError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.app.root import App
    from tray_app.chats.conversation import Conversation
    from tray_app.gateway.public_client import ChatPiece

GRAY_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
SMALL = Shape(width=64, layers=1, heads=2, kv_heads=2, feed_forward=64, vocabulary=400)


@pytest.fixture(autouse=True)
def models(private_home: Path) -> Path:
    """The models folder, with a chat model that writes digits and a model that only embeds."""
    folder = private_home / "models"
    install_models(folder)
    return folder


@contextmanager
def serving(**settings: Any) -> Iterator[App]:
    """An app whose address is open, with no engine yet."""
    with real_app(start_on_demand=True, **settings) as app:
        app.begin()
        yield app


def asking(app: App, text: str, *attachments: Attachment, **more: Any) -> Conversation:
    message = Message(Role.USER, text, 1.0, attachments)
    return replace(app.chats.new(), messages=(message,), temperature=0.0, **more)


def answer(app: App, conversation: Conversation) -> list[ChatPiece]:
    return list(app.client.stream_chat(conversation, threading.Event()))


def text_of(pieces: list[ChatPiece]) -> str:
    return "".join(piece.text for piece in pieces)


def refused(app: App, conversation: Conversation, code: ErrorCode) -> AppError:
    with pytest.raises(AppError, check=coded(code)) as caught:
        answer(app, conversation)
    assert caught.value.hint
    return caught.value


def without_template(path: Path) -> Path:
    """The test model as it would be without a chat template; the path again."""
    write_with_template(path, PLAIN)
    content = path.read_bytes()
    name = gguf.Keys.Tokenizer.CHAT_TEMPLATE.encode()
    assert content.count(name) == 1
    path.write_bytes(content.replace(name, b"tokenizer.chat_templatf"))  # a name that nobody knows
    return path


def test_a_conversation_is_answered_kept_and_gone_on_with(private_home: Path) -> None:
    with real_app() as app:
        ready(app)
        one = app.chats.save(asking(app, "Hello", system_prompt="Be brief."))
        pieces = answer(app, one)
        *_, end, numbers = pieces
        assert end.finish_reason == "length"  # this model never ends by itself
        assert numbers.tokens
        assert numbers.tokens > 100
        assert numbers.tokens_per_s
        assert {piece.model_id for piece in pieces} == {"test"}
        told = Message(Role.ASSISTANT, text_of(pieces), 2.0, model_id="test", tokens=numbers.tokens)
        more = app.chats.save(replace(one, messages=(one.messages[0], told)))
        again = replace(more, messages=(*more.messages[:1], Message(Role.USER, "And now?", 3.0)))
        assert text_of(answer(app, again)) != told.text

    with real_app() as app:
        (summary,) = app.chats.summaries()
        assert app.chats.read(summary.id) == more
        assert (private_home / "chats" / f"{summary.id}.jsonl").is_file()


def test_an_answer_is_stopped_in_the_middle_and_the_engine_is_free_at_once(models: Path) -> None:
    write_llama(models / "slow.gguf", replace(SMALL, context=100_000))
    with serving() as app:
        app.change_own("slow", extra_arguments=("--chat-template", "chatml"), ctx_size=100_000)
        cancelled = threading.Event()
        pieces = app.client.stream_chat(asking(app, "Hi", model_id="slow"), cancelled)
        assert next(pieces).text
        cancelled.set()
        assert list(pieces) == []
        wait_for_leases(app, 0)


def test_each_conversation_has_the_model_that_it_names_or_the_default_one() -> None:
    with serving(default_chat="digits") as app:
        app.change_own("digits", aliases=("writer",))
        digits = re.compile(r"[0-9]{10,}")
        assert digits.fullmatch(text_of(answer(app, asking(app, "Hi"))))
        assert digits.fullmatch(text_of(answer(app, asking(app, "Hi", model_id="writer"))))
        built_in = answer(app, asking(app, "Hi", model_id="test"))
        assert not digits.search(text_of(built_in))
        assert built_in[0].model_id == "test"


def test_where_no_address_is_open_nobody_answers() -> None:
    with real_app() as app:
        error = refused(app, asking(app, "Hi"), ErrorCode.SERVER_NOT_RUNNING)
        assert "tart" in error.hint


def test_what_does_not_end_with_a_question_is_not_answered() -> None:
    with serving() as app:
        refused(app, replace(asking(app, ""), messages=()), ErrorCode.CONVERSATION_EMPTY)
        refused(app, asking(app, "  \n"), ErrorCode.CONVERSATION_EMPTY)
        answered = (Message(Role.USER, "Hi", 1.0), Message(Role.ASSISTANT, "Hello", 2.0))
        refused(app, replace(asking(app, ""), messages=answered), ErrorCode.CONVERSATION_EMPTY)


def test_a_conversation_whose_model_is_gone_is_not_answered_by_another(models: Path) -> None:
    with serving() as app:
        conversation = app.chats.save(asking(app, "Hi", model_id="digits"))
        assert text_of(answer(app, conversation))
        app.remove_model("digits", for_good=True)

        error = refused(app, conversation, ErrorCode.MODEL_NOT_FOUND)
        assert "digits was removed" in str(error)
        assert app.chats.read(conversation.id) == conversation
        assert not app.client.can_see("digits")
        install_models(models)
        assert text_of(answer(app, conversation))  # as soon as it is back


def test_a_model_that_is_only_on_offer_is_not_here() -> None:
    with serving() as app:
        entry = next(each for each in app.library.catalog if not each.builtin)
        refused(app, asking(app, "Hi", model_id=entry.id), ErrorCode.MODEL_NOT_DOWNLOADED)


def test_a_model_for_embeddings_does_not_chat() -> None:
    with serving() as app:
        error = refused(app, asking(app, "Hi", model_id="bge"), ErrorCode.MODEL_CANNOT_CHAT)
        assert "embeddings" in error.message


def test_a_base_model_says_why_it_does_not_chat_until_it_is_given_a_template(models: Path) -> None:
    without_template(models / "base.gguf")
    with serving() as app:
        error = refused(app, asking(app, "Hi", model_id="base"), ErrorCode.MODEL_CANNOT_CHAT)
        assert "no chat template" in error.message
        assert "--chat-template" in error.hint

        app.change_own("base", extra_arguments=("--chat-template", "chatml"))
        assert text_of(answer(app, asking(app, "Hi", model_id="base")))


def test_a_conversation_that_is_too_long_says_so_and_is_kept() -> None:
    with serving() as app:
        words = Message(Role.USER, "word " * 1000, 1.0)
        conversation = app.chats.save(replace(asking(app, ""), messages=(words,)))
        error = refused(app, conversation, ErrorCode.CONVERSATION_TOO_LONG)

        assert "512" in str(error.message)  # the context
        assert app.chats.read(conversation.id) == conversation
        shorter = replace(conversation, messages=(Message(Role.USER, "word", 1.0),))
        assert text_of(answer(app, shorter))


def test_pictures_are_for_models_that_see(models: Path) -> None:
    write_llama(models / "seeing.gguf", SMALL)
    write_projector(models / "mmproj-seeing.gguf", name="Other")
    template = {"extra_arguments": ("--chat-template", "chatml")}
    picture = Attachment("pixel.png", "image/png", GRAY_PIXEL)
    with serving(default_chat="seeing") as app:
        app.change_own("seeing", **template)
        assert [app.client.can_see(each) for each in ("seeing", "", "test", "digits", "gone")] == [
            True,
            True,
            False,
            False,
            False,
        ]
        pieces = app.client.stream_chat(
            asking(app, "What is it?", picture, model_id="seeing"), threading.Event()
        )
        assert next(pieces).model_id == "seeing"
        error = refused(app, asking(app, "What is it?", picture, model_id="test"), ErrorCode.MODEL_CANNOT_SEE)
        assert "reads text only" in error.message

        app.change_own("seeing", projector="none")
        assert not app.client.can_see("seeing")
        refused(app, asking(app, "What is it?", picture), ErrorCode.MODEL_CANNOT_SEE)


def test_a_damaged_picture_is_refused_in_words(models: Path) -> None:
    write_llama(models / "seeing.gguf", SMALL)
    write_projector(models / "mmproj-seeing.gguf", name="Other")
    with serving() as app:
        app.change_own("seeing", extra_arguments=("--chat-template", "chatml"))
        damaged = Attachment("pixel.png", "image/png", GRAY_PIXEL[:20])
        error = refused(app, asking(app, "Hm?", damaged, model_id="seeing"), ErrorCode.MODEL_CANNOT_SEE)
        assert "damaged" in str(error.message)


def test_an_engine_that_ends_in_the_middle_breaks_the_answer_off(models: Path) -> None:
    write_llama(models / "slow.gguf", replace(SMALL, context=100_000))
    with serving() as app:
        app.change_own("slow", extra_arguments=("--chat-template", "chatml"), ctx_size=100_000)
        pieces = app.client.stream_chat(asking(app, "Hi", model_id="slow"), threading.Event())
        assert next(pieces).text
        app.stop_server()
        with pytest.raises(AppError, check=coded(ErrorCode.ANSWER_BROKE_OFF)):
            list(pieces)


def test_who_waits_for_a_model_to_load_can_stop_that() -> None:
    cancelled = threading.Event()
    with serving() as app:
        pieces = app.client.stream_chat(asking(app, "Hi", model_id="digits"), cancelled)
        found: list[ChatPiece] = []
        asking_thread = threading.Thread(target=lambda: found.extend(pieces))
        asking_thread.start()
        cancelled.set()
        asking_thread.join(DEADLINE_S)
        assert not asking_thread.is_alive()
        assert found == []
