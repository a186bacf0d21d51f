"""Counters as Prometheus reads them. Pure.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tray_app.gateway.counters import Traffic

CONTENT_TYPE = "text/plain; version=0.0.4"

_OF_A_MODEL: tuple[tuple[str, str, str, Callable[[Traffic], float]], ...] = (
    ("requests_total", "counter", "Requests sent to a model's engine.", attrgetter("requests")),
    ("request_errors_total", "counter", "Requests that failed.", attrgetter("errors")),
    ("requests_active", "gauge", "Requests in progress.", attrgetter("active")),
    ("prompt_tokens_total", "counter", "Tokens that a model has read.", attrgetter("prompt_tokens")),
    ("completion_tokens_total", "counter", "Tokens that it made.", attrgetter("completion_tokens")),
)


def prometheus_text(traffic: Traffic, of_models: Mapping[str, Traffic], *, ready: bool) -> str:
    """The text of /metrics; `ready`: whether an engine answers now.

    What each model has done has names of its own, so that nobody who adds up a name counts twice.
    """
    quantiles = {
        "0.5": traffic.latency_p50_ms,
        "0.95": traffic.latency_p95_ms,
        "0.99": traffic.latency_p99_ms,
    }
    latency = {
        f'{{quantile="{share}"}}': value_ms / 1000
        for share, value_ms in quantiles.items()
        if value_ms is not None
    }
    return "".join(
        (
            _metric("requests_total", "counter", "Requests for the engine.", {"": traffic.requests}),
            _metric("request_errors_total", "counter", "Requests that failed.", {"": traffic.errors}),
            _metric("requests_active", "gauge", "Requests in progress.", {"": traffic.active}),
            _metric("prompt_tokens_total", "counter", "Tokens read.", {"": traffic.prompt_tokens}),
            _metric(
                "completion_tokens_total", "counter", "Tokens generated.", {"": traffic.completion_tokens}
            ),
            _metric(
                "request_seconds",
                "summary",
                "Time to the end of the answer; quantiles of the last 1000.",
                {**latency, "_sum": traffic.latency_sum_s, "_count": traffic.requests},
            ),
            _metric("engine_ready", "gauge", "Whether an engine answers.", {"": int(ready)}),
            *(
                _metric(f"model_{name}", kind, text, _by_model(of_models, value))
                for name, kind, text, value in _OF_A_MODEL
                if of_models
            ),
        )
    )


def _by_model(of_models: Mapping[str, Traffic], value: Callable[[Traffic], float]) -> dict[str, float]:
    return {f'{{model="{_escaped(model_id)}"}}': value(each) for model_id, each in of_models.items()}


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _metric(name: str, kind: str, text: str, samples: dict[str, float]) -> str:
    name = f"powerinfer_tray_{name}"
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{suffix} {value:.12g}" for suffix, value in samples.items()]
    return "\n".join(lines) + "\n"
