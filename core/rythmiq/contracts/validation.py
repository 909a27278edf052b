"""The names of pydantic that the contracts use, imported in one place.

A sandboxed process of the worker, whose input its parent has validated, replaces them with names that hold values and
validate nothing (`rythmiq_worker.walls.unvalidated`): pydantic is a tenth of a photo job.
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
