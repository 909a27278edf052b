"""What every row is: a frozen model that ignores columns of a newer database."""

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """A row that an SQL function answers."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True)
