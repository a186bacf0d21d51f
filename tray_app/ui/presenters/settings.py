"""The settings dialog: what is valid, what has an effect here, what would happen. Pure."""

from __future__ import annotations

import shlex
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import engine_setting
from tray_app.engine.ineffective_settings import without_effect
from tray_app.engine.launch_plan import HOST, PORT, LaunchPlan
from tray_app.errors import AppError, EngineError, ModelError, SettingsError
from tray_app.settings.fields import field_named
from tray_app.settings.keys import REMOTE
from tray_app.settings.model_settings import check_aliases, check_own, effective, with_own
from tray_app.settings.schema import AUTO, Scope, Settings
from tray_app.settings.value_text import parse_value
from tray_app.system.autostart import Login
from tray_app.ui.presenters.engine_names import ENGINES
from tray_app.ui.presenters.formatting import error_title

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tray_app.app.status import AppStatus
    from tray_app.engine.launch_plan import Plan
    from tray_app.phrases import Translate
    from tray_app.settings.fields import Field
    from tray_app.system.host import Host
    from tray_app.system.ports import PortOwner

ALL_MODELS = ""
"""In place of the id of a model: the settings for all models."""
GROUPS = ("general", "models", "answers", "speed", "network", "downloads")
SYMBOLS = {
    "general": "settings",
    "models": "boxes",
    "answers": "messages-square",
    "speed": "gauge",
    "network": "globe",
    "downloads": "download",
}
"""The symbol of each group."""

LANGUAGES = {"en": "English", "fr": "Français", "ja": "日本語"}
"""Each in itself, so that people who cannot read the current one find it."""


def group_title(group: str, tr: Translate) -> str:
    """The heading of a group of settings."""
    return {
        "general": tr("General"),
        "models": tr("Models & memory"),
        "answers": tr("Answers"),
        "speed": tr("Engine & speed"),
        "network": tr("Network & access"),
        "downloads": tr("Downloads"),
    }[group]


def choice_title(name: str, choice: str, tr: Translate) -> str:
    """The title of a value of a setting that has only a few."""
    if name == "pooling":
        return {
            "auto": tr("Automatic"),
            "mean": tr("Mean of all tokens (mean)"),
            "cls": tr("First token (cls)"),
            "last": tr("Last token (last)"),
            "rank": tr("Score instead of a vector (rank)"),
        }[choice]
    if name == "shorter_vectors":
        return {
            "auto": tr("Automatic"),
            "yes": tr("Allowed"),
            "no": tr("Not allowed"),
        }[choice]
    return {
        "local": tr("This computer only"),
        "lan": tr("Local network"),
        "auto": tr("System default"),
    }.get(choice) or LANGUAGES[choice]


def read_draft(base: Settings, draft: Mapping[str, Any], tr: Translate) -> tuple[Settings, dict[str, str]]:
    """`base` with the values of a draft, and all problems by the names of the settings.

    Texts are parsed as typed values. A setting with a problem keeps its value of `base`.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in draft.items():
        try:
            values[name] = parse_value(name, value) if isinstance(value, str) else value
        except SettingsError as exc:
            problems[name] = tr.said(exc.texts[1])
    if problem := _engine_problem(values.get("engine", ""), tr):
        problems["engine"] = problem
        del values["engine"]
    return msgspec.structs.replace(base, **values), problems


def read_drafts(
    base: Settings, drafts: Mapping[str, Mapping[str, Any]], tr: Translate
) -> tuple[Settings, dict[str, dict[str, str]]]:
    """`base` with the values of all drafts, and for each draft its problems by the names of the settings.

    The keys of drafts are the ids of the models that they are for, or `ALL_MODELS`. A value of None removes a
    model's own value.
    """
    new, for_all = read_draft(base, drafts.get(ALL_MODELS, {}), tr)
    problems = {ALL_MODELS: for_all}
    for model_id, draft in drafts.items():
        if model_id != ALL_MODELS:
            own, problems[model_id] = _read_own(draft, tr)
            new = with_own(new, model_id, own)
            try:
                check_aliases(new, model_id)
            except SettingsError as exc:
                problems[model_id]["aliases"] = f"{tr.said(exc.texts[0])}. {tr.said(exc.texts[1])}"
                new = with_own(new, model_id, {"aliases": base.models.get(model_id, {}).get("aliases")})
    return new, problems


def _read_own(draft: Mapping[str, Any], tr: Translate) -> tuple[dict[str, Any], dict[str, str]]:
    """A model's own values of a draft, and the problems of the others by the names of the settings."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in draft.items():
        try:
            typed = parse_value(name, value) if isinstance(value, str) else value
            values[name] = None if value is None else check_own(field_named(name), typed)
        except SettingsError as exc:
            problems[name] = tr.said(exc.texts[1])
    if problem := _engine_problem(values.get("engine") or "", tr):
        problems["engine"] = problem
        del values["engine"]
    return values, problems


class Origin(Enum):
    """Where the value comes from that applies to a model."""

    OWN = auto()
    """It is the model's own."""
    CATALOG = auto()
    """It is the catalog's for this model."""
    ALL = auto()
    """It is the one for all models."""


def origin_of(name: str, own: Collection[str] | None, known: Collection[str]) -> Origin | None:
    """Where a setting's value comes from; None if that need not be said.

    `own` are the names of the model's own values, or None if the settings for all models are shown. `known`
    are the names of the catalog's values for the model.
    """
    if own is None:
        return None
    if name in own:
        return Origin.OWN if field_named(name).scope is Scope.EACH else None
    if name in known:
        return Origin.CATALOG
    return Origin.ALL if field_named(name).scope is Scope.EACH else None


