"""The planted defects: a drill tool that has never failed anything is worth nothing.

Each name says which part of the testbed carries it, and which finding it must lead to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal[
    "gateway_survivor",
    "gateway_evacuated",
    "gateway_faulted",
    "provider",
    "dns",
    "region_evacuated",
    "survivor_redis",
]


@dataclass(frozen=True)
class Defect:
    """`part` is where it lives: the gateways of one region, the provider, the DNS server, the
    switch of the evacuated region, or the address of the Redis that the survivors are given."""

    name: str
    part: Part
    what: str
    finding: str
    drill: str


_FAILOVER = "region_failover"
DEFECTS: dict[str, Defect] = {
    defect.name: defect
    for defect in (
        Defect(
            "undersized_survivor",
            "gateway_survivor",
            "advertises room for all streams, sheds past 60 % of them",
            "rate_429",
            _FAILOVER,
        ),
        Defect(
            "cold_survivor",
            "gateway_survivor",
            "first tokens come 3 s late for streams beyond what it is warm for",
            "first_token_p95",
            _FAILOVER,
        ),
        Defect(
            "cuts_streams_on_drain",
            "gateway_evacuated",
            "cuts its open streams a second after it was asked to drain",
            "streams_cut",
            _FAILOVER,
        ),
        Defect(
            "sheds_too_much",
            "gateway_survivor",
            "refuses one request in ten above half of its limit",
            "rate_429",
            _FAILOVER,
        ),
        Defect(
            "queue_stuck",
            "gateway_survivor",
            "one job never leaves the queue once the load has risen",
            "queue_age",
            _FAILOVER,
        ),
        Defect(
            "errors_in_stream",
            "gateway_survivor",
            "ends 15 % of its streams with an error event once it is alone",
            "success_2xx",
            _FAILOVER,
        ),
        Defect(
            "empty_streams",
            "gateway_survivor",
            "answers 15 % of its streams without a token once it is alone",
            "success_2xx",
            _FAILOVER,
        ),
        Defect(
            "cached_answers",
            "gateway_survivor",
            "answers every stream with one token at once, once it was alone",
            "stream_lengths",
            _FAILOVER,
        ),
        Defect(
            "stalled_streams",
            "gateway_survivor",
            "holds one stream in fifty up for a minute",
            "completion_p95",
            _FAILOVER,
        ),
        Defect(
            "ignores_weights",
            "dns",
            "keeps answering by the first weights that it saw",
            "traffic_split",
            _FAILOVER,
        ),
        Defect(
            "lit_in_dark",
            "region_evacuated",
            "starts itself 4 s after it was stopped, and stops itself 7 s later",
            "fault_proof",
            _FAILOVER,
        ),
        Defect(
            "half_capacity_back",
            "region_evacuated",
            "comes back from a stop with room for a quarter of its streams",
            "rollback",
            _FAILOVER,
        ),
        Defect(
            "survivor_needs_evacuated",
            "survivor_redis",
            "admits through the Redis of the evacuated region",
            "hard_failure",
            _FAILOVER,
        ),
        Defect(
            "ignores_health",
            "dns",
            "goes on answering with a region whose health check fails",
            "loss_not_detected",
            "region_loss",
        ),
        Defect(
            "counts_half",
            "gateway_survivor",
            "its counters and histograms leave out every second request",
            "attempts_agree",
            _FAILOVER,
        ),
        Defect(
            "sawtooth_counters",
            "gateway_survivor",
            "its metrics show the counts of four workers in turn",
            "samples_complete",
            _FAILOVER,
        ),
        Defect(
            "no_redis_fallback",
            "gateway_faulted",
            "refuses every new stream while Redis is away",
            "rate_5xx",
            "redis_outage",
        ),
        Defect(
            "slow_fallback_provider",
            "provider",
            "first tokens of the fallback route come 4 s late",
            "first_token_p95",
            "provider_latency",
        ),
    )
}
