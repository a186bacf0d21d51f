"""What each view shows for a snapshot: pure functions from values to words, shapes and permitted actions.

No Qt here, so every word and every state is tested without a display. Texts and numbers go through the
translator that the caller passes as `tr`; `dev.py translate` collects the literals of its calls.
"""
