"""The tab Measure: sends many requests, some at the same time, and shows how long they took. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from tray_app.app.embedding_files import save_file
from tray_app.app.server_status import ServerState
from tray_app.ui.cancellable_job import CancellableJob
from tray_app.ui.dialogs.tune import TuneDialog
from tray_app.ui.garbage import delete_plot
from tray_app.ui.operations import measure
from tray_app.ui.presenters.embedding import reason_to_wait, texts_of
from tray_app.ui.presenters.measurement import Workload, measurement_text
from tray_app.ui.presenters.snippets import EXAMPLE
from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import MessageCard, announce, text_label
from tray_app.ui.widgets.pictures import choose_picture_file, picture_of

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QHideEvent, QShowEvent

    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.measurement import Measurement
    from tray_app.ui.widgets.histogram import LatencyHistogram

_MOST_REQUESTS, _MOST_AT_ONCE = 10_000, 64


class MeasurePanel(QWidget):
    """Requests in, latencies out."""

    _answered = Signal(int)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._measurement: Measurement | None = None
        self.dialog: TuneDialog | None = None
        self.plot: LatencyHistogram | None = None
        self.text = QLineEdit(EXAMPLE[0])
        self.requests = _number(100, _MOST_REQUESTS)
        self.at_once = _number(4, _MOST_AT_ONCE)
        self.measure_button = QPushButton(tr("&Measure"))
        self.cancel_button = QPushButton(tr("Ca&ncel"))
        self.tune_button = QPushButton(tr("&Best Number of Threads…"))
        self.progress = QProgressBar()
        self.progress.setAccessibleName(tr("Answered requests"))
        self.waiting = text_label()
        self.card = MessageCard()
        self._job = CancellableJob(bridge, self._permit, self.card.show_error)
        self.summary = text_label(bold=True)
        self.picture_button = QPushButton(tr("Save &Picture…"))
        self.picture_button.clicked.connect(lambda: choose_picture_file(self, self.save_picture))
        self._lay_out()
        self.measure_button.clicked.connect(self.measure)
        self.cancel_button.clicked.connect(self.cancel)
        self.tune_button.clicked.connect(self.tune)
        self.text.textChanged.connect(self._permit)
        self._answered.connect(self.progress.setValue)
        bridge.status_changed.connect(self._permit)
        self._permit()

    def measure(self) -> None:
        """Begin."""
        app, text = self._bridge.app, self.text.text().strip()
        load = Workload(self.requests.value(), self.at_once.value())
        self.card.clear()
        self.progress.setRange(0, load.requests)
        self.progress.setValue(0)
        self._job.start(
            lambda cancelled: measure(app, text, load, cancelled, self._answered.emit), self._show
        )

    def cancel(self) -> None:
        """Send no more; what has been answered is shown."""
        self._job.cancel()

    def take_over(self, old: MeasurePanel) -> None:
        """The same request and measurement."""
        old.cancel()
        self.text.setText(old.text.text())
        self.requests.setValue(old.requests.value())
        self.at_once.setValue(old.at_once.value())
        if old._measurement is not None:
            self._show(old._measurement)

    def tune(self) -> None:
        """Measure with several numbers of threads, in a dialog of its own."""
        self.dialog = TuneDialog(self._bridge, self)
        self.dialog.open()

    def save_picture(self, path: Path) -> None:
        """Save the plot to a file; its ending says in which form."""
        if self.plot is not None:
            content = picture_of(self.plot, path.suffix.lower())
            self._bridge.run(lambda: save_file(path, content), lambda _: None, self.card.show_error)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw again what has been given back."""
        super().showEvent(event)
        self._draw()

    def hideEvent(self, event: QHideEvent) -> None:
        """Give the plot back when the window has been closed; the numbers stay."""
        super().hideEvent(event)
        if self.plot is not None and not self.window().isVisible():
            self._column.removeWidget(self.plot)
            delete_plot(self.plot)
            self.plot = None

    def _lay_out(self) -> None:
        fields = QFormLayout()
        fields.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        fields.addRow(tr("&Text:"), self.text)
        fields.addRow(tr("&Requests:"), self.requests)
        fields.addRow(tr("At the same t&ime:"), self.at_once)
        actions = QHBoxLayout()
        actions.addWidget(self.measure_button)
        actions.addWidget(self.cancel_button)
        actions.addWidget(self.progress, 1)
        actions.addWidget(self.waiting, 1)
        actions.addWidget(self.tune_button)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        self._column.setSpacing(SMALL)
        self._column.addLayout(fields)
        self._column.addLayout(actions)
        self._column.addWidget(self.card)
        below = QHBoxLayout()
        below.addWidget(self.summary, 1)
        below.addWidget(self.picture_button)
        self._column.addLayout(below)
        self._column.addStretch()

    def _permit(self) -> None:
        busy = self._job.busy
        reason = reason_to_wait(self._bridge.status, texts_of(self.text.text()), tr)
        self.measure_button.setEnabled(not reason and not busy)
        self.tune_button.setEnabled(self._bridge.status.server.state is ServerState.READY and not busy)
        self.cancel_button.setVisible(busy)
        self.progress.setVisible(busy)
        self.waiting.setVisible(not busy)
        self.waiting.setText(reason)

    def _show(self, measurement: Measurement) -> None:
        self._measurement = measurement
        self.summary.setText(measurement_text(measurement, tr))
        announce(self, self.summary.text())
        self._draw()

    def _draw(self) -> None:
        latencies_ms = self._measurement.latencies_ms if self._measurement else ()
        self.picture_button.setVisible(bool(latencies_ms))
        if self.plot is not None:
            self.plot.setVisible(bool(latencies_ms))
        if not latencies_ms:
            return
        if self.plot is None:
            from tray_app.ui.widgets.histogram import LatencyHistogram

            self.plot = LatencyHistogram()
            self._column.addWidget(self.plot, 10)
        self.plot.show_latencies(latencies_ms)


def _number(value: int, maximum: int) -> QSpinBox:
    box = QSpinBox(minimum=1, maximum=maximum, value=value)
    box.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
    return box
