"""The tiers as a Grafana dashboard: each SLO against its threshold, tier by tier."""

from __future__ import annotations

import json
from typing import Any

from muster.contract.model import Contract, Gate, Tier

SCHEMA_VERSION = 39
"""The schema version of Grafana 11; Grafana migrates older files when it reads them."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, COLUMNS = 6, 8, 4


def grafana_dashboard(contract: Contract) -> dict[str, Any]:
    """The dashboard's model, in the form that Grafana imports."""
    panels: list[dict[str, Any]] = []
    at = 0
    for gate in contract.gates.values():
        tier = contract.tiers[gate.tier]
        title = f"Tier {tier.name} ({tier.title}, {tier.streams:,} streams), gate {gate.name}"
        row = {"type": "row", "title": title, "collapsed": False, "panels": []}
        panels.append({**row, "id": len(panels) + 1, "gridPos": _place(0, at, 24, 1)})
        for index, panel in enumerate(_panels(contract, gate, tier)):
            place = _place(
                WIDTH * (index % COLUMNS), at + 1 + HEIGHT * (index // COLUMNS), WIDTH, HEIGHT
            )
            panels.append({**panel, "id": len(panels) + 1, "gridPos": place})
        at += 1 + 2 * HEIGHT
    return {
        "uid": "muster-scale-contract",
        "title": "Muster: scale contract",
        "description": f"Made from {contract.source.document} by `chaos drill contract export`.",
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "tags": ["muster"],
        "templating": {"list": [{"name": "datasource", "type": "datasource"} | PROMETHEUS]},
        "annotations": {"list": []},
        "panels": panels,
    }


PROMETHEUS = {"query": "prometheus", "label": "Data source", "current": {}, "hide": 0}


def dashboard_json(contract: Contract) -> str:
    """The dashboard as a file."""
    return json.dumps(grafana_dashboard(contract), indent=2, ensure_ascii=False) + "\n"


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panels(contract: Contract, gate: Gate, tier: Tier) -> list[dict[str, Any]]:
    shares, route = "percentunit", contract.triggers.circuit_open.route
    circuit = f'max by (region) (chat_provider_circuit_open{{route="{route}"}})'
    available = float(tier.availability_min)
    return [
        _panel("Availability (canaries)", "muster:availability:ratio1m", shares, available, 1),
        _panel("2xx success", "muster:success_2xx:ratio1m", shares, float(tier.success_2xx_min), 1),
        _panel("5xx rate", "muster:rate_5xx:ratio1m", shares, float(tier.rate_5xx_max), -1),
        _panel("429 rate", "muster:rate_429:ratio1m", shares, float(tier.rate_429_max), -1),
        _panel(
            "First token p95 (shown, not judged)",
            "muster:first_token_p95_shown:seconds",
            "s",
            tier.first_token_p95_s_max,
            -1,
        ),
        _panel(
            "Completion p95 (shown, not judged)",
            "muster:completion_p95_shown:seconds",
            "s",
            tier.completion_p95_s_max,
            -1,
        ),
        _panel(
            "Oldest job in the queue",
            "max by (region) (chat_queue_oldest_job_age_seconds)",
            "s",
            gate.queue_age_s_max,
            -1,
        ),
        _panel(f"Circuit of the {route} route open", circuit, "none", 1, -1),
    ]


def _panel(title: str, expr: str, unit: str, threshold: float, good_side: int) -> dict[str, Any]:
    """A time series with its threshold; `good_side` 1: values above it are good."""
    below, above = ("red", "green") if good_side > 0 else ("green", "red")
    steps = [{"color": below, "value": None}, {"color": above, "value": threshold}]
    return {
        "type": "timeseries",
        "title": title,
        "datasource": DATASOURCE,
        "targets": [{"refId": "A", "expr": expr, "legendFormat": "{{region}}"} | SOURCE],
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "line"}, "spanNulls": False},
            },
            "overrides": [],
        },
        "options": {"legend": LEGEND},
    }


LEGEND = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
SOURCE = {"datasource": DATASOURCE}
