"""A frozen model that is read from an environment."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from rythmiq.contracts.errors import SettingsError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class EnvironmentSettings(BaseModel):
    """Settings whose fields are named like their variables, in lower case."""

    # Built at their first use: a process uses one or two of these classes, and all of them cost it 25 ms.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Environment names by field."""
        return {field: field.upper() for field in cls.model_fields}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from an environment.

        Raises:
            SettingsError: a variable is missing or cannot be used; every one is named, no value is shown.
        """
        names = cls.variables()
        given = {field: environ[name] for field, name in names.items() if environ.get(name, "-") not in {"", "-"}}
        problems = list(dict.fromkeys(cls.conflicts(given)))
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            problems = [
                _problem(names, item) for item in error.errors(include_input=False, include_url=False)
            ] + problems
            raise SettingsError("; ".join(problems)) from None
        if problems:
            raise SettingsError("; ".join(problems))
        return settings

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """What is wrong between variables, one sentence each; `given` holds those that are set, by field.

        It reads texts, not fields, so that it speaks even when a field beside it cannot be used.
        """
        del given
        yield from ()


def _problem(names: Mapping[str, str], item: "ErrorDetails") -> str:
    field = str(item["loc"][0]) if item["loc"] else ""
    said = "is not set" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
    return f"{names.get(field, field)} {said}"
