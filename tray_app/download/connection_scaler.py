"""The number of connections of a download: few at first, more as long as that makes it faster. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MOST_CONNECTIONS = 8

_FIRST_CONNECTIONS = 4
_SHORTEST_WINDOW_S = 0.15
_LONGEST_WINDOW_S = 2.0
_WORTHWHILE = 1.15
"""More connections are kept if the total rate has grown by this factor."""
_SHORTEST_HOLD_S = 10.0
_LONGEST_HOLD_S = 160.0


@dataclass(slots=True)
class _Trial:
    """A test with more connections than before."""

    count_before: int
    rate_before: float


class ConnectionScaler:
    """Doubles the connections while the total rate grows; otherwise goes back, and tries again later.

    More connections may help later, when the network has changed, but the tries become rarer.
    """

    def __init__(self, answer_s: float) -> None:
        """`answer_s`: how long the server took to answer; the longer, the longer a rate takes to settle."""
        self.wanted = _FIRST_CONNECTIONS
        self._window_s = min(max(_SHORTEST_WINDOW_S, 2 * answer_s), _LONGEST_WINDOW_S)
        self._trial: _Trial | None = None
        self._window: tuple[float, int] | None = None
        self._hold_until_s = 0.0
        self._hold_s = _SHORTEST_HOLD_S

    def observe(self, received_bytes: int, now_s: float, *, settled: bool, most: int) -> None:
        """Take note of the bytes received so far. `settled`: whether all connections are receiving; `most`:
        the limit of connections.
        """
        if self.wanted > most:
            self.wanted, self._trial = most, None
        if not settled:  # a new connection has no rate yet
            self._window = None
        elif self._window is None:
            self._window = (now_s, received_bytes)
        elif now_s - self._window[0] >= self._window_s:
            rate = (received_bytes - self._window[1]) / (now_s - self._window[0])
            self._window = (now_s, received_bytes)
            self._judge(rate, now_s)
            self._try_more(rate, now_s, most)

    def refuse(self, working: int, now_s: float, wait_s: float) -> None:
        """The server has refused a further connection for at least `wait_s`, while `working` ones are
        open.
        """
        self.wanted, self._trial = max(1, working), None
        self._hold(now_s)
        self._hold_until_s = max(self._hold_until_s, now_s + wait_s)

    def _judge(self, rate: float, now_s: float) -> None:
        trial, self._trial = self._trial, None
        if trial is None:
            return
        if rate < trial.rate_before * _WORTHWHILE:
            self.wanted = trial.count_before
            self._hold(now_s)
        else:
            self._hold_s = _SHORTEST_HOLD_S

    def _try_more(self, rate: float, now_s: float, most: int) -> None:
        if self.wanted < most and now_s >= self._hold_until_s:
            self._trial = _Trial(self.wanted, rate)
            self.wanted = min(2 * self.wanted, most)
            self._window = None

    def _hold(self, now_s: float) -> None:
        self._hold_until_s = now_s + self._hold_s
        self._hold_s = min(2 * self._hold_s, _LONGEST_HOLD_S)
