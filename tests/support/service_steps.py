"""Steps that several suites of the services take."""

from typing import Any

import pytest

from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.job_bodies import JobView
from rythmiq.contracts.problems import ProblemError
from rythmiq.services.jobs import Viewed
from tests.support.service_rig import (
    BASE_URL,
    Rig,
    User,
)


def refused_report(rig: Rig, body: WebhookBody) -> ProblemError:
    """How the service refuses a report."""
    with pytest.raises(ProblemError) as caught:
        rig.webhooks.receive(body)
    return caught.value


def refused(call: Any, *arguments: Any, **named: Any) -> ProblemError:
    """How the service refuses a call."""
    with pytest.raises(ProblemError) as caught:
        call(*arguments, **named)
    return caught.value


def done(rig: Rig, user: User) -> JobView:
    """A job that has completed."""
    accepted = rig.create(user)
    rig.webhooks.receive(rig.work(accepted.job_id))
    return rig.view(user, accepted.job_id)


def look(rig: Rig, user: User, job_id: str, **how: Any) -> Viewed:
    """One look at a job."""
    return rig.jobs.view(user.caller, job_id, base_url=BASE_URL, **how)


def refused_request(rig: Rig, user: User, **request: Any) -> ProblemError:
    """How the service refuses to create a job."""
    with pytest.raises(ProblemError) as caught:
        rig.create(user, **request)
    return caught.value
