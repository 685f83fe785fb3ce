"""The price of the load's tokens, and the budget of a drill."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from muster.documents import Document

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MILLION = 1_000_000


class Cost(Document):
    """The price of a million tokens."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        description="three letters, for example USD (ISO 4217)"
    )
    input_per_million: Price = Field(description="price of a million prompt tokens")
    output_per_million: Price = Field(description="price of a million generated tokens")

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """The price of this number of tokens, in `currency`."""
        priced = self.input_per_million * tokens_in + self.output_per_million * tokens_out
        return priced / MILLION


class Budget(Document):
    """A drill that reaches one of these limits stops, restores and is ABORTED."""

    tokens_max: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="prompt and generated tokens together"
    )
    money_max: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="in the currency of load.cost"
    )

    @model_validator(mode="after")
    def _bounds_something(self) -> Budget:
        if self.tokens_max is None and self.money_max is None:
            raise ValueError("tokens_max, money_max or both")
        return self
