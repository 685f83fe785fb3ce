"""Checks that Prometheus does not run in the region that goes dark: samples would be lost.

No API gives the location of a server. The check therefore looks for evidence: an address of the
region, a workload that the region's power stops, or the label `region` of the server's own series.
A server name that contains the region's name is only a warning.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen
from muster.errors import MusterError

OWN_SERIES = "prometheus_build_info"


def look(examined: Examined) -> Seen:
    """Compare name, address and own series of each server with the region that is evacuated."""
    region = examined.target.evacuate
    if not examined.platform.power[region].stops:
        row: Row = {"server": "-", "seen": f"{region} is never stopped: power none"}
        return Seen((row,))
    theirs = _addresses_of_region(examined)
    rows: list[Row] = []
    inside: list[str] = []
    maybe: list[str] = []
    for name, url in _servers(examined):
        proofs = list(_proofs(examined, url, theirs))
        hints = (
            [f"its name contains {region}"] if region in f"{name} {urlsplit(url).hostname}" else []
        )
        rows.append(
            {"server": name, "seen": "; ".join([*proofs, *hints]) or "no evidence of its region"}
        )
        inside += [f"{name}: {proof}" for proof in proofs]
        maybe += [f"{name}: {hint}" for hint in hints if not proofs]
    unknown: tuple[str, ...] = ()
    try:
        labelled = _regions_of_own_series(examined)
    except MusterError as error:
        labelled, unknown = set(), (f"the region in which Prometheus runs is unknown: {error}",)
    rows.append({"server": "own series", "seen": ", ".join(sorted(labelled)) or "no label region"})
    # A server that scrapes several regions shows the series of all of them: no evidence.
    if labelled == {region}:
        inside.append(f"{OWN_SERIES} has the label region {region}")
    cure = "use a Prometheus outside this region"
    return Seen(
        tuple(rows),
        refused=tuple(
            f"Prometheus runs in {region}, which goes dark ({one}): the drill would lose its "
            f"samples; {cure}"
            for one in inside
        ),
        unknown=unknown,
        warnings=tuple(
            f"Prometheus may run in {region}, which goes dark ({one}); if so, {cure}"
            for one in maybe
        ),
    )


def _servers(examined: Examined) -> list[tuple[str, str]]:
    access = examined.target.prometheus
    if access.url is not None:
        return [("prometheus", access.url)]
    return [(f"prometheus.servers.{name}", one.url) for name, one in access.servers.items()]


def _addresses_of_region(examined: Examined) -> set[str]:
    """The addresses of the region; its names are resolved."""
    found: set[str] = set()
    for way in examined.addresses.get(examined.target.evacuate, ()):
        found |= _resolved(way)
    return found


def _proofs(examined: Examined, url: str, theirs: set[str]) -> Iterator[str]:
    host = urlsplit(url).hostname or ""
    shared = sorted(_resolved(host) & theirs)
    if shared:
        yield f"{host} is {shared[0]}, an address of the region"
    workloads = examined.platform.power[examined.target.evacuate].workloads
    named = [one for one in workloads if "prometheus" in one.lower()]
    if named:
        yield f"the region's power stops {named[0]}"


def _resolved(host: str) -> set[str]:
    """The addresses of a host; empty if it does not resolve."""
    try:
        return {str(ipaddress.ip_address(host))}
    except ValueError:
        pass
    try:
        return {str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _regions_of_own_series(examined: Examined) -> set[str]:
    """Values of the label `region` of the server's own series; empty if it does not scrape itself.

    Raises MetricsError.
    """
    found = examined.metrics.instant(OWN_SERIES)
    return {labels["region"] for labels, _ in found if labels.get("region")}
