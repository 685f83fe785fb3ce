"""The probe that decides a game day: whether every drill of it passed."""

from __future__ import annotations

from chaoslib.exceptions import ActivityFailed

from muster.drill.game_day.current import current
from muster.errors import MusterError

__all__ = ["passed"]


def passed() -> bool:
    """True only if every drill is judged PASS from its sealed bundle, and left nothing behind."""
    try:
        return current().progress.verdict_so_far()[0] == "PASS"
    except MusterError as error:
        raise ActivityFailed(str(error)) from error
