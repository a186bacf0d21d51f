"""The arguments that only this app may give an engine, under all their names. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.engine.arguments import argument_named
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.ineffective_settings import ONE_THREAD
from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tray_app.phrases import Text

_CONTEXT: Text = "Set “Context size” instead. It keeps requests within the engine's limits."
_MODEL: Text = "Set “Model” instead."
_DOWNLOAD: Text = "The engine would download the model itself. Download it with this app and set “Model”."
_ADDRESS: Text = "Only this app connects to the engine. Other apps use the server's address."
_KEY: Text = (
    "Only this app connects to the engine. To set a key for other apps, run: powerinfer-tray key set gateway"
)
_TOOLS: Text = "Only this app connects to the engine, and the engine runs nothing for web pages or models."
_EMBEDDING: Text = "The engine always provides both embeddings and text."

_OWNED: dict[str, Text] = {
    "model": _MODEL,
    "models_dir": _MODEL,
    "models_preset": _MODEL,
    "models_preset_hf": _MODEL,
    "models_max": _MODEL,
    "models_autoload": _MODEL,
    "hf_token": _DOWNLOAD,
    "n_ctx": _CONTEXT,
    "kv_unified_per_slot": _CONTEXT,
    "kv_unified": (
        "This app sets it, because separate caches make the engine pool the texts of a list wrongly."
    ),
    "port": "The engine uses its own free port. Apps use the port in the setting “Port”.",
    "hostnames": _ADDRESS,
    "reuse_port": _ADDRESS,
    "api_prefix": _ADDRESS,
    "public_path": _ADDRESS,
    "ssl_file_key": _ADDRESS,
    "ssl_file_cert": _ADDRESS,
    "cors_origins": _ADDRESS,
    "cors_origins_explicit": _ADDRESS,
    "cors_methods": _ADDRESS,
    "cors_headers": _ADDRESS,
    "cors_credentials": _ADDRESS,
    "api_keys": _KEY,
    "api_key_file": _KEY,
    "ui": _TOOLS,
    "ui_config_json": _TOOLS,
    "ui_config_file": _TOOLS,
    "ui_mcp_proxy": _TOOLS,
    "agent": _TOOLS,
    "server_tools": _TOOLS,
    "server_tools_runtime": _TOOLS,
    "mcp_servers_config": _TOOLS,
    "mcp_servers_json": _TOOLS,
    "embedding": _EMBEDDING,
    "sse_ping_interval": "Comments in a stream make some apps fail.",
    "sleep_idle_seconds": "Set “Stop when idle” instead.",
    "information": "It makes the engine print something and exit.",
}
"""For each parameter of llama.cpp, or group of parameters, why “Extra arguments” must not set it."""
_SOURCES = ("url", "hf_repo", "hf_file", "docker_repo")
"""Parameters that make llama.cpp download files; each exists in several groups."""
_OWNED_BY_POWERINFER: dict[str, Text] = {
    "n_parallel": "PowerInfer mixes up simultaneous requests and crashes."
}
_OWNED_WITH_SPARSE: dict[str, Text] = {
    "cpuparams.n_threads": ONE_THREAD,
    "cpuparams_batch.n_threads": ONE_THREAD,
}


def check_extra(arguments: tuple[str, ...], kind: EngineKind, *, sparse: bool) -> None:
    """`SettingsError` if one of these extra arguments sets something that this app decides."""
    owned = dict(_OWNED)
    if kind is EngineKind.POWERINFER:
        owned |= _OWNED_BY_POWERINFER | (_OWNED_WITH_SPARSE if sparse else {})
    for word in arguments:
        flag = word.partition("=")[0]
        argument = argument_named(flag)
        if argument and (reason := _reason(argument.parameter, owned)):
            title = phrase("“Extra arguments” cannot contain {flag}", flag=flag)
            raise SettingsError(ErrorCode.EXTRA_ARGUMENT_NOT_ALLOWED, title, reason, "Remove it.")


def _reason(parameter: str, owned: Mapping[str, Text]) -> Text | None:
    group, _, name = parameter.rpartition(".")
    if name in _SOURCES:
        return _DOWNLOAD
    return owned.get(parameter) or owned.get(group)
