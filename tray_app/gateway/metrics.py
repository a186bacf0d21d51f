"""Counters as Prometheus reads them. Pure.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tray_app.gateway.counters import Traffic

CONTENT_TYPE = "text/plain; version=0.0.4"


def prometheus_text(traffic: Traffic, *, ready: bool) -> str:
    """The text of /metrics; `ready`: whether an engine answers now."""
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
            _metric("request_errors_total", "counter", "Those that failed.", {"": traffic.errors}),
            _metric("requests_active", "gauge", "Requests under way.", {"": traffic.active}),
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
        )
    )


def _metric(name: str, kind: str, text: str, samples: dict[str, float]) -> str:
    name = f"powerinfer_tray_{name}"
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{suffix} {value:.12g}" for suffix, value in samples.items()]
    return "\n".join(lines) + "\n"
