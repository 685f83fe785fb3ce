"""The provider breaks off every new stream of its primary route in the middle of its answer.

So does a provider whose servers are replaced without being drained. Open streams go on. The effect
is verified if a small stream on every region's path begins, carries a token, and breaks off.

Of a platform that hands such a stream to its client no service level would hold, for all new
streams break. One that keeps its service levels asks the other route for the rest of the answer,
and leaves the route.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from muster.faults.provider_path import TOKENS
from muster.faults.provider_trouble import ProviderTrouble
from muster.faults.steps import Scene, Within, single_fault
from muster.platform.platform import Platform

RECALLS = (
    "[OpenAI, November 2023](https://status.openai.com/incidents/00fpy0yxrx1q): nodes of the "
    "routing layer ran out of memory, and the requests that they held failed"
)


class ProviderCut(ProviderTrouble):
    """Streams of the primary route break off once they have `after_tokens` tokens."""

    kind = "provider_cut"

    def __init__(self, platform: Platform, *, after_tokens: int) -> None:
        super().__init__(platform, after_tokens=after_tokens)
        self.after_tokens = after_tokens

    @property
    def aim(self) -> str:
        return f"every stream breaks off after {self.after_tokens} tokens"

    @property
    def _tokens(self) -> int:
        """How many tokens a look asks for: more than come."""
        return self.after_tokens + TOKENS

    @property
    def trouble(self) -> Mapping[str, Any]:
        return {"cut_after_tokens": self.after_tokens}

    def shows(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        began = now["status"] == 200 and now["first_token_ms"] is not None
        return began and bool(now["outcome"] == "cut")


@single_fault(
    "lets the provider's primary route break off new streams for {seconds:g} s",
    recalls=RECALLS,
)
def provider_cut(
    scene: Scene, after_tokens: Annotated[int, Within(1, 50, "tokens")]
) -> ProviderCut:
    """New streams of the provider's primary route break off after `after_tokens` for `seconds`."""
    return ProviderCut(scene.platform, after_tokens=after_tokens)
