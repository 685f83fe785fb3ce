"""The tiers as OpenSLO v1 documents: a data source, one service for each tier, and its six SLOs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import yaml

from muster.contract.model import Contract, Gate, Tier

API_VERSION = "openslo/v1"
SOURCE = "muster-prometheus"
HEAD = """\
# Made from the scale contract by `chaos drill contract export`; change the contract, not this file.
# Give the data source your Prometheus' address. The canaries are Muster's own, so availability
# has data during drills only.
"""
REQUESTS = "http_server_requests_total"
CANARIES = "muster_load_canaries_total"
HISTOGRAMS = {
    "first_token_p95": "gen_ai_server_time_to_first_token_seconds",
    "completion_p95": "gen_ai_server_request_duration_seconds",
}


def openslo_documents(contract: Contract) -> list[dict[str, Any]]:
    """Every document, in the order of the file."""
    documents = [
        _document(
            "DataSource",
            SOURCE,
            "Prometheus",
            {"type": "Prometheus", "connectionDetails": {"url": "http://prometheus.example:9090"}},
        )
    ]
    for gate in contract.gates.values():
        tier = contract.tiers[gate.tier]
        what = f"Chat at {tier.streams:,} concurrent streams. Source: {tier.source}"
        title = f"Chat, tier {tier.name} ({tier.title})"
        documents.append(_document("Service", _service(tier), title, {"description": what}))
        documents += [_slo(contract, gate, tier, slo) for slo in _targets(contract, tier)]
    return documents


def openslo_yaml(contract: Contract) -> str:
    """The documents as one YAML file."""
    return HEAD + yaml.safe_dump_all(
        openslo_documents(contract), sort_keys=False, width=1000, explicit_start=True
    )


def _targets(contract: Contract, tier: Tier) -> dict[str, Fraction]:
    """The share of good events that each SLO requires."""
    return {
        "availability": tier.availability_min,
        "success_2xx": tier.success_2xx_min,
        "rate_5xx": 1 - tier.rate_5xx_max,
        "rate_429": 1 - tier.rate_429_max,
        "first_token_p95": contract.measurement.percentile,
        "completion_p95": contract.measurement.percentile,
    }


def _slo(contract: Contract, gate: Gate, tier: Tier, slo: str) -> dict[str, Any]:
    name = f"{_service(tier)}-{slo.replace('_', '-')}"
    side, part, total, words = _queries(tier, slo)
    target = _targets(contract, tier)[slo]
    indicator = {
        "metadata": {"name": f"{name}-ratio", "displayName": words},
        "spec": {"ratioMetric": {"counter": True, side: _metric(part), "total": _metric(total)}},
    }
    spec = {
        "description": f"{words}. Source: {tier.source}",
        "service": _service(tier),
        "indicator": indicator,
        # The gate's soak: the SLOs are measured at peak-hour windows.
        "timeWindow": [{"duration": f"{gate.soak_s_min / 60:.0f}m", "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [{"displayName": words, "target": float(target)}],
    }
    return _document("SLO", name, f"Tier {tier.name}: {slo}", spec)


def _queries(tier: Tier, slo: str) -> tuple[str, str, str, str]:
    """("good" or "bad", its query, the query for all, a description).

    A part that has no series yet is 0 if the whole has one; without the whole there is no data.
    """
    if slo == "availability":
        good = _part(f'sum({CANARIES}{{outcome="answered"}})', f"sum({CANARIES})")
        return "good", good, f"sum({CANARIES})", "Canaries answered in time"
    total = f"sum({REQUESTS})"
    if slo == "success_2xx":
        # A stream that was cut after its 200 is not a success.
        answered = _part(f'sum({REQUESTS}{{code=~"2.."}})', total)
        broken = _part("sum(chat_streams_broken_total)", total)
        return "good", f"{answered} - {broken}", total, "Answered 2xx and streamed to the end"
    if slo in ("rate_5xx", "rate_429"):
        code, words = ("5..", "answered 5xx") if slo == "rate_5xx" else ("429", "shed with a 429")
        bad = _part(f'sum({REQUESTS}{{code=~"{code}"}})', total)
        return "bad", bad, total, f"Requests {words}"
    threshold_s: float = getattr(tier, f"{slo}_s_max")
    histogram = HISTOGRAMS[slo]
    # Prometheus 2 writes le="3", Prometheus 3 le="3.0".
    le = f"{threshold_s:g}" if threshold_s % 1 else f"{threshold_s:g}|{threshold_s:.1f}"
    good = f'sum({histogram}_bucket{{le=~"{le}"}})'
    what = "First token" if slo == "first_token_p95" else "Completed"
    return "good", good, f"sum({histogram}_count)", f"{what} within {threshold_s:g} s"


def _part(query: str, total: str) -> str:
    return f"({query} or 0 * {total})"


def _metric(query: str) -> dict[str, Any]:
    return {
        "metricSource": {"metricSourceRef": SOURCE, "type": "Prometheus", "spec": {"query": query}}
    }


def _service(tier: Tier) -> str:
    return f"chat-tier-{tier.name.lower()}"


def _document(kind: str, name: str, title: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "displayName": title}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
