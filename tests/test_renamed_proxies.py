"""What a drill did to a proxy is taken back there, or a person is told: not at another proxy."""

from __future__ import annotations

import pytest
from floor_fixtures import REGION, a_target

from muster.errors import BadInput
from muster.faults import fault_of, registered
from muster.faults.proxied import ProxyFault
from muster.platform import platform_of
from muster.undo import UndoEntry

ROLES = ("redis", "provider_primary", "provider_fallback", "ingress")
ARGUMENTS = {
    "provider_jitter": {"jitter_ms": 5},
    "provider_share": {"latency_ms": 5, "share_pct": 5},
    "provider_trickle": {"rate_kb_s": 5},
}
KINDS = sorted(kind for kind, one in registered().kinds.items() if issubclass(one, ProxyFault))


def platform(**renamed: str):
    proxies = {role: role for role in ROLES} | renamed
    access = {"url": "http://127.0.0.1:9", "proxies": proxies}
    return platform_of(a_target(region={"toxiproxy": access}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_that_names_other_proxies_by_now_restores_nothing_there(kind):
    """It would find no toxic, and call that restored. No request is sent for it."""
    params = {"arguments": ARGUMENTS.get(kind, {})}
    made = registered().kinds[kind].from_undo(platform(), REGION, params)
    entry = UndoEntry("u1", kind, made.subject, REGION, params)
    assert fault_of(platform(), entry).subject == made.subject
    other = platform(**{role: f"{role}-2" for role in ROLES})
    with pytest.raises(BadInput, match=r"toxiproxy\.proxies: got .*-2.*which was changed: set it"):
        fault_of(other, entry)


def test_every_fault_of_a_proxy_is_one_of_these():
    """Whoever adds one inherits it."""
    assert {"redis_outage", "redis_slow", "provider_latency", "region_grey"} <= set(KINDS)
