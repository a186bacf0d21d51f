"""Finds the running app, and speaks to it through its control address. Any thread; blocks.

A script may ask for the status each second, so what is rarely needed is imported where it is used.
"""

from __future__ import annotations

import hmac
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tray_app import __version__
from tray_app.errors import ErrorCode, ErrorDocument, GatewayError
from tray_app.gateway.control.commands import (
    Arriving,
    Cancellation,
    Changed,
    EngineAllowed,
    EngineArriving,
    EngineBuild,
    EngineList,
    EngineRemoved,
    Examined,
    Loaded,
    Measured,
    Removed,
    TextEmbeddings,
    Tuned,
    Unloaded,
)
from tray_app.gateway.control.controlfile import lock_path, nobody_runs, read_control_file
from tray_app.gateway.control.documents import (
    JobReport,
    Showing,
    StatusDocument,
    path_from_json,
    path_to_json,
)
from tray_app.gateway.control.jobs import Following
from tray_app.gateway.control.proof import (
    CHALLENGE_PATH,
    PROOF_OF_ANSWER,
    PROOF_OF_REQUEST,
    Challenge,
    Exchange,
    Welcome,
    new_nonce,
)
from tray_app.gateway.loopback import (
    ErrorBody,
    LoopbackConnection,
    NobodyAnswersError,
    SlowAnswerError,
    decoded,
)
from tray_app.phrases import phrase
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.gateway.control.commands import (
        AllowingEngine,
        Changing,
        Downloading,
        Examining,
        InstallingEngine,
        ListingEngines,
        Loading,
        Measuring,
        ProvingEngine,
        Removing,
        RemovingEngine,
        Tell,
        TextsToEmbed,
        Unloading,
    )
    from tray_app.gateway.control.controlfile import ControlFile

_STATUS_S = 10.0
_MOST_WELCOME_BYTES = 4096
_MOST_ANSWER_BYTES = 64 * 2**20
"""Of the app, which tells 200 bytes of each download, and names of what it has removed."""
_COMING_UP_S = 5.0
"""So long an app may need from having the lock to being found, and from leaving to giving it back."""
_LOOK_S = 0.1

Answer = TypeVar("Answer")


