"""Where attacks are tried: the functions over a real Postgres, a store that checks signatures, victim and attacker.

An attack is one row of a matrix. It asserts that it is refused; afterwards the victim's rows and objects are compared
with what they were, whatever the attack was.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.bodies import UploadAnswer
from tests.rls.conftest import People
from tests.support.gateway_doors import Doors, as_user
from tests.support.service_rig import Rig, User
from tests.support.web_calls import Seen

CANARY = "Rahul-Sharma-Aadhaar"
"""A name that only the victim knows: it may stand in no answer to anybody else and in no log."""

Area = str
Run = Callable[["Arena"], None]


@dataclass(frozen=True)
class Attack:
    """One row.

    Attributes:
        area: identity, storage, ssrf, database, webhook, rendering, privacy or messages.
        target: an endpoint, table, function, kind of object, or message.
        name: what is tried.
        run: tries it; raises AssertionError when it succeeds.
    """

    area: Area
    target: str
    name: str
    run: Run = field(repr=False)

    @property
    def row(self) -> str:
        """The row's name."""
        return f"{self.area}: {self.target}: {self.name}"


@dataclass
class Arena:
    """The service, and who is in it.

    Attributes:
        store: a real one, for what its signatures hold.
        people: two users with rows in every table, for what the database holds by itself.
        victim: has a job that is completed, one that runs, and an upload that no job has claimed.
        attacker: has an account, a running job, and a token.
    """

    rig: Rig
    doors: Doors
    store: SpacesStore
    people: People
    victim: User = field(default_factory=User)
    attacker: User = field(default_factory=User)
    done: str = ""
    running: str = ""
    document_id: str = ""
    own: str = ""
    signed: UploadAnswer | None = None
    before: Any = None

    def __post_init__(self) -> None:
        """Look by one connection of one's own."""
        self.connection = psycopg.connect(self.rig.url, autocommit=True)
        self.connection.execute("set role service_role")

    def prepare(self) -> "Arena":
        """Let the victim and the attacker work."""
        rig = self.rig
        rig.initial_credits = 50
        rig.build()
        self.done = rig.create(self.victim, key=f"key-{CANARY}", original_filename=f"{CANARY}.jpg").job_id
        assert rig.webhooks.receive(rig.work(self.done)) == "completed"
        self.document_id = rig.view(self.victim, self.done).document_id or ""
        self.running = rig.create(self.victim, original_filename=f"{CANARY}.jpg").job_id
        self.signed = rig.upload(self.victim, filename=f"{CANARY}.jpg")
        self.own = rig.create(self.attacker).job_id
        self.before = self.victims_things()
        return self

    @property
    def waiting(self) -> UploadAnswer:
        """The victim's upload that no job has claimed."""
        if self.signed is None:
            raise AssertionError("the arena is prepared first")
        return self.signed

    def victims_things(self) -> Any:
        """Everything that the victim has, in the database and in the store."""
        who = self.victim.user_id
        tables = ("jobs", "uploads", "documents", "user_credits", "credit_ledger")
        rows: dict[str, Any] = {}
        for table in tables:
            query = sql.SQL("select to_jsonb(t) from {table} t where user_id = %s order by 1")
            found = self.connection.execute(query.format(table=sql.Identifier("public", table)), [who])
            rows[table] = [row for (row,) in found]
        objects = {key: hashlib.sha256(data).hexdigest() for key, data in self.rig.store.objects.items() if who in key}
        return {**rows, "objects": objects}

    def assert_untouched(self) -> None:
        """The victim has what it had."""
        assert self.victims_things() == self.before

    def as_attacker(self, method: str, path: str, **call: Any) -> Seen:
        """Call as the attacker, who is signed in; no answer may hold what is the victim's."""
        headers = {**as_user(self.attacker), **call.pop("headers", {})}
        return self.assert_silent(self.doors(method, path, headers=headers, **call))

    def assert_silent(self, seen: Seen) -> Seen:
        """Nothing of the victim's stands in an answer."""
        told = json.dumps([seen.headers, seen.body])
        key = self.waiting.encryption
        secrets = [CANARY, self.victim.user_id, key.data_key if key else CANARY, self.document_id]
        assert not [secret for secret in secrets if secret in told]
        return seen


def rows_of(area: Area, target: str, tried: Mapping[str, Run]) -> list[Attack]:
    """Rows on one target."""
    return [Attack(area, target, name, run) for name, run in tried.items()]


def b64url(data: bytes) -> str:
    """As a JWT has it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
