"""The provider takes every request on its primary route and never answers: a time-out for all.

A platform that waits as long as the provider wants hangs with it. Open streams go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.faults.provider_trouble import ProviderTrouble
from muster.faults.steps import Scene, single_fault

RECALLS = (
    "[OpenAI](https://status.openai.com/incidents/01JMYB80MRDHY3W4NZRAPC00WB/write-up): slow "
    "completions, some of which ended in a time-out"
)

SILENT_S = 3.0
"""Longer than a first token takes: what has not come by then does not come."""


class ProviderSilent(ProviderTrouble):
    """No request to the primary route is answered."""

    kind = "provider_silent"

    @property
    def aim(self) -> str:
        return "no answer"

    @property
    def _stream_s_max(self) -> float:
        return SILENT_S

    @property
    def trouble(self) -> Mapping[str, Any]:
        return {"silent": True}

    def shows(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        return bool(now["outcome"] == "silent")


@single_fault("lets the provider's primary route never answer for {seconds:g} s", recalls=RECALLS)
def provider_silent(scene: Scene) -> ProviderSilent:
    """The provider's primary route takes every request and never answers for `seconds`."""
    return ProviderSilent(scene.platform)
