"""What a call touches of the database at 100,000 and 1,000,000 jobs over what it touches at 10,000: pages, and how.

`python -m tests.bench.database 10000 100000` compares other sizes with the first one; a million takes minutes and 3 GB.
"""

import json
import sys
import tempfile
from pathlib import Path

from rythmiq_cli.local.postgres import LocalPostgres
from tests.support.database_growth import CALLS, Touched, load, touched_by_calls
from tests.support.postgres_fixture import PostgresForTests

SIZES = (10_000, 100_000, 1_000_000)
MOST_RATIO = 1.5


def main() -> None:
    """Load, measure, and print the rows."""
    few, *more = map(int, sys.argv[1:]) if len(sys.argv) > 1 else SIZES
    found: dict[int, dict[str, Touched]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="rythmiq-bench-", ignore_cleanup_errors=True) as directory,
        LocalPostgres(Path(directory), throwaway=True) as server,
    ):
        server.provision()
        postgres = PostgresForTests(server)
        for jobs in (few, *more):
            print(f"database: {jobs} jobs ...", file=sys.stderr)
            with postgres.database() as url:
                load(postgres.superuser_url(url.rsplit("/", 1)[1]), jobs)
                found[jobs] = touched_by_calls(url)
    rows = [
        row(f"{name}: pages touched at {many:,} jobs / at {few:,}", found[few][name], found[many][name])
        for name in CALLS
        for many in more
    ]
    print(json.dumps(rows))


def row(what: str, few: Touched, many: Touched) -> dict[str, object]:
    """One call's figures and their bar."""
    ratio = many.pages / few.pages
    return {
        "what": what,
        "measured": f"{ratio:.2f}",
        "bar": f"<= {MOST_RATIO}",
        "unit": "",
        "holds": ratio <= MOST_RATIO and not many.read_through,
        "note": f"{few.pages} and {many.pages} pages; by {', '.join(sorted(many.indexes)) or 'the ledger alone'}",
    }


if __name__ == "__main__":
    main()
