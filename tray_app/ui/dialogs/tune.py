"""Measures with which engine and how many threads the model is fastest, and sets that. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout

from tray_app.app.tuning import tuning_obstacle
from tray_app.engine.lifecycle import State
from tray_app.ui.cancellable_job import CancellableJob
from tray_app.ui.presenters.tuning import (
    embedding_points,
    engines_text,
    progress_text,
    token_points,
    tuning_text,
)
from tray_app.ui.style import MEDIUM, SMALL, Type, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.tuning_operations import keep_tuning, measure_speed
from tray_app.ui.widgets.basic import make_room
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.labels import heading, text_label

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.app.tuning import Tuning
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.widgets.curve import CurvePlot

_SIZE = (560, 480)


class TuneDialog(QDialog):
    """Measures one after the other; when it is closed, the server runs with its settings again."""

    _measured = Signal(object, int)

    def __init__(self, bridge: Bridge, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Best engine and number of threads"))
        self._bridge = bridge
        plan = bridge.status.engine.plan
        self._obstacle = tuning_obstacle(plan) if plan else None
        self._tuning: Tuning | None = None
        self._found: Tuning | None = None
        """What has been measured so far."""
        self._plot: CurvePlot | None = None
        self.intro = text_label(
            tr(
                "The server restarts on each engine and with different numbers of threads, and is measured "
                "each time. Other apps have to wait. Close programs that keep the processor busy."
            )
        )
        self.progress = QProgressBar()
        self.progress_label = QLabel()
        self.progress.setAccessibleName(tr("Engines and numbers of threads measured"))
        self.card = MessageCard()
        self._job = CancellableJob(bridge, self._permit, self._fail)
        self.engines = text_label()
        self.outcome = heading(kind=Type.TITLE)
        self.start_button = QPushButton(tr("&Measure"))
        self.apply_button = QPushButton(tr("&Use These"))
        self.close_button = QPushButton(tr("&Close"))
        set_variant(self.start_button, Variant.PRIMARY)
        set_variant(self.apply_button, Variant.PRIMARY)
        self.start_button.setDefault(True)
        self.start_button.setFocus()
        self.start_button.clicked.connect(self.measure)
        self.apply_button.clicked.connect(self._apply)
        self.close_button.clicked.connect(self.reject)
        self._measured.connect(self._show_measured)
        bridge.status_changed.connect(self._show_engines)
        self._lay_out()
        self._permit()
        self.resize(*_SIZE)
        if self._obstacle:
            self.intro.hide()
            self.card.show_error(self._obstacle)
            self.resize(self.width(), self.sizeHint().height())
            make_room(self)

    @property
    def busy(self) -> bool:
        """Whether it measures."""
        return self._job.busy

    def measure(self) -> None:
        """Begin to measure."""
        self._tuning = self._found = None
        self.card.clear()
        self.outcome.setText("")
        self.engines.setText("")
        self.progress_label.setText("")
        self.progress.setRange(0, 0)
        app, closing = self._bridge.app, self._bridge.closing
        self._job.start(
            lambda cancelled: measure_speed(app, cancelled, closing, self._measured.emit), self._show
        )

    def reject(self) -> None:
        """Stop measuring, or close the dialog if it does not measure. Esc and the button do this."""
        if self.busy:
            self._job.cancel()
            self.outcome.setText(tr("Stopping…"))
        else:
            super().reject()

    def _lay_out(self) -> None:
        actions = QHBoxLayout()
        actions.setSpacing(SMALL)
        actions.addWidget(self.progress_label)
        actions.addStretch()
        actions.addWidget(self.start_button)
        actions.addWidget(self.apply_button)
        actions.addWidget(self.close_button)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        self._column.setSpacing(MEDIUM)
        self._column.addWidget(self.intro)
        self._column.addWidget(self.card)
        self._column.addStretch()
        self._column.addWidget(self.engines)
        self._column.addWidget(self.outcome)
        self._column.addWidget(self.progress)
        self._column.addLayout(actions)

    def _permit(self) -> None:
        self.progress.setVisible(self.busy)
        self.progress_label.setVisible(self.busy)
        advised = self._tuning is not None and self._tuning.complete and not self._tuning.keeps
        self.apply_button.setVisible(advised and not self.busy)
        self.apply_button.setEnabled(advised)
        self.start_button.setVisible(not (advised or self.busy or self._obstacle))
        self.close_button.setText(tr("&Stop") if self.busy else tr("&Close"))

    def _show_measured(self, found: Tuning, total: int) -> None:
        from tray_app.ui.widgets.curve import Curve

        self._found = found
        self.progress.setRange(0, total)
        self.progress.setValue(len(found.engines) + len(found.samples))
        self.progress_label.setText(progress_text(found, total, tr))
        self._show_engines()
        if not found.samples:
            return
        curves = (
            Curve(tr("Embeddings/s"), embedding_points(found.samples)),
            Curve(tr("Tokens/s"), token_points(found.samples)),
        )
        self._curves().show_curves([curve for curve in curves if curve.points])

    def _show_engines(self) -> None:
        """Show the engines' speeds, and whether one is being started again after a crash."""
        if self._found is not None:
            crashed = self._bridge.status.engine.state is State.BACKOFF
            self.engines.setText(engines_text(self._found, tr, crashed=crashed))

    def _curves(self) -> CurvePlot:
        if self._plot is None:
            from tray_app.ui.widgets.curve import CurvePlot

            self._plot = CurvePlot(tr("Threads"), tr("Speed by number of threads"))
            self._column.insertWidget(2, self._plot, 10)
        return self._plot

    def _show(self, tuning: Tuning) -> None:
        self._tuning = self._found = tuning
        self._show_engines()
        self.outcome.setText(tuning_text(tuning, tr))
        self._permit()

    def _fail(self, error: AppError) -> None:
        self.card.show_error(error)
        make_room(self)
        self.outcome.setText("")
        self._permit()

    def _apply(self) -> None:
        if self._tuning is not None:
            app, tuning = self._bridge.app, self._tuning
            self.apply_button.setEnabled(False)
            forget = self._bridge.run(lambda: keep_tuning(app, tuning), lambda _: self.accept(), self._fail)
            self.finished.connect(lambda _: forget())
