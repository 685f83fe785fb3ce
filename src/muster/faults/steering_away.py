"""The API that steers the traffic may be away: how that shows, and how long it is waited for."""

from __future__ import annotations

from muster.platform.steering import Steering, SteeringError

AWAY_S_MAX = 60.0
"""For how long a call is repeated while the steering API says that it is away, in seconds."""
CALL_S_MAX = 20.0
"""How long one call of the API may take to fail, with the tries of its client, in seconds."""


def why_away(steering: Steering) -> str:
    """Why a call of the API fails now; empty if it does not."""
    try:
        steering.shown()
    except SteeringError as error:
        return str(error)
    return ""
