"""What each view shows for a snapshot: pure functions from values to words, shapes and permitted actions.

No Qt here, so every word and every state is tested without a display. Texts go through the translator that
the caller passes as `tr`; the name is what Qt's `lupdate` looks for.
"""

from __future__ import annotations

from collections.abc import Callable

Translate = Callable[[str], str]
"""An English text to the same text in the person's language."""
