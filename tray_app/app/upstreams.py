"""Engines as the gateway sees them: where they answer, and why one does not. Any thread."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import RemotePlan
from tray_app.engine.lifecycle import State
from tray_app.engine.pooled_engine import EngineLease
from tray_app.errors import EngineError, ErrorCode
from tray_app.gateway.upstream import Unavailable, Upstream, Worker, public_id
from tray_app.models.shorter_vectors import are_trained_for
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.engine.launch_plan import LaunchPlan
    from tray_app.engine.pooled_engine import EngineStatus
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.gateway.upstream import Lease
    from tray_app.models.model import Model
    from tray_app.settings.schema import Settings

    Got = Lease | Unavailable
    """What a request gets."""

_WITHOUT_PROCESS = (State.BACKOFF, State.WAITING, State.FAILED)


class ServedLease:
    """A lease with the engine as the gateway knows it; see `Lease`."""

    __slots__ = ("_lease", "upstream")

    def __init__(self, upstream: Upstream, lease: EngineLease) -> None:
        self.upstream = upstream
        self._lease = lease

    def release(self) -> None:
        """See `Lease`."""
        self._lease.release()


def leased(
    wait: EngineLease | Future[EngineLease], serve: Callable[[EngineLease], ServedLease]
) -> Lease | Future[Got]:
    """The pool's lease as the gateway's, now or later. To cancel the future gives up its place."""
    if isinstance(wait, EngineLease):
        return serve(wait)
    served: Future[Got] = Future()
    _hand_on(wait, served, serve)
    return served


def after(look: Future[None], acquire: Callable[[], Got | Future[Got]]) -> Future[Got]:
    """What `acquire` gives after a look; it is not called for a client that has left by then."""
    served: Future[Got] = Future()

    def ask(_: Future[None]) -> None:
        if served.cancelled():
            return
        coming: Future[Got] = Future()
        try:
            got = acquire()
        except Exception as exc:  # noqa: BLE001 - a request waits for it
            coming.set_exception(exc)
        else:
            if isinstance(got, Future):
                coming = got
            else:
                coming.set_result(got)
        _hand_on(coming, served, lambda same: same)

    look.add_done_callback(ask)
    return served


def _hand_on(coming: Future[Any], served: Future[Got], convert: Callable[[Any], Got]) -> None:
    """Let one future end as another does. A lease that nobody gets is given back."""

    def settle(done: Future[Any]) -> None:
        if done.cancelled():
            return  # because `served` was
        error = done.exception()
        got = None if error else done.result()
        if not served.set_running_or_notify_cancel():
            _give_back(got)
            return
        if error is None:
            try:
                served.set_result(convert(got))
            except Exception as exc:  # noqa: BLE001 - a request waits for it
                _give_back(got)
                error = exc
        if error:
            served.set_exception(error)

    served.add_done_callback(lambda done: done.cancelled() and coming.cancel())
    coming.add_done_callback(settle)


def _give_back(got: EngineLease | Lease | Unavailable | None) -> None:
    if got is not None and not isinstance(got, Unavailable):
        got.release()


def upstream_of(engine: EngineSnapshot, settings: Settings) -> Upstream:
    """An engine that answers; `settings` are those in force for its model."""
    plan = engine.plan
    if plan is None:
        raise EngineError(ErrorCode.SERVER_NOT_READY, "The server is not ready", "It was stopped.")
    if isinstance(plan, RemotePlan):
        return _remote(engine, plan, settings)
    return _local(engine, plan, settings)


def failed(status: EngineStatus, retry_after_s: int | None = None, *, held: bool = False) -> Unavailable:
    """Why no engine answers: what the last one died of, unless another is on its way already."""
    engine = status.engine
    failure = engine.failure if engine.state in _WITHOUT_PROCESS else None
    model = f"The model {status.model_id!r}" if status.model_id else "The model"
    if failure is None:
        code, reason = ErrorCode.SERVER_NOT_READY, f"{model} is not ready ({engine.state})."
    else:
        code, reason = failure.code, f"{model} is not ready: {failure}"
    return Unavailable(reason, retry_after_s, held, code=code)


def _local(engine: EngineSnapshot, plan: LaunchPlan, settings: Settings) -> Upstream:
    return Upstream(
        base_url=engine.base_url or "",
        key=engine.address.key if engine.address else "",
        speaks_openai=plan.engine.kind is not EngineKind.POWERINFER,
        model_id=plan.model.id,
        model_name=plan.model.name,
        context_size=plan.context_size,
        chat_template=plan.model.header.chat_template,
        run=engine.run_id,
        trained_context=plan.model.header.context_length or 0,
        purpose=plan.purpose,
        temperature=settings.temperature,
        workers=tuple(Worker(each.base_url, each.run_id) for each in engine.workers if each.base_url),
        cuts_vectors=_cuts_vectors(plan.model, settings),
        prefix_query=settings.prefix_query,
        prefix_document=settings.prefix_document,
    )


def _cuts_vectors(model: Model, settings: Settings) -> bool:
    wish = settings.shorter_vectors
    return are_trained_for(model) if wish == AUTO else wish == "yes"


def _remote(engine: EngineSnapshot, plan: RemotePlan, settings: Settings) -> Upstream:
    base_url = plan.url.removesuffix("/v1")
    return Upstream(
        base_url=base_url,
        speaks_openai=True,
        model_id=public_id(engine.models[0]),
        model_name=engine.models[0],
        api_path=plan.url.removeprefix(base_url),
        models=engine.models,
        key=plan.key,
        run=engine.run_id,
        temperature=settings.temperature,
    )
