"""ETags and cursors."""

import datetime as dt
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rythmiq.ports.jobs import JobListRow, JobRow
from rythmiq.services.job_messages import LinkPolicy, cursor_of, etag_of, read_cursor

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
HOURS = LinkPolicy(3_600, 86_400)


def row(row_version: int = 3, queue_position: int | None = None) -> JobRow:
    return JobRow(
        job_id=str(uuid.UUID(int=1, version=4)),
        status="pending",
        stage=None,
        attempt=0,
        portal="neet-2026",
        slot="photo",
        portal_version="1",
        document_id=None,
        quality_score=None,
        warnings=(),
        error=None,
        metrics=None,
        receipt=None,
        conforms=None,
        artifacts=None,
        sealed=True,
        queue_position=queue_position,
        expected_start_at=None,
        overdue=False,
        row_version=row_version,
        created_at=NOW,
        expires_at=None,
    )


def test_an_etag_changes_with_the_row_its_place_and_every_ten_minutes() -> None:
    """And with nothing else."""
    etag = etag_of(row(), NOW, HOURS)
    assert etag == etag_of(row(), NOW + dt.timedelta(minutes=9, seconds=59), HOURS)
    others = {
        etag_of(row(4), NOW, HOURS),
        etag_of(row(queue_position=1), NOW, HOURS),
        etag_of(row(queue_position=2), NOW, HOURS),
        etag_of(row(), NOW + dt.timedelta(minutes=10), HOURS),
    }
    assert len(others - {etag}) == 4


def test_links_that_hold_for_less_than_ten_minutes_make_the_etag_change_sooner() -> None:
    """A view that was not sent again must not outlive its links."""
    minute = LinkPolicy(60, 86_400)
    assert etag_of(row(), NOW, minute) != etag_of(row(), NOW + dt.timedelta(seconds=30), minute)


@given(st.datetimes(timezones=st.just(dt.UTC)), st.uuids(version=4))
def test_a_cursor_is_read_as_it_was_written(created_at: dt.datetime, job_id: uuid.UUID) -> None:
    """To the microsecond, so that no line is lost between pages."""
    line = JobListRow.model_validate(
        {**row().model_dump(), "job_id": str(job_id), "created_at": created_at, "error_code": None}
    )
    assert read_cursor(cursor_of(line)) == (created_at, str(job_id))


@given(st.text())
def test_what_is_no_cursor_is_refused_as_a_value(text: str) -> None:
    """Nothing else is raised."""
    with pytest.raises(ValueError):  # noqa: PT011  the kind is what matters
        read_cursor(text)
