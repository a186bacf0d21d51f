"""The tray menu: its entries, their order, and which are visible now. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.app.server_status import ServerState
from tray_app.download.progress import Phase
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import engine_setting
from tray_app.system.autostart import Login
from tray_app.ui.presenters.engines import Standing, is_loaded, standing_of

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.models.model import Model
    from tray_app.phrases import Translate
    from tray_app.ui.presenters.model_facts import ModelFacts


class Command(StrEnum):
    """What can be chosen in the tray menu."""

    ORIGIN = "origin"
    PAUSE = "pause"
    RESUME = "resume"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    MODELS = "models"
    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    COPY_URL = "copy url"
    COPY_CURL = "copy curl"
    COPY_PYTHON = "copy python"
    COPY_JAVASCRIPT = "copy javascript"
    COPY_4D = "copy 4d"
    WINDOW = "window"
    UPDATE = "update"
    SETTINGS = "settings"
    LOGIN = "login"
    ABOUT = "about"
    QUIT = "quit"


class Submenu(StrEnum):
    """The submenus."""

    MODELS = "models"


MENU: tuple[tuple[Command | Submenu, ...], ...] = (
    (Command.PAUSE, Command.RESUME, Command.COPY_URL),
    (Command.CHAT, Command.EMBEDDINGS, Command.WINDOW),
    (Command.START, Command.STOP, Command.RESTART, Submenu.MODELS),
    (Command.UPDATE, Command.SETTINGS, Command.LOGIN, Command.ABOUT),
    (Command.QUIT,),
)
"""The menu below its status lines, from the top, with a line between the groups."""

COPIES = (
    Command.COPY_URL,
    Command.COPY_CURL,
    Command.COPY_PYTHON,
    Command.COPY_JAVASCRIPT,
    Command.COPY_4D,
)
"""What can be copied for clients, from the top."""

MOST_CHOICES = 50
"""Models in the submenu: more would not fit on a screen, and each is sent over D-Bus. The page lists all."""


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """An entry of the menu, which is visible only while it can be chosen."""

    text: str
    visible: bool = True
    checked: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """An installed model in the submenu Models."""

    label: str
    id: str
    loaded: bool
    """Whether it is loaded or being loaded."""
    hint: str = ""
    """What happens if it is chosen."""


def menu_entries(status: AppStatus, current: Progress | None, tr: Translate) -> dict[Command, MenuEntry]:
    """Every entry, for a status and the download that the tray shows."""
    paused = current is not None and current.phase is Phase.PAUSED
    address, newer = status.server.base_url, status.updates.newer
    return {
        Command.PAUSE: MenuEntry(tr("&Pause Download"), visible=current is not None and not paused),
        Command.RESUME: MenuEntry(tr("Resume &Download"), visible=paused),
        Command.COPY_URL: MenuEntry(
            tr("&Copy {address}").format(address=address or ""), visible=address is not None
        ),
        Command.CHAT: MenuEntry(tr("Open C&hat")),
        Command.EMBEDDINGS: MenuEntry(tr("Open &Embeddings")),
        Command.WINDOW: MenuEntry(tr("&Open Window")),
        Command.START: MenuEntry(tr("&Start Server"), visible=not start_refusal(status, tr)),
        Command.STOP: MenuEntry(tr("S&top Server"), visible=takes_models(status)),
        Command.RESTART: MenuEntry(tr("&Restart Server"), visible=status.server.state.runs),
        Command.MODELS: MenuEntry(tr("&More Models…")),
        Command.UPDATE: MenuEntry(
            tr("&Version {version} is available…").format(version=newer.version if newer else ""),
            visible=newer is not None,
        ),
        Command.SETTINGS: MenuEntry(tr("Sett&ings…")),
        Command.LOGIN: MenuEntry(login_text(status, tr), checked=status.settings.launch_at_login),
        Command.ABOUT: MenuEntry(tr("&About")),
        Command.QUIT: MenuEntry(tr("&Quit")),
    }


def login_text(status: AppStatus, tr: Translate) -> str:
    """The entry for launch at login, which also repairs one of the system that starts another program."""
    return tr("Repair &Launch at Login") if status.login is Login.ELSEWHERE else tr("&Launch at Login")


def submenu_title(submenu: Submenu, tr: Translate) -> str:
    """The title of a submenu."""
    return {Submenu.MODELS: tr("&Models")}[submenu]


def copy_label(command: Command, tr: Translate) -> str:
    """The title of one of `COPIES` in a menu Copy."""
    return {
        Command.COPY_URL: tr("&Address"),
        Command.COPY_CURL: tr("Example for &curl"),
        Command.COPY_PYTHON: tr("Example for &Python"),
        Command.COPY_JAVASCRIPT: tr("Example for &JavaScript"),
        Command.COPY_4D: tr("Example for &4D"),
    }[command]


def model_choices(facts: ModelFacts, status: AppStatus, tr: Translate) -> tuple[ModelChoice, ...]:
    """The installed models in the submenu: at most `MOST_CHOICES`, and the loaded and the chosen ones."""
    loaded = {model.id for model in facts.installed if is_loaded(status, model.id)}
    shown = facts.installed[:MOST_CHOICES]
    shown += tuple(
        model for model in facts.installed[MOST_CHOICES:] if model.id in loaded or model.id == facts.chosen
    )
    return tuple(
        ModelChoice(
            _choice_label(model, facts, status, tr),
            model.id,
            loaded=model.id in loaded,
            hint=_choice_hint(status, tr, loaded=model.id in loaded),
        )
        for model in shown
    )


def takes_models(status: AppStatus) -> bool:
    """Whether models can be loaded now, since the server is not stopped."""
    server = status.server
    return server.state is not ServerState.STOPPING and (server.state.runs or server.base_url is not None)


def is_remote(status: AppStatus) -> bool:
    """Whether the engine is a server on another computer, which loads models itself."""
    return engine_setting(status.settings.engine) is EngineKind.REMOTE


def _choice_label(model: Model, facts: ModelFacts, status: AppStatus, tr: Translate) -> str:
    notes = [tr("chosen")] if model.id == facts.chosen else []
    if standing_of(status, model.id) in (Standing.LOADING, Standing.QUEUED):
        notes.append(tr("loading …"))
    name = tr.said(model.name)
    return tr("{name} — {notes}").format(name=name, notes=tr(", ").join(notes)) if notes else name


def _choice_hint(status: AppStatus, tr: Translate, *, loaded: bool) -> str:
    if loaded:
        return tr("Unload this model")
    if is_remote(status):
        return tr("Choose this model")
    if takes_models(status):
        return tr("Load this model beside the others")
    return tr("Choose this model and start the server")


def start_refusal(status: AppStatus, tr: Translate) -> str:
    """Why the server cannot be started now; empty if it can. A start downloads a missing model first."""
    match status.server.state:
        case ServerState.READY:
            return tr("The server is running already.")
        case state if state.gets_ready:
            return tr("The server is starting already.")
        case ServerState.WAITING:
            return tr("The server starts by itself when the model is there again.")
        case _:
            return "" if status.model_name else tr("Choose a model first.")
