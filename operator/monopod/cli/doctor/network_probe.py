"""Whether the cluster's network enforces NetworkPolicies, found out by trying: `doctor --probe`.

    namespace ─► server, client ─► the client reaches the server ─► policy: no one may ─► still? ─► namespace deleted

The API server stores NetworkPolicies whether or not anything enforces them; so only a try tells. The pods opt out of
Fargate: what is tried is the network, not the sandbox.
"""

import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from monopod.api.names import COMPUTE_TYPE, COMPUTE_TYPE_EC2
from monopod.cli.doctor.diagnosis import Check, Finding, Level
from monopod.cli.failure import describe
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.objects.resources import NAMESPACES, NETWORK_POLICIES, PODS

Json = dict[str, Any]

START_SECONDS: Final = 120.0
ENFORCE_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 1.0
_PORT: Final = 8080
_SERVE: Final = f"echo ok > /srv/index.html && exec httpd -f -p {_PORT} -h /srv"
_ASK: Final = (
    # nc, because the wget of a statically linked busybox can crash on looking up even an address.
    "while :; do if nc -w 2 {address} {port} </dev/null >/dev/null 2>&1; "
    "then echo reached; else echo blocked; fi; sleep 1; done"
)


class Api(Protocol):
    """What the probe needs of `monopod.kube.client.synchronous.SyncClient`."""

    def get(self, path: str) -> Json: ...  # noqa: D102  # documented there
    def get_text(self, path: str, query: Mapping[str, str]) -> str: ...  # noqa: D102  # the same
    def create(self, path: str, body: Json) -> Json: ...  # noqa: D102  # the same
    def delete(self, path: str) -> None: ...  # noqa: D102  # the same


class Clock(Protocol):
    """The part of the module `time` that is used."""

    def monotonic(self) -> float: ...  # noqa: D102  # documented there
    def sleep(self, seconds: float, /) -> None: ...  # noqa: D102  # the same


class _NoResult(Exception):
    """The probe couldn't find out; the message says why."""


