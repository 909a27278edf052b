"""The Kubernetes executor against a stub of the API server."""

import base64
import datetime as dt
import ipaddress
import re
import ssl
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rythmiq.adapters.kubernetes import (
    KubernetesExecutor,
    job_name,
    state_of,
)
from rythmiq.contracts.errors import SettingsError
from rythmiq.ports import ExecutorRejectedError, ExecutorUnclearError, Order
from rythmiq.settings.execution import ExecutorSettings, KubernetesSettings
from tests.support.executor_rigs import IMAGE, kubernetes_at, kubernetes_config
from tests.support.executor_run import new_order
from tests.support.kubernetes_manifests import MANIFESTS, one
from tests.support.kubernetes_stub import POWERLESS_TOKEN, KubernetesStub, Plan

TIMEOUT_S = 10.0
ABSENT = job_name("0a7e3f52-5c1e-4d7a-9a39-2f8d1c0e4b7a", 1)


@pytest.fixture
def stub() -> KubernetesStub:
    """A cluster."""
    return KubernetesStub()


@pytest.fixture
def url(stub: KubernetesStub) -> Iterator[str]:
    """Where it listens."""
    with stub.serve() as url:
        yield url


@pytest.fixture
def executor(url: str) -> KubernetesExecutor:
    """Its executor."""
    return kubernetes_at(kubernetes_config(url))


def right_of(method: str, target: str) -> tuple[str, str, str]:
    """The right that the API server asks for before it takes a request: group, resource and verb."""
    found = re.fullmatch(
        r"/(?:api|apis/(?P<group>[a-z.]+))/v1/namespaces/[a-z-]+/(?P<of>[a-z]+)(?:/(?P<name>[a-z0-9-]+)(?P<sub>/[a-z]+)?)?",
        urlsplit(target).path,
    )
    assert found is not None, target
    verb = {"POST": "create", "DELETE": "delete", "GET": "get" if found["name"] else "list"}[method]
    return found["group"] or "", found["of"] + (found["sub"] or ""), verb


