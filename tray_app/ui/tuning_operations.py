"""What the tune dialog asks for: to measure the server, and to keep the result. Runs off the GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.app.tuning import tune
from tray_app.settings.model_settings import with_own, with_values
from tray_app.ui.garbage import import_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from tray_app.app.tuning import Tuning
    from tray_app.ui.app_protocol import AppProtocol


def measure_speed(
    app: AppProtocol,
    cancelled: Event,
    closing: Event,
    tell: Callable[[Tuning, int], None],
) -> Tuning:
    """Measure the running server on each engine and with several numbers of threads: see `tuning.tune`."""
    import_once("tray_app.ui.widgets.curve")

    def tell_or_stop(found: Tuning, total: int) -> None:
        if closing.is_set():
            cancelled.set()
        tell(found, total)

    settings = app.store.current
    options = app.engine_options(settings)
    in_force = app.status().model_settings  # also what the catalog knows of the model
    return tune(app, in_force, app.host, cancelled, tell_or_stop, options)


def keep_tuning(app: AppProtocol, tuning: Tuning) -> None:
    """Save the fastest engine and numbers of threads for the chosen model; a running server restarts."""
    model_id, best = app.chosen_id(), tuning.advice
    new = app.store.current
    if best != tuning.present:
        values = {"threads": best.generation, "threads_batch": best.prompt}
        new = with_values(new, model_id, values)
    if model_id and tuning.engine != tuning.present_engine:  # models of other kinds may need another one
        new = with_own(new, model_id, {"engine": tuning.engine})
    app.apply(new)
