"""What a call touches does not grow with the jobs that are in the table: pages counted, and plans as they ran.

At 2,000 and 20,000 jobs, so that it stays a test; `make bench` does the same at 10,000 and 100,000.
"""

import pytest

from tests.support.database_growth import CALLS, Touched, load, touched_by_calls
from tests.support.postgres_fixture import PostgresForTests

FEW, MANY = 2_000, 20_000

# Indexes by which a call finds its jobs; what else it scans are foreign keys and what the planner asks.
BY = {
    "list": {"jobs_of_user"},
    "list of one status": {"jobs_of_user_by_status"},
    "list, a later page": {"jobs_of_user"},
    "status": {"jobs_pkey"},
    "status of a waiting job": {"jobs_pkey", "queue_waiting", "queue_due"},
    "create": {"jobs_idempotency", "queue_of_user", "queue_due", "queue_waiting"},
    "tick": {"queue_due", "queue_waiting", "jobs_pkey"},
    "tick, the last place": {"queue_due", "queue_waiting", "jobs_by_age"},
    "settle": {"jobs_pkey", "queue_due", "queue_waiting", "queue_pkey"},
    "fail": {"jobs_pkey", "queue_due", "queue_waiting", "queue_pkey"},
    "duplicate webhook": {"jobs_pkey"},
    "account": set(),
    "metrics": {"jobs_pkey"},
}


@pytest.fixture(scope="module")
def touched(postgres: PostgresForTests) -> dict[int, dict[str, Touched]]:
    """Every call at both sizes."""
    found = {}
    for jobs in (FEW, MANY):
        with postgres.database() as url:
            load(postgres.superuser_url(url.rsplit("/", 1)[1]), jobs)
            found[jobs] = touched_by_calls(url)
    return found


# An account's entries lie the further apart the more others there are; fifty of them are read at most.
@pytest.mark.parametrize("name", [name for name in CALLS if name != "account"])
def test_a_call_touches_about_as_many_pages_in_a_table_ten_times_as_large(
    touched: dict[int, dict[str, Touched]], name: str
) -> None:
    assert touched[MANY][name].pages <= 1.5 * touched[FEW][name].pages


@pytest.mark.parametrize("name", CALLS)
def test_a_call_reads_no_large_table_through(touched: dict[int, dict[str, Touched]], name: str) -> None:
    assert touched[MANY][name].read_through == set()


@pytest.mark.parametrize("name", CALLS)
def test_a_call_goes_by_the_indexes_that_were_made_for_it(touched: dict[int, dict[str, Touched]], name: str) -> None:
    assert BY[name] <= touched[MANY][name].indexes
