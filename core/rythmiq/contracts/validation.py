"""The words of pydantic that the contracts are written in, in one place.

A walled process of the worker, which is given what was validated on the other side of its wall, puts words in their
place that hold values and validate nothing (`rythmiq_worker.walls.unvalidated`): pydantic is a tenth of a photo job.
"""

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    TypeAdapter,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

__all__ = [
    "AfterValidator",
    "BaseModel",
    "BeforeValidator",
    "ConfigDict",
    "Discriminator",
    "Field",
    "JsonValue",
    "PydanticCustomError",
    "PydanticKnownError",
    "Tag",
    "TypeAdapter",
    "model_validator",
]
