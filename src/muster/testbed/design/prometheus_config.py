"""The configuration of the testbed's Prometheus.

Labels such as `region` come from the metrics themselves: Prometheus adds only `job` and `instance`,
as it would for a real platform.
"""

from __future__ import annotations

from typing import Any

import yaml

from muster.testbed.design import ports as block
from muster.testbed.design.layout import Layout, load_file_sd
from muster.testbed.design.parts import LOCAL

TOXIPROXY_INTERVAL_S_MIN = 5.0
"""A Go runtime's own metrics change slowly, and the drill does not use them."""


def render(layout: Layout) -> str:
    """The text of `prometheus.yml` in front of Muster's own gateways."""
    gateways = [host(spec.admin_url) for spec in layout.of("gateway")]
    return of_jobs(layout, [static("gateway", gateways)])


def of_jobs(layout: Layout, platform: list[dict[str, Any]]) -> str:
    """The text of `prometheus.yml` that scrapes the platform's jobs and everything around it."""
    interval_s = layout.config.spec.scrape_interval_s
    return yaml.safe_dump(
        {
            "global": {
                "scrape_interval": duration(interval_s),
                "scrape_timeout": duration(interval_s),
                "evaluation_interval": "1m",
            },
            "scrape_configs": [
                *platform,
                static("provider", [f"{LOCAL}:{spec.ports[-1]}" for spec in layout.of("provider")]),
                static("dns", [f"{LOCAL}:{layout.ports.fixed(block.DNS_ADMIN)}"]),
                static(
                    "toxiproxy",
                    [host(spec.admin_url) for spec in layout.of("toxiproxy")],
                    scrape_interval=duration(max(interval_s, TOXIPROXY_INTERVAL_S_MIN)),
                ),
                {
                    "job_name": "load",
                    "file_sd_configs": [
                        {
                            "files": [str(load_file_sd(layout.directory))],
                            "refresh_interval": "1s",
                        }
                    ],
                },
            ],
        },
        sort_keys=False,
    )


def duration(seconds: float) -> str:
    """Seconds in Prometheus' notation, to the millisecond."""
    return f"{round(seconds * 1000)}ms"


def static(job: str, addresses: list[str], **more: Any) -> dict[str, Any]:
    """A job with the addresses that it scrapes."""
    return {"job_name": job, "static_configs": [{"targets": addresses}], **more}


def host(url: str | None) -> str:
    """`host:port` of an address."""
    return (url or "").removeprefix("http://")
