"""The contracts' models as mere values, for a process that is given what was validated before and imports no pydantic.

`install` puts this module in the place of `rythmiq.contracts.validation`, before any contract is imported. A model is
then made of its attributes, with its own properties and methods; no field is checked, and a validator is a function
that nobody calls. What such a process answers is validated on the other side, by the real models.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self

_PLACE: Final = "rythmiq.contracts.validation"
_UNSET: Final = object()
JsonValue = object


class Made:
    """A default that is made anew for each instance."""

    def __init__(self, factory: Callable[[], object]) -> None:
        self.factory = factory


def Field(default: object = _UNSET, *, default_factory: Callable[[], object] | None = None, **_rules: object) -> Any:  # noqa: N802  pydantic's name
    """The field's default."""
    return default if default_factory is None else Made(default_factory)


class BaseModel:
    """A value with the attributes that it was given, and its class's defaults for the others."""

    def __init__(self, **values: object) -> None:
        for name, default in type(self).defaults():
            if name not in values and default is not _UNSET:
                values[name] = default.factory() if isinstance(default, Made) else default
        self.__dict__.update(values)

    @classmethod
    def defaults(cls) -> Iterator[tuple[str, object]]:
        """The fields' names and defaults, a base's first."""
        for base in reversed(cls.__mro__):
            for name in vars(base).get("__annotations__", ()):
                yield name, vars(base).get(name, _UNSET)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take the attributes of a pydantic model that was pickled."""
        self.__dict__.update(state["__dict__"])

    def __iter__(self) -> Iterator[tuple[str, object]]:
        """Names and values of all fields."""
        return iter(self.__dict__.items())

    def __eq__(self, other: object) -> bool:
        """Whether it is of the same class and values."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Of what its values look like, since some hold mappings."""
        return hash(repr(sorted(self.__dict__.items())))

    def __repr__(self) -> str:
        """Its class alone: some values are nobody's to print."""
        return f"{type(self).__name__}()"

    def model_copy(self, *, update: Mapping[str, object]) -> Self:
        """A copy with other values for some fields."""
        return type(self)(**{**self.__dict__, **update})

    def model_dump(self) -> dict[str, Any]:
        """Its fields as JSON takes them."""
        return {name: _plain(value) for name, value in self}

    def model_dump_json(self) -> str:
        """Its fields as JSON."""
        return json.dumps(self.model_dump(), ensure_ascii=False, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


class _Rule:
    """A validator or another rule that nobody asks."""

    def __init__(self, *_given: object, **_more: object) -> None: ...

    def __class_getitem__(cls, _of: object) -> type:
        return cls


AfterValidator = BeforeValidator = ConfigDict = Discriminator = Tag = TypeAdapter = _Rule


def model_validator(**_when: object) -> Callable[[Any], Any]:
    """The function as it is."""
    return lambda function: function


class PydanticCustomError(ValueError):
    """Raised by rules that nobody asks."""


PydanticKnownError = PydanticCustomError


def install() -> None:
    """Have the contracts' models be such values from now on.

    Raises:
        AssertionError: a contract was imported before.
    """
    if _PLACE in sys.modules:
        raise AssertionError("the contracts are imported already")
    sys.modules[_PLACE] = sys.modules[__name__]
