"""The manifests of Kubernetes against the published schemas: what a Job may hold, reach and be."""

import ipaddress
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import celpy.adapter
import celpy.evaluation
import kubernetes_validate
import pytest
import yaml

from rythmiq.adapters.kubernetes import (
    DELIVERY_S,
    START_S,
    TTL_S,
    job_manifest,
    job_name,
)
from rythmiq.services.reconcile import ReconcilePolicy
from tests.support.executor_rigs import IMAGE, kubernetes_config
from tests.support.kubernetes_manifests import EXAMPLE, MANIFESTS, documents, one
from tests.support.kubernetes_stub import VERSIONS

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


def test_every_object_stands_in_the_one_namespace() -> None:
    whole = {"Namespace", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    inside = [document["metadata"].get("namespace") for _, document in documents() if document["kind"] not in whole]
    assert set(inside) == {one("Namespace")["metadata"]["name"]} == {"rythmiq"}
    assert one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
