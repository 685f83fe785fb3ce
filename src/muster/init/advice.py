"""Lists the settings that the platform needs before a drill can judge it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muster.contract import Contract
from muster.init.combine import Combined, edges_lacking
from muster.init.look import Seen
from muster.init.recognise import Product
from muster.init.text import LOAD_FILE
from muster.platform.metrics.reading import SERIES_MAX
from muster.targets.presets import Preset


def advice(
    combined: Combined,
    there: Sequence[Product],
    presets: Sequence[Preset],
    regions: Sequence[str],
    seen: Seen,
    contract: Contract,
) -> tuple[str, ...]:
    """Missing bucket edges and labels, settings of each product, and the scrape of the load."""
    lines = [
        *_scrapes(combined, there, presets, regions),
        *_edges(combined, there, seen, contract),
        *_unread(seen),
    ]
    for one in there:
        lines += [each.say for each in one.preset.settings if each.unless not in combined.shown]
    found = f"[{{files: [{LOAD_FILE}], refresh_interval: 1s}}]"
    lines.append(f"scrape configuration: a job with file_sd_configs: {found} for Muster's own load")
    return tuple(lines)


def _scrapes(
    combined: Combined,
    there: Sequence[Product],
    presets: Sequence[Preset],
    regions: Sequence[str],
) -> Iterator[str]:
    """The scrape jobs that Prometheus needs, and the label that they must add."""
    if not there:
        named = ", ".join(
            f"{one.product} ({one.scrape.metrics_path}, port {one.scrape.port})" for one in presets
        )
        yield f"scrape configuration: no series of a known product was found; known are: {named}"
    unnamed = {one.product for one in combined.shown.values() if one.regions_unknown}
    for one in there:
        if one.preset.product in unnamed:
            scrape = one.preset.scrape
            static = f"{{targets: ['HOST:{scrape.port}'], labels: {{region: {regions[0]}}}}}"
            yield (
                f"scrape configuration: {one.preset.product} needs a label with the region: "
                f"metrics_path: {scrape.metrics_path}, static_configs: [{static}, …], or "
                "relabel_configs"
            )


def _edges(
    combined: Combined, there: Sequence[Product], seen: Seen, contract: Contract
) -> Iterator[str]:
    by_name = {one.preset.product: one.preset for one in there}
    tiers = contract.tiers.values()
    wanted = {
        "first_token": sorted({float(tier.first_token_p95_s_max) for tier in tiers}),
        "completion": sorted({float(tier.completion_p95_s_max) for tier in tiers}),
    }
    for signal, lacking in edges_lacking(combined.shown, seen, wanted).items():
        preset = by_name[combined.shown[signal].product]
        named = ", ".join(f"{edge:g}" for edge in lacking)
        yield f"{signal} has no bucket edge at {named} s. {preset.edges}"


def _unread(seen: Seen) -> Iterator[str]:
    for name, count in sorted(seen.unread.items()):
        yield (
            f"{name} has {count:,} series; Muster reads at most {SERIES_MAX:,}: select fewer, or "
            "drop a label in the scrape configuration (metric_relabel_configs)"
        )
