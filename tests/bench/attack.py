"""How much one account at its worst slows five others down: a local cloud of real processes, with and without it.

Two places, default limits otherwise. Each of five accounts starts a job every ten seconds, whatever became of the one
before; a job's time runs from the call that asks where to upload to the answer that it is completed. The attacker has
credits without end and heeds no Retry-After: a JPEG of thousands of scans, deflate bombs, a picture of 64 million
pixels and garbage, each as a job, and ten polls at a time. All its calls together are 600 a minute, as many as a
namespace of the platform takes from everybody: more would measure this machine's CPU and not the limits. By wall, so
it counts on an idle machine only.
"""

import itertools
import json
import math
import os
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image

from rythmiq.client.errors import ClientError
from tests.data import hostile_corpus
from tests.e2e.cloud_process import CloudProcess
from tests.support import worker_uploads

ACCOUNTS, JOBS, EVERY_S = 5, 20, 10.0
MOST_RATIO = 1.5
CREDITS = 10_000
POSTERS, POLLERS = 2, 10
CALLS_A_MINUTE = 600
WAIT_S = 180.0
BOMBS = ("bomb-jpeg-scans", "bomb-png-pixels-for-a-thousand", "bomb-png-text", "bomb-png-profile")


def main() -> None:
    """Measure, and print the rows."""
    quiet, _ = measured(attacked=False)
    noisy, seen = measured(attacked=True)
    ratio = p95(noisy) / p95(quiet)
    load = os.getloadavg()[2]
    print(
        json.dumps(
            [
                {
                    "what": "p95 from upload to completed of five accounts, beside one account at its worst",
                    "measured": round(ratio, 2),
                    "bar": f"<= {MOST_RATIO}",
                    "unit": None,
                    "holds": ratio <= MOST_RATIO,
                    "note": f"{p95(noisy):.1f} over {p95(quiet):.1f} s; median {median(noisy):.1f} and "
                    f"{median(quiet):.1f} s; {len(noisy)} and {len(quiet)} jobs; load of the machine {load:.0f}",
                },
                {
                    "what": "jobs of the five that did not complete",
                    "measured": sum(math.isinf(took) for took in quiet + noisy),
                    "bar": "0",
                    "unit": None,
                    "holds": not any(map(math.isinf, quiet + noisy)),
                    "note": None,
                },
                {
                    "what": "what the attacker sent meanwhile",
                    "measured": sum(seen.values()),
                    "bar": None,
                    "unit": "calls",
                    "holds": None,
                    "note": ", ".join(f"{name} {count}" for name, count in sorted(seen.items())),
                },
            ]
        )
    )


def measured(*, attacked: bool) -> tuple[list[float], Counter[str]]:
    """The seconds that each job of the five accounts took, and what the attacker was answered."""
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rythmiq-attack-") as folder:
        cloud = CloudProcess(Path(folder) / "cloud", "--port", "0", environ={"MAX_INFLIGHT": "2"})
        cloud.start()
        try:
            users = [str(uuid.uuid4()) for _ in range(ACCOUNTS)]
            for user in users:
                grant(cloud, user)
            one_job(cloud, users[0])  # the first one starts the functions
            with Attacker(cloud, seen).at_work() if attacked else nothing():
                took = jobs_of(cloud, users)
        finally:
            cloud.stop()
    print(f"attack: {'with' if attacked else 'without'}: p95 {p95(took):.1f} s, {dict(seen)}", file=sys.stderr)
    return took, seen


def jobs_of(cloud: CloudProcess, users: list[str]) -> list[float]:
    """Start a job of each account every ten seconds, one account two seconds after the other."""
    began_s, asked = time.monotonic(), list[Future[float]]()
    with ThreadPoolExecutor(max_workers=ACCOUNTS * JOBS) as pool:
        for number, user in itertools.product(range(JOBS), range(ACCOUNTS)):
            due_s = began_s + number * EVERY_S + user * EVERY_S / ACCOUNTS
            time.sleep(max(0.0, due_s - time.monotonic()))
            asked.append(pool.submit(one_job, cloud, users[user]))
        return [one.result() for one in asked]


