"""GET and DELETE of jobs against a real database, under row level security."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.problems import ProblemCode
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.gateway.http import Request
from rythmiq.ports import DatabaseUnavailableError
from rythmiq.ports.database import Capacity
from rythmiq.services.jobs import MOST_POLLS
from tests.support.service_rig import ADVICE, BASE_URL, LEASE_S, WARNINGS, Rig, User
from tests.support.service_steps import done, look, refused


def known(header: str) -> Callable[[str], bool]:
    return Request(headers={"if-none-match": header}).knows


# --- one job ----------------------------------------------------------------------------------------------------------


def test_a_job_that_goes_on_has_its_key_and_no_links_yet(rig: Rig, user: User) -> None:
    """And says when to ask again."""
    accepted = rig.create(user)
    viewed = look(rig, user, accepted.job_id)
    assert viewed.retry_after_s is not None
    assert viewed.view is not None
    assert viewed.view.links.self == f"{BASE_URL}/jobs/{accepted.job_id}"
    assert (viewed.view.links.preview, viewed.view.links.output) == (None, None)
    assert viewed.view.encryption is not None


def test_a_completed_job_has_links_to_preview_before_document_and_zip(rig: Rig, user: User) -> None:
    """Each for as long as the operator says; the ZIP's name holds nothing of the person."""
    view = done(rig, user)
    links, now_s = view.links, int(rig.clock.now().timestamp())
    assert view.artifacts is not None
    for link, artifact, ttl_s in (
        (links.preview, "preview_path", 3_600),
        (links.before, "before_path", 3_600),
        (links.document, "document_path", 3_600),
        (links.output, "output_path", 86_400),
    ):
        assert link is not None
        assert view.artifacts[artifact] in link
        assert abs(int(link.partition("until=")[2].partition("&")[0]) - now_s - ttl_s) <= 1
    assert str(links.output).endswith(f"filename=neet-2026-photo-{view.job_id[:8]}.zip.enc")


def test_a_completed_job_says_its_warnings_and_the_same_as_codes_in_the_same_order(rig: Rig, user: User) -> None:
    """A page says them in another language."""
    view = done(rig, user)
    assert view.warnings == WARNINGS
    assert [advice.model_dump() for advice in view.advice] == [advice.model_dump() for advice in ADVICE]


def test_a_job_of_an_older_worker_has_warnings_no_advice_and_no_picture_of_before(rig: Rig, user: User) -> None:
    """Its result has neither."""
    accepted = rig.create(user)
    told = rig.work(accepted.job_id).model_dump(mode="json")
    del told["result"]["advice"], told["result"]["artifacts"]["before_path"]
    rig.webhooks.receive(WebhookBody.model_validate(told))
    view = rig.view(user, accepted.job_id)
    assert (view.status, view.warnings, view.advice, view.links.before) == ("completed", WARNINGS, (), None)


def test_a_failed_job_has_its_error_and_no_links(rig: Rig, user: User) -> None:
    """Code, stage, and whether it may be tried again."""
    accepted = rig.create(user)
    rig.webhooks.receive(rig.failure(accepted.job_id))
    view = rig.view(user, accepted.job_id)
    assert view.error is not None
    assert (view.error["code"], view.error["stage"], view.error["retryable"]) == ("DECODE_FAILED", "decode", False)
    assert view.links.output is None


def test_another_users_job_is_not_found(rig: Rig, user: User) -> None:
    """Nor one that nobody has, nor what is no id."""
    accepted = rig.create(user)
    for job_id in (accepted.job_id, str(uuid.uuid4()), "x", f"{accepted.job_id}\n"):
        assert refused(look, rig, User(), job_id).code == ProblemCode.NOT_FOUND


def test_a_key_that_the_ring_has_lost_is_the_operators_to_mend(rig: Rig, user: User) -> None:
    """503 with the variable's name; nothing is shown that cannot be opened."""
    accepted = rig.create(user)
    rig.ring = KeyRing.parse(KeyRing.new_entry(9))
    rig.build()
    assert refused(look, rig, user, accepted.job_id).code == ProblemCode.NOT_CONFIGURED


