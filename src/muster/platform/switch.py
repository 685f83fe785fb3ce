"""A switch of the testbed's control API: GET answers its state, and POST changes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from muster.platform.http_hook import call
from muster.platform.port import PortError

LOOK_S_MAX = 3.0
State = TypeVar("State", bound=str)


class SwitchSettings(Protocol):
    """The section of the target that names it."""

    @property
    def url(self) -> str:
        """Where it answers."""

    @property
    def token(self) -> str:
        """The bearer token of the control API."""

    @property
    def timeout_s(self) -> float:
        """How long one change may take, in seconds."""


class Switch(Generic[State]):
    """`states`: all that it may answer. Raises PortError for any other, or without an answer."""

    def __init__(self, settings: SwitchSettings, states: Sequence[State]) -> None:
        self._settings = settings
        self._states = tuple(states)

    @property
    def timeout_s(self) -> float:
        """How long one change may take, in seconds."""
        return self._settings.timeout_s

    @property
    def look_s_max(self) -> float:
        """How long one `state` may take, in seconds."""
        return min(LOOK_S_MAX, self.timeout_s)

    def state(self) -> State:
        """What it answers now."""
        one = self._settings
        shown = call("GET", one.url, one.token, self.look_s_max).get("state")
        for state in self._states:
            if shown == state:
                return state
        wanted = ", ".join(self._states)
        raise PortError(f"GET {one.url}: got state {shown!r}, expected one of {wanted}")

    def ask(self, wanted: State, verb: str = "", body: dict[str, Any] | None = None) -> None:
        """POST `body` to the switch, or to its `verb`; its state must be `wanted` afterwards."""
        one = self._settings
        url = f"{one.url}/{verb}" if verb else one.url
        call("POST", url, one.token, one.timeout_s, body)
        if (shown := self.state()) != wanted:
            raise PortError(f"POST {url}: it is {shown}, expected {wanted}")
