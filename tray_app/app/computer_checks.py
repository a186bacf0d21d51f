"""Checks what surrounds models and engines: keys, the port, folders, settings, and the way to the internet.

Any thread; takes a second.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from tray_app.app.diagnostic_findings import FolderFinding, NetworkFinding, PortFinding, SettingsFinding
from tray_app.app.engine_checks import settings_without_effect
from tray_app.app.public_address import check_client_key, listening_address
from tray_app.app.redaction import HIDDEN, SECRET_NAME
from tray_app.engine.engine_setting import is_remote
from tray_app.errors import AppError, DownloadError, ErrorCode, ModelError, SettingsError
from tray_app.phrases import joined, phrase
from tray_app.settings.fields import FIELDS
from tray_app.settings.keys import GATEWAY, KEYS, REMOTE, can_be_guessed
from tray_app.settings.value_text import value_text
from tray_app.system.disk import disk_space, nearest_folder
from tray_app.system.files import NOT_JSON, SMALL_FILE_BYTES, folder_not_writable
from tray_app.system.ports import PortInUseError, port_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tray_app.app.diagnostic_inputs import DiagnosticInputs, Notes
    from tray_app.download.session import Session
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings
    from tray_app.system.disk import DiskSpace

_NETWORK_TIMEOUT_S = (5.0, 10.0)
"""For a connection, and for its answer."""


def check_keys(inputs: DiagnosticInputs, notes: Notes) -> dict[str, str]:
    """Where keys are kept, never the keys.

    The keychain may show a dialog, so it is asked only for keys that are in use.
    """
    settings, running = inputs.settings, inputs.running
    try:
        key = check_client_key(settings, inputs.secrets)
        if key and can_be_guessed(key):
            notes.add(_guessable(), stops=False)
    except AppError as exc:
        # A running server has its key, perhaps from a variable that is not set in this process.
        notes.add(exc, stops=not (running and running.serving))
    used = {GATEWAY: settings.network == "lan", REMOTE: is_remote(settings)}
    places = {}
    for each in KEYS:
        with suppress(AppError):  # a needed key that cannot be read was reported above
            if place := inputs.secrets.where(each.name, ask_keychain=used.get(each, False)):
                places[each.name] = str(place.words)
    return places


def _guessable() -> SettingsError:
    return SettingsError(
        ErrorCode.KEY_GUESSABLE,
        "The API key for the local network is too easy to guess",
        "It is short or has a pattern, and anyone on the network can try keys.",
        "Set another one in the settings under “Network & access”, where “Generate” creates one, or "
        "run: powerinfer-tray key set gateway. Then enter it in your clients.",
    )


def check_port(inputs: DiagnosticInputs, notes: Notes) -> PortFinding:
    """Who has the server's port."""
    number, running = inputs.settings.port, inputs.running
    if running and running.base_url:  # its port may have been chosen with an option for this run
        number = urlsplit(running.base_url).port or number
        return PortFinding(number, free=False, ours=True, owners=(), nearest_free=None)
    obstacle = port_obstacle(number, listening_address(inputs.settings))
    if obstacle is None:
        return PortFinding(number, free=True, ours=False, owners=(), nearest_free=None)
    notes.add(obstacle, stops=True)
    owners = obstacle.owners if isinstance(obstacle, PortInUseError) else ()
    return PortFinding(number, False, False, tuple(map(str, owners)), obstacle.nearest_free)


def check_folders(inputs: DiagnosticInputs, notes: Notes) -> tuple[FolderFinding, ...]:
    """Whether the folders of this app are there, or can be made, and can be written to."""
    paths, chosen = inputs.paths, inputs.settings.models_folder
    folders = (
        _folder("models", inputs.library.folder),
        _folder("state", paths.state),
        _folder("logs", paths.logs),
        _folder("settings", paths.settings_file.parent),
    )
    for folder in folders:
        if folder.purpose == "models" and chosen and not folder.exists:
            notes.add(
                ModelError(
                    ErrorCode.MODELS_FOLDER_MISSING,
                    "The models folder is missing",
                    f"{folder.path} does not exist. Is its drive connected?",
                    "Connect the drive, or choose another models folder in the settings.",
                ),
                stops=False,
            )
    if closed := [folder for folder in folders if not folder.writable]:
        notes.add(
            folder_not_writable(
                SettingsError,
                joined("\n", [phrase("{purpose}: {path}", purpose=f.purpose, path=f.path) for f in closed]),
                "Give yourself permission to write, or set POWERINFER_TRAY_HOME to another folder.",
            ),
            stops=any(folder.purpose != "models" for folder in closed),
        )
    return folders