class _StrangerError(GatewayError):
    """Who answers at the app's port does not know its secret."""

    def __init__(self) -> None:
        super().__init__(
            ErrorCode.APP_NOT_RECOGNIZED,
            "The app did not answer",
            "Another program answered instead. Nothing was sent to it.",
            "Restart PowerInfer Tray.",
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: bytes


class ControlClient:
    """Speaks to a running app. Every method raises `GatewayError` if the app is gone or cannot be understood.

    What goes wrong in the app is raised here as it was there: of the same class, with the same code and
    fields.

    Nothing but a random number is sent before the app has proven who it is, and no answer is believed that
    does not prove it: see `proof`.
    """

    def __init__(self, file: ControlFile) -> None:
        self.pid = file.pid
        self._file = file
        self._url = f"http://127.0.0.1:{file.port}"

    def status(self, timeout_s: float = _STATUS_S) -> StatusDocument:
        """What the app says of itself. `SlowAnswerError` if it is there and takes longer."""
        answer = self._ask("GET", "/status", timeout_s)
        if answer.status != HTTPStatus.OK:
            raise GatewayError(
                ErrorCode.APP_REFUSED,
                "The running app refused the command",
                phrase("It answered with status {status}.", status=answer.status),
            )
        return decoded(answer.status, answer.content, StatusDocument)

    def start(self, timeout_s: float | None = None) -> None:
        """Start the server; returns when the engine has been told, which may come after a download."""
        self._act("start", timeout_s)

    def stop(self, timeout_s: float | None = None) -> None:
        """Stop the server; returns when its address is closed and the engine has been told."""
        self._act("stop", timeout_s)

    def restart(self, timeout_s: float | None = None) -> None:
        """Stop the server and start it again; returns when the engine has been told."""
        self._act("restart", timeout_s)

    def reload(self, timeout_s: float | None = None) -> None:
        """Take up changed settings and keys; returns when that is done, which may include a download."""
        self._act("reload", timeout_s)

    def show(self, source: str = "", timeout_s: float | None = _STATUS_S) -> None:
        """Bring the app's window to the front, with `source` as a model that somebody wants to have."""
        self._act("show", timeout_s, Showing(source))

    def quit(self, timeout_s: float | None = _STATUS_S) -> None:
        """Ask the app to end; returns when it has heard."""
        self._act("quit", timeout_s)

    def remove(self, wish: Removing) -> Removed:
        """See `AppCommands`."""
        return self._do("remove", wish, Removed)

    def embed(self, wish: TextsToEmbed) -> TextEmbeddings:
        """See `AppCommands`."""
        return self._do("embed", wish, TextEmbeddings)

    def run_diagnostics(self, wish: Examining) -> Examined:
        """See `AppCommands`."""
        return self._do("examine", wish, Examined)

    def change(self, wish: Changing) -> Changed:
        """See `AppCommands`."""
        return self._do("change", wish, Changed)

    def download(self, wish: Downloading, tell: Tell, cancelled: Cancellation) -> Arriving:
        """See `AppCommands`."""
        job = self._do("download", wish, Following)
        return self._follow(job, tell, cancelled, progress=Arriving, result=Arriving)

    def tune(self, wish: Measuring, tell: Tell, cancelled: Cancellation) -> Tuned:
        """See `AppCommands`."""
        job = self._do("tune", wish, Following)
        return self._follow(job, tell, cancelled, progress=Measured, result=Tuned)

    def load(self, wish: Loading) -> Loaded:
        """See `AppCommands`."""
        job = self._do("load", wish, Following)
        return self._follow(job, lambda _: None, Cancellation(), progress=Loaded, result=Loaded)

    def unload(self, wish: Unloading) -> Unloaded:
        """See `AppCommands`."""
        return self._do("unload", wish, Unloaded)

    def list_engines(self, wish: ListingEngines) -> EngineList:
        """See `AppCommands`."""
        return self._do("engines", wish, EngineList)

    def install_engine(self, wish: InstallingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        """See `AppCommands`."""
        job = self._do("install-engine", wish, Following)
        return self._follow(job, tell, cancelled, progress=EngineArriving, result=EngineBuild)

    def prove_engine(self, wish: ProvingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
        """See `AppCommands`."""
        job = self._do("prove-engine", wish, Following)
        return self._follow(job, tell, cancelled, progress=EngineArriving, result=EngineBuild)

    def remove_engine(self, wish: RemovingEngine) -> EngineRemoved:
        """See `AppCommands`."""
        return self._do("remove-engine", wish, EngineRemoved)

    def allow_engine(self, wish: AllowingEngine) -> EngineAllowed:
        """See `AppCommands`."""
        return self._do("allow-engine", wish, EngineAllowed)

    def _follow(
        self,
        job: Following,
        tell: Tell,
        cancelled: Cancellation,
        *,
        progress: type[msgspec.Struct],
        result: type[Answer],
    ) -> Answer:
        """Pass on what the app tells of long work, until it ends."""
        with cancelled.calling(lambda: self._cancel(job)):
            while True:
                answer = self._act("follow", _STATUS_S, job)
                report = decoded(answer.status, answer.content, JobReport)
                if report.has_ended:
                    return decoded(answer.status, bytes(report.told), result, path_from_json)
                if report.number > job.seen:
                    tell(decoded(answer.status, bytes(report.told), progress, path_from_json))
                job = Following(job.job, report.number)

    def _cancel(self, job: Following) -> None:
        with suppress(GatewayError):  # whoever follows hears what has become of the app
            self._act("cancel", _STATUS_S, job)

    def _do(self, name: str, wish: msgspec.Struct, kind: type[Answer]) -> Answer:
        """Have the app do this, which takes as long as it takes; what it says."""
        answer = self._act(name, None, wish)
        return decoded(answer.status, answer.content, kind, path_from_json)

    def _act(self, name: str, timeout_s: float | None, wish: msgspec.Struct | None = None) -> _Answer:
        # `json`, unlike msgspec, also writes letters that are none; the app then says so.
        body = b"" if wish is None else json.dumps(msgspec.to_builtins(wish, enc_hook=path_to_json)).encode()
        answer = self._ask("POST", f"/{name}", timeout_s, body)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise self._of_another_version(name)
        if answer.status == HTTPStatus.CONFLICT:
            raise decoded(answer.status, answer.content, ErrorDocument).error()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            reason = decoded(answer.status, answer.content, ErrorBody).error.message
            raise GatewayError(ErrorCode.APP_REFUSED, "The running app refused the command", reason)
        return answer

    def _of_another_version(self, name: str) -> GatewayError:
        version = self.status().version
        runs = (
            phrase("Version {version} is running", version=version)
            if version
            else "An earlier version is running"
        )
        return GatewayError(
            ErrorCode.APP_VERSION_DIFFERS,
            phrase("A different version of PowerInfer Tray is running (PID {pid})", pid=self.pid),
            phrase(
                "{runs}, which does not support “{name}”. This command is from version {ours}.",
                runs=runs,
                name=name,
                ours=__version__,
            ),
            "Restart the app: powerinfer-tray quit, then powerinfer-tray.",
        )

    def _ask(self, method: str, path: str, timeout_s: float | None, body: bytes = b"") -> _Answer:
        with LoopbackConnection(self._url) as connection:
            exchange = self._meet(connection, min(timeout_s or _STATUS_S, _STATUS_S))
            proven = {PROOF_OF_REQUEST: exchange.header(exchange.of_request(method, path, body))}
            try:
                response = connection.send(method, path, timeout_s, body, proven)
                answer = _Answer(response.status, connection.content(response, _MOST_ANSWER_BYTES))
            except SlowAnswerError as exc:
                raise self._busy(timeout_s) from exc
            except NobodyAnswersError as exc:
                raise self._gone() from exc
        proof = exchange.of_answer(answer.status, answer.content).hex()
        if not hmac.compare_digest(proof.encode(), response.headers.get(PROOF_OF_ANSWER, "").encode()):
            raise _StrangerError
        return answer

    def _meet(self, connection: LoopbackConnection, timeout_s: float) -> Exchange:
        """Have whoever listens prove that it is the app; its exchange with us."""
        nonce = new_nonce()
        challenge = msgspec.json.encode(Challenge(nonce))
        try:
            response = connection.send("POST", CHALLENGE_PATH, timeout_s, challenge, {})
            welcome = msgspec.json.decode(connection.content(response, _MOST_WELCOME_BYTES), type=Welcome)
        except NobodyAnswersError as exc:
            raise self._gone() from exc
        except SlowAnswerError as exc:
            raise (self._busy(timeout_s) if self._looks_like_the_app() else _StrangerError()) from exc
        except NOT_JSON as exc:
            raise _StrangerError from exc
        exchange = Exchange(self._file.token, nonce, welcome.nonce)
        if not hmac.compare_digest(welcome.proof, exchange.of_app()):
            raise _StrangerError
        return exchange

    def _looks_like_the_app(self) -> bool:
        """Whether the system says that the process of the file is this app, and has its port."""
        from tray_app.system.ports import port_owners
        from tray_app.system.programs import THIS_APP, program_name

        owners = {owner.pid for owner in port_owners(self._file.port)}
        return program_name(self.pid) == THIS_APP and not owners.isdisjoint({self.pid, None})

    def _gone(self) -> NobodyAnswersError:
        return NobodyAnswersError(
            ErrorCode.APP_ENDED,
            "PowerInfer Tray has quit",
            phrase("It was running (PID {pid}) but no longer responds.", pid=self.pid),
            "What it was doing has stopped, too. Run the command again.",
        )

    def _busy(self, timeout_s: float | None) -> SlowAnswerError:
        return SlowAnswerError(
            ErrorCode.APP_NOT_RESPONDING,
            phrase("PowerInfer Tray is running (PID {pid}) but not responding", pid=self.pid),
            phrase("It has not answered for {seconds:.0f} s.", seconds=timeout_s or 0.0),
            "It may be busy. Try again in a moment. If that does not help, end the process.",
        )


def find_running(state_dir: Path, patience_s: float = _STATUS_S) -> ControlClient | None:
    """The app that runs now; None if there is none, also if one died and left its file behind.

    Raises
    ------
    SlowAnswerError
        If one is there that does not answer within `patience_s`: busy, or stopped by the system.
    AppError
        If it cannot be known: another program, or another user, has the app's lock.

    """
    deadline_s, wait_s = time.monotonic() + min(patience_s, _COMING_UP_S), 0.0
    while not nobody_runs(state_dir, wait_s):
        if client := _answering(state_dir, patience_s):
            return client
        if time.monotonic() > deadline_s:
            raise GatewayError(
                ErrorCode.APP_UNREACHABLE,
                "PowerInfer Tray cannot be reached",
                phrase(
                    "{path} is locked, as when PowerInfer Tray is running, but it does not answer.",
                    path=lock_path(state_dir),
                ),
                "If PowerInfer Tray is running, restart it. If not, delete this file.",
            )
        wait_s = _LOOK_S
    return None


def _answering(state_dir: Path, patience_s: float) -> ControlClient | None:
    """The app that the file names; None if nobody proves to be it."""
    if (file := read_control_file(state_dir)) is None:
        return None
    client = ControlClient(file)
    try:
        client.status(patience_s)
    except SlowAnswerError:
        raise
    except GatewayError:
        return None
    return client
