"""The provider's primary route gets slower for one region: a Toxiproxy latency toxic with jitter.

The toxic delays the whole stream, so the first token and the completion are both later. The effect
is verified if the proxy shows the toxic, and an exchange through the proxy's port, which is the
gateways' own path, takes at least half the added latency longer than before and ends as it did
before. A route that was slow before, or that answers differently, proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from muster.faults.model import FaultError, ReadBack, RegionalFault
from muster.faults.proxies import access_of, address_of, proxy_of
from muster.faults.steps import Scene, single_fault
from muster.faults.toxiproxy_restart import bring_back, by_hand, retry_s, touches, unusable
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof, Touch, Unusable

TOXIC = "muster_latency"
PROBES = 3
PROBES_AFTER = 6
EXCHANGES_MAX = 2
"""Round trips that one exchange may take: the toxic delays each answer of the other end."""


class ProviderLatency(RegionalFault):
    """`latency_ms` plus or minus `jitter_ms` on everything that the primary route answers."""

    kind = "provider_latency"
    expects = ("circuit_open:primary",)

    def __init__(
        self,
        platform: Platform,
        region: str,
        latency_ms: int = 0,
        jitter_ms: int = 0,
        before: dict[str, Any] | None = None,
        server: Sequence[Mapping[str, Any]] = (),
        exchange_before: tuple[float, int] | None = None,
    ) -> None:
        super().__init__(platform, region)
        self.latency_ms = latency_ms
        self.jitter_ms = jitter_ms
        self._access = access_of(platform.target, region, "provider_primary")
        self._proxy = proxy_of(platform.target, region, "provider_primary")
        self._server = tuple(server)
        self._before = before
        self._exchange_before = exchange_before

    @property
    def subject(self) -> str:
        return f"toxiproxy {self.region}/{self._proxy.name}"

    @property
    def aim(self) -> str:
        return f"latency of {self.latency_ms} ms, jitter {self.jitter_ms} ms"

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + EXCHANGES_MAX * self.latency_ms / 1000

    @property
    def retry_s(self) -> float:
        return retry_s(self._access)

    def touches(self) -> tuple[Touch, ...]:
        proxy = Touch("proxies", f"{self.region}/{self._proxy.name}")
        return (*super().touches(), proxy, *touches(self._access))

    def unusable(self) -> Unusable | None:
        return unusable(self._access, self.region)

    def change(self) -> Change:
        toxics = ", ".join(sorted(self._proxy.toxics())) or "no toxics"
        return Change(toxics, self.aim)

    def undo_params(self) -> dict[str, Any]:
        state = self._proxy.state()
        if state.get("toxics"):
            raise FaultError(f"{self.subject}: toxics left over: {sorted(self._proxy.toxics())}")
        self._before = {key: state[key] for key in ("listen", "upstream", "enabled")}
        self._server = tuple(self._proxy.server())
        before_ms, status = self._exchange_before = self._exchange()
        if before_ms >= self._needed_ms > 0:
            raise FaultError(
                f"{self.subject}: an exchange takes {before_ms:.0f} ms before the fault: "
                f"another {self.latency_ms} ms could not be verified"
            )
        return {
            "before": self._before,
            "server": list(self._server),
            "latency_ms": self.latency_ms,
            "exchange_before": [before_ms, status],
        }

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        # Older logs lack the last two keys.
        exchange = params.get("exchange_before")
        return cls(
            platform,
            region,
            latency_ms=int(params.get("latency_ms", 0)),
            before=dict(params["before"]),
            server=params.get("server", ()),
            exchange_before=(float(exchange[0]), int(exchange[1])) if exchange else None,
        )

    def apply(self) -> None:
        self._proxy.add_toxic(
            TOXIC,
            "latency",
            "downstream",
            {"latency": self.latency_ms, "jitter": self.jitter_ms},
        )

    def observe(self) -> Proof:
        if self._exchange_before is None:
            return Proof(False, "the route's speed before the fault is unknown")
        before_ms, status_before = self._exchange_before
        state = self._proxy.state()
        # Only once: a hold is observed repeatedly, and each exchange waits for the toxic.
        now_ms, status = self._exchange(state, probes=1)
        added_ms = now_ms - before_ms
        facts = {
            "exchange_before_ms": before_ms,
            "exchange_ms": now_ms,
            "added_ms": added_ms,
            "status": status,
        }
        if TOXIC not in [toxic.get("name") for toxic in state.get("toxics") or ()]:
            return Proof(False, f"proxy {self._proxy.name} shows no toxic {TOXIC}", facts)
        if status != status_before:
            why = f"the route answers {status}, but answered {status_before} before the fault"
            return Proof(False, why, facts)
        why = f"an exchange takes {added_ms:.0f} ms longer, {self._needed_ms:.0f} ms needed"
        return Proof(0 < self._needed_ms <= added_ms, why, facts)

    def revert(self) -> None:
        before = self._before
        if before is None:
            raise FaultError(f"{self.subject}: what it was before is unknown")
        proxy = self._proxy
        bring_back(
            proxy,
            self._access,
            self._server,
            lambda: proxy.remove_toxic(TOXIC, before),
            self.platform.clock,
        )

    def read_back(self) -> ReadBack:
        state = self._proxy.state()
        toxics = sorted(toxic["name"] for toxic in state.get("toxics") or ())
        shown = ", ".join(toxics) or "no toxics"
        slower = "" if toxics else self._still_slower(state)
        actual = f"{shown}, {slower}" if slower else shown
        return ReadBack(self.subject, "no toxics", actual, not toxics and not slower)

    def _still_slower(self, state: Mapping[str, Any]) -> str:
        """How much slower the route still is, if it is as slow as the fault made it; else empty.

        That the API shows no toxic does not prove that the path is fast. A path that does not
        answer is not slower.
        """
        if self._exchange_before is None or not self._needed_ms:
            return ""
        try:
            added_ms = self._exchange(state, PROBES_AFTER)[0] - self._exchange_before[0]
        except FaultError:
            return ""
        return f"and {added_ms:.0f} ms slower" if added_ms >= self._needed_ms else ""

    def command(self) -> str | None:
        return by_hand(self._proxy, self._access, self._server)

    @property
    def _needed_ms(self) -> float:
        return self.latency_ms / 2

    def exchange_ms(self) -> float:
        """Least time of a few bare HTTP exchanges through the proxy. Raises FaultError."""
        return self._exchange()[0]

    def _exchange(
        self, state: Mapping[str, Any] | None = None, probes: int = PROBES
    ) -> tuple[float, int]:
        """The shortest time of an exchange in milliseconds, and its HTTP status. Raises FaultError.

        The shortest, because a toxic delays every exchange and a busy machine only some.
        """
        import httpx

        shown = state if state is not None else self._proxy.state()
        address = address_of(str(shown["listen"]), self._access.url)
        times: list[float] = []
        with httpx.Client(timeout=self.look_s_max, trust_env=False) as client:
            for _ in range(probes):
                start = self.platform.clock.monotonic_s()
                try:
                    # Any answer will do: the time of the path is measured, not the provider's work.
                    answer = client.get(f"http://{address}/healthz")
                except httpx.HTTPError as error:
                    raise FaultError(f"{self.subject}: {error or type(error).__name__}") from error
                times.append((self.platform.clock.monotonic_s() - start) * 1000)
        return min(times), answer.status_code


@single_fault("slows the provider of {region} for {seconds:g} s, then removes the delay")
def provider_latency(scene: Scene, latency_ms: int, jitter_ms: int) -> ProviderLatency:
    """The region's primary provider route is `latency_ms` slower for `seconds` of real time."""
    return ProviderLatency(scene.platform, scene.region, latency_ms=latency_ms, jitter_ms=jitter_ms)
