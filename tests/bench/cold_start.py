"""What whoever comes first pays: POST /uploads from its built bundle, over the same on boto3 and `supabase`.

Each run is a clean interpreter with nothing but what it brings: the bundle, or an environment made here of what PyPI
has. Both answer 201 to one signed-in request; the Data API behind them is a process of its own. The bar is for the CPU
of the whole process, start to exit. Warm figures are of a process that has answered before.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm

from rythmiq.gateway.tokens import TokenVerifier
from rythmiq_cli.bundles import ROOT, build_bundles, stage, unpack
from tests.bench.measuring import least_cpu_s
from tests.bundles.events import environment, token, upload_event

ROUNDS = 10
MOST_RATIO = 0.36
MOST_WARM_RATIO = 4.5
WARM_CALLS = 1_000
MOST_ROUND_TRIPS = 2
_BUNDLES = ROOT / "tests" / "bundles"
_BASELINE = Path(__file__).with_name("cold_start_baseline.py")


def main() -> None:
    """Measure, and print the rows."""
    if sys.version_info[:2] != (3, 11):
        raise SystemExit("bundles are for Python 3.11, the platform's; run the benchmarks by that")
    with tempfile.TemporaryDirectory() as text, data_api() as url:
        place = Path(text)
        ours, baseline = built_bundle(place), built_baseline(place)
        event = place / "event.json"
        event.write_text(json.dumps(upload_event(url)), encoding="utf-8")
        environ = environment(url)
        spent: dict[str, list[Cold]] = {"ours": [], "baseline": []}
        for _ in range(ROUNDS):
            for name, directory in (("ours", ours), ("baseline", baseline)):
                spent[name].append(cold(directory, event, environ))
        later = warm(ours, event, environ)
    print(json.dumps([*cold_rows(spent["ours"], spent["baseline"]), *warm_rows(later)]))


@dataclass(frozen=True, slots=True)
class Cold:
    """One cold start: CPU of the whole process, CPU up to the answer, in seconds; the largest resident set in MB."""

    cpu_s: float
    answered_s: float
    peak_mb: float


def cold(directory: Path, event: Path, environ: Mapping[str, str]) -> Cold:
    """One process that answers once."""
    command = [sys.executable, "-I", "-S", "-B", str(_BUNDLES / "one_call.py"), str(directory), str(event)]
    with subprocess.Popen(command, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        if process.stdout is None:
            raise AssertionError("the pipe was asked for")
        told = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{directory} did not answer: {told['answer']}")
    return Cold(usage.ru_utime + usage.ru_stime, told["cpu_s"], told["peak_mb"])


def warm(directory: Path, event: Path, environ: Mapping[str, str]) -> dict[str, float]:
    """Later calls: `warm_ms` and `handler_ms` (without the database) of CPU, the least of many, and `trips` a call."""
    command = [sys.executable, "-I", "-S", "-B", str(_BUNDLES / "one_call.py"), str(directory), str(event)]
    done = subprocess.run(
        [*command, "--warm", str(WARM_CALLS)],
        env=dict(environ),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


class _OneKey:
    """The keys of an issuer that has one."""

    def __init__(self, key: PyJWK) -> None:
        self._key = key

    def find(self, kid: str | None) -> tuple[PyJWK, Sequence[str]]:
        """That one."""
        del kid
        return self._key, ("ES256",)


def verification_ms() -> float:
    """CPU of one verification of a user's token by ES256, the least of many, in milliseconds."""
    private = ec.generate_private_key(ec.SECP256R1())
    issuer = "https://project.supabase.example"
    claims = jwt.decode(token(issuer), options={"verify_signature": False})
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown = f"Bearer {jwt.encode(claims, pem, algorithm='ES256')}"
    key = PyJWK({**ECAlgorithm.to_jwk(private.public_key(), as_dict=True), "alg": "ES256"})
    verifier = TokenVerifier(issuer=f"{issuer}/auth/v1", keys=_OneKey(key))
    return least_cpu_s({"ES256": lambda: verifier.verify(shown)}, WARM_CALLS)["ES256"] * 1000


