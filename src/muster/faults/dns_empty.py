"""The name exists and has no record: NOERROR with an empty answer, for everyone.

Clients may keep such an answer as long as the zone's SOA says (RFC 2308), so its minimum decides
how long they stay away once the records are back. No platform serves anyone in that time. So the
outage itself is judged by nothing, what it did is told, and from its end on the target's own limit
and then the tier hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from muster.faults.dns_path import Asked
from muster.faults.dns_trouble import ACTIONS, DnsTrouble, check_rto
from muster.faults.steps import HOLD, Planned, Scene, drill_step

RECALLS = (
    "[Amazon, October 2025](https://aws.amazon.com/message/101925/): a race of two updates left "
    "the name of a regional service without any record"
)


class DnsEmpty(DnsTrouble):
    """The public name has no address."""

    kind = "dns_empty"
    expects = ("rate_5xx", "success_2xx")

    @property
    def trouble(self) -> Mapping[str, Any]:
        return {"empty": True}

    def shows(self, seen: Asked) -> bool:
        return seen.rcode == "NOERROR" and not seen.addresses


@drill_step(ACTIONS, phase="outage", then=("back_in_dns",), fault=DnsEmpty, recalls=RECALLS)
def dns_empty(scene: Scene, seconds: Annotated[float, HOLD]) -> Planned:
    """The public name has no record for `seconds`. Raises BadInput without dns_outage."""
    check_rto(scene, "dns_outage")
    what = f"leaves the public name without a record for {seconds:g} s"
    return Planned(what, (DnsEmpty(scene.platform),))


@drill_step(ACTIONS, phase="back_in_dns", back=True)
def back_in_dns(scene: Scene, minutes: float) -> Planned:
    """Gives the name its records back."""
    what = f"gives the name its records back, and holds for {scene.lasts(minutes)}"
    return Planned(what, (DnsEmpty(scene.platform),))
