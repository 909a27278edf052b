"""The Kubernetes executor against a stub of the API server, and the manifests against the published schemas."""

import base64
import datetime as dt
import ipaddress
import json
import re
import ssl
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import celpy.adapter
import celpy.evaluation
import kubernetes_validate
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rythmiq.adapters.kubernetes import (
    DELIVERY_S,
    START_S,
    TTL_S,
    KubernetesExecutor,
    job_manifest,
    job_name,
    state_of,
)
from rythmiq.contracts.errors import SettingsError
from rythmiq.ports import ExecutorRejectedError, ExecutorUnclearError, Order
from rythmiq.services.reconcile import ReconcilePolicy
from rythmiq.settings.execution import ExecutorSettings, KubernetesSettings
from tests.support.executor_rigs import IMAGE, kubernetes_at, kubernetes_config
from tests.support.executor_run import new_order
from tests.support.kubernetes_stub import POWERLESS_TOKEN, VERSIONS, KubernetesStub, Plan

TIMEOUT_S = 10.0
MANIFESTS = Path(__file__).parents[2] / "infra" / "kubernetes"
EXAMPLE = Order("00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000001", 1)
ABSENT = job_name("0a7e3f52-5c1e-4d7a-9a39-2f8d1c0e4b7a", 1)


def documents() -> list[tuple[str, dict[str, Any]]]:
    """Every object of every manifest."""
    return [
        (f"{path.name}: {document['kind']}", document)
        for path in sorted(MANIFESTS.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def one(kind: str) -> dict[str, Any]:
    """The one object of a kind."""
    (found,) = (document for _, document in documents() if document["kind"] == kind)
    return found


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


# --- manifests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "document"), documents(), ids=[name for name, _ in documents()])
def test_a_manifest_is_valid_by_the_published_schema(name: str, document: dict[str, Any], version: str) -> None:
    """Strictly: a field that the version does not know is refused."""
    del name
    kubernetes_validate.validate(document, version, strict=True)


def test_the_schema_refuses_what_the_api_server_would() -> None:
    wrong = job_manifest(EXAMPLE, kubernetes_config("https://x.example"))
    wrong["spec"]["template"]["spec"]["containers"][0]["securtyContext"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_the_example_is_the_job_that_is_submitted() -> None:
    assert one("Job") == job_manifest(EXAMPLE, kubernetes_config("https://x.example"))


def test_a_jobs_name_fits_whatever_its_attempt() -> None:
    """A pod's label takes 63 characters."""
    assert len(job_name(EXAMPLE.job_id, 1_000)) <= 63


def test_a_job_is_bounded_and_runs_once() -> None:
    spec = job_manifest(EXAMPLE, replace(kubernetes_config("https://x.example"), job_timeout_s=100.0))["spec"]
    pod = spec["template"]["spec"]
    assert (spec["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert pod["activeDeadlineSeconds"] == 100 + DELIVERY_S
    assert spec["activeDeadlineSeconds"] == START_S + 100 + DELIVERY_S
    assert {"name": "JOB_TIMEOUT_S", "value": "100"} in pod["containers"][0]["env"]


def test_a_job_is_kept_longer_than_the_reconciler_asks_for_it_and_stopped_when_it_does_not() -> None:
    terms = ReconcilePolicy.__dataclass_fields__["pending_max_s"].default
    assert terms == START_S
    assert START_S < TTL_S


def test_a_pod_has_no_privilege_no_account_and_nothing_on_disk() -> None:
    pod = one("Job")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"] > 0) == (True, True)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert [volume["emptyDir"]["medium"] for volume in pod["volumes"]] == ["Memory"]
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_a_job_holds_no_secret_and_nothing_of_the_user_but_ids() -> None:
    """The Secret's name is all that it says of one."""
    terms = kubernetes_config("https://cluster.example", token="hush")
    text = json.dumps(job_manifest(EXAMPLE, terms))
    assert "hush" not in text + repr(terms)
    assert one("Job")["spec"]["template"]["spec"]["containers"][0]["envFrom"] == [
        {"secretRef": {"name": "rythmiq-worker"}}
    ]


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


def test_the_page_on_scale_knows_how_many_attempts_the_quota_lets_run() -> None:
    """And what it has to be raised to for as many as the page names."""
    resources = one("Job")["spec"]["template"]["spec"]["containers"][0]["resources"]
    quota = one("ResourceQuota")["spec"]["hard"]
    cpus, gib = int(resources["limits"]["cpu"]), int(resources["limits"]["memory"].removesuffix("Gi"))
    assert (int(quota["limits.cpu"]), int(quota["limits.memory"].removesuffix("Gi"))) == (20 * cpus, 20 * gib)
    assert resources["requests"] == {"cpu": "1", "memory": "1Gi"}
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    pairs = re.findall(r"(\d+)(?: cores)?(?:,| and) (\d+) GiB", " ".join(page.split()))
    assert {(str(pods * cpus), str(pods * gib)) for pods in (20, 32, 64)} <= set(pairs)


def egress_of(*hosts: str) -> subprocess.CompletedProcess[str]:
    """`egress.py` as an operator runs it."""
    command = [sys.executable, str(MANIFESTS / "egress.py"), *hosts]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_attempts_call_names_the_store_and_the_api_and_are_called_by_nobody() -> None:
    spec = one("NetworkPolicy")["spec"]
    assert (spec["podSelector"], set(spec["policyTypes"]), "ingress" in spec) == ({}, {"Ingress", "Egress"}, False)
    names, https = spec["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert [(port["protocol"], port["port"]) for port in https["ports"]] == [("TCP", 443)]
    networks = [ipaddress.ip_network(block["ipBlock"]["cidr"]) for block in https["to"]]
    assert {network.num_addresses for network in networks} == {1}
    for address in ("10.1.2.3", "169.254.169.254", "8.8.8.8", "fd00::1", "fe80::1", "64:ff9b::a00:1"):
        assert not any(ipaddress.ip_address(address) in network for network in networks)


def test_the_network_policy_is_written_for_a_deployment_with_its_addresses_alone() -> None:
    written = egress_of("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "elsewhere")
    policy = yaml.safe_load(written.stdout)
    kubernetes_validate.validate(policy, VERSIONS[0], strict=True)
    blocks = [block["ipBlock"]["cidr"] for block in policy["spec"]["egress"][1]["to"]]
    assert blocks == ["93.184.216.34/32", "2606:2800:220:1:248:1893:25c8:1946/128"]
    assert policy["metadata"]["namespace"] == "elsewhere"
    kept = yaml.safe_load((MANIFESTS / "network-policy.yaml").read_text(encoding="utf-8"))
    assert policy["spec"]["egress"][0] == kept["spec"]["egress"][0]


@pytest.mark.parametrize("inside", ["10.1.2.3", "127.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "::7f00:1", "fec0::1"])
def test_no_rule_is_written_for_an_address_inside(inside: str) -> None:
    refused = egress_of("93.184.216.34", inside)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not public" in refused.stderr


def test_by_names_attempts_reach_what_they_may_ask_for_and_nothing_else() -> None:
    policy = yaml.safe_load((MANIFESTS / "cilium" / "egress.yaml").read_text(encoding="utf-8"))
    dns, https = policy["spec"]["egress"]
    (asked,) = (port["rules"]["dns"] for port in dns["toPorts"])
    assert asked == https["toFQDNs"]
    assert all(set(rule) == {"matchName"} for rule in asked)
    assert [port["ports"] for port in https["toPorts"]] == [[{"port": "443", "protocol": "TCP"}]]
    assert policy["spec"]["ingressDeny"] == [{"fromEntities": ["all"]}]
    assert (policy["metadata"]["namespace"], policy["spec"]["endpointSelector"]) == ("rythmiq", {})


def test_no_token_that_does_not_expire_is_made() -> None:
    assert [document["kind"] for _, document in documents() if document["kind"] == "Secret"] == []
    assert "create token rythmiq-api --duration=24h" in (MANIFESTS / "README.md").read_text(encoding="utf-8")


def test_a_pods_users_are_nobody_on_the_node_unless_it_cannot_map_them() -> None:
    terms = kubernetes_config("https://x.example")
    of = [job_manifest(EXAMPLE, replace(terms, host_users=host))["spec"]["template"]["spec"] for host in (False, True)]
    assert [pod["hostUsers"] for pod in of] == [False, True]


# --- admission --------------------------------------------------------------------------------------------------------


def denied(job: dict[str, Any]) -> list[str]:
    """What `admission.yaml` says of a Job; its expressions are evaluated as the API server does."""
    policy, parameters = one("ValidatingAdmissionPolicy")["spec"], one("ConfigMap")
    (variable,) = policy["variables"]
    assert (variable["name"], variable["expression"]) == ("pod", "object.spec.template.spec")
    known = {"object": job, "params": parameters, "variables": {"pod": job["spec"]["template"]["spec"]}}
    activation = {name: celpy.adapter.json_to_cel(value) for name, value in known.items()}
    environment, said = celpy.Environment(), []
    for rule in policy["validations"]:
        program = environment.program(environment.compile(rule["expression"]), functions={"split": _split})
        try:
            holds = bool(program.evaluate(activation))
        except celpy.evaluation.CELEvalError:
            holds = False  # as with failurePolicy: Fail
        if not holds:
            said.append(rule["message"])
    return said


def _split(text: Any, separator: Any) -> Any:
    """Kubernetes' own, of its strings library."""
    return celpy.adapter.json_to_cel(str(text).split(str(separator)))


def spoiled(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The example's Job, changed by whoever holds the API's token."""
    job: dict[str, Any] = json.loads(json.dumps(one("Job")))
    change(job["spec"]["template"]["spec"])
    return job


def test_the_job_that_is_submitted_is_admitted() -> None:
    assert denied(one("Job")) == []
    assert denied(job_manifest(EXAMPLE, replace(kubernetes_config("https://x.example"), host_users=True))) == []


HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    "another image": lambda pod: pod["containers"][0].update(image="evil.example/x@sha256:" + 64 * "0"),
    "an image whose name only begins so": lambda pod: pod["containers"][0].update(image=IMAGE[:-1]),
    "a tag": lambda pod: pod["containers"][0].update(image="registry.example/rythmiq:latest"),
    "a shell": lambda pod: pod["containers"][0].update(command=["sh", "-c", "env"]),
    "no command": lambda pod: pod["containers"][0].pop("command"),
    "an argument that is none": lambda pod: pod["containers"][0].update(args=["$(env)", "x", "1"]),
    "a fourth argument": lambda pod: pod["containers"][0]["args"].append("--evil"),
    "another Secret": lambda pod: pod["containers"][0].update(envFrom=[{"secretRef": {"name": "other"}}]),
    "a second Secret": lambda pod: pod["containers"][0]["envFrom"].append({"secretRef": {"name": "other"}}),
    "a ConfigMap beside": lambda pod: pod["containers"][0]["envFrom"].append({"configMapRef": {"name": "other"}}),
    "a variable that reads a Secret": lambda pod: pod["containers"][0]["env"].append(
        {"name": "HOME", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}
    ),
    "a variable that loads code": lambda pod: pod["containers"][0]["env"].append(
        {"name": "LD_PRELOAD", "value": "/evil.so"}
    ),
    "a Secret as a volume": lambda pod: pod["volumes"].append({"name": "s", "secret": {"secretName": "other"}}),
    "a token as a volume": lambda pod: pod["volumes"].append({"name": "s", "projected": {"sources": []}}),
    "the node's disk": lambda pod: pod["volumes"].append({"name": "s", "hostPath": {"path": "/"}}),
    "a second container": lambda pod: pod["containers"].append(dict(pod["containers"][0], name="two")),
    "an init container": lambda pod: pod.update(initContainers=[dict(pod["containers"][0], name="two")]),
    "an account's token": lambda pod: pod.update(automountServiceAccountToken=True),
    "an account": lambda pod: pod.update(serviceAccountName="rythmiq-api"),
    "the node's network": lambda pod: pod.update(hostNetwork=True),
    "another store's address": lambda pod: pod.update(hostAliases=[{"ip": "1.2.3.4", "hostnames": ["store"]}]),
    "a program at the end": lambda pod: pod["containers"][0].update(lifecycle={"preStop": {"exec": {}}}),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_job_that_is_not_the_worker_s_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    assert denied(spoiled(change))


def test_an_attempt_that_is_not_bounded_is_refused() -> None:
    for field, value in (("backoffLimit", 6), ("backoffLimit", None), ("activeDeadlineSeconds", None)):
        job = json.loads(json.dumps(one("Job")))
        job["spec"] = {k: v for k, v in {**job["spec"], field: value}.items() if v is not None}
        assert denied(job), (field, value)


def test_every_job_of_the_namespace_is_asked_about_and_none_passes_without_the_parameters() -> None:
    policy, binding = one("ValidatingAdmissionPolicy")["spec"], one("ValidatingAdmissionPolicyBinding")["spec"]
    (rule,) = policy["matchConstraints"]["resourceRules"]
    assert (rule["resources"], set(rule["operations"])) == (["jobs"], {"CREATE", "UPDATE"})
    assert (policy["failurePolicy"], binding["validationActions"]) == ("Fail", ["Deny"])
    assert binding["paramRef"]["parameterNotFoundAction"] == "Deny"
    assert binding["paramRef"]["name"] == one("ConfigMap")["metadata"]["name"]
    assert binding["matchResources"]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "rythmiq"}
    assert one("ConfigMap")["data"]["images"] == IMAGE


def test_a_job_that_the_policy_refuses_is_an_operators_to_mend(
    stub: KubernetesStub, executor: KubernetesExecutor
) -> None:
    """And no attempt fails for good because an upgrade forgot the ConfigMap."""
    stub.plan.append("denied")
    with pytest.raises(ExecutorUnclearError, match=r"422.*admission\.yaml"):
        executor.submit(new_order(), timeout_s=TIMEOUT_S)


def test_every_object_stands_in_the_one_namespace() -> None:
    whole = {"Namespace", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    inside = [document["metadata"].get("namespace") for _, document in documents() if document["kind"] not in whole]
    assert set(inside) == {one("Namespace")["metadata"]["name"]} == {"rythmiq"}
    assert one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


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
