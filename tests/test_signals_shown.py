"""Whether every signal that a target names is really there, before the first effect."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml
from drill_runner import TARGET, drill

from muster import contract, targets
from muster.clock import SYSTEM_CLOCK
from muster.drill.phases import failover
from muster.drill.phases.preflight import CHECKS
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.shown import load_not_shown, not_shown
from muster.drill.stop import StopFlag
from muster.errors import DrillAborted
from muster.platform.metrics import RawSeries
from muster.platform.metrics.prometheus import PrometheusError
from muster.targets.signals import SIGNALS_CLIENT, SIGNALS_DEFAULT

CONTRACT = contract.load()
TARGET_FILE = targets.load(str(TARGET))
REGIONS = tuple(TARGET_FILE.regions)
A, B = REGIONS


def labels_shown():
    """What the testbed shows of itself, signal by signal: labels beside the region."""
    reasons = CONTRACT.triggers.hard_failure.reasons
    edges = {"first_token": ("2", "2.5", "3"), "completion": ("15", "18.0", "20")}
    return {
        "requests": [{"code": "200"}],
        "streams_active": [{}],
        "streams_limit": [{}],
        "queue_age": [{}],
        "circuit_open": [{"route": "primary"}, {"route": "fallback"}],
        "admission_failures": [{"reason": reason} for reason in reasons],
        "streams_broken": [{}],
        "open_over": [{"phase": p, "le": le} for p, every in edges.items() for le in every],
        "build_info": [{"version": "1"}],
        "region_ready": [{}],
        "rig_lag": [{"component": "gateway"}],
    }


class Shown:
    """Stands in for Prometheus: the series given, each with one sample."""

    def __init__(self, series):
        self.series = series

    def raw(self, signal, selector, window_s):
        return [
            RawSeries(signal, signal, labels, (1.0,), (value,))
            for labels, value in self.series.get(signal, [])
        ]


def platform(**changed):
    """Every series of both regions; `changed` gives a signal's own series."""
    series = {
        signal: [({"region": region, **labels}, 0.0) for region in REGIONS for labels in every]
        for signal, every in labels_shown().items()
    }
    return series | changed


def session_of(series, gate="M3", **signals):
    target = TARGET_FILE.model_copy(update={"signals_said": {**TARGET_FILE.signals, **signals}})
    plan = SimpleNamespace(contract=CONTRACT, gate=CONTRACT.gates[gate])
    stop = StopFlag()

    def stop_now(reason):
        stop.set(reason)
        stop.check()

    return SimpleNamespace(
        target=target,
        plan=plan,
        metrics=Shown(series),
        clock=SYSTEM_CLOCK,
        samples=SamplesClock(),
        load=SimpleNamespace(parts_elsewhere=0),
        stop_now=stop_now,
        stop=stop,
        # Asked once: what a stand-in shows does not change.
        wait_until=lambda holds, seconds_max: 0.0 if holds() else None,
    )


def without(signal, **labels):
    """The platform, less the series of a signal that carry all these labels."""
    every = platform()[signal]
    kept = [(own, v) for own, v in every if not labels.items() <= own.items()]
    return platform(**{signal: kept})


def relabelled(signal, **names):
    """The platform, a signal's labels called otherwise."""
    every = [({names.get(k, k): v for k, v in own.items()}, n) for own, n in platform()[signal]]
    return platform(**{signal: every})


def test_a_platform_that_shows_all_is_taken():
    """Also one that has answered nothing yet, whose requests are not there."""
    assert not_shown(session_of(platform())) == ""
    assert not_shown(session_of(platform(requests=[]))) == ""


def test_what_the_target_leaves_out_is_not_looked_for():
    """The optional signals are the target's to name."""
    session = session_of(platform(streams_broken=[], open_over=[]))
    assert "signals.open_over" in not_shown(session) or "signals.streams_broken" in not_shown(
        session
    )
    for signal in ("streams_broken", "open_over"):
        del session.target.signals_said[signal]
    assert not_shown(session) == ""


@pytest.mark.parametrize("signal", sorted(set(labels_shown()) - {"requests", "rig_lag"}))
def test_a_signal_that_nobody_shows_is_named_with_its_selector(signal):
    """As a misspelt metric is."""
    said = not_shown(session_of(platform(**{signal: []}), **{signal: "chat_mispelt"}))
    assert said == f"signals.{signal}: chat_mispelt returns no series at all"