@contextmanager
def data_api() -> Iterator[str]:
    """A Data API that answers at once, in a process of its own; its URL."""
    command = [sys.executable, "-m", "tests.bundles.data_api"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("the pipes were asked for")
        yield process.stdout.readline().strip()
        process.stdin.close()


def built_bundle(place: Path) -> Path:
    """The function as it is deployed, unpacked."""
    bundles = build_bundles(stage(ROOT, place / "project"), place / "zips")
    return unpack(next(bundle for bundle in bundles if bundle.name == "api/uploads"), place / "run")


def built_baseline(place: Path) -> Path:
    """The same handler in an environment of its own, in the same shape."""
    directory = place / "baseline"
    subprocess.run([sys.executable, "-m", "venv", "--symlinks", str(directory / "virtualenv")], check=True)
    pip = (str(directory / "virtualenv" / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check")
    subprocess.run([*pip, "--quiet", "boto3", "supabase"], check=True, stdout=sys.stderr)
    for source, target in (
        (_BASELINE, directory / "__main__.py"),
        (ROOT / "layers" / "functions" / "activate_this.py", directory / "virtualenv" / "bin" / "activate_this.py"),
    ):
        target.write_bytes(source.read_bytes())
    return directory


def cold_rows(ours: list[Cold], baseline: list[Cold]) -> list[dict[str, object]]:
    """What a cold start takes."""
    least, whole = min(spent.cpu_s for spent in ours), min(spent.cpu_s for spent in baseline)
    ratio = least / whole
    middle = statistics.median(one.cpu_s / other.cpu_s for one, other in zip(ours, baseline, strict=True))
    answered, others = min(spent.answered_s for spent in ours), min(spent.answered_s for spent in baseline)
    return [
        {
            "what": "CPU of a cold start of `uploads`, process start to exit, over boto3's and supabase's",
            "measured": round(ratio, 3),
            "bar": f"<= {MOST_RATIO}",
            "unit": None,
            "holds": ratio <= MOST_RATIO,
            "note": f"from the built bundle; {least:.2f} of {whole:.2f} s, least of {ROUNDS} each, "
            f"median of the pairs {middle:.3f}",
        },
        {
            "what": "the same up to the answer, without what the process takes to end",
            "measured": round(answered / others, 3),
            "bar": None,
            "unit": None,
            "holds": None,
            "note": f"{answered:.2f} of {others:.2f} s",
        },
        {
            "what": "peak resident set of a cold start",
            "measured": round(max(spent.peak_mb for spent in ours), 1),
            "bar": None,
            "unit": "MB",
            "holds": None,
            "note": f"boto3 and supabase {max(spent.peak_mb for spent in baseline):.1f} MB",
        },
    ]


def warm_rows(later: Mapping[str, float]) -> list[dict[str, object]]:
    """What a later call takes."""
    verified_ms = verification_ms()
    ratio = later["handler_ms"] / verified_ms
    return [
        {
            "what": "CPU of a warm call of `uploads` outside the SQL, over one ES256 verification",
            "measured": round(ratio, 2),
            "bar": f"<= {MOST_WARM_RATIO:g}",
            "unit": None,
            "holds": ratio <= MOST_WARM_RATIO,
            "note": f"{later['handler_ms']:.2f} of {verified_ms:.2f} ms, least of {WARM_CALLS}, the Data API answering "
            f"at once; with its call {later['warm_ms']:.2f} ms",
        },
        {
            "what": "calls of the database in a warm call of `uploads`",
            "measured": later["trips"],
            "bar": f"<= {MOST_ROUND_TRIPS}",
            "unit": None,
            "holds": later["trips"] <= MOST_ROUND_TRIPS,
            "note": None,
        },
    ]


if __name__ == "__main__":
    main()
