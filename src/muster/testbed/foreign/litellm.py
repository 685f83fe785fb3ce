"""The configuration of a region's LiteLLM proxy, as its documentation describes it. Pure.

- Two deployments of one model: the provider's primary route, and its fallback route for requests
  that fail on the first. The time limit of a stream's first byte is `stream_timeout`.
- The router (cooldowns, usage) and the rate limiter share Redis. No answer is cached:
  `supported_call_types` is empty.
- LiteLLM's own hook for custom keys tells the load's and the canaries' tokens apart, so that their
  series have different values of `api_key_alias`. No token is written to a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from muster.testbed.design.parts import Secrets

MODEL = "muster-stub"
FALLBACK = "muster-stub-fallback"
LOAD_ALIAS, CANARY_ALIAS = "load", "canary"
KEYS_MODULE = "muster_keys"
LOAD_VARIABLE, CANARY_VARIABLE = "MUSTER_LOAD_TOKEN", "MUSTER_CANARY_TOKEN"
MASTER_VARIABLE = "LITELLM_MASTER_KEY"
EDGES_S = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 12.5, 15.0, 20.0, 30.0, 60.0, 120.0)
"""Edges of both histograms besides the contract's thresholds: LiteLLM has one list for all of
them.
"""
METRICS = (
    "litellm_proxy_total_requests_metric",
    "litellm_proxy_failed_requests_metric",
    "litellm_request_total_latency_metric",
    "litellm_llm_api_time_to_first_token_metric",
    "litellm_deployment_state",
)
"""The other metrics are switched off: each one costs time at every request and every scrape."""
STREAM_TIMEOUT_S = 5.0
"""After this time without a byte LiteLLM tries the fallback route."""
COOLDOWN_S = 10
GC_THRESHOLD = "50000,100,1000"
"""LiteLLM holds a million objects: Python's own thresholds look through them far too often."""
KEYS = f'''"""LiteLLM's hook for custom keys: which of the two clients of the testbed asks."""

import hmac
import os

from litellm.proxy._types import ProxyException, UserAPIKeyAuth

NAMES = {{"{LOAD_ALIAS}": "{LOAD_VARIABLE}", "{CANARY_ALIAS}": "{CANARY_VARIABLE}"}}


async def known(request, api_key):
    for alias, variable in NAMES.items():
        if hmac.compare_digest(str(api_key).encode(), os.environ[variable].encode()):
            return UserAPIKeyAuth(api_key=alias, key_alias=alias)
    raise ProxyException(message="unknown key", type="auth_error", param=None, code=401)
'''
"""The text of `muster_keys.py`, which is written beside the configuration."""


def configuration(
    redis: tuple[str, int],
    primary: tuple[str, int],
    fallback: tuple[str, int],
    edges: Sequence[float],
) -> str:
    """The text of a region's `config.yaml`. `edges`: the contract's thresholds, in seconds."""
    return yaml.safe_dump(
        {
            "model_list": [
                _deployment(MODEL, "primary", primary),
                _deployment(FALLBACK, "fallback", fallback),
            ],
            "litellm_settings": {
                "callbacks": ["prometheus"],
                "require_auth_for_metrics_endpoint": False,
                "prometheus_metrics_config": [{"group": "drill", "metrics": list(METRICS)}],
                "prometheus_latency_buckets": sorted({*EDGES_S, *edges}),
                "cache": True,
                "cache_params": {
                    "type": "redis",
                    "host": redis[0],
                    "port": redis[1],
                    "supported_call_types": [],
                },
                "num_retries": 0,
                "drop_params": True,
                "telemetry": False,
            },
            "router_settings": {
                "redis_host": redis[0],
                "redis_port": redis[1],
                "fallbacks": [{MODEL: [FALLBACK]}],
                "num_retries": 0,
                "allowed_fails": 3,
                "cooldown_time": COOLDOWN_S,
            },
            "general_settings": {
                "master_key": f"os.environ/{MASTER_VARIABLE}",
                "custom_auth": f"{KEYS_MODULE}.known",
            },
        },
        sort_keys=False,
    )


def environment(secrets: Secrets, master_key: str) -> dict[str, str]:
    """The environment of a LiteLLM process: its keys, and nothing that makes it use the network.

    Without PYTHONPATH, so that LiteLLM does not import any of Muster's libraries.
    """
    return {
        LOAD_VARIABLE: secrets.load_token,
        CANARY_VARIABLE: secrets.canary_token,
        MASTER_VARIABLE: master_key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "NO_DOCS": "True",
        "PROMETHEUS_DISABLE_CREATED_SERIES": "True",
        "PYTHON_GC_THRESHOLD": GC_THRESHOLD,
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def arguments(program: Path, config: Path, host: str, port: int) -> tuple[str, ...]:
    """The command line of one LiteLLM proxy with one worker.

    Several workers behind one `/metrics` answer in turn, which makes every counter useless.
    """
    return (
        str(program),
        "--config",
        str(config),
        "--host",
        host,
        "--port",
        str(port),
        "--num_workers",
        "1",
        "--telemetry",
        "False",
    )


def _deployment(name: str, identifier: str, route: tuple[str, int]) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {
            "model": f"openai/{MODEL}",
            "api_base": f"http://{route[0]}:{route[1]}/v1",
            "api_key": "none",
            "stream_timeout": STREAM_TIMEOUT_S,
        },
        # `id`: the label `model_id` of the deployment's series, which would be a hash without it.
        # With a price LiteLLM does not search its list of models for one at every request.
        "model_info": {"id": identifier, "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
    }