def origin_text(origin: Origin | None, tr: Translate) -> str:
    """Where a value comes from, in words; empty if that need not be said."""
    match origin:
        case Origin.OWN:
            return tr("This model only")
        case Origin.CATALOG:
            return tr("From the catalog")
        case Origin.ALL:
            return tr("Same as for all models")
        case None:
            return ""


def needless(new: Settings, without_effect: Collection[str], host: Host) -> frozenset[str]:
    """The settings and keys that need not be shown, because they have no effect with the other settings.

    One with another value than its default is shown, and so is the VRAM budget on Apple silicon, with the
    reason why it has no effect.
    """
    default, shown = Settings(), effective(new, new.model)
    unused = {name for name in without_effect if getattr(shown, name) == getattr(default, name)}
    if host.apple_silicon:
        unused.discard("vram_budget")
    if new.engine != EngineKind.REMOTE:
        unused |= {name for name in ("remote_url", "remote_model") if not getattr(new, name)}
    if "remote_url" in unused:
        unused.add(REMOTE.name)
    return frozenset(unused)


def login_doubt(login: Login, new: Settings, tr: Translate) -> dict[str, str]:
    """A warning if another copy of the app starts at login, unless the draft repairs that."""
    if login is not Login.ELSEWHERE or new.launch_at_login:
        return {}
    return {
        "launch_at_login": tr(
            "At login, the system starts another copy of this app, or one that is gone. "
            "Turn this on to start this one."
        )
    }


def doubts(new: Settings, plan: Plan | AppError | None, tr: Translate) -> dict[str, str]:
    """Why the server could not be started, by setting. That may change, so it can be applied all the same."""
    match plan:
        case EngineError() if engine_setting(new.engine) not in ENGINES:
            return {"engine": error_title(plan, tr)}
        case ModelError() if new.model:
            return {"model": error_title(plan, tr)}
        case _:
            return {}


def port_doubt(owners: Iterable[PortOwner], tr: Translate) -> str:
    """The programs that use the port; empty if there are none. It may be free at the next start."""
    names = ", ".join(tr.said(owner.words) for owner in owners)
    return tr("Used by {programs}.").format(programs=names) if names else ""


def port_praise(status: AppStatus, port: int, tr: Translate) -> str:
    """The note beside a port that no other program uses."""
    if port == status.server.port:
        return tr("Used by this server")
    return tr("Free")


def automatic_context(new: Settings, plan: Plan | AppError | None, tr: Translate) -> str:
    """The size of an automatic context with this model on this computer; empty if it is not known."""
    if not isinstance(plan, LaunchPlan) or plan.model.settings_in(new).ctx_size != AUTO:
        return ""
    return tr("{size} tokens for this model").format(size=tr.number(plan.context_size))


def largest(field: Field, value: Any, host: Host) -> float:
    """The largest number for a setting on this computer; at least the current value."""
    if field.name not in ("threads", "threads_batch"):
        return field.maximum or 0
    set_already = value if isinstance(value, int) else 0
    return max(host.logical_cores, set_already)


def refusals(plan: Plan | AppError | None, host: Host, tr: Translate) -> dict[str, str]:
    """By setting, why it would have no effect with the engine of `plan`, which may not be known yet."""
    known = None if plan is None or isinstance(plan, AppError) else plan
    sparse = isinstance(known, LaunchPlan) and known.model.header.sparse
    reasons = without_effect(known.engine if known else None, host, sparse=sparse)
    return {name: tr.said(reason) for name, reason in reasons.items()}


def command_line(plan: Plan) -> str:
    """The command line of the engine, for people; its address and port are chosen when it starts."""
    chosen_later = {HOST: "ADDRESS", PORT: "PORT"}
    return shlex.join(chosen_later.get(word, word) for word in plan.argv)


def consequence(status: AppStatus, new: Settings, plan: Plan | AppError | None, tr: Translate) -> str:
    """What applying `new` means for clients, in one line; empty if nothing."""
    parts = []
    if status.server.state.runs:
        if isinstance(plan, AppError):
            parts.append(
                tr("The server cannot be started with these settings: {cause}").format(
                    cause=error_title(plan, tr)
                )
            )
        elif plan is not None and plan != status.engine.plan:
            parts.append(tr("The model will be loaded again."))
    if status.server.port not in (None, new.port):
        parts.append(tr("Apps must use port {port}.").format(port=new.port))
    return " ".join(parts)


def reload_consequence(status: AppStatus, plan: Plan | AppError | None, tr: Translate) -> str:
    """That another model than the chosen one is loaded again, if it is loaded and `plan` differs."""
    if not isinstance(plan, LaunchPlan):
        return ""
    told = {each.model_id: each.told for each in status.pool.others}.get(plan.model.id)
    if told is None or told == plan:
        return ""
    return tr("{model} will be loaded again.").format(model=tr.said(plan.model.name))


def changes_text(count: int, tr: Translate) -> str:
    """The number of changes that are not yet applied; empty if there are none."""
    return tr.count("{count} change.", "{count} changes.", count) if count else ""


def _engine_problem(text: str, tr: Translate) -> str:
    chosen = engine_setting(text)
    if not text or not isinstance(chosen, Path) or chosen.is_absolute():
        return ""
    return tr(
        "It must be auto, powerinfer, llama.cpp, llama-server, remote, an installed engine such as "
        "llama.cpp-cuda, or the full path of a program."
    )
