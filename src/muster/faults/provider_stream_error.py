"""The provider answers 200 on its primary route, and its stream carries an error in place of text.

The status says that all is well. Only what reads the stream can tell, before anything of it went to
the client, and take the other route.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.faults.provider_trouble import ProviderTrouble
from muster.faults.steps import Scene, single_fault

RECALLS = (
    "[an overloaded "
    "provider](https://www.truefoundry.com/docs/ai-gateway/anthropic-stream-overload-fallback) "
    "answers 200, and its first event is an error"
)


class ProviderStreamError(ProviderTrouble):
    """Every stream of the primary route carries an error event for its first token."""

    kind = "provider_stream_error"

    @property
    def aim(self) -> str:
        return "an error in every 200 stream"

    @property
    def trouble(self) -> Mapping[str, Any]:
        return {"stream_error": True}

    def shows(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        return bool(now["status"] == 200 and now["outcome"] == "error in the stream")


@single_fault(
    "puts an error into every stream of the primary route for {seconds:g} s",
    recalls=RECALLS,
)
def provider_stream_error(scene: Scene) -> ProviderStreamError:
    """Streams of the provider's primary route carry an error in place of text for `seconds`."""
    return ProviderStreamError(scene.platform)
