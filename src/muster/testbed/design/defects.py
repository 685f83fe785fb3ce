"""The planted defects: a drill tool must be shown to fail on a faulty platform.

Each entry says which part of the testbed has the defect, and which finding it must lead to.
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
    "sentinel",
    "survivor_tokens",
    "route53",
]


@dataclass(frozen=True)
class Defect:
    """`part` is where it is planted: the gateways of one region, the provider, the DNS server, the
    switch of the evacuated region, the Redis address that the survivors get, or the Sentinel of
    each region.
    switch of the evacuated region, or the address of Redis or of the validation of tokens that the
    survivors get, or the Route 53 API.
    """

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
            "advertises capacity for all streams, sheds above 60 % of them",
            "rate_429",
            _FAILOVER,
        ),
        Defect(
            "cold_survivor",
            "gateway_survivor",
            "first tokens are 3 s late for streams beyond its warm capacity",
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
            "answers every stream with one token at once, once it has been alone",
            "stream_lengths",
            _FAILOVER,
        ),
        Defect(
            "stalled_streams",
            "gateway_survivor",
            "delays one stream in fifty for a minute",
            "completion_p95",
            _FAILOVER,
        ),
        Defect(
            "ignores_weights",
            "dns",
            "keeps answering by the first weights that it read",
            "traffic_split",
            _FAILOVER,
        ),
        Defect(
            "lit_in_dark",
            "region_evacuated",
            "starts by itself 4 s after it was stopped, and stops by itself 7 s later",
            "fault_proof",
            _FAILOVER,
        ),
        Defect(
            "half_capacity_back",
            "region_evacuated",
            "comes back from a stop with capacity for a quarter of its streams",
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
            "keeps answering with a region whose health check fails",
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
            "waits_for_redis",
            "gateway_faulted",
            "waits 8 s for an answer of Redis, whatever its time limit is",
            "first_token_p95",
            "redis_black_hole",
        ),
        Defect(
            "asks_redis_in_turn",
            "gateway_faulted",
            "asks Redis for one stream after the other, each after the answer before",
            "first_token_p95",
            "redis_slow",
        ),
        Defect(
            "refuses_redis_errors",
            "gateway_faulted",
            "refuses a stream for which Redis answers with an error",
            "rate_5xx",
            "redis_full",
        ),
        Defect(
            "loads_scripts_once",
            "gateway_faulted",
            "refuses every stream once Redis has lost its scripts",
            "rate_5xx",
            "redis_restarted",
        ),
        Defect(
            "never_reconnects",
            "gateway_faulted",
            "does not connect to Redis again once it lost the connection",
            "recovery_quiet",
            "redis_exhausted",
        ),
        Defect(
            "passes_on_429",
            "gateway_faulted",
            "hands a 429 of the provider to the client instead of taking the other route",
            "rate_429",
            "provider_429",
        ),
        Defect(
            "passes_on_stream_errors",
            "gateway_faulted",
            "hands an error in a stream to the client instead of taking the other route",
            "success_2xx",
            "provider_stream_error",
        ),
        Defect(
            "stays_on_route",
            "gateway_faulted",
            "never takes the other route",
            "rate_5xx",
            "provider_503",
        ),
        Defect(
            "impatient",
            "gateway_faulted",
            "gives up on each route of the provider before its slowest first tokens come",
            "rate_5xx",
            "provider_latency_both",
        ),
        Defect(
            "slow_fallback_provider",
            "provider",
            "first tokens of the fallback route come 4 s late",
            "first_token_p95",
            "provider_latency",
        ),
        Defect(
            "connects_anew",
            "gateway_faulted",
            "opens a connection to the provider for each stream, and waits for it however long",
            "first_token_p95",
            "provider_share",
        ),
        Defect(
            "passes_on_breaks",
            "gateway_faulted",
            "cuts a stream that the provider broke off instead of continuing it elsewhere",
            "success_2xx",
            "provider_cut",
        ),
        Defect(
            "checks_from_inside",
            "dns",
            "checks the health of regions from inside, where no client comes from",
            "loss_not_detected",
            "region_partition",
        ),
        Defect(
            "shallow_health",
            "gateway_faulted",
            "is ready as long as it lives, whatever becomes of its streams",
            "loss_not_detected",
            "region_grey",
        ),
        Defect(
            "answers_in_turn",
            "dns",
            "answers one query after the other, so that delays add up",
            "first_token_p95",
            "dns_slow",
        ),
        Defect(
            "long_negative_ttl",
            "dns",
            "lets clients keep for ten minutes that a name has no record",
            "rto",
            "dns_empty",
        ),
        Defect(
            "never_reads_again",
            "dns",
            "does not read its records again once its answers were stale",
            "traffic_split",
            "dns_stale",
        ),
        Defect(
            "address_stays",
            "sentinel",
            "promotes a replica and leaves the address on the dead primary",
            "redis_promotion",
            "redis_promoted",
        ),
        Defect(
            "small_redis_fallback",
            "gateway_survivor",
            "admits only half of its limit while Redis is away",
            "rate_429",
            "compound_redis_evacuation",
        ),
        Defect(
            "refuses_cold_redis",
            "gateway_evacuated",
            "refuses every stream for 8 s after its Redis came back empty",
            "rate_429",
            "compound_cold_redis",
        ),
        Defect(
            "survivor_admission_evacuated",
            "survivor_tokens",
            "has tokens validated by the evacuated region",
            "rate_5xx",
            "dependency",
        ),
        Defect(
            "survivor_prometheus_evacuated",
            "region_evacuated",
            "holds the only Prometheus, which stops with it",
            "data_lost",
            "dependency",
        ),
        Defect(
            "keeps_connections",
            "gateway_faulted",
            "does not close its clients' connections when it is asked to release them",
            "traffic_would_not_leave",
            "compound_held_connections",
        ),
        Defect(
            "steering_stays_away",
            "route53",
            "answers 503 for good once it did, whatever it is told",
            "rollback",
            "compound_steering_unavailable",
        ),
        Defect(
            "ready_too_early",
            "gateway_faulted",
            "says that it is ready 8 s before it can serve, and answers 503 until then",
            "rate_5xx",
            "pods_killed",
        ),
        Defect(
            "no_spare_gateway",
            "gateway_faulted",
            "admits half as many streams again as its part of the load, whatever the region has",
            "rate_429",
            "image_unpullable",
        ),
    )
}
