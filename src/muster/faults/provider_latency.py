"""The provider's primary route gets slower for one region: a Toxiproxy latency toxic with jitter.

The toxic delays the whole stream, so it moves the first token and the completion. It bites when an
exchange on the gateways' own path takes at least half the added latency longer than before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Self

import httpx

from muster.faults.model import Change, Fault, FaultError, Proof, ReadBack, Touch
from muster.faults.proxies import access_of, proxy_of
from muster.faults.toxiproxy_restart import bring_back, by_hand
from muster.targets.model import Target

TOXIC = "muster_latency"
PROBES = 3


class ProviderLatency(Fault):
    """`latency_ms` plus or minus `jitter_ms` on everything that the primary route answers."""

    kind = "provider_latency"
    expects = ("circuit_open:primary",)

    def __init__(
        self,
        target: Target,
        region: str,
        latency_ms: int = 0,
        jitter_ms: int = 0,
        before: dict[str, Any] | None = None,
        server: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(target, region)
        self.latency_ms = latency_ms
        self.jitter_ms = jitter_ms
        self._access = access_of(target, region, "provider_primary")
        self._proxy = proxy_of(target, region, "provider_primary")
        self._server = tuple(server)
        self._before = before
        self._exchange_before_ms: float | None = None

    @property
    def subject(self) -> str:
        return f"toxiproxy {self.region}/{self._proxy.name}"

    def touches(self) -> tuple[Touch, ...]:
        return (*super().touches(), Touch("proxies", f"{self.region}/{self._proxy.name}"))

    def change(self) -> Change:
        toxics = ", ".join(sorted(self._proxy.toxics())) or "no toxics"
        return Change(toxics, f"latency of {self.latency_ms} ms, jitter {self.jitter_ms} ms")

    def undo_params(self) -> dict[str, Any]:
        state = self._proxy.state()
        if state.get("toxics"):
            raise FaultError(f"{self.subject}: toxics left over: {sorted(self._proxy.toxics())}")
        self._before = {key: state[key] for key in ("listen", "upstream", "enabled")}
        self._server = tuple(self._proxy.server())
        self._exchange_before_ms = self.exchange_ms()
        return {"before": self._before, "server": list(self._server)}

    @classmethod
    def restore(cls, target: Target, region: str, params: Mapping[str, Any]) -> Self:
        before, server = dict(params["before"]), params.get("server", ())
        return cls(target, region, before=before, server=server)

    def apply(self) -> None:
        self._proxy.add_toxic(
            TOXIC,
            "latency",
            "downstream",
            {"latency": self.latency_ms, "jitter": self.jitter_ms},
        )

    def observe(self) -> Proof:
        before_ms = self._exchange_before_ms
        if before_ms is None:
            return Proof(False, "the route's speed before the fault is unknown")
        now_ms = self.exchange_ms()
        added_ms = now_ms - before_ms
        needed_ms = self.latency_ms / 2
        bites = 0 < needed_ms <= added_ms
        return Proof(
            proven=bites,
            why=f"an exchange takes {added_ms:.0f} ms longer, {needed_ms:.0f} ms needed",
            facts={"exchange_before_ms": before_ms, "exchange_ms": now_ms, "added_ms": added_ms},
        )

    def revert(self) -> None:
        before = self._before
        if before is None:
            raise FaultError(f"{self.subject}: what it was before is unknown")
        proxy = self._proxy
        bring_back(proxy, self._access, self._server, lambda: proxy.remove_toxic(TOXIC, before))

    def read_back(self) -> ReadBack:
        toxics = sorted(self._proxy.toxics())
        return ReadBack(self.subject, "no toxics", ", ".join(toxics) or "no toxics", not toxics)

    def command(self) -> str | None:
        return by_hand(self._proxy, self._access, self._server)

    def exchange_ms(self) -> float:
        """Median time of a bare HTTP exchange through the proxy. Raises FaultError."""
        listen = self._proxy.state()["listen"]
        times: list[float] = []
        with httpx.Client(timeout=30.0, trust_env=False) as client:
            for _ in range(PROBES):
                start = time.monotonic()
                try:
                    # Any answer will do: the path is timed, not the provider's work.
                    client.get(f"http://{listen}/healthz")
                except httpx.HTTPError as error:
                    raise FaultError(f"{self.subject}: {error or type(error).__name__}") from error
                times.append((time.monotonic() - start) * 1000)
        return median(times)
