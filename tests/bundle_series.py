"""The series of a synthetic bundle: counters from rates a second, gauges, histograms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from muster.contract import load
from muster.samples.rates import CANARY_OUTCOMES, OUTCOMES

if TYPE_CHECKING:
    from bundle_maker import Story

    Row = tuple[str, str, dict[str, str], np.ndarray, np.ndarray]

WEST, EAST = "eu-west-1", "eu-central-1"
LAG_EDGES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
CODES = ("200", "401", "404", "429", "500", "502", "503", "504")


@dataclass(frozen=True)
class Harm:
    """What goes wrong in a phase, as shares of the attempts unless a unit says otherwise."""

    rate_5xx: float = 0.0
    rate_429: float = 0.0
    broken: float = 0.0
    refused: float = 0.0
    slow_first_token: float = 0.0
    slow_completion: float = 0.0
    canaries_bad: float = 0.0
    queue_age_s: float = 0.0
    circuit_open: bool = False
    offered: float = 1.0
    streams: float = 1.0
    lag: float = 0.0
    late: float = 0.0


def make_series(story: Story) -> Iterator[Row]:
    """Every series of the story: signal, metric name, labels, times, values."""
    t = np.arange(story.start_s, story.end_s + 1, 1.0)
    load_from_s = story.span("ramp")[0] if any(p[0] == "ramp" for p in story.phases) else t[0]
    shares = _shares(story, t)
    per_s = story.streams / load().profiles[story.profile].mean_stream_s * (t > load_from_s)
    harm = _by_second(story, t)
    for region in (WEST, EAST):
        alive = np.ones(len(t), dtype=bool)
        names = [p[0] for p in story.phases]
        if region == WEST and story.dark and "dark" in names:
            dark_s, lit_s = story.span("dark")
            alive = (t <= dark_s + 1) | (t >= lit_s + 2)
        own = harm
        if "loss" in names:
            lost_s, back_s = story.span("loss")[0], story.span("comeback")[0]
            if region == WEST:
                alive = (t <= lost_s) | (t >= back_s + 2)
            else:
                # What goes wrong in the loss goes wrong where the region is lost.
                inside = (t > lost_s) & (t <= story.span("loss")[1])
                own = {key: np.where(inside, getattr(Harm(), key), v) for key, v in harm.items()}
        rows = _server(story, region, t, per_s * shares[region], own)
        yield from (_cut(story, row, alive) for row in rows)
        rows = _client(story, region, t, per_s * shares[region], own)
        yield from (_cut(story, row, np.ones(len(t), dtype=bool)) for row in rows)
    for region, share in shares.items():
        weights = np.round(share * 100)
        if "baseline" in story.weights_moved:
            weights[t > story.span("baseline")[0] + 20] += 1
        row = ("steering_weight", "steering_weight", {"region": region}, t, weights)
        yield _cut(story, row, np.ones(len(t), dtype=bool))
    for row in _load(story, t, per_s, harm):
        yield _cut(story, row, np.ones(len(t), dtype=bool))


def _cut(story: Story, row: Row, alive: np.ndarray) -> Row:
    """Scrapes of a stopped region and of a gap are not there; a restarted process counts anew."""
    signal, name, labels, t, v = row
    keep = alive.copy()
    if not alive.all() and not labels.get("gauge"):
        back = int(np.flatnonzero(~alive)[-1]) + 1
        if signal not in ("queue_age", "circuit_open", "streams_active", "open_over"):
            v = v.copy()
            v[back:] -= v[min(back, len(v) - 1)]
    if story.gap is not None:
        keep &= (t < story.gap[0]) | (t >= story.gap[1])
    return signal, name, labels, t[keep], v[keep]


def _shares(story: Story, t: np.ndarray) -> dict[str, np.ndarray]:
    west = np.full(len(t), 0.5)
    names = [p[0] for p in story.phases]
    if "evacuate" in names:
        start_s, end_s = story.span("evacuate")
        step_s = (end_s - start_s) / 3
        for index, share in enumerate((0.25, 0.1, 0.0)):
            west[t > start_s + index * step_s] = share
        restore_s, over_s = story.span("restore")
        west[t > restore_s + 10] = 0.25
        west[t > (restore_s + over_s) / 2 + 8] = 0.5
    if "loss" in names:
        west[(t > story.span("failed_over")[0]) & (t <= story.span("comeback")[0] + 10)] = 0.0
    return {WEST: west, EAST: 1 - west}


def _by_second(story: Story, t: np.ndarray) -> dict[str, np.ndarray]:
    plain = Harm()
    fields = {key: np.full(len(t), float(value)) for key, value in vars(plain).items()}
    for phase, harm in story.harm.items():
        start_s, end_s = story.span(phase)
        inside = (t > start_s) & (t <= end_s)
        for key, value in vars(harm).items():
            fields[key][inside] = float(value)
    return fields


def _sum(per_s: np.ndarray) -> np.ndarray:
    return np.floor(np.cumsum(per_s) + 1e-6)


def _histogram(
    signal: str, name: str, labels: dict[str, str], t: np.ndarray, count: np.ndarray, under: Any
) -> Iterator[Row]:
    """`under(edge)` is the share at or under an edge, a second at a time."""
    edges, total = under
    for edge, share in edges:
        v = np.minimum(_sum(count * share), _sum(count))
        yield signal, f"{name}_bucket", {**labels, "le": f"{edge:g}"}, t, v
    yield signal, f"{name}_bucket", {**labels, "le": "+Inf"}, t, total
    yield signal, f"{name}_count", labels, t, total


def _latency(
    signal: str,
    name: str,
    labels: dict[str, str],
    t: np.ndarray,
    count: np.ndarray,
    kind: str,
    harm: dict[str, np.ndarray],
) -> Iterator[Row]:
    rules = load().measurement
    slow = harm[f"slow_{kind}"]
    edges = rules.first_token_edges_s if kind == "first_token" else rules.completion_edges_s
    threshold = 3.0 if kind == "first_token" else 20.0
    typical = 1.0 if kind == "first_token" else 14.0
    shares = []
    for edge in edges:
        base = min(1.0, edge / typical) if edge < typical else 1.0
        # The slow ones lie above every tier's threshold.
        shares.append((edge, base * (1 - slow) if edge <= threshold else np.ones(len(t))))
    yield from _histogram(signal, name, labels, t, count, (shares, _sum(count)))


def _server(
    story: Story, region: str, t: np.ndarray, per_s: np.ndarray, harm: dict[str, np.ndarray]
) -> Iterator[Row]:
    each = per_s / story.server_processes
    good = 1 - harm["rate_5xx"] - harm["rate_429"] - harm["refused"]
    canaries = 25 / story.server_processes * (per_s > 0) * story.canaries_counted
    for process in range(story.server_processes):
        labels = {"region": region, "instance": f"{region}:{process}", "job": "gateway"}
        for code in CODES:
            share = {"200": good, "500": harm["rate_5xx"], "429": harm["rate_429"]}.get(code)
            v = _sum(each * share) if share is not None else np.zeros(len(t))
            v = v + _sum(canaries) if code == "200" else v
            yield "requests", "http_server_requests_total", {**labels, "code": code}, t, v
        for kind, name in (
            ("first_token", "gen_ai_server_time_to_first_token_seconds"),
            ("completion", "gen_ai_server_request_duration_seconds"),
        ):
            for row in _latency(kind, name, labels, t, each * good, kind, harm):
                yield *row[:-1], row[-1] + _sum(canaries)
            edges = (2, 2.5, 3) if kind == "first_token" else (15, 18, 20)
            for le in edges:
                over = {**labels, "phase": kind, "le": f"{le:g}"}
                yield "open_over", "chat_requests_open_over", over, t, np.zeros(len(t))
        v = _sum(each * harm["broken"])
        yield "streams_broken", "chat_streams_broken_total", labels, t, v
        v = harm["queue_age_s"]
        yield "queue_age", "chat_queue_oldest_job_age_seconds", labels, t, v
        for route in ("primary", "fallback"):
            v = harm["circuit_open"] * (route == "primary")
            yield "circuit_open", "chat_provider_circuit_open", {**labels, "route": route}, t, v
        for reason in ("redis_unavailable", "token_validation", "gateway_health"):
            name = "chat_admission_failures_total"
            yield "admission_failures", name, {**labels, "reason": reason}, t, np.zeros(len(t))
        yield "streams_active", "chat_streams_active", labels, t, each * 7.1
        yield from _lag("gateway", labels, t, harm)


def _client(
    story: Story, region: str, t: np.ndarray, per_s: np.ndarray, harm: dict[str, np.ndarray]
) -> Iterator[Row]:
    each = per_s / story.shards
    shares = {
        "broken": harm["broken"],
        "http_5xx": harm["rate_5xx"],
        "http_429": harm["rate_429"],
        "refused": harm["refused"],
    }
    shares["success"] = 1 - sum(shares.values())
    good = shares["success"] + shares["broken"]
    for shard in range(story.shards):
        labels = {"region": region, "shard": str(shard), "instance": f"load:{shard}", "job": "load"}
        for outcome in OUTCOMES:
            for kind in ("scheduled", "retry"):
                own = shares.get(outcome) if kind == "scheduled" else None
                v = _sum(each * own) if own is not None else np.zeros(len(t))
                full = {**labels, "outcome": outcome, "kind": kind}
                yield "client_attempts", "muster_load_attempts_total", full, t, v
        if any(p[0] == "loss" for p in story.phases):
            for code, rate in (
                ("200", good),
                ("503", shares["http_5xx"]),
                ("refused", shares["refused"]),
            ):
                full = {**labels, "code": code, "kind": "scheduled"}
                yield "client_answers", "muster_load_answers_total", full, t, _sum(each * rate)
        for kind in ("first_token", "completion"):
            name = f"muster_load_{kind}_seconds"
            yield from _latency(f"client_{kind}", name, labels, t, each * good, kind, harm)
            for le in (2, 2.5, 3) if kind == "first_token" else (15, 18, 20):
                over = {**labels, "phase": kind, "le": f"{le:g}"}
                yield "client_open_over", "muster_load_open_over", over, t, np.zeros(len(t))
        canaries = 25 / story.shards * (per_s > 0)
        answered = {
            "answered": 1 - harm["canaries_bad"],
            "unavailable_5xx": harm["canaries_bad"],
        }
        for outcome in CANARY_OUTCOMES:
            full = {**labels, "outcome": outcome}
            v = _sum(canaries * answered.get(outcome, 0.0))
            yield "client_canaries", "muster_load_canaries_total", full, t, v
        v = each * 7.1059 * harm["streams"]
        yield "client_streams", "muster_load_streams_open", labels, t, v


def _load(
    story: Story, t: np.ndarray, per_s: np.ndarray, harm: dict[str, np.ndarray]
) -> Iterator[Row]:
    each = per_s / story.shards
    for shard in range(story.shards):
        labels = {"shard": str(shard), "instance": f"load:{shard}", "job": "load"}
        offered = each * harm["offered"]
        yield "client_scheduled", "muster_load_scheduled_total", labels, t, _sum(each)
        yield "client_offered", "muster_load_offered_total", labels, t, _sum(offered)
        yield "client_late", "muster_load_late_total", labels, t, _sum(offered * harm["late"])
        v = np.full(len(t), story.streams / story.shards)
        yield "client_streams_target", "muster_load_streams_target", labels, t, v
        yield from _lag("load", labels, t, harm)


def _lag(
    component: str, labels: dict[str, str], t: np.ndarray, harm: dict[str, np.ndarray]
) -> Iterator[Row]:
    count = np.full(len(t), 100.0)
    shares = [
        (edge, np.ones(len(t)) if edge >= 0.5 else (1 - harm["lag"]) * (edge >= 0.01))
        for edge in LAG_EDGES
    ]
    full = {**labels, "component": component}
    name = "muster_rig_loop_lag_seconds"
    yield from _histogram("rig_lag", name, full, t, count, (shares, _sum(count)))
