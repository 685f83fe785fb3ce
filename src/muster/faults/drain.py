"""A region asked to let go of its clients: keep-alive connections closed after their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from muster.faults.by_hand import bearer, curl
from muster.faults.http_hook import call
from muster.faults.model import Fault, FaultError, ReadBack
from muster.platform.port import Change, Proof
from muster.targets.drain import HttpDrain
from muster.targets.model import Target

DrainState = Literal["serving", "closing", "draining"]


class Drain(Fault):
    """`closing` stays ready; `draining` turns unready once the region is empty."""

    kind = "drain"

    def __init__(self, target: Target, region: str, state: DrainState = "closing") -> None:
        super().__init__(target, region)
        self.state: DrainState = state

    @property
    def subject(self) -> str:
        return f"drain {self.region}"

    @property
    def retry_s(self) -> float:
        hook = self.target.regions[self.region].drain
        return 0.0 if hook is None else hook.timeout_s  # type: ignore[union-attr]

    def change(self) -> Change:
        return Change(self.shown(), self.state)

    def undo_params(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, target: Target, region: str, params: Mapping[str, Any]) -> Self:
        return cls(target, region)

    def apply(self) -> None:
        self._set(self.state)

    def observe(self) -> Proof:
        shown = self.shown()
        return Proof(shown == self.state, f"{self.region} says {shown}", {"state": shown})

    def revert(self) -> None:
        if self.shown() != "serving":
            self._set("serving")

    def read_back(self) -> ReadBack:
        shown = self.shown()
        return ReadBack(self.subject, "serving", shown, shown == "serving")

    def command(self) -> str | None:
        hook = self._hook()
        header = bearer(hook.token)
        return (
            None if header is None else curl("POST", hook.url, {"state": "serving"}, header=header)
        )

    def shown(self) -> str:
        """The state that the region says it is in. Raises FaultError."""
        hook = self._hook()
        return str(call("GET", hook.url, hook.token, hook.timeout_s).get("state", "unknown"))

    def _set(self, state: DrainState) -> None:
        hook = self._hook()
        call("POST", hook.url, hook.token, hook.timeout_s, {"state": state})

    def _hook(self) -> HttpDrain:
        hook = self.target.regions[self.region].drain
        if hook is None:
            raise FaultError(f"target {self.target.name}: regions.{self.region}.drain is not set")
        return hook  # type: ignore[return-value]
