"""`rythmiq camber doctor` before Cambers that are as we infer, and before some that are not."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rythmiq.adapters.camber import NAMES, HttpTransport, JobConfig, Wire
from rythmiq.ports import Order
from rythmiq_cli.commands import app
from rythmiq_cli.doctor.camber import CamberChecks, Finding
from tests.support.executor_rigs import NOBODY, TERMS, camber_in_process
from tests.support.executor_run import new_order
from tests.support.fake_camber import BASE, KEY, FakeCamber


@pytest.fixture
def fake() -> FakeCamber:
    """A Camber with a job that has ended."""
    fake = FakeCamber()
    order = new_order()
    camber_in_process(fake).submit(order, timeout_s=10)
    fake.runs.finish(order)
    return fake


@pytest.fixture
def url(fake: FakeCamber) -> Iterator[str]:
    """Where it listens."""
    with fake.serve() as url:
        yield url


def doctor(*arguments: str, **environ: str) -> Result:
    """Run the command."""
    unset = {"CAMBER_API_URL": "-", "CAMBER_API_KEY": "-", "COLUMNS": "200"}
    return CliRunner().invoke(app, ["camber", "doctor", *arguments], env=unset | environ)


def report(done: Result) -> dict[str, Any]:
    """Its findings by step, with what it says to set."""
    document = json.loads(done.stdout)
    assert [name["what"] for name in document["names"]] == [name.what for name in NAMES]
    return {finding["step"]: (finding["verdict"], finding["set"]) for finding in document["findings"]}


def test_a_camber_as_we_infer_it_is_verified_without_a_job(fake: FakeCamber, url: str) -> None:
    done = doctor("--json", CAMBER_API_URL=url, CAMBER_API_KEY=KEY)
    assert done.exit_code == 0, done.output
    found = report(done)
    assert {step for step, (verdict, _) in found.items() if verdict == "verified"} == {
        *("who am I", "list of jobs", "job numbers", "commands", "order", "one job", "logs of a job"),
        *("create: command", "create: engine", "create: size", "create: path"),
    }
    assert {step for step, (verdict, _) in found.items() if verdict == "differs"} == set()
    assert len(fake.jobs) == 1


def test_a_person_reads_the_same(url: str) -> None:
    done = doctor(CAMBER_API_URL=url, CAMBER_API_KEY=KEY)
    assert "verified who am I" in done.stdout
    assert "open new job" in done.stdout


def test_a_field_of_another_name_is_told_with_the_variable(fake: FakeCamber, url: str) -> None:
    fake.create_names = ("command", "engine_type", "engine_size", "mount_dir")
    done = doctor("--json", CAMBER_API_URL=url, CAMBER_API_KEY=KEY)
    assert done.exit_code == 1
    assert report(done)["create: size"] == ("differs", "CAMBER_CREATE_FIELDS: size=engine_size")
    mended = {"CAMBER_CREATE_FIELDS": "size=engine_size"}
    assert doctor("--json", CAMBER_API_URL=url, CAMBER_API_KEY=KEY, **mended).exit_code == 0


def test_a_list_without_commands_or_the_wrong_way_round_is_told(fake: FakeCamber, url: str) -> None:
    camber_in_process(fake).submit(new_order(), timeout_s=10)
    fake.shows_commands, fake.newest_first = False, False
    found = report(doctor("--json", CAMBER_API_URL=url, CAMBER_API_KEY=KEY))
    assert found["commands"][0] == "differs"
    assert found["commands"][1].startswith("CAMBER_COMMAND_FIELD")
    assert found["order"][0] == "differs"


@pytest.mark.parametrize(
    ("variable", "value", "step"),
    [("CAMBER_PATH_JOBS", "/runs", "list of jobs"), ("CAMBER_PATH_LOGS", "/logs/{id}", "logs of a job")],
)
def test_a_path_that_is_not_there_is_told_with_its_variable(url: str, variable: str, value: str, step: str) -> None:
    done = doctor("--json", CAMBER_API_URL=url, CAMBER_API_KEY=KEY, **{variable: value})
    assert (done.exit_code, report(done)[step]) == (1, ("differs", variable))


def test_a_refused_key_is_told(url: str) -> None:
    done = doctor("--json", CAMBER_API_URL=url, CAMBER_API_KEY="wrong-key")
    assert (done.exit_code, report(done)["key"][0]) == (1, "differs")
    assert "wrong-key" not in done.output


def test_a_camber_that_does_not_answer_is_4() -> None:
    done = doctor("--json", CAMBER_API_URL=NOBODY, CAMBER_API_KEY=KEY)
    assert (done.exit_code, report(done)) == (4, {"address": ("unreachable", "CAMBER_API_URL")})


def test_what_it_needs_is_asked_for(tmp_path: Path) -> None:
    done = doctor()
    assert (done.exit_code, "CAMBER_API_KEY" in done.stderr) == (2, True)
    wrong = tmp_path / "touch.env"
    wrong.write_text("CAMBER_API_URL=https://x.example\nCAMBER_API_KEY=x\nCAMBER_LIST_QUERY=hush\n", encoding="utf-8")
    done = doctor("--env", str(wrong))
    assert (done.exit_code, "CAMBER_LIST_QUERY" in done.stderr, "hush" in done.output) == (2, True, False)


def looked(fake: FakeCamber, terms: JobConfig = TERMS) -> dict[str, Finding]:
    """All steps, a job's run among them, whose launcher says that there is nothing to do."""

    async def pause(seconds: float) -> None:
        assert seconds > 0
        for run in fake.runs.runs:
            fake.runs.finish(Order(run.words[0], run.words[1], int(run.words[2])), 66)

    async def all_steps() -> list[Finding]:
        transport = HttpTransport(f"https://camber.test{BASE}", KEY, config=terms, wire=Wire(), http=fake.http)
        look = CamberChecks(transport, Wire(), terms, pause)
        return [finding async for finding in look.steps(run_job=True)]

    return {finding.step: finding for finding in asyncio.run(all_steps())}


def test_a_job_is_run_when_it_is_asked_for(fake: FakeCamber) -> None:
    """The launcher, about nobody's job: taken, found, ended, and heard."""
    found = looked(fake)
    assert {found[step].verdict for step in ("new job", "look-up", "run", "launcher")} == {"verified"}
    assert found["run"].said.startswith("it is FAILED")
    assert len(fake.jobs) == 2


def test_a_job_that_is_not_taken_says_what_may_be_wrong(fake: FakeCamber) -> None:
    found = looked(fake, JobConfig(engine="container", path=TERMS.path))
    assert found["new job"].verdict == "differs"
    assert "CAMBER_ENGINE" in found["new job"].set
