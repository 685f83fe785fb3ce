"""The region's proxies on which a fault works, as the target names them."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from muster.faults.model import FaultError
from muster.faults.toxiproxy import ProxyHandle

if TYPE_CHECKING:
    from muster.targets.model import Target, ToxiproxyAccess


def proxy_of(target: Target, region: str, role: str) -> ProxyHandle:
    """The region's proxy in front of `role` (redis, provider_primary, provider_fallback).

    Raises FaultError if the target names none: then this fault is not available there.
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


def address_of(listen: str, api_url: str) -> str:
    """The address, as `host:port`, at which this machine reaches a proxy that listens at `listen`.

    A Toxiproxy that listens on every address (`[::]:6379`) is reached at the address of its API.
    """
    host, _, port = listen.rpartition(":")
    try:
        anywhere = not host or ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        anywhere = False  # a host name
    if not anywhere:
        return listen
    api = urlsplit(api_url).hostname or "127.0.0.1"
    return f"[{api}]:{port}" if ":" in api else f"{api}:{port}"
