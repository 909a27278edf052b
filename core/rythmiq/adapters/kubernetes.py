"""Kubernetes as an executor: one Job an attempt, by REST calls on `/apis/batch/v1/namespaces/{namespace}/jobs`.

The Job's name is made of job and attempt, so a repeated submit meets the first one (409) and submit is idempotent. The
cluster bounds an attempt by itself: its pod by the launcher's time, the Job by that and the time to start, so that an
attempt that was given up never starts late. What has ended is swept by the cluster after an hour.

Source: docs/specification/executors.md; the API reference of batch/v1 (infra/kubernetes/README.md).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from rythmiq.adapters.bounded_http import Answer, exchange
from rythmiq.contracts.errors import StoreError
from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.ports import ExecutorCapabilities, ExecutorRejectedError, ExecutorState, ExecutorUnclearError, Order

PROGRAM = "rythmiq-launch"
START_S = 900
"""Time for an attempt to start (image pull, waiting for a node); the reconciler waits as long."""
DELIVERY_S = 300
"""Time of the launcher before and after the worker: store, webhook with retries, and a margin."""
TTL_S = 3_600
"""For how long the cluster keeps what has ended: longer than anybody asks for it."""
_UNPRIVILEGED = 65_532
_REFERENCE = re.compile(rf"rythmiq-({UUID4_PATTERN.strip('^$')})-([1-9][0-9]{{0,3}})")
_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_OK, _BAD, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _INVALID = 200, 400, 401, 403, 404, 409, 422
_REFUSALS = 400


@dataclass(frozen=True, slots=True)
class KubernetesConfig:
    """Cluster, image and Secret of every Job.

    Attributes:
        api_url: of the cluster's API server.
        token: of the service account that `infra/kubernetes/rbac.yaml` makes; it expires.
        authorities: PEM of the cluster's certificate authority; None for the public ones.
        namespace: where Jobs go.
        image: the worker's image, by digest.
        secret: the name of the Secret that holds the worker's and launcher's environment.
        host_users: whether a pod's users are the node's, for nodes that cannot map them (infra/kubernetes/README.md).
        job_timeout_s: the launcher's own deadline for the worker.
    """

    api_url: str
    token: str = field(repr=False)
    image: str
    authorities: str | None = field(default=None, repr=False)
    namespace: str = "rythmiq"
    secret: str = "rythmiq-worker"  # noqa: S105  a Secret's name
    host_users: bool = False
    job_timeout_s: float = 240.0


def job_name(job_id: str, attempt: int) -> str:
    """The name of an attempt's Job: at most 49 of the 63 characters that the pods' label allows."""
    return f"rythmiq-{job_id}-{attempt}"


def job_manifest(order: Order, config: KubernetesConfig) -> dict[str, Any]:
    """The Job of one attempt; `infra/kubernetes/job.yaml` is an example of it.

    Raises:
        ExecutorRejectedError: the order names no attempt.
    """
    words = order.arguments
    labels = {
        "app.kubernetes.io/name": "rythmiq",
        "app.kubernetes.io/component": "worker",
        "rythmiq-job": order.job_id,
        "rythmiq-attempt": str(order.attempt),
    }
    running_s = int(config.job_timeout_s) + DELIVERY_S
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(order.job_id, order.attempt),
            "namespace": config.namespace,
            "labels": labels,
        },
        "spec": {
            "activeDeadlineSeconds": START_S + running_s,
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "ttlSecondsAfterFinished": TTL_S,
            "template": {"metadata": {"labels": labels}, "spec": _pod(words, config, running_s)},
        },
    }


def _pod(words: tuple[str, ...], config: KubernetesConfig, running_s: int) -> dict[str, Any]:
    return {
        "activeDeadlineSeconds": running_s,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostUsers": config.host_users,  # what gets out of the container is nobody on the node
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _UNPRIVILEGED,
            "runAsGroup": _UNPRIVILEGED,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "worker",
                "image": config.image,
                "command": [PROGRAM],
                "args": list(words),
                "env": [
                    {"name": "JOB_TIMEOUT_S", "value": f"{config.job_timeout_s:g}"},
                    {"name": "HOME", "value": "/tmp"},  # noqa: S108  the pod's own, in memory
                ],
                "envFrom": [{"secretRef": {"name": config.secret}}],
                # The worker takes at most 1.5 GB (docs/specification/worker.md); the rest is the launcher's and /tmp's.
                "resources": {
                    "requests": {"cpu": "1", "memory": "1Gi"},
                    "limits": {"cpu": "2", "memory": "2Gi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  see above
            }
        ],
        # In memory: what is decrypted never reaches a node's disk.
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}}],
    }


class KubernetesExecutor:
    """Implements `ports.Executor`.

    Args:
        config: cluster, image and Secret of every Job.
    """

    def __init__(self, config: KubernetesConfig) -> None:
        self._config = config
        self._jobs = f"/apis/batch/v1/namespaces/{config.namespace}/jobs"
        self._pods = f"/api/v1/namespaces/{config.namespace}/pods"

    @property
    def name(self) -> Literal["kubernetes"]:
        """Value of `jobs.executor`."""
        return "kubernetes"

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """Which optional calls are supported."""
        return ExecutorCapabilities(cancel=True, idempotent_submit=True, logs=True)

    def submit(self, order: Order, *, timeout_s: float) -> str:
        """Make the Job of one attempt, or find it made; its name.

        Raises:
            ExecutorRejectedError: the API server finds the Job invalid.
            ExecutorUnclearError: it does not answer, or refuses for a reason that an operator has to mend.
        """
        manifest = job_manifest(order, self._config)
        answer = self._ask("POST", self._jobs, timeout_s, manifest)
        if answer.status in {_BAD, _INVALID} and not _is_denied_by_policy(answer):
            raise ExecutorRejectedError(f"the API server finds the Job invalid ({answer.status}{_reason(answer)})")
        if answer.status >= _REFUSALS and answer.status != _CONFLICT:
            raise _unclear(answer)
        return str(manifest["metadata"]["name"])

    def status(self, reference: str, *, timeout_s: float) -> ExecutorState:
        """Return the state of an attempt; `unknown` when the cluster has no such Job, or no longer.

        Raises:
            ExecutorUnclearError: the API server does not answer, or refuses.
        """
        if not _REFERENCE.fullmatch(reference):
            return "unknown"
        job = self._get(f"{self._jobs}/{reference}", timeout_s)
        return "unknown" if job is None else state_of(job)

    def find(self, job_id: str, attempt: int, *, timeout_s: float) -> str | None:
        """The name of an attempt's Job, if there is one.

        Raises:
            ExecutorUnclearError: the API server does not answer, or refuses.
        """
        name = job_name(job_id, attempt)
        if not _REFERENCE.fullmatch(name):
            return None
        return None if self._get(f"{self._jobs}/{name}", timeout_s) is None else name

    def cancel(self, reference: str, *, timeout_s: float) -> bool:
        """Delete a Job; its pod is stopped, and the Job is gone when that has gone. False when there is none.

        Raises:
            ExecutorUnclearError: the API server does not answer, or refuses.
        """
        if not _REFERENCE.fullmatch(reference):
            return False
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}
        answer = self._ask("DELETE", f"{self._jobs}/{reference}", timeout_s, options)
        if answer.status >= _REFUSALS and answer.status != _NOT_FOUND:
            raise _unclear(answer)
        return answer.status != _NOT_FOUND

    def logs(self, reference: str, *, tail_lines: int, timeout_s: float) -> str:
        """The last lines that an attempt's pod wrote; empty when there is none, or it has not begun.

        Raises:
            ExecutorUnclearError: the API server does not answer, or refuses.
        """
        named = _REFERENCE.fullmatch(reference)
        if named is None or tail_lines < 1:
            return ""
        selector = urlencode({"labelSelector": f"rythmiq-job={named[1]},rythmiq-attempt={named[2]}"})
        pods = self._get(f"{self._pods}?{selector}", timeout_s) or {}
        names = [pod.get("metadata", {}).get("name") for pod in pods.get("items") or ()]
        if not names:
            return ""
        answer = self._ask("GET", f"{self._pods}/{names[0]}/log?container=worker&tailLines={tail_lines}", timeout_s)
        if answer.status in {_BAD, _NOT_FOUND}:  # it is being started, or has just gone
            return ""
        if answer.status != _OK:
            raise _unclear(answer)
        return answer.body.decode(errors="replace")

    def _get(self, target: str, timeout_s: float) -> dict[str, Any] | None:
        answer = self._ask("GET", target, timeout_s)
        if answer.status == _NOT_FOUND and _document(answer).get("kind") == "Status":
            return None
        if answer.status != _OK:
            raise _unclear(answer)
        document = _document(answer)
        if not document:
            raise ExecutorUnclearError("the API server answered what we do not understand")
        return document

    def _ask(self, method: str, target: str, timeout_s: float, body: Mapping[str, Any] | None = None) -> Answer:
        try:
            return exchange(
                method,
                self._config.api_url + target,
                timeout_s=timeout_s,
                max_bytes=_MAX_ANSWER_BYTES,
                headers={
                    "Authorization": f"Bearer {self._config.token}",
                    "Accept": "application/json, */*",
                    "Content-Type": "application/json",
                },
                content=None if body is None else json.dumps(body).encode(),
                authorities=self._config.authorities,
            )
        except StoreError as error:
            raise ExecutorUnclearError(f"the API server does not answer: {error}") from None


def state_of(job: Mapping[str, Any]) -> ExecutorState:
    """Return the state of an attempt by its Job.

    A Job that is past its deadline has failed; one that is being deleted was cancelled. A pod that has ended counts as
    running until the Job reports how.
    """
    status = job.get("status") or {}
    conditions = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    if "Complete" in conditions:
        return "succeeded"
    if "Failed" in conditions:
        return "failed"
    if (job.get("metadata") or {}).get("deletionTimestamp"):
        return "cancelled"
    begun = any(status.get(name) for name in ("ready", "terminating", "succeeded", "failed"))
    return "running" if begun or conditions & {"FailureTarget", "SuccessCriteriaMet"} else "pending"


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_denied_by_policy(answer: Answer) -> bool:
    """Whether it was infra/kubernetes/admission.yaml that refused, which an operator mends: a new image, say."""
    return "ValidatingAdmissionPolicy" in str(_document(answer).get("message", ""))


def _reason(answer: Answer) -> str:
    """The API server's reason of a refusal; its message repeats what was sent, and is not shown."""
    reason = str(_document(answer).get("reason") or "")
    return f", {reason}" if reason.isalpha() else ""


def _unclear(answer: Answer) -> ExecutorUnclearError:
    message = f"the API server answered {answer.status}{_reason(answer)}"
    advice = {
        _UNAUTHORIZED: ": is KUBERNETES_TOKEN valid, or has it expired (kubectl create token)?",
        _FORBIDDEN: ": does the service account have the rights of infra/kubernetes/rbac.yaml, and the quota room?",
        _NOT_FOUND: ": is there a namespace KUBERNETES_NAMESPACE?",
        _INVALID: ": does infra/kubernetes/admission.yaml name KUBERNETES_IMAGE and KUBERNETES_SECRET?",
    }
    return ExecutorUnclearError(message + advice.get(answer.status, ""))
