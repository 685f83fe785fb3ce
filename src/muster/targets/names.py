"""What clients of the public name are answered, and how soon that follows the steering."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import PositiveSeconds


class SteeringNames(Document):
    """Read where the weights stand: Route 53 records have TTL, values and health checks."""

    reads_steering: ClassVar[bool] = True

    kind: Literal["steering"] = "steering"


class StatedNames(Document):
    """Stated here, because nobody can read it."""

    reads_steering: ClassVar[bool] = False

    kind: Literal["stated"]
    ttl_s: Annotated[int, Field(ge=0, le=86400)] = Field(
        description="seconds for which a client may go on using an old answer; 0: no DNS between"
    )
    detection_s_max: PositiveSeconds | None = Field(
        description="seconds until a lost region gets no traffic; null: nobody takes it out"
    )


Names = Annotated[SteeringNames | StatedNames, Field(discriminator="kind")]