# --- what has changed -------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_sent_again(rig: Rig, user: User) -> None:
    """By the ETag, alone or among others."""
    accepted = rig.create(user)
    etag = look(rig, user, accepted.job_id).etag
    for header in (etag, f'"other", {etag}', "*", etag.removeprefix("W/")):
        assert look(rig, user, accepted.job_id, is_known=known(header)).view is None
    rig.database.job_progress(accepted.job_id, 1, "decode")
    again = look(rig, user, accepted.job_id, is_known=known(etag))
    assert again.view is not None
    assert again.view.stage == "decode"


def test_a_view_is_new_after_ten_minutes_so_that_its_links_never_go_stale(rig: Rig, user: User) -> None:
    """Though nothing happened to the job."""
    view = done(rig, user)
    etag = look(rig, user, view.job_id).etag
    rig.clock.sleep(601)
    assert look(rig, user, view.job_id, is_known=known(etag)).view is not None


def test_a_place_in_the_queue_that_moves_is_a_change(rig: Rig, user: User) -> None:
    """Though the waiting job's own row is the same."""
    rig.capacity = Capacity(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    first, second, third = rig.create(user), rig.create(user), rig.create(user)
    etag = look(rig, user, third.job_id).etag
    rig.webhooks.receive(rig.failure(first.job_id))
    viewed = look(rig, user, third.job_id, is_known=known(etag))
    assert viewed.view is not None
    assert viewed.view.queue_position == 1
    assert rig.view(user, second.job_id).status == "processing"


def test_a_long_poll_ends_when_the_job_changes(rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before, and not long after."""
    accepted = rig.create(user)
    began_s = rig.clock.monotonic_s()
    sleep = rig.clock.sleep

    def meanwhile(seconds: float) -> None:
        sleep(seconds)
        if rig.clock.monotonic_s() - began_s >= 3:
            rig.database.job_progress(accepted.job_id, 1, "ocr")

    monkeypatch.setattr(rig.clock, "sleep", meanwhile)
    view = look(rig, user, accepted.job_id, wait_s=10).view
    assert view is not None
    assert view.stage == "ocr"
    assert 3 <= rig.clock.monotonic_s() - began_s < 6


def test_a_long_poll_without_a_change_ends_in_its_time(rig: Rig, user: User) -> None:
    """With 304 for a client that knows, with the same view for one that said nothing."""
    accepted = rig.create(user)
    etag = look(rig, user, accepted.job_id).etag
    began_s = rig.clock.monotonic_s()
    assert look(rig, user, accepted.job_id, wait_s=4, is_known=known(etag)).view is None
    assert rig.clock.monotonic_s() - began_s == pytest.approx(4)
    assert look(rig, user, accepted.job_id, wait_s=4).view is not None


def test_of_a_users_polls_two_wait_and_a_third_is_answered_at_once(rig: Rig, user: User) -> None:
    """Whatever its job and whatever it waits for; it is told when to come again."""
    accepted = rig.create(user)
    places = [rig.database.poll_enter(user.user_id, seconds=600, most=MOST_POLLS) for _ in range(2)]
    assert places[1] is not None
    began_s = rig.clock.monotonic_s()
    for until_ended in (False, True):
        third = look(rig, user, accepted.job_id, wait_s=10, until_ended=until_ended)
        assert third.view is not None
        assert third.retry_after_s == 2
    assert rig.clock.monotonic_s() == began_s
    rig.database.poll_leave(user.user_id, places[1])
    look(rig, user, accepted.job_id, wait_s=4, until_ended=True)
    assert rig.clock.monotonic_s() - began_s == pytest.approx(4)


def test_a_poll_gives_its_place_back_however_it_ends(rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = rig.create(user)
    for _ in range(3):
        began_s = rig.clock.monotonic_s()
        look(rig, user, accepted.job_id, wait_s=1, until_ended=True)
        assert rig.clock.monotonic_s() - began_s == pytest.approx(1)

    def cut(_: float) -> None:
        raise DatabaseUnavailableError("cut")

    sleep = rig.clock.sleep
    for _ in range(3):
        monkeypatch.setattr(rig.clock, "sleep", cut)
        with pytest.raises(DatabaseUnavailableError):
            look(rig, user, accepted.job_id, wait_s=1)
    monkeypatch.setattr(rig.clock, "sleep", sleep)
    assert rig.sql("select polls from public.user_credits where user_id = %s", user.user_id) == [([],)]


def test_a_long_poll_of_a_job_that_has_ended_does_not_wait(rig: Rig, user: User) -> None:
    """Nothing will change any more."""
    view = done(rig, user)
    began_s = rig.clock.monotonic_s()
    etag = look(rig, user, view.job_id, wait_s=10).etag
    assert look(rig, user, view.job_id, wait_s=10, is_known=known(etag)).view is None
    assert rig.clock.monotonic_s() == began_s


def test_a_long_poll_answers_at_once_what_the_client_does_not_know(rig: Rig, user: User) -> None:
    """It names an older state."""
    accepted = rig.create(user)
    etag = look(rig, user, accepted.job_id).etag
    rig.database.job_progress(accepted.job_id, 1, "decode")
    began_s = rig.clock.monotonic_s()
    assert look(rig, user, accepted.job_id, wait_s=10, is_known=known(etag)).view is not None
    assert rig.clock.monotonic_s() == began_s


def test_a_long_poll_until_the_end_is_not_answered_by_a_stage(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor by what the client does not know of; and not long after the end."""
    accepted = rig.create(user)
    etag = look(rig, user, accepted.job_id).etag
    rig.database.job_progress(accepted.job_id, 1, "decode")
    began_s = rig.clock.monotonic_s()
    sleep = rig.clock.sleep

    def meanwhile(seconds: float) -> None:
        sleep(seconds)
        if rig.clock.monotonic_s() - began_s >= 1 and rig.view(user, accepted.job_id).status == "processing":
            rig.webhooks.receive(rig.work(accepted.job_id))

    monkeypatch.setattr(rig.clock, "sleep", meanwhile)
    view = look(rig, user, accepted.job_id, wait_s=10, until_ended=True, is_known=known(etag)).view
    assert view is not None
    assert view.status == "completed"
    assert 1 <= rig.clock.monotonic_s() - began_s <= 1.25


def test_a_long_poll_until_the_end_ends_in_its_time(rig: Rig, user: User) -> None:
    """With the job as it is by then."""
    accepted = rig.create(user)
    began_s = rig.clock.monotonic_s()
    view = look(rig, user, accepted.job_id, wait_s=4, until_ended=True).view
    assert view is not None
    assert view.status == "processing"
    assert rig.clock.monotonic_s() - began_s == pytest.approx(4)


# --- many jobs --------------------------------------------------------------------------------------------------------


def page(rig: Rig, user: User, **how: Any) -> Any:
    return rig.jobs.page(user.caller, base_url=BASE_URL, **{"status": None, **how})


def test_the_list_is_newest_first_and_paged_by_a_cursor(rig: Rig, user: User) -> None:
    """Each job once, none of another's, and the last page says that it is the last."""
    rig.initial_credits = 5
    rig.build()
    made = [rig.create(user).job_id for _ in range(5)]
    rig.create(User())
    found, cursor = [], None
    for expected in (2, 2, 1):
        answer = page(rig, user, limit=2, cursor=cursor)
        assert len(answer.jobs) == expected
        found += [job.job_id for job in answer.jobs]
        cursor = answer.next_cursor
    assert cursor is None
    assert found == made[::-1]


def test_a_page_that_is_exactly_full_is_the_last(rig: Rig, user: User) -> None:
    """No empty page follows."""
    rig.create(user)
    assert page(rig, user, limit=1).next_cursor is None
    assert page(rig, User()).jobs == ()


def test_the_list_is_filtered_by_status(rig: Rig, user: User) -> None:
    """With the code of what failed, and no key or receipt."""
    view = done(rig, user)
    failed = rig.create(user)
    rig.webhooks.receive(rig.failure(failed.job_id))
    [line] = page(rig, user, status="failed").jobs
    assert (line.job_id, line.error_code) == (failed.job_id, "DECODE_FAILED")
    [line] = page(rig, user, status="completed").jobs
    assert (line.job_id, line.links.self) == (view.job_id, f"{BASE_URL}/jobs/{view.job_id}")
    assert not {"receipt", "artifacts", "encryption"} & set(line.model_dump())


@pytest.mark.parametrize(
    "how",
    [
        {"limit": 0},
        {"limit": 101},
        {"cursor": ""},
        {"cursor": "x"},
        {"cursor": "MjAyNg"},
        {"cursor": "%%%"},
        {"cursor": "é"},
    ],
)
def test_a_bad_limit_or_cursor_is_an_invalid_field(rig: Rig, user: User, how: dict[str, Any]) -> None:
    """And named."""
    problem = refused(page, rig, user, **how)
    assert [error.pointer for error in problem.errors] == [f"/{name}" for name in how]
