"""What this app asks its own server for, through the public address like any client. Any thread; blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.engine.engine_setting import is_remote
from tray_app.errors import ModelError
from tray_app.gateway.public_client import complete, request_embeddings, stream_chat
from tray_app.gateway.upstream import public_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from tray_app.app.served_models import ServedModels
    from tray_app.chats.conversation import Conversation
    from tray_app.gateway.public_client import ChatPiece, Embeddings
    from tray_app.gateway.upstream import OfferedModel
    from tray_app.models.model import Model
    from tray_app.settings.schema import Settings


class ServerClient:
    """Asks a server at the address and with the key that `access` returns, see `Server.access`.

    All methods raise `GatewayError` if no address is open, or the server refuses or does not answer.
    """

    def __init__(self, access: Callable[[], tuple[str, str]]) -> None:
        self._access = access

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """A vector for each text, of the default model."""
        base_url, key = self._access()
        return request_embeddings(base_url, texts, key=key)

    def complete(self, prompt: str, max_tokens: int, cancelled: Event) -> Iterator[str]:
        """The continuation of a text, in pieces as they come. It ends at once when `cancelled` is set."""
        base_url, key = self._access()
        return complete(base_url, prompt, max_tokens, cancelled, key=key)


class AppClient(ServerClient):
    """Asks the server of a running app, which knows its models: for documents, queries and conversations.

    `served` knows the models by their names, `offered` returns those that the server offers now, and
    `settings` the present settings.
    """

    def __init__(
        self,
        access: Callable[[], tuple[str, str]],
        *,
        served: ServedModels,
        offered: Callable[[], tuple[OfferedModel, ...]],
        settings: Callable[[], Settings],
    ) -> None:
        super().__init__(access)
        self._served = served
        self._offered = offered
        self._settings = settings

    def embed_as(self, texts: Sequence[str], *, model: str, input_type: str) -> Embeddings:
        """A vector for each text, of a model or, without a name, of the default one.

        `input_type` is `document` or `query`; texts that are too long for the model are cut.
        """
        base_url, key = self._access()
        # Another server may refuse a request with fields that it does not know.
        kind = {} if is_remote(self._settings()) else {"input_type": input_type, "truncate": True}
        return request_embeddings(base_url, texts, key=key, model=model, more=kind)

    def stream_chat(self, conversation: Conversation, cancelled: Event) -> Iterator[ChatPiece]:
        """The answer to the last message of a conversation, in pieces as they come. It ends at once when
        `cancelled` is set; the conversation is neither changed nor saved.

        `AppError` says why there is no answer: `MODEL_CANNOT_CHAT` and `MODEL_CANNOT_SEE` of the model,
        `CONVERSATION_TOO_LONG`, `ANSWER_BROKE_OFF` after the pieces that came, and what else may be wrong.
        """
        from tray_app.app.chatting import check_message, check_model
        from tray_app.chats.request import chat_body

        check_message(conversation)
        base_url, key = self._access()
        settings = self._settings()
        if not is_remote(settings):
            model = self._served.answering(conversation.model_id)
            check_model(conversation, model, model.settings_in(settings), sees=self._sees(model))
        return stream_chat(base_url, chat_body(conversation), cancelled, key=key)

    def can_see(self, model_id: str) -> bool:
        """Whether a conversation with this model may have pictures; empty: with the default one for chats.

        True for models of a remote server: only an answer tells.
        """
        if is_remote(self._settings()):
            return True
        try:
            return self._sees(self._served.answering(model_id))
        except ModelError:
            return False

    def _sees(self, model: Model) -> bool:
        offered = {each.id: each.pictures for each in self._offered()}
        # Before somebody has asked for the list, nothing is offered.
        return offered.get(public_id(model.id), self._served.sees(model))
