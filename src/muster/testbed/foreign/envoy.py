"""The bootstrap of a region's Envoy, as its documentation describes it. Pure.

- One listener, one route to LiteLLM. The limit of open streams is the circuit breaker's
  `max_requests`; requests over it are answered 503 at once. `track_remaining` exports how many more
  fit.
- Requests with a canary's token use their own cluster, so that they are in none of the figures of
  `litellm`. They reach the same LiteLLM.
- The health check filter answers `/readyz`: 200 while LiteLLM is healthy and the region was not
  asked to drain (`/healthcheck/fail` of the admin interface).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muster.testbed.rig.route53 import READY_PATH

CLUSTER, CANARIES = "litellm", "litellm_canaries"
CANARY_PREFIX = "canary-"
"""The prefix of every canary's token, so that this file contains no token."""
HEALTH_PATH = "/health/liveliness"
REGION_HEADER = "x-served-by"
_TYPES = "type.googleapis.com/envoy.extensions.filters"


def bootstrap(
    region: str,
    listen: tuple[str, int],
    admin: tuple[str, int],
    litellm: tuple[str, int],
    streams_max: int,
) -> dict[str, Any]:
    """A region's bootstrap. `streams_max`: streams that may be open at once."""
    return {
        "admin": {"address": _address(admin)},
        "static_resources": {
            "listeners": [
                {
                    "name": "chat",
                    "address": _address(listen),
                    "filter_chains": [{"filters": [_manager(region)]}],
                }
            ],
            "clusters": [
                _cluster(CLUSTER, litellm, streams_max),
                _cluster(CANARIES, litellm, streams_max),
            ],
        },
    }


def arguments(program: Path, config: Path) -> tuple[str, ...]:
    """The command line of one Envoy. One worker is enough for a few hundred streams."""
    return (
        str(program),
        "--config-path",
        str(config),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "warning",
    )


def _manager(region: str) -> dict[str, Any]:
    to_canaries: Mapping[str, Any] = {
        "prefix": "/",
        "headers": [
            {"name": "authorization", "string_match": {"prefix": f"Bearer {CANARY_PREFIX}"}}
        ],
    }
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "chat",
            "route_config": {
                "name": "chat",
                "response_headers_to_add": [{"header": {"key": REGION_HEADER, "value": region}}],
                "virtual_hosts": [
                    {
                        "name": "chat",
                        "domains": ["*"],
                        "routes": [
                            {"match": to_canaries, "route": _to(CANARIES)},
                            {"match": {"prefix": "/"}, "route": _to(CLUSTER)},
                        ],
                    }
                ],
            },
            "http_filters": [
                {
                    "name": "envoy.filters.http.health_check",
                    "typed_config": {
                        "@type": f"{_TYPES}.http.health_check.v3.HealthCheck",
                        "pass_through_mode": False,
                        "cluster_min_healthy_percentages": {CLUSTER: {"value": 100.0}},
                        "headers": [{"name": ":path", "string_match": {"exact": READY_PATH}}],
                    },
                },
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{_TYPES}.http.router.v3.Router"},
                },
            ],
        },
    }


def _to(cluster: str) -> dict[str, Any]:
    # A stream may take any time: Envoy's own limit for a request is 15 s.
    return {"cluster": cluster, "timeout": "0s"}


def _cluster(name: str, endpoint: tuple[str, int], streams_max: int) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_requests": streams_max,
                    "max_pending_requests": streams_max,
                    "track_remaining": True,
                }
            ]
        },
        "health_checks": [
            {
                "timeout": "5s",
                "interval": "2s",
                # Without traffic Envoy checks only once a minute, unless it is configured
                # otherwise.
                "no_traffic_interval": "2s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 1,
                "http_health_check": {"path": HEALTH_PATH},
            }
        ],
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(endpoint)}}]}],
        },
    }


def _address(where: tuple[str, int]) -> dict[str, Any]:
    return {"socket_address": {"address": where[0], "port_value": where[1]}}
