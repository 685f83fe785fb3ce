"""The provider takes every request on its primary route and resets it before its first byte.

So does a load balancer whose backends die. Open streams go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.faults.provider_trouble import ProviderTrouble
from muster.faults.steps import Scene, single_fault

RECALLS = (
    "[OpenAI, November 2023](https://status.openai.com/incidents/00fpy0yxrx1q): nodes of the "
    "routing layer ran out of memory, and their requests failed"
)


class ProviderReset(ProviderTrouble):
    """Every request to the primary route is reset."""

    kind = "provider_reset"

    @property
    def aim(self) -> str:
        return "every request is reset"

    @property
    def trouble(self) -> Mapping[str, Any]:
        return {"reset": True}

    def shows(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        return bool(now["outcome"] == "reset")


@single_fault("lets the provider's primary route reset requests for {seconds:g} s", recalls=RECALLS)
def provider_reset(scene: Scene) -> ProviderReset:
    """The provider's primary route resets every request for `seconds`."""
    return ProviderReset(scene.platform)