def _folder(purpose: str, path: Path) -> FolderFinding:
    exists = os.path.isdir(path)  # noqa: PTH112 Path's raises where permission is lacking
    writable = _can_write(path) if exists else _can_be_made(path)
    space = space_of(path)
    return FolderFinding(purpose, str(path), exists, writable, space.free_bytes if space else None)


def _can_be_made(folder: Path) -> bool:
    try:
        nearest = nearest_folder(folder)
    except OSError:
        return False
    return nearest.is_dir() and os.access(nearest, os.W_OK)


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def space_of(folder: Path) -> DiskSpace | None:
    """The space on the disk of a folder, which need not be there; None if it cannot be told."""
    try:
        return disk_space(nearest_folder(folder))
    except OSError:
        return None


def settings_finding(inputs: DiagnosticInputs, notes: Notes) -> SettingsFinding:
    """The settings that are not as they are by default, without secrets."""
    ignored = settings_without_effect(inputs, notes)
    return SettingsFinding(
        str(inputs.paths.settings_file),
        _changed(inputs.settings),
        tuple(ignored),
        {name: str(reason) for name, reason in ignored.items()},
        {model_id: _as_shown(own) for model_id, own in inputs.settings.models.items()},
    )


def _changed(settings: Settings) -> dict[str, str]:
    """The settings that differ from their defaults, as text."""
    values = msgspec.structs.asdict(settings)
    changed = {each.name: values[each.name] for each in FIELDS if values[each.name] != each.default}
    return _as_shown(changed)


def _as_shown(values: Mapping[str, object]) -> dict[str, str]:
    """Settings as text, without secrets."""
    return {name: HIDDEN if SECRET_NAME.search(name) else value_text(value) for name, value in values.items()}


def check_network(inputs: DiagnosticInputs, notes: Notes, session: Session) -> tuple[NetworkFinding, ...]:
    """Whether downloads could come in, over the system's proxy and with its certificates, and whether a
    person's own address of releases tells of one.
    """
    settings = inputs.settings
    looks: list[tuple[str, Callable[[str, Session], None]]] = [(settings.hf_endpoint, _reach)]
    if settings.check_for_updates and settings.updates_address.strip():
        looks.append((settings.updates_address.strip(), _read_release))
    found = []
    for address, look in looks:
        began_s = time.perf_counter()
        took_ms: float | None = None
        try:
            look(address, session)
            took_ms = (time.perf_counter() - began_s) * 1000
        except DownloadError as exc:
            notes.add(exc, stops=False)
        found.append(NetworkFinding(address, took_ms))
    return tuple(found)


def _reach(address: str, session: Session) -> None:
    for answer in session.get_hops(address, {}, _NETWORK_TIMEOUT_S):
        answer.close()


def _read_release(address: str, session: Session) -> None:
    from tray_app.app.release import read_release
    from tray_app.download.response_body import pieces_of

    with closing(session.get_hops(address, {}, _NETWORK_TIMEOUT_S)[-1]) as answer:
        content = b"".join(pieces_of(answer, SMALL_FILE_BYTES, sum(_NETWORK_TIMEOUT_S)))
    reason: Text = "It is a draft or a pre-release, or its tag is not a version number."
    try:
        if read_release(content, address):
            return
    except NOT_JSON:
        reason = "The answer is not what GitHub sends about the latest release."
    raise DownloadError(
        ErrorCode.RELEASE_NOT_READABLE,
        phrase("No release was found at {address}", address=address),
        reason,
        "Correct the setting updates_address, or reset it to ask GitHub.",
    )
