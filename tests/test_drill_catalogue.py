"""Whole drills of the catalogue's faults on a platform with the planted defect, which must fail.

That a healthy platform passes each of them shows the day of every fault, but for those that need
another target. `make test-defects` runs them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, TARGET, drill

from muster.testbed.design.defects import DEFECTS

pytestmark = [pytest.mark.drills, pytest.mark.catalogue]

# The findings or causes of a stop by which a platform with that defect must be told.
SEEN_BY = {
    ("redis_black_hole", "waits_for_redis"): {"first_token_p95", "availability", "completion_p95"},
    ("redis_slow", "asks_redis_in_turn"): {"first_token_p95", "availability", "rate_429"},
    ("redis_hung", "waits_for_redis"): {"first_token_p95", "availability", "completion_p95"},
    ("redis_restarted", "loads_scripts_once"): {"rate_5xx", "availability", "success_2xx"},
    ("redis_full", "refuses_redis_errors"): {"rate_5xx", "availability", "success_2xx"},
    ("redis_exhausted", "never_reconnects"): {"hard_failure:redis_unavailable", "recovery_quiet"},
    ("provider_latency_both", "impatient"): {"rate_5xx", "availability", "success_2xx"},
    ("provider_jitter", "slow_fallback_provider"): {"first_token_p95", "availability"},
    ("provider_first_token", "stays_on_route"): {"first_token_p95", "availability"},
    ("provider_429", "passes_on_429"): {"rate_429", "success_2xx"},
    ("provider_503", "stays_on_route"): {"rate_5xx", "availability", "success_2xx"},
    ("provider_reset", "stays_on_route"): {"rate_5xx", "availability", "success_2xx"},
    ("provider_silent", "stays_on_route"): {"first_token_p95", "availability"},
    ("provider_stream_error", "passes_on_stream_errors"): {"success_2xx"},
    ("provider_trickle", "stays_on_route"): {"first_token_p95", "availability", "success_2xx"},
    ("provider_cut", "passes_on_breaks"): {"success_2xx", "availability"},
    ("provider_share", "connects_anew"): {"first_token_p95", "availability", "success_2xx"},
    ("compound_held_connections", "keeps_connections"): {"traffic_would_not_leave"},
    ("compound_redis_evacuation", "small_redis_fallback"): {"rate_429", "success_2xx"},
    ("compound_redis_evacuation", "no_redis_fallback"): {"rate_5xx", "availability", "success_2xx"},
    ("compound_cold_redis", "refuses_cold_redis"): {"rate_429", "success_2xx", "availability"},
    ("dependency", "survivor_needs_evacuated"): {"hard_failure:redis_unavailable"},
    ("dependency", "survivor_admission_evacuated"): {"rate_5xx", "availability", "success_2xx"},
    ("compound_provider_dark", "slow_fallback_provider"): {"first_token_p95", "availability"},
    ("dns_slow", "answers_in_turn"): {"first_token_p95", "availability", "rate_5xx", "success_2xx"},
    ("redis_promoted", "address_stays"): {"redis_promotion"},
}
# The faults that need more of a platform than the tests' own target has.
ELSEWHERE = {"redis_promoted": {"target": str(TARGET.with_name("test_sentinel.yaml"))}}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_healthy_platform_passes(tmp_path: Path, name: str) -> None:
    """The fault is proven in the path of the streams, and every service level holds."""
    with drill(tmp_path, **ELSEWHERE.get(name, {})) as one:
        one.start(ROOT / "experiments" / f"{name}.json")
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        assert one.verdict["faults"]
        assert all(fault["proven"] for fault in one.verdict["faults"])


@pytest.mark.parametrize(("name", "defect"), SEEN_BY)
def test_a_platform_with_the_defect_fails(tmp_path: Path, name: str, defect: str) -> None:
    """By the finding, or by the trigger, that names what the defect does."""
    assert DEFECTS[defect].finding
    with drill(tmp_path, defect=defect, **ELSEWHERE.get(name, {})) as one:
        one.start(ROOT / "experiments" / f"{name}.json")
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        named = one.failures() | {(one.verdict["stopped_by"] or "").partition(":")[2]}
        assert named & SEEN_BY[name, defect], (named, one.output)
        assert one.events("verify")[-1]["verified"] is True
