"""Which of a region's proxies a fault works on, as the target names them."""

from __future__ import annotations

from muster.faults.model import FaultError
from muster.faults.toxiproxy import ProxyHandle
from muster.targets.model import Target


def proxy_of(target: Target, region: str, role: str) -> ProxyHandle:
    """The region's proxy in front of `role` (redis, provider_primary, provider_fallback).

    Raises FaultError when the target names none: then this fault cannot be had there.
    """
    access = target.regions[region].toxiproxy
    if access is None or role not in access.proxies:
        raise FaultError(
            f"target {target.name}: regions.{region}.toxiproxy names no proxy for {role}"
        )
    return ProxyHandle(access.url, access.proxies[role], access.timeout_s)
