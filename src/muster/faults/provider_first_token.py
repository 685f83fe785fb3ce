"""The provider's primary route takes longer to its first token; the rest keeps its pace.

So does a provider whose queue is long. Open streams feel nothing, unlike with a slow network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from muster.faults.provider_trouble import ProviderTrouble
from muster.faults.steps import Scene, Within, single_fault
from muster.platform.platform import Platform

RECALLS = (
    "[OpenAI](https://status.openai.com/incidents/01JMYB80MRDHY3W4NZRAPC00WB/write-up): "
    "completions were slow to come under a high load"
)


class ProviderFirstToken(ProviderTrouble):
    """First tokens of the primary route come `first_token_ms` later."""

    kind = "provider_first_token"

    def __init__(self, platform: Platform, *, first_token_ms: int) -> None:
        super().__init__(platform, first_token_ms=first_token_ms)
        self.first_token_ms = first_token_ms

    @property
    def aim(self) -> str:
        return f"first tokens {self.first_token_ms} ms later"

    @property
    def _stream_s_max(self) -> float:
        return super()._stream_s_max + self.first_token_ms / 1000

    @property
    def trouble(self) -> Mapping[str, Any]:
        return {"first_token_ms": self.first_token_ms}

    def shows(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        # What a stream takes by itself is drawn for each, so the whole delay cannot be asked for.
        return now["outcome"] == "whole" and bool(now["first_token_ms"] >= self.first_token_ms)


@single_fault(
    "delays the first tokens of the provider's primary route for {seconds:g} s",
    recalls=RECALLS,
)
def provider_first_token(
    scene: Scene, first_token_ms: Annotated[int, Within(100, 60_000, "ms")]
) -> ProviderFirstToken:
    """First tokens of the provider's primary route come `first_token_ms` later for `seconds`."""
    return ProviderFirstToken(scene.platform, first_token_ms=first_token_ms)
