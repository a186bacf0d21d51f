"""Installed builds that have failed with a model: which, why, and whether it was really their fault.

A build that fails is suspected, and not used for that model. Only if another engine then runs the model, the
build is set aside for good; else the cause lies elsewhere, as in a damaged file, and nothing is held against
it. Any thread.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

from tray_app.engine.builds.build import SetAside
from tray_app.engine.finding import Builds
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError

if TYPE_CHECKING:
    from tray_app.engine.builds.build import InstalledBuild
    from tray_app.engine.program import Engine
    from tray_app.engine.snapshot import EngineSnapshot

_log = logging.getLogger(__name__)


class Store(Builds, Protocol):
    """What is needed of `EngineStore`; see there. Each method may raise `EngineError`."""

    def served(self, build_id: str) -> None:
        """Note that a model ran on a build."""

    def set_aside(self, build_id: str, model_id: str, reason: str) -> None:
        """Use a build no more for a model."""


class Fallbacks:
    """The builds of `store` as `Builds`, without those that have just failed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards the next one; not held while the store works
        self._suspects: dict[str, tuple[SetAside, ...]] = {}
        """By the id of the model."""

    def installed(self) -> tuple[InstalledBuild, ...]:
        """See `Builds`."""
        return self._store.installed()

    def set_asides(self) -> tuple[SetAside, ...]:
        """See `Builds`; those that are suspected, too."""
        with self._lock:
            suspects = tuple(each for of_model in self._suspects.values() for each in of_model)
        return (*suspects, *self._store.set_asides())

    def check_unchanged(self, build: InstalledBuild) -> None:
        """See `Builds`."""
        self._store.check_unchanged(build)

    def check_engine(self, engine: Engine) -> None:
        """`EngineError` if it is an installed build whose files have changed."""
        if engine.build:
            self._store.check_unchanged(engine.build)

    def suspect(self, failed: LaunchPlan, failure: EngineError) -> None:
        """Do not use the build of this plan for its model, because of this failure."""
        build = failed.engine.build
        if build is None:
            return
        reason = ". ".join(filter(None, (failure.title, failure.message)))
        _log.info("%s is not used for %s: %s", build.id, failed.model.id, reason)
        suspect = SetAside(build.id, failed.model.id, reason)
        with self._lock:
            self._suspects[failed.model.id] = (*self._suspects.get(failed.model.id, ()), suspect)

    def note(self, snapshot: EngineSnapshot) -> None:
        """Learn from what has become of an engine. Called after each change of it."""
        plan = snapshot.plan
        if not isinstance(plan, LaunchPlan) or snapshot.state not in (State.READY, State.FAILED):
            return
        if snapshot.state is State.FAILED and snapshot.makes_place:
            return  # that one is suspected next
        with self._lock:
            suspects = self._suspects.pop(plan.model.id, ())
        if snapshot.state is State.FAILED:
            return
        build = plan.engine.build
        try:
            for each in suspects:
                if build is None or each.build_id != build.id:
                    self._store.set_aside(each.build_id, each.model_id, each.reason)
            if build:
                self._store.served(build.id)
        except EngineError as exc:
            _log.warning("What was learned of an engine cannot be kept: %s", exc)