def one_job(cloud: CloudProcess, user: str) -> float:
    """Upload, create and wait; the seconds until it is seen as completed, infinite when it never is."""
    began_s = time.monotonic()
    try:
        with cloud.client(user) as client:
            job = client.submit(worker_uploads.blank(), "college-generic", "signature", filename="s.jpg")
            client.wait(job.job_id, timeout_s=WAIT_S)
    except ClientError as error:
        print(f"attack: a job ended with {error.code}: {error}", file=sys.stderr)
        return math.inf
    return time.monotonic() - began_s


class Attacker:
    """One account at its worst.

    Args:
        cloud: whom it attacks.
        seen: counts what it is answered.
    """

    def __init__(self, cloud: CloudProcess, seen: Counter[str]) -> None:
        self._cloud, self._seen = cloud, seen
        self._user = str(uuid.uuid4())
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._files, self._turns = itertools.cycle(hostile_files()), itertools.count()
        self._jobs: list[str] = []

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Attack while the context lasts."""
        grant(self._cloud, self._user)
        self._began_s = time.monotonic()
        work = [self._post] * POSTERS + [self._poll] * POLLERS
        threads = [threading.Thread(target=self._go_on, args=(do,)) for do in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            query = "select kind from public.credit_ledger where user_id = %s and kind in ('settle', 'refund')"
            self._seen.update(f"job: {kind}" for (kind,) in self._cloud.rows(query, self._user))

    def _go_on(self, do: Callable[[httpx.Client], None]) -> None:
        with self._cloud.http(self._user) as http:
            while not self._stop.is_set():
                try:
                    do(http)
                except httpx.HTTPError:
                    self._note("cut")

    def _take_turn(self) -> None:
        with self._lock:
            due_s = self._began_s + next(self._turns) * 60 / CALLS_A_MINUTE
        self._stop.wait(max(0.0, due_s - time.monotonic()))

    def _note(self, what: str) -> None:
        with self._lock:
            self._seen[what] += 1

    def _post(self, http: httpx.Client) -> None:
        with self._lock:
            data = next(self._files)
        self._take_turn()
        asked = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": len(data), "encrypted": False}
        signed = http.post("/api/uploads", json=asked)
        self._note(f"uploads {signed.status_code}")
        if signed.status_code != httpx.codes.CREATED:
            return
        upload = signed.json()["upload"]
        httpx.put(upload["url"], headers=upload["headers"], content=data, timeout=60, trust_env=False)
        self._take_turn()
        body = {"portal": "college-generic", "slot": "signature", "raw_path": signed.json()["raw_path"]}
        created = http.post("/api/jobs", json=body)
        self._note(f"jobs {created.status_code}")
        if created.status_code == httpx.codes.ACCEPTED:
            self._jobs.append(created.json()["job_id"])

    def _poll(self, http: httpx.Client) -> None:
        self._take_turn()
        if self._jobs:
            answer = http.get(f"/api/jobs/{self._jobs[-1]}", params={"wait": 10, "until": "ended"})
            self._note(f"polls {answer.status_code}")


@contextmanager
def nothing() -> Iterator[None]:
    """Attack nobody."""
    yield


def hostile_files() -> list[bytes]:
    """Small files that take long, and garbage."""
    found = [entry.make() for entry in hostile_corpus.corpus() if entry.name in BOMBS]
    large = worker_uploads.encoded(Image.new("RGB", (8_000, 8_000), (200, 210, 220)), "PNG")
    return [*found, b"\xff\xd8 garbage", large]


def grant(cloud: CloudProcess, user: str) -> None:
    """Credits without end."""
    cloud.rows("select public.credits_grant(%s, %s)", user, CREDITS)


def p95(took: list[float]) -> float:
    """The time within which 95 of 100 jobs were done."""
    return sorted(took)[math.ceil(0.95 * len(took)) - 1]


def median(took: list[float]) -> float:
    """The time within which half of the jobs were done."""
    return sorted(took)[len(took) // 2]


if __name__ == "__main__":
    main()
