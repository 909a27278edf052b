"""What the doctor says of the walls that its machine gives a worker."""

import pytest

from rythmiq_cli.doctor import State
from rythmiq_cli.doctor import worker as checks


@pytest.mark.parametrize(
    ("missing", "sandbox", "state"),
    [((), "required", "ok"), (("landlock",), "auto", "warning"), (("landlock",), "required", "broken")],
)
def test_a_missing_wall_is_named_and_weighs_what_the_operator_says(
    missing: tuple[str, ...], sandbox: str, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "missing_walls", lambda: missing)
    (finding,) = checks.wall_findings({"SANDBOX": sandbox})
    assert (finding.area, finding.probe, finding.state) == ("store", "worker_walls", state)
    assert all(name in finding.said for name in missing)


def test_a_worker_that_cannot_be_started_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> tuple[str, ...]:
        raise OSError("no such file")

    monkeypatch.setattr(checks, "missing_walls", fails)
    (finding,) = checks.wall_findings({})
    assert finding.state == "broken"
