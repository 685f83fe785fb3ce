"""What clients get when they resolve the public name, and how soon that follows the steering."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import PositiveSeconds


class SteeringNames(Document):
    """Read from the steering: Route 53 records have TTL, values and health checks."""

    reads_steering: ClassVar[bool] = True

    kind: Literal["steering"] = "steering"


class StatedNames(Document):
    """Stated here, because it cannot be read from anything."""

    reads_steering: ClassVar[bool] = False

    kind: Literal["stated"]
    ttl_s: Annotated[int, Field(ge=0, le=86400)] = Field(
        description="seconds for which a client may use an old answer; 0: no DNS involved"
    )
    detection_s_max: PositiveSeconds | None = Field(
        description="seconds until a lost region gets no traffic; null: nothing removes it"
    )


Names = Annotated[SteeringNames | StatedNames, Field(discriminator="kind")]
