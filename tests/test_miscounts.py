"""The planted gateways that miscount, by what their metrics show."""

from __future__ import annotations

from muster.exposition import Registry
from muster.testbed.gateway.miscounts import WORKER_SHARES, Halved, Workers


def test_half_of_what_is_observed_is_shown():
    """Every second observation is left out, whichever way it ended."""
    halved = Halved((1.0, 2.0))
    for _ in range(10):
        halved.observe(0.5)
    for _ in range(4):
        halved.observe_never(9.0)
    assert halved.cells == [5, 0, 2]


def test_each_scrape_shows_the_counts_of_the_next_worker():
    """Counters and histograms of one worker at a time, each fitting together."""
    workers, registry = Workers(), Registry()
    registry.page(workers)
    whole = Halved((1.0, 2.0))
    for _ in range(200):
        whole.observe(0.5)
    registry.family("r_total", "counter", "").table({}, "code", workers.table({"200": 1000}))
    registry.family("h", "histogram", "").histogram({}, workers.histogram(whole))
    for share in WORKER_SHARES * 2:
        lines = registry.render().decode().splitlines()
        assert f'r_total{{code="200"}} {int(1000 * share)}' in lines
        assert f"h_count {int(100 * share)}" in lines
        assert f'h_bucket{{le="+Inf"}} {int(100 * share)}' in lines