@pytest.mark.parametrize(
    "signal", sorted(set(labels_shown()) - {"requests", "rig_lag", "region_ready"})
)
def test_a_region_that_shows_nothing_of_it_is_named(signal):
    """One region's counters do not stand for another's."""
    said = not_shown(session_of(without(signal, region=B)))
    assert f'returns no series with region="{B}"' in said
    assert f"(the series have region {A}" in said


@pytest.mark.parametrize(
    ("series", "gate", "says"),
    [
        (relabelled("queue_age", region="zone"), "M3", f'region="{A}" (the series have no region)'),
        (relabelled("requests", code="status"), "M3", f'region="{A}", any code (the series have'),
        (without("circuit_open", route="primary"), "M3", 'route="primary" (the series have'),
        (
            without("admission_failures", reason="gateway_health"),
            "M1",
            'reason="gateway_health" (the series have',
        ),
        (
            relabelled("admission_failures", reason="cause"),
            "M3",
            f'reason="redis_unavailable" (the series have region {B}, {A}; no reason)',
        ),
        (without("open_over", le="2.5"), "M3", 'phase="first_token", le="2.5"'),
        (without("open_over", le="15"), "M3", 'phase="completion", le="15"'),
        (relabelled("build_info", version="build"), "M3", "any version"),
        (
            platform(streams_broken=[({"region": r}, None) for r in REGIONS]),
            "M3",
            "signals.streams_broken: chat_streams_broken_total returns no series at all",
        ),
    ],
)
def test_labels_that_the_judge_needs_must_be_there(series, gate, says):
    """NaN shows nothing, and an edge is a number however it is written."""
    assert says in not_shown(session_of(series, gate=gate))


def test_edges_of_tiers_that_do_not_judge_are_not_asked_for():
    """M1 is judged by Tier L alone."""
    assert not_shown(session_of(without("open_over", le="2.5"), gate="M1")) == ""


def test_preflight_asks_before_the_first_effect():
    """It is one of the checks, and stops the drill."""
    (check,) = [check for check in CHECKS if check.name == "signals"]
    assert check.look(session_of(platform())) == ""
    assert "signals.queue_age" in check.look(session_of(platform(queue_age=[])))


def load_series(but=""):
    labels = {"rig_lag": {"component": "load"}}
    return {s: [(labels.get(s, {}), 1.0)] for s in (*SIGNALS_CLIENT, *SIGNALS_DEFAULT) if s != but}


@pytest.mark.parametrize("signal", [*SIGNALS_CLIENT, *SIGNALS_DEFAULT])
def test_a_signal_of_the_load_that_is_not_shown_stops_the_drill_in_its_ramp(signal):
    """Inconclusive, by its name: nothing was seen of the platform yet."""
    assert load_not_shown(session_of(load_series())) == ""
    failover.await_load_shown(session_of(load_series()))
    session = session_of(load_series(but=signal))
    with pytest.raises(DrillAborted, match=f"signals.{signal}: .* returns no series"):
        failover.await_load_shown(session)
    reason = session.stop.reason
    assert (reason.by, reason.verdict) == ("load:not_shown", "INCONCLUSIVE")


def test_the_loads_own_lag_is_not_the_testbeds():
    """A gateway's beat says nothing of the load's."""
    series = load_series() | {"rig_lag": [({"component": "gateway"}, 1.0)]}
    assert 'with component="load"' in load_not_shown(session_of(series))


def test_a_prometheus_that_is_silent_then_is_named():
    """Not an error of the ramp."""
    session = session_of({})

    def silent(*asked):
        raise PrometheusError("http://it: timed out")

    session.metrics.raw = silent
    with pytest.raises(DrillAborted, match="timed out"):
        failover.await_load_shown(session)


def test_every_target_that_comes_along_names_the_loads_lag():
    """Without it no verdict would ever pass."""
    for name in ("testbed", "staging.example"):
        assert targets.load(name).signals["rig_lag"]


@pytest.mark.drills
def test_a_drill_refuses_a_misspelt_metric_before_its_first_effect(tmp_path):
    """A whole drill: not begun, one clear line, no load, no undo entry."""
    data = yaml.safe_load(TARGET.read_text())
    data["signals"]["streams_broken"] = "chat_streams_brokn_total"
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data))
    with drill(tmp_path / "work", target=str(path)) as one:
        one.start()
        assert one.wait() == 4
        assert one.verdict["verdict"] == "ABORTED", one.output
        assert one.verdict["stopped_by"] == "action:preflight"
        line = "preflight:signals: "
        line += "signals.streams_broken: chat_streams_brokn_total returns no series at all"
        assert line in one.output
        assert not one.events("load_started")
        assert not one.events("undo")
