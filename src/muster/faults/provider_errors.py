"""The provider answers every request on its primary route with an error: 429, 500, 503, …

A storm of errors is answered fast, so it costs no time, and a gateway that does not take another
route hands it to its clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from muster.faults.provider_trouble import ProviderTrouble
from muster.faults.steps import Scene, Within, single_fault
from muster.platform.platform import Platform

RECALLS = (
    "[OpenAI, November 2023](https://status.openai.com/incidents/00fpy0yxrx1q): most requests "
    "failed with 502 or 503, and [later with "
    "429](https://apicontext.com/openai-outage-chatgpt-down-apimetrics-tells-the-story/)"
)


class ProviderErrors(ProviderTrouble):
    """The primary route answers `status`."""

    kind = "provider_errors"

    def __init__(self, platform: Platform, *, status: int) -> None:
        super().__init__(platform, status=status)
        self.status = status

    @property
    def aim(self) -> str:
        return f"every answer is {self.status}"

    @property
    def trouble(self) -> Mapping[str, Any]:
        return {"status": self.status}

    def shows(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        return bool(now["status"] == self.status)


@single_fault(
    "lets the provider's primary route answer errors for {seconds:g} s",
    recalls=RECALLS,
)
def provider_errors(
    scene: Scene, status: Annotated[int, Within(400, 599, "(HTTP status)")]
) -> ProviderErrors:
    """The provider's primary route answers every request with `status` for `seconds`."""
    return ProviderErrors(scene.platform, status=status)
