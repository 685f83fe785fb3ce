"""How far the clock of a part is from the drill's, by what the part says of an order.

The drill writes into an order when it was sent, by its own clock. The part says when it heard of
it, by the clock of its node. The drill notes when it has read that. The part's moment lies between
the drill's two, so the offset lies between two numbers, whatever the ways there and back took.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from muster.load.orders import CLOCK_S_MAX


@dataclass(frozen=True)
class Offset:
    """The part's clock is between `low_s` and `high_s` seconds ahead of the drill's.

    Negative: behind. Without a word of the part both are infinite: nothing is known.
    """

    low_s: float = -inf
    high_s: float = inf

    @property
    def error_s(self) -> float:
        """Half of what is unknown of it, in seconds: half of the round trip."""
        return (self.high_s - self.low_s) / 2

    @property
    def middle_s(self) -> float:
        """The offset, to `error_s`."""
        return (self.high_s + self.low_s) / 2

    @property
    def right(self) -> bool:
        """Whether it is known that the clock is right, to `CLOCK_S_MAX`."""
        return self.low_s >= -CLOCK_S_MAX and self.high_s <= CLOCK_S_MAX

    @property
    def wrong(self) -> str:
        """How the clock is wrong, if that is known; empty if not."""
        if self.low_s > CLOCK_S_MAX:
            return f"at least {self.low_s:.1f} s ahead of the drill's"
        if self.high_s < -CLOCK_S_MAX:
            return f"at least {-self.high_s:.1f} s behind the drill's"
        return ""

    @property
    def said(self) -> str:
        """In words."""
        if self.error_s == inf:
            return "unknown: the part says nothing of it (is its image of this version?)"
        return f"{self.middle_s:+.1f} s, to {self.error_s:.1f} s"


def offset_of(heard_s: float, sent_s: float, read_s: float) -> Offset:
    """From the part's moment and the drill's two, in seconds since the epoch."""
    if read_s < sent_s:
        return Offset()  # the drill's own clock was set back meanwhile: this says nothing
    return Offset(heard_s - read_s, heard_s - sent_s)
