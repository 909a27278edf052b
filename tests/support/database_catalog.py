"""What a database holds in schema public, as sorted lines: two databases are alike when their lines are."""

from pathlib import Path
from typing import Any

import psycopg

_QUERY = Path(__file__).with_suffix(".sql").read_bytes()


def catalog(connection: psycopg.Connection[Any]) -> list[str]:
    """The lines."""
    return sorted(line for (line,) in connection.execute(_QUERY))
