"""The walk of one job through the use cases: upload, job, dispatch, webhook, ZIP, download, erasure."""

from tests.support.service_rig import DOCUMENT, TEXT, Rig, User


def test_a_job_is_walked_from_upload_to_download(rig: Rig, user: User) -> None:
    """What the worker stored is what the owner finds in the ZIP."""
    accepted = rig.create(user)
    assert accepted.status == "processing"
    [execution] = rig.executor.executions
    assert execution.order.job_id == accepted.job_id
    assert rig.webhooks.receive(rig.work(accepted.job_id)) == "completed"
    view = rig.view(user, accepted.job_id)
    assert (view.status, view.quality_score, view.conforms) == ("completed", 0.87, True)
    files = rig.zip_of(view)
    assert sorted(files) == ["me_photo.jpg", "receipt.html", "receipt.json", "text.txt"]
    assert (files["me_photo.jpg"], files["text.txt"]) == (DOCUMENT, TEXT)
    assert rig.ledger(accepted.job_id) == ["reserve", "settle"]
    assert rig.balances_are_the_ledgers()
