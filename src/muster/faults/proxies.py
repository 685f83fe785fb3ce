"""Which of a region's proxies a fault works on, as the target names them."""

from __future__ import annotations

from muster.faults.model import FaultError
from muster.faults.toxiproxy import ProxyHandle
from muster.targets.model import Target, ToxiproxyAccess


def proxy_of(target: Target, region: str, role: str) -> ProxyHandle:
    """The region's proxy in front of `role` (redis, provider_primary, provider_fallback).

    Raises FaultError when the target names none: then this fault cannot be had there.
    """
    access = access_of(target, region, role)
    return ProxyHandle(access.url, access.proxies[role], access.timeout_s)


def access_of(target: Target, region: str, role: str) -> ToxiproxyAccess:
    """The region's Toxiproxy, which has a proxy for `role`. Raises FaultError as above."""
    access = target.regions[region].toxiproxy
    if access is None or role not in access.proxies:
        raise FaultError(
            f"target {target.name}: regions.{region}.toxiproxy names no proxy for {role}"
        )
    return access