@dataclass(frozen=True, slots=True)
class NetworkProbe:
    """One try in a namespace of its own.

    Attributes:
        image: with a shell, httpd and nc, such as busybox.
    """

    api: Api
    image: str
    namespace: str
    clock: Clock = time

    @classmethod
    def with_fresh_name(cls, api: Api, image: str) -> "NetworkProbe":
        """A probe whose namespace no one else has."""
        return cls(api, image, f"monopod-doctor-{secrets.token_hex(3)}")

    def describe(self) -> str:
        """What it is about to do, to be told before."""
        return (
            f"Creating namespace {self.namespace} with two pods (image {self.image}) and a NetworkPolicy, to see "
            f"whether the network enforces it; all of it is deleted afterwards. This takes a minute or two."
        )

    def run(self) -> list[Finding]:
        """Tries, and deletes what it created, whatever happens."""
        try:
            self.api.create(NAMESPACES.list_path(), build_namespace(self.namespace))
        except (ApiError, ApiUnreachable) as failure:
            action = "Run it as a user who may create namespaces, and pods and NetworkPolicies in them."
            return [self._describe_no_result(describe(failure), action)]
        left: list[Finding] = []
        try:
            try:
                found = self._try()
            finally:
                left = self._clean_up()
        except (ApiError, ApiUnreachable) as failure:
            found = self._describe_no_result(describe(failure))
        except _NoResult as problem:
            found = self._describe_no_result(str(problem))
        return [found, *left]

    def _describe_no_result(self, problem: str, action: str = "") -> Finding:
        message = f"Whether NetworkPolicies are enforced can't be told. {problem}"
        action = action or f"See that pods of image {self.image} can start (--image names another), and try again."
        return Finding(Check.NETWORK_POLICY, Level.PROBLEM, message, action)

    def _try(self) -> Finding:
        self._create_pod("server", _SERVE)
        address = self._wait(START_SECONDS, "server", lambda: self._compute_address("server"))
        self._create_pod("client", _ASK.format(address=address, port=_PORT))
        self._wait(START_SECONDS, "client", lambda: self._read_answers(1) == ["reached"])
        policies = NETWORK_POLICIES.list_path(self.namespace)
        self.api.create(policies, build_policy())
        try:
            # Twice in a row, because a single lost packet looks the same.
            self._wait(ENFORCE_SECONDS, "client", lambda: self._read_answers(2) == ["blocked"] * 2)
        except _NoResult:
            message = f"NetworkPolicies aren't enforced: {ENFORCE_SECONDS:g} s after a policy forbade it, a pod still "
            message += "reached another."
            action = "Use a network plugin that enforces them (Calico, Cilium and others), or switch it on in yours."
            return Finding(Check.NETWORK_POLICY, Level.PROBLEM, message, action)
        message = "NetworkPolicies are enforced: a pod could reach another until a policy forbade it."
        return Finding(Check.NETWORK_POLICY, Level.OK, message)

    def _create_pod(self, name: str, script: str) -> None:
        # A new namespace has no ServiceAccount for a moment, and without one no pod can be created.
        deadline = self.clock.monotonic() + ENFORCE_SECONDS
        while True:
            try:
                self.api.create(PODS.list_path(self.namespace), build_pod(name, self.image, script))
            except ApiError as error:
                # Forbidden, without a cause: the words are those of Kubernetes' plugin/pkg/admission/serviceaccount
                # (`error looking up service account`).
                waits = error.reason == "Forbidden" and "service account" in error.message
                if not waits or self.clock.monotonic() > deadline:
                    raise
                self.clock.sleep(_POLL_SECONDS)
            else:
                return

    def _compute_address(self, name: str) -> str:
        status = self._read_pod(name).get("status") or {}
        running = any((each.get("state") or {}).get("running") for each in status.get("containerStatuses") or ())
        if not running or not status.get("podIP"):
            return ""
        return str(ipaddress.ip_address(status["podIP"]))

    def _read_answers(self, count: int) -> list[str]:
        if not self._compute_address("client"):
            return []
        return self.api.get_text(PODS.path("client", self.namespace, "log"), {"tailLines": str(count)}).split()

    def _read_pod(self, name: str) -> Json:
        return self.api.get(PODS.path(name, self.namespace))

    def _wait(self, seconds: float, pod: str, ask: Callable[[], Any]) -> Any:
        deadline = self.clock.monotonic() + seconds
        while not (answer := ask()):
            if self.clock.monotonic() > deadline:
                raise _NoResult(f"After {seconds:g} s {describe_pod(self._read_pod(pod))}.")
            self.clock.sleep(_POLL_SECONDS)
        return answer

    def _clean_up(self) -> list[Finding]:
        try:
            self.api.delete(NAMESPACES.path(self.namespace))
        except (ApiError, ApiUnreachable) as failure:
            message = f"Namespace {self.namespace} couldn't be deleted. {describe(failure)}"
            action = f"kubectl delete namespace {self.namespace} --ignore-not-found"
            return [Finding(Check.NETWORK_POLICY, Level.WARNING, message, action)]
        return []


def describe_pod(pod: Json) -> str:
    """How far a pod has come, for a message: `pod server is Pending (ErrImagePull: …)`."""
    status = pod.get("status") or {}
    states = [(each.get("state") or {}).get("waiting") for each in status.get("containerStatuses") or ()]
    conditions = [each for each in status.get("conditions") or () if each["status"] != "True" and each.get("message")]
    why: Json = next((state for state in (*states, *conditions) if state), {})
    detail = ": ".join(str(why[key]) for key in ("reason", "message") if why.get(key))
    return f"pod {pod['metadata']['name']} is {status.get('phase', 'Pending')}" + (f" ({detail})" if detail else "")


def build_namespace(name: str) -> Json:
    """The namespace of a probe."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def build_pod(name: str, image: str, script: str) -> Json:
    """A pod that runs a shell script, within the restricted Pod Security Standard and outside Fargate."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}, "annotations": {COMPUTE_TYPE: COMPUTE_TYPE_EC2}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": name,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", script],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "srv", "mountPath": "/srv"}],
                    # Nothing is reserved: a full cluster is where one asks what is wrong. Without these zeros the
                    # limit would count as the request.
                    "resources": {"requests": {"cpu": "0", "memory": "0"}, "limits": {"memory": "64Mi"}},
                }
            ],
            "volumes": [{"name": "srv", "emptyDir": {}}],
        },
    }


def build_policy() -> Json:
    """No one may reach the server."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "nobody-reaches-the-server"},
        "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"], "ingress": []},
    }
