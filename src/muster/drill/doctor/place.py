"""Whether Prometheus stands in the region that goes dark: then the drill would lose sight of it.

Nobody says where a server stands, so what shows it is looked for: an address that is the region's
own, a workload that the region's power stops, the region that the server's own series carry. A name
that holds the region's name is a hint and no proof.
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
    """Each server by name, address and its own series, against the region that is evacuated."""
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
        hints = [f"its name holds {region}"] if region in f"{name} {urlsplit(url).hostname}" else []
        rows.append({"server": name, "seen": "; ".join([*proofs, *hints]) or "nothing places it"})
        inside += [f"{name}: {proof}" for proof in proofs]
        maybe += [f"{name}: {hint}" for hint in hints if not proofs]
    unknown: tuple[str, ...] = ()
    try:
        labelled = _regions_of_own_series(examined)
    except MusterError as error:
        labelled, unknown = set(), (f"where Prometheus stands is not known: {error}",)
    rows.append({"server": "own series", "seen": ", ".join(sorted(labelled)) or "name no region"})
    # A server that sees those of several regions shows theirs: then nobody can say which it is.
    if labelled == {region}:
        inside.append(f"{OWN_SERIES} carries region {region}")
    cure = "measure from outside of the region"
    return Seen(
        tuple(rows),
        refused=tuple(
            f"Prometheus stands in {region}, which goes dark ({one}): the drill would lose sight; "
            f"{cure}"
            for one in inside
        ),
        unknown=unknown,
        warnings=tuple(
            f"Prometheus may stand in {region}, which goes dark ({one}); if so, {cure}"
            for one in maybe
        ),
    )


def _servers(examined: Examined) -> list[tuple[str, str]]:
    access = examined.target.prometheus
    if access.url is not None:
        return [("prometheus", access.url)]
    return [(f"prometheus.servers.{name}", one.url) for name, one in access.servers.items()]


def _addresses_of_region(examined: Examined) -> set[str]:
    """The region's own addresses, those of its names among them."""
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
    """The addresses of a host; none where it has none."""
    try:
        return {str(ipaddress.ip_address(host))}
    except ValueError:
        pass
    try:
        return {str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _regions_of_own_series(examined: Examined) -> set[str]:
    """The regions that the server's own series carry; none where it does not scrape itself.

    Raises MetricsError.
    """
    found = examined.metrics.instant(OWN_SERIES)
    return {labels["region"] for labels, _ in found if labels.get("region")}