def test_the_api_may_do_what_its_services_have_the_executor_do_and_nothing_else(
    stub: KubernetesStub, executor: KubernetesExecutor
) -> None:
    """By the requests that each call of a service makes."""
    sources = (Path(__file__).parents[2] / "core" / "rythmiq" / "services").rglob("*.py")
    called = {name for path in sources for name in re.findall(r"_executor\.(\w+)\(", path.read_text(encoding="utf-8"))}
    order = new_order()
    name = executor.submit(order, timeout_s=TIMEOUT_S)
    calls: dict[str, Callable[[], object]] = {
        "submit": lambda: executor.submit(order, timeout_s=TIMEOUT_S),
        "find": lambda: executor.find(order.job_id, 1, timeout_s=TIMEOUT_S),
        "status": lambda: executor.status(name, timeout_s=TIMEOUT_S),
        "logs": lambda: executor.logs(name, tail_lines=1, timeout_s=TIMEOUT_S),
        "cancel": lambda: executor.cancel(name, timeout_s=TIMEOUT_S),
    }
    assert called >= {"submit", "status"}
    stub.requests.clear()
    for method in (method for method in calls if method in called):
        calls[method]()
    granted = {
        (group, resource, verb)
        for rule in one("Role")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {right_of(*request) for request in stub.requests}


def test_what_the_readme_says_to_add_for_logs_is_what_they_need(
    stub: KubernetesStub, executor: KubernetesExecutor
) -> None:
    name = executor.submit(new_order(), timeout_s=TIMEOUT_S)
    stub.requests.clear()
    executor.logs(name, tail_lines=1, timeout_s=TIMEOUT_S)
    needed = {right_of(*request) for request in stub.requests}
    assert needed == {("", "pods", "list"), ("", "pods/log", "get")}
    page = (MANIFESTS / "README.md").read_text(encoding="utf-8")
    assert all(f"`{word}`" in page for _, resource, verb in needed for word in (resource, verb))


def test_a_job_that_the_policy_refuses_is_an_operators_to_mend(
    stub: KubernetesStub, executor: KubernetesExecutor
) -> None:
    """And no attempt fails for good because an upgrade forgot the ConfigMap."""
    stub.plan.append("denied")
    with pytest.raises(ExecutorUnclearError, match=r"422.*admission\.yaml"):
        executor.submit(new_order(), timeout_s=TIMEOUT_S)


# --- behaviour --------------------------------------------------------------------------------------------------------


def test_a_repeated_submit_meets_the_first_one(stub: KubernetesStub, executor: KubernetesExecutor) -> None:
    """409: the same job."""
    order = new_order()
    assert {executor.submit(order, timeout_s=TIMEOUT_S) for _ in range(3)} == {job_name(order.job_id, 1)}
    assert len(stub.runs.runs) == 1


@pytest.mark.parametrize(
    ("plan", "taken"),
    [("drop", 0), ("accept_then_drop", 1), ("unavailable", 0), ("too_many", 0), ("html_502", 0)],
)
def test_a_submit_that_fails_is_unclear_and_found_exactly_when_it_was_taken(
    stub: KubernetesStub, executor: KubernetesExecutor, plan: Plan, taken: int
) -> None:
    order = new_order()
    stub.plan.append(plan)
    with pytest.raises(ExecutorUnclearError):
        executor.submit(order, timeout_s=TIMEOUT_S)
    found = executor.find(order.job_id, 1, timeout_s=TIMEOUT_S)
    assert found == (job_name(order.job_id, 1) if taken else None)
    assert executor.submit(order, timeout_s=TIMEOUT_S) == job_name(order.job_id, 1)
    assert len(stub.runs.runs) == 1


@pytest.mark.parametrize("plan", ["drop", "unavailable", "too_many", "html_502"])
def test_a_question_that_is_not_answered_says_nothing_of_the_job(
    stub: KubernetesStub, executor: KubernetesExecutor, plan: Plan
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: executor.status(ABSENT, timeout_s=TIMEOUT_S),
        lambda: executor.find(str(uuid.uuid4()), 1, timeout_s=TIMEOUT_S),
        lambda: executor.cancel(ABSENT, timeout_s=TIMEOUT_S),
        lambda: executor.logs(ABSENT, tail_lines=1, timeout_s=TIMEOUT_S),
    ]
    for call in calls:
        stub.plan.append(plan)
        with pytest.raises(ExecutorUnclearError):
            call()


@pytest.mark.parametrize(
    ("token", "said"), [("wrong", r"401.*KUBERNETES_TOKEN"), (POWERLESS_TOKEN, r"403.*rbac\.yaml")]
)
def test_missing_rights_fail_no_job_for_good_and_say_what_to_mend(url: str, token: str, said: str) -> None:
    executor = kubernetes_at(kubernetes_config(url), token=token)
    with pytest.raises(ExecutorUnclearError, match=said) as refused:
        executor.submit(new_order(), timeout_s=TIMEOUT_S)
    assert token not in str(refused.value)
    with pytest.raises(ExecutorUnclearError, match=said):
        executor.status(ABSENT, timeout_s=TIMEOUT_S)


def test_a_namespace_that_is_not_there_is_an_operators_to_mend(
    stub: KubernetesStub, executor: KubernetesExecutor
) -> None:
    stub.namespace_exists = False
    with pytest.raises(ExecutorUnclearError, match=r"404.*KUBERNETES_NAMESPACE"):
        executor.submit(new_order(), timeout_s=TIMEOUT_S)


def test_an_address_that_is_no_api_server_is_unclear(url: str) -> None:
    """404 there does not say that there is no such Job."""
    executor = kubernetes_at(kubernetes_config(f"{url}/elsewhere"))
    with pytest.raises(ExecutorUnclearError):
        executor.find(str(uuid.uuid4()), 1, timeout_s=TIMEOUT_S)


def test_a_job_that_the_api_server_finds_invalid_is_rejected(url: str) -> None:
    executor = kubernetes_at(replace(kubernetes_config(url), image=7))  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ExecutorRejectedError, match="422, Invalid"):
        executor.submit(new_order(), timeout_s=TIMEOUT_S)


def test_what_is_no_attempt_is_rejected_here(stub: KubernetesStub, executor: KubernetesExecutor) -> None:
    for order in (Order("x", str(uuid.uuid4()), 1), Order(str(uuid.uuid4()), str(uuid.uuid4()), 1_001)):
        with pytest.raises(ExecutorRejectedError):
            executor.submit(order, timeout_s=TIMEOUT_S)
    assert stub.requests == []


@pytest.mark.parametrize("reference", ["", "1", "rythmiq-x-1", f"{ABSENT}/status", f"{ABSENT}?x", "../secrets/x"])
def test_what_is_no_name_of_ours_is_never_asked_for(
    stub: KubernetesStub, executor: KubernetesExecutor, reference: str
) -> None:
    assert executor.status(reference, timeout_s=TIMEOUT_S) == "unknown"
    assert executor.cancel(reference, timeout_s=TIMEOUT_S) is False
    assert executor.logs(reference, tail_lines=1, timeout_s=TIMEOUT_S) == ""
    assert executor.find("../x", 1, timeout_s=TIMEOUT_S) is None
    assert stub.requests == []


def test_a_job_past_its_deadline_has_failed(stub: KubernetesStub, executor: KubernetesExecutor) -> None:
    name = executor.submit(new_order(), timeout_s=TIMEOUT_S)
    stub.pass_deadline(name)
    assert executor.status(name, timeout_s=TIMEOUT_S) == "failed"


def test_a_job_that_was_swept_is_unknown(stub: KubernetesStub, executor: KubernetesExecutor) -> None:
    order = new_order()
    name = executor.submit(order, timeout_s=TIMEOUT_S)
    stub.runs.finish(order)
    assert executor.status(name, timeout_s=TIMEOUT_S) == "succeeded"
    stub.pass_ttl(name)
    assert executor.status(name, timeout_s=TIMEOUT_S) == "unknown"
    assert executor.find(order.job_id, 1, timeout_s=TIMEOUT_S) is None
    assert executor.logs(name, tail_lines=10, timeout_s=TIMEOUT_S) == ""


