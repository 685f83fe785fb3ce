"""The testbed: two regions of a chat platform on this machine, with real parts wherever a fault
acts.

`up` starts it and returns once it is ready, `status` reads what runs, `down` ends it. Everything
listens on loopback, and every process is a child of one supervisor, which ends by itself.
"""

from __future__ import annotations

from muster.testbed.api import TestbedError, down, room, status, up
from muster.testbed.design.capacity import Capacity
from muster.testbed.rig.state import ProcessState, State

__all__ = ["Capacity", "ProcessState", "State", "TestbedError", "down", "room", "status", "up"]
