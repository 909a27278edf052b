"""What an owner chooses for a file, in requests and payloads alike, and how ids look.

Apart from the rules of portals, which the functions that take requests do not need.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rythmiq.contracts.keys import UUID4_PATTERN

Uuid4 = Annotated[str, Field(pattern=UUID4_PATTERN)]
OcrLanguage = Literal["en", "hi"]
"""Languages that text is read in: en is Latin script, hi Devanagari with Latin letters and digits among it."""


class Crop(BaseModel):
    """A rectangle of the upright picture, in shares of its width and height."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    x: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    y: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    width: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    height: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.x + self.width > 1 + 1e-6 or self.y + self.height > 1 + 1e-6:
            raise ValueError("the crop leaves the picture")
        return self
