"""Every names adapter, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.platform.names.model import Names
from muster.platform.port import adapter
from muster.platform.steering import Steering

if TYPE_CHECKING:
    from muster.targets.model import Target

NAMES = {
    "steering": "muster.platform.names.steering:SteeringNames",
    "stated": "muster.platform.names.stated:StatedNames",
}


def names_of(target: Target, steering: Steering) -> Names:
    """The adapter for a target's `names` section; `steering` is the platform's own."""
    made: Names = adapter(NAMES, target.names.kind)(target.names, tuple(target.regions), steering)
    return made
