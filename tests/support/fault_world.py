"""A small world of clients, functions, launchers and an executor over a real Postgres, in which everything goes wrong.

What must hold at every step is checked as it happens; `heal` then ends all faults and lets the world run to its end,
and `fault_ends.check` says what must hold there.

Source: docs/specification/executors.md; the faults are its list.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from rythmiq.adapters.database import SqlDatabase
from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.errors import CATALOGUE, ErrorCode, StoreUnavailableError
from rythmiq.contracts.keys import dispatch_key, result_key
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.ports import Order, UnavailableError
from rythmiq.ports.database import Capacity
from tests.support.fault_parts import (
    CLOCK,
    FaultyExecutor,
    FaultyTransport,
    Gate,
    GatedStore,
    KilledError,
    Launch,
    WorldClock,
)
from tests.support.service_rig import LEASE_S, Rig, User

DOWN = StoreUnavailableError("the server answered 503")
WEBHOOK_TRIES = 4
EXECUTOR_CODES = {"EXECUTOR_LOST", "EXECUTOR_CANCELLED"}
CALM_ROUNDS = 80
"""How often the calm world may be ticked before every job has ended; each lets a minute or more pass."""

Mishap = Literal["crash", "garbage", "silence", "killed", "hang", "no_image", "upload_failed", "store_down"]
"""What goes wrong with a launcher or its worker; a hang is one of the machine, which no deadline of ours ends."""
Post = Literal["deliver", "lose", "lose_answer"]
_INVENTED = {"garbage": "garbage", "silence": "silence", "killed": "killed"}
_TABLES = (
    "uploads", "jobs", "queue", "documents", "credit_ledger", "user_credits", "cpu_usage", "metrics", "counters",
    "removals",
)  # fmt: skip


@dataclass
class Wish:
    """A job that a client wants: the upload is there, the call may have to be repeated.

    Attributes:
        deleting: its owner's DELETE was let in: objects may be gone already, though it has to be repeated.
        deleted: it is erased.
    """

    user: User
    raw_path: str
    job_id: str
    accepted: bool = False
    deleting: bool = False
    deleted: bool = False


class World(Rig):
    """Everything, once a test; see the module.

    Args:
        url: of the database, whose clock was set to `CLOCK`.
        superuser_url: of the same one.
        max_inflight: what the executor is given.
        cancels: whether the executor can stop an execution.
    """

    def __init__(self, url: str, superuser_url: str, *, max_inflight: int = 2, cancels: bool = False) -> None:
        super().__init__(url)
        self.initial_credits = 20
        self.capacity = Capacity(max_inflight=max_inflight, lease_s=LEASE_S, max_attempts=3)
        self.gate = Gate()
        self.clock = WorldClock()
        self.faulty = FaultyTransport(url, self.clock, self.gate, self._answered)
        self.transport = self.faulty
        self.database = SqlDatabase(self.faulty)
        self.gated = self.store = GatedStore(self.clock, self.gate)
        self.machine = FaultyExecutor(self.gate, self._submitted, self.run_to_end, cancels=cancels)
        self.executor = self.machine
        self.admin = psycopg.connect(superuser_url, autocommit=True)
        self.wishes: list[Wish] = []
        self.letters: list[WebhookBody] = []
        self.abandoned: set[tuple[str, int]] = set()
        self.claims: dict[str, float] = {}
        self.finished: set[str] = set()
        self.broken: list[str] = []
        self.build()

    def close(self) -> None:
        """Leave the database empty."""
        self.admin.execute("set session_replication_role = replica")
        self.admin.execute("; ".join(map("delete from public.{}".format, _TABLES)).encode())
        self.admin.execute("set session_replication_role = origin")
        self.admin.close()
        self.faulty.close()

    def sql(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Ask past all gates."""
        self.admin.execute(f"set test.now = '{self.clock.now().isoformat()}'".encode())
        cursor = self.admin.execute(query.encode(), arguments or None)
        return cursor.fetchall() if cursor.description else []

    def advance(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self.clock.sleep(seconds)

    def function(self, call: Callable[[], Any]) -> Any:
        """Run a function's call; None when it was killed or something outside did not answer."""
        try:
            return call()
        except (KilledError, UnavailableError):
            return None
        except ProblemError as error:
            return error
        finally:
            self.gate.disarm()
            assert not self.broken, self.broken

    def must(self, holds: bool, what: str) -> None:  # noqa: FBT001  it is what is asserted
        """Assert inside a call of a use case, which may swallow any exception."""
        if not holds:
            self.broken.append(what)

    # --- what is watched as it happens --------------------------------------------------------------------------------

    def _answered(self, function: str, arguments: Mapping[str, object], answer: Any) -> None:
        """See every answer of the database, also one that its caller will never see."""
        job_id = str(arguments.get("p_job_id"))
        if function == "job_claim_settlement" and answer["outcome"] == "claimed":
            now = self.clock.monotonic_s()
            self.must(self.claims.get(job_id, 0.0) <= now, "two hold the claim of one settlement")
            self.claims[job_id] = now + 60
        elif function == "job_release_settlement":
            self.claims.pop(job_id, None)
        elif function in {"job_finish", "job_fail_attempt"}:
            self._ended(function, job_id, arguments, answer["outcome"])
        if isinstance(answer, dict):
            work = answer.get("work") or {}
            for started in (answer.get("started"), answer.get("dispatch"), work.get("dispatch")):
                if started is not None and started["attempt"] == 1:
                    self._started(started)

    def _ended(self, function: str, job_id: str, arguments: Mapping[str, object], outcome: str) -> None:
        if outcome in {"completed", "failed"}:
            self.must(job_id not in self.finished, "a job has ended twice")
            self.finished.add(job_id)
        if outcome in {"completed", "failed", "retrying"}:
            self.claims.pop(job_id, None)
        error = arguments.get("p_error")
        if function == "job_fail_attempt" and outcome in {"failed", "retrying"} and isinstance(error, Mapping):
            attempt = arguments["p_attempt"]
            if error["code"] in EXECUTOR_CODES and isinstance(attempt, int):
                self.abandoned.add((job_id, attempt))

    def _started(self, started: Mapping[str, Any]) -> None:
        """Fairness: whoever has the fewest in flight is next, with their oldest job; and there was room."""
        queue = self.sql("select job_id::text, user_id::text, state, created_at from public.queue")
        in_flight = [user for job_id, user, state, _ in queue if state == "in_flight" and job_id != started["job_id"]]
        self.must(len(in_flight) < self.capacity.max_inflight, "more are in flight than the executor is to be given")
        waiting = [(user, at) for job_id, user, state, at in queue if state == "pending"]
        mine = self.row(started["job_id"])
        for user, at in waiting:
            fewer = in_flight.count(user) < in_flight.count(mine["user_id"])
            self.must(not fewer, "somebody with fewer in flight waits")
            older = user == mine["user_id"] and at.isoformat() < mine["created_at"]
            self.must(not older, "an older job of theirs waits")

    def _submitted(self, order: Order) -> None:
        """No more than may be in flight, and nothing twice that the executor would have found."""
        self.must(not self.machine.knows(order), "an attempt that the executor knows was submitted again")
        [(in_flight,)] = self.sql("select count(*) from public.queue where state = 'in_flight'")
        self.must(in_flight <= self.capacity.max_inflight, "the executor is given more than it is to be given")

    # --- clients ------------------------------------------------------------------------------------------------------

    def wish(self, user: User) -> Wish:
        """Upload a file, with nothing going wrong, and ask for its job, with whatever is planned."""
        with self.faulty.undisturbed():
            signed = self.upload(user)
        wish = Wish(user, signed.raw_path, signed.job_id)
        self.wishes.append(wish)
        self.ask(wish)
        return wish

    def ask(self, wish: Wish) -> None:
        """POST /jobs, the first time or again: it is the same job."""
        answer = self.function(lambda: self.create(wish.user, raw_path=wish.raw_path))
        if isinstance(answer, ProblemError):
            gone = wish.deleted and answer.code in {ProblemCode.OBJECT_MISSING, ProblemCode.NOT_FOUND}
            assert gone or answer.code in {ProblemCode.UNAVAILABLE, ProblemCode.UPLOAD_CLAIMED}, answer.code
        elif answer is not None:
            assert answer.job_id == wish.job_id
            wish.accepted = True

    def look(self, wish: Wish) -> Any:
        """GET the job; past its lease this heals it."""
        return self.function(lambda: self.jobs.view(wish.user.caller, wish.job_id, base_url="https://api.test").view)

    def delete(self, wish: Wish) -> None:
        """DELETE the job."""
        answer = self.function(lambda: self.jobs.delete(wish.user.user_id, wish.job_id))
        if not (isinstance(answer, ProblemError) and answer.code is ProblemCode.JOB_PROCESSING):
            wish.deleting = True
        if answer is None:
            row = self.sql("select erased_at is not null from public.jobs where id = %s", wish.job_id)
            wish.deleted = wish.deleted or row == [(True,)]

    def tick(self) -> None:
        """POST /internal/reconcile."""
        self.function(self.loop.tick)

    # --- launchers ----------------------------------------------------------------------------------------------------

    def step(self, launch: Launch, mishap: Mishap | None = None, post: Post = "deliver") -> None:
        """Let a launcher take its next step, or meet with a mishap on it."""
        if mishap == "crash":
            self._exit(launch, 137)
        elif mishap == "hang":
            launch.hangs = True
        elif launch.phase == "queued":
            self._start(launch)
        elif launch.phase == "running":
            launch.body = self._result(launch, mishap)
            launch.phase = "worked"
        elif launch.phase == "worked":
            if mishap != "store_down":
                self._store(launch)
            launch.phase = "stored"
        elif launch.phase == "stored":
            self._post(launch, post)

    def run_to_end(self, launch: Launch) -> None:
        """Let a launcher go all the way."""
        while launch.phase != "ended":
            self.step(launch)

    def _start(self, launch: Launch) -> None:
        order = launch.order
        if dispatch_key(order.user_id, order.job_id, order.attempt) not in self.store.objects:
            self._exit(launch, 66)
            return
        is_abandoned = (order.job_id, order.attempt) in self.abandoned
        self.must(not is_abandoned, "a late start found its abandoned attempt's orders")
        launch.dispatch = self.dispatch_of(order)
        launch.execution.state = "running"
        launch.phase = "running"

    def _result(self, launch: Launch, mishap: Mishap | None) -> WebhookBody:
        job_id, attempt = launch.order.job_id, launch.order.attempt
        if mishap in _INVENTED:
            return self._failed(job_id, attempt, ErrorCode.INTERNAL_ERROR, "init", reason=_INVENTED[mishap])
        if mishap == "no_image":
            return self._failed(job_id, attempt, ErrorCode.DECODE_FAILED, "decode")
        if mishap == "upload_failed":
            body = self.work_on(launch.dispatch)
            self.store.objects.pop(body.result.artifacts.master_path, None)  # type: ignore[union-attr]  # a success
            return self._failed(job_id, attempt, ErrorCode.UPLOAD_FAILED, "upload")
        return self.work_on(launch.dispatch)

    def _failed(self, job_id: str, attempt: int, code: ErrorCode, stage: str, **detail: str) -> WebhookBody:
        return self.failure(
            job_id, attempt, code=code, stage=stage, retryable=CATALOGUE[code].retryable, detail=detail or None
        )

    def _store(self, launch: Launch) -> None:
        assert launch.body is not None
        assert self.ring is not None
        key = result_key(launch.order.user_id, launch.order.job_id, launch.order.attempt)
        content = launch.body.model_dump_json().encode()
        self.store.objects[key] = self.dispatch_ring.seal_service(content, storage_key=key)

    def _post(self, launch: Launch, post: Post) -> None:
        assert launch.body is not None
        answer = None
        if post != "lose":
            self.letters.append(launch.body)
            answer = self.deliver(launch.body)
        launch.tries += 1
        key = result_key(launch.order.user_id, launch.order.job_id, launch.order.attempt)
        if answer in {200, 404} and post == "deliver":
            self._exit(launch, 0)
        elif launch.tries >= WEBHOOK_TRIES:
            self._exit(launch, 0 if key in self.store.objects else 75)

    def deliver(self, body: WebhookBody) -> int | None:
        """Bring a report; the status of its answer, None when the function was killed. A late one changes nothing."""
        before, sprung = self.row(body.job_id), self.gate.sprung
        outcome: Any = self.function(lambda: self.webhooks.receive(body))
        if self.gate.sprung == sprung:
            late = before["status"] in {"completed", "failed"} or (body.attempt or 1) < before["attempt"]
            if late:
                self.must(outcome in {None, "terminal", "stale"}, f"a late report was answered {outcome}")
                self.must(self.row(body.job_id) == before, "a late report changed a job")
        if isinstance(outcome, ProblemError):
            known = {ProblemCode.SETTLEMENT_BUSY, ProblemCode.PACKAGING_TROUBLE, ProblemCode.ATTEMPT_UNKNOWN}
            self.must(outcome.code in known, f"a report was answered {outcome.code}")
            return 409
        return None if outcome is None else 200

    @staticmethod
    def _exit(launch: Launch, code: int) -> None:
        launch.phase = "ended"
        if launch.execution.state in {"pending", "running"}:
            launch.execution.state = "succeeded" if code == 0 else "failed"

    # --- the end of all trouble ---------------------------------------------------------------------------------------

    def calm(self) -> None:
        """Nothing is planned any more; what hangs goes on hanging."""
        self.gate.disarm()
        self.faulty.faults.clear()
        self.store._faults.clear()
        self.machine.submits.clear()
        self.machine.silent = False

    def heal(self) -> None:
        """End all faults, repeat what clients did not see answered, and tick until every job has ended."""
        self.calm()
        for wish in self.wishes:
            if not wish.accepted and not wish.deleted:
                self.ask(wish)
                assert wish.accepted
        for _ in range(CALM_ROUNDS):
            for launch in self.machine.launches:
                if not launch.hangs:
                    self.run_to_end(launch)
            self.tick()
            [(open_jobs, soon)] = self.sql(
                "select count(*), count(*) filter (where state = 'awaiting') from public.queue"
            )
            if open_jobs == 0:
                return
            self.advance(61 if soon else LEASE_S + 1)
        raise AssertionError("a job never ends", self.sql("select to_jsonb(q) from public.queue q"))


def set_clock(superuser_url: str) -> None:
    """Have a database tell the world's time."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(CLOCK.encode())
