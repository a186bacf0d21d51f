"""The tab Measure: sends many requests, several at the same time, and shows their latencies. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
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
from tray_app.ui.embedding_operations import measure
from tray_app.ui.garbage import delete_plot
from tray_app.ui.presenters.embedding import server_reason, texts_of
from tray_app.ui.presenters.measurement import Workload, measurement_text
from tray_app.ui.presenters.snippets import EXAMPLE
from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce
from tray_app.ui.widgets.cards import Card, MessageCard
from tray_app.ui.widgets.empty_state import EmptyState
from tray_app.ui.widgets.job_row import JobRow
from tray_app.ui.widgets.labels import label_for, row_label_for, text_label
from tray_app.ui.widgets.pictures import choose_picture_file, picture_of
from tray_app.ui.widgets.server_line import ServerLine

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QHideEvent, QShowEvent

    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.measurement import Measurement
    from tray_app.ui.widgets.histogram import LatencyHistogram

_MOST_REQUESTS, _MOST_AT_ONCE = 10_000, 64


class MeasurePanel(QWidget):
    """Requests in, latencies out."""

    navigate = Signal(object)
    """A `Page` to open."""

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
        set_variant(self.measure_button, Variant.PRIMARY)
        self.tune_button = QPushButton(tr("&Best Number of Threads…"))
        self.job = JobRow(tr("Answered requests"))
        self.server = ServerLine(bridge)
        self.server.navigate.connect(self.navigate)
        self.waiting = text_label()
        self.card = MessageCard()
        self._job = CancellableJob(bridge, self._permit, self.card.show_error)
        self.summary = text_label(bold=True)
        self.picture_button = QPushButton(tr("Save &Picture…"))
        set_symbol(self.picture_button, "image")
        self.picture_button.clicked.connect(lambda: choose_picture_file(self, self.save_picture))
        self._lay_out()
        self.measure_button.clicked.connect(self.measure)
        self.job.cancelled.connect(self.cancel)
        self.server.failed.connect(self.card.show_error)
        self.tune_button.clicked.connect(self.tune)
        self.text.textChanged.connect(self._permit)
        self._answered.connect(self._hear)
        bridge.status_changed.connect(self._permit)
        self._permit()
        self._draw()

    def measure(self) -> None:
        """Begin to measure."""
        app, text = self._bridge.app, self.text.text().strip()
        load = Workload(self.requests.value(), self.at_once.value())
        self.card.clear()
        self.job.bar.setRange(0, load.requests)
        self._job.start(
            lambda cancelled: measure(app, text, load, cancelled, self._answered.emit), self._show
        )
        self._hear(0)

    def cancel(self) -> None:
        """Send no further requests; the answered ones are shown."""
        self._job.cancel()

    def take_over(self, old: MeasurePanel) -> None:
        """Show the same request and measurement, and continue one that is under way."""
        self.text.setText(old.text.text())
        self.requests.setValue(old.requests.value())
        self.at_once.setValue(old.at_once.value())
        if old._measurement is not None:
            self._show(old._measurement)
        self.job.bar.setRange(0, old.job.bar.maximum())
        old._answered.connect(self._answered)
        self._job.take_over(old._job, self._show)
        self._hear(old.job.bar.value())

    def tune(self) -> None:
        """Open the dialog that finds the best engine and number of threads."""
        self.dialog = TuneDialog(self._bridge, self)
        self.dialog.open()

    def save_picture(self, path: Path) -> None:
        """Save the plot to a file, in the format of its ending."""
        if self.plot is not None:
            content = picture_of(self.plot, path.suffix.lower())
            self._bridge.run(lambda: save_file(path, content), lambda _: None, self.card.show_error)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw the plot again, if it was deleted."""
        super().showEvent(event)
        self._draw()

    def hideEvent(self, event: QHideEvent) -> None:
        """Delete the plot when the window is closed, to free memory; the numbers stay."""
        super().hideEvent(event)
        if self.plot is not None and not self.window().isVisible():
            self._inner.removeWidget(self.plot)
            delete_plot(self.plot)
            self.plot = None

    def _lay_out(self) -> None:
        numbers = QHBoxLayout()
        numbers.setSpacing(SMALL)
        numbers.addWidget(self.requests)
        numbers.addSpacing(MEDIUM)
        numbers.addWidget(label_for(tr("At the same t&ime:"), self.at_once))
        numbers.addWidget(self.at_once)
        numbers.addStretch()
        fields = QFormLayout()
        fields.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        fields.addRow(row_label_for(tr("&Text:"), self.text), self.text)
        fields.addRow(row_label_for(tr("&Requests:"), self.requests), numbers)
        actions = QHBoxLayout()
        actions.setSpacing(SMALL)
        actions.addWidget(self.measure_button)
        actions.addWidget(self.waiting, 1)
        actions.addStretch()
        actions.addWidget(self.tune_button)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        self._column.setSpacing(SMALL)
        self._column.addLayout(fields)
        self._column.addLayout(actions)
        for widget in (self.server, self.job, self.card):
            self._column.addWidget(widget)
        below = QHBoxLayout()
        below.addWidget(self.summary, 1)
        below.addWidget(self.picture_button)
        self._column.addLayout(below)
        self._frame = Card()
        self._inner = QVBoxLayout(self._frame)
        self._inner.setContentsMargins(SMALL, SMALL, SMALL, SMALL)
        self._hint = EmptyState(
            "zap",
            tr("How fast is your server?"),
            tr("Many requests, some at the same time, show how long one takes and how many are answered."),
        )
        self._column.addWidget(self._frame, 1)
        self._column.addWidget(self._hint, 1)

    def _permit(self) -> None:
        busy, texts = self._job.busy, texts_of(self.text.text())
        reason = "" if busy else server_reason(self._bridge.status, tr)
        self.server.show_reason(reason)
        self.measure_button.setVisible(not busy and not reason)
        self.measure_button.setEnabled(bool(texts) and not busy and not reason)
        ready = self._bridge.status.server.state is ServerState.READY
        self.tune_button.setVisible(ready and not busy)
        self.waiting.setText("" if texts or busy or reason else tr("Type a text first."))
        self.waiting.setVisible(bool(self.waiting.text()))
        if not busy:
            self.job.hide()

    def _hear(self, answered: int) -> None:
        total = self.job.bar.maximum()
        words = tr("{done} of {total} requests").format(done=tr.number(answered), total=tr.number(total))
        if self._job.busy:
            self.job.show_progress(words, answered, total)

    def _show(self, measurement: Measurement) -> None:
        self._measurement = measurement
        self.summary.setText(measurement_text(measurement, tr))
        announce(self, self.summary.text())
        self._draw()

    def _draw(self) -> None:
        latencies_ms = self._measurement.latencies_ms if self._measurement else ()
        self.picture_button.setVisible(bool(latencies_ms))
        self._frame.setVisible(bool(latencies_ms))
        self._hint.setVisible(not latencies_ms)
        if not latencies_ms:
            return
        if self.plot is None:
            from tray_app.ui.widgets.histogram import LatencyHistogram

            self.plot = LatencyHistogram()
            self._inner.addWidget(self.plot)
        self.plot.show_latencies(latencies_ms)


def _number(value: int, maximum: int) -> QSpinBox:
    box = QSpinBox(minimum=1, maximum=maximum, value=value)
    box.lineEdit().setTextMargins(TIGHT, 0, 0, 0)
    box.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
    return box