def test_a_cancelled_job_stops_shows_as_cancelled_and_is_then_gone(
    stub: KubernetesStub, executor: KubernetesExecutor
) -> None:
    order = new_order()
    name = executor.submit(order, timeout_s=TIMEOUT_S)
    assert executor.cancel(name, timeout_s=TIMEOUT_S) is True
    assert stub.runs.running(order) == 0
    assert executor.status(name, timeout_s=TIMEOUT_S) == "cancelled"
    stub.collect()
    assert executor.status(name, timeout_s=TIMEOUT_S) == "unknown"
    assert executor.cancel(name, timeout_s=TIMEOUT_S) is False


def test_a_pod_that_has_not_begun_has_no_log(executor: KubernetesExecutor) -> None:
    names = [executor.submit(new_order(), timeout_s=TIMEOUT_S) for _ in range(3)]
    assert executor.status(names[2], timeout_s=TIMEOUT_S) == "pending"
    assert executor.logs(names[2], tail_lines=10, timeout_s=TIMEOUT_S) == ""


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ({}, "pending"),
        ({"status": {"active": 1}}, "pending"),
        ({"status": {"active": 1, "ready": 1}}, "running"),
        ({"status": {"failed": 1}}, "running"),
        ({"status": {"conditions": [{"type": "FailureTarget", "status": "True"}]}}, "running"),
        ({"status": {"conditions": [{"type": "Suspended", "status": "True"}]}}, "pending"),
        ({"status": {"conditions": [{"type": "Failed", "status": "False"}], "ready": 1}}, "running"),
        ({"status": {"conditions": [{"type": "Failed", "status": "True"}]}}, "failed"),
        ({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, "succeeded"),
        ({"metadata": {"deletionTimestamp": "x"}, "status": {"active": 1, "ready": 1}}, "cancelled"),
    ],
)
def test_a_state_is_read_from_conditions_first(job: dict[str, Any], state: str) -> None:
    assert state_of(job) == state


# --- TLS --------------------------------------------------------------------------------------------------------------


def certified(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server's TLS on loopback, and the PEM of its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cluster")])
    now = dt.datetime.now(tz=dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "server.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + pem
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, pem.decode()


def test_the_clusters_own_authority_is_trusted_and_no_other(stub: KubernetesStub, tmp_path: Path) -> None:
    """As text and as a file; the token never goes to a server that is not certified."""
    context, pem = certified(tmp_path)
    (tmp_path / "ca.pem").write_text(pem, encoding="ascii")
    (tmp_path / "other").mkdir()
    _, other = certified(tmp_path / "other")
    with stub.serve(context) as url:
        for authorities in (pem, str(tmp_path / "ca.pem")):
            executor = kubernetes_at(kubernetes_config(url, authorities=authorities))
            assert executor.submit(new_order(), timeout_s=TIMEOUT_S)
        asked = len(stub.requests)
        for wrong in (None, other):
            with pytest.raises(ExecutorUnclearError):
                kubernetes_at(kubernetes_config(url, authorities=wrong)).submit(new_order(), timeout_s=TIMEOUT_S)
        assert len(stub.requests) == asked


def test_the_authority_is_configured_as_base64_or_a_path() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
    read = KubernetesSettings.from_environ
    assert read({"KUBERNETES_CA": base64.b64encode(pem.encode()).decode()}).kubernetes_ca == pem
    assert read({"KUBERNETES_CA": "/etc/ca.pem"}).kubernetes_ca == "/etc/ca.pem"
    for wrong in ("nonsense", base64.b64encode(b"nonsense").decode(), pem):
        with pytest.raises(SettingsError, match="KUBERNETES_CA"):
            read({"KUBERNETES_CA": wrong})


def test_the_token_goes_by_tls_or_stays_on_this_machine() -> None:
    with pytest.raises(SettingsError, match="KUBERNETES_API_URL"):
        KubernetesSettings.from_environ({"KUBERNETES_API_URL": "http://cluster.example"})
    assert KubernetesSettings.from_environ({"KUBERNETES_API_URL": "http://127.0.0.1:1"}).kubernetes_api_url


def test_what_a_cluster_needs_is_asked_for_by_name() -> None:
    given = {"EXECUTOR": "kubernetes", "PUBLIC_URL": "https://x.example", "WEBHOOK_SECRET": 16 * "x"}
    with pytest.raises(SettingsError) as refused:
        ExecutorSettings.from_environ(given)
    assert [problem.partition(" ")[0] for problem in str(refused.value).split("; ")] == [
        "KUBERNETES_API_URL",
        "KUBERNETES_TOKEN",
        "KUBERNETES_IMAGE",
    ]
    cluster = {"KUBERNETES_API_URL": "https://x.example", "KUBERNETES_TOKEN": "hush", "KUBERNETES_IMAGE": IMAGE}
    assert "hush" not in repr(ExecutorSettings.from_environ(given | cluster))
