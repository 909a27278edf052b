"""What an SQLSTATE means for a caller; the same for both transports, because PostgREST hands it on.

Only messages that cannot hold a value are repeated: those of syntax and access rules, which name tables, functions and
roles. A constraint's message quotes the row, so only the constraint's name is kept.

Source: PostgreSQL, appendix A (error codes).
"""

from rythmiq.ports.errors import DatabaseFaultError, DatabaseNotReadyError, DatabaseUnavailableError

# Connection, resources, operator intervention, system; a failover's read-only server; and what a repeat may resolve:
# serialization failure, deadlock, lock not available.
_UNAVAILABLE = ("08", "53", "57", "58", "25006", "40", "55P03")
# Authorization, database, schema, undefined or forbidden objects; 22023 is how a missing role is said.
_NOT_READY = ("28", "3D", "3F", "0P", "42", "22023")
_ADVICE = {
    "28": "the database refuses the user or password",
    "3D": "there is no such database",
    "3F": "the migrations are missing: run `rythmiq migrate`",
    "42883": "a function is missing: run `rythmiq migrate`",
    "42P01": "a table is missing: run `rythmiq migrate`",
    "42703": "a column is missing: run `rythmiq migrate`",
    "42501": "a grant is missing",
    "22023": "a role is missing: anon, authenticated and service_role are needed",
}


def database_error(
    sqlstate: str, *, message: str = "", constraint: str = ""
) -> DatabaseUnavailableError | DatabaseFaultError:
    """The error to raise for an SQLSTATE.

    Args:
        sqlstate: five characters.
        message: the server's primary message.
        constraint: the name of the constraint that refused a row, if one did.
    """
    if sqlstate.startswith(_NOT_READY):
        advice = next((text for code, text in _ADVICE.items() if sqlstate.startswith(code)), "the database refuses")
        said = f": {message}" if message and sqlstate.startswith("42") else ""
        return DatabaseNotReadyError(f"{advice} ({sqlstate}{said})")
    if sqlstate.startswith(_UNAVAILABLE):
        return DatabaseUnavailableError(f"the database does not answer now ({sqlstate})")
    return DatabaseFaultError(f"the database refused a call ({', '.join(filter(None, (sqlstate, constraint)))})")
