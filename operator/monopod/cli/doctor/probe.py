"""What `doctor --probe` does on a cluster: some trials, in a namespace that it creates and deletes again.

    namespace ─► each trial: its pods, and what they tell ─► namespace deleted, also when interrupted

What a cluster says of itself shows neither that its network enforces policies nor that its sandboxes have kernels of
their own; so only a try tells. The pods opt out of Fargate and reserve nothing: the operator needn't work for them, and
a full cluster is where one asks what is wrong.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from monopod.api.names import COMPUTE_TYPE, COMPUTE_TYPE_EC2
from monopod.cli.doctor.diagnosis import Check, Finding, Level
from monopod.cli.failure import describe
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.objects.resources import NAMESPACES, PODS

Json = dict[str, Any]

START_SECONDS: Final = 120.0
ACCOUNT_SECONDS: Final = 30.0
ROOM_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 1.0


class Api(Protocol):
    """What a probe needs of `monopod.kube.client.synchronous.SyncClient`."""

    def get(self, path: str) -> Json: ...  # noqa: D102  # documented there
    def get_text(self, path: str, query: Mapping[str, str]) -> str: ...  # noqa: D102  # the same
    def create(self, path: str, body: Json) -> Json: ...  # noqa: D102  # the same
    def delete(self, path: str) -> None: ...  # noqa: D102  # the same


class Clock(Protocol):
    """The part of the module `time` that is used."""

    def monotonic(self) -> float: ...  # noqa: D102  # documented there
    def sleep(self, seconds: float, /) -> None: ...  # noqa: D102  # the same


class NoResult(Exception):
    """A trial couldn't find out; the message says why."""


class NoRoom(NoResult):
    """The cluster had no room for a trial's pod, which is no fault of what is tried."""


@dataclass(frozen=True, slots=True)
class Room:
    """The namespace of a probe, and what trials do in it.

    Attributes:
        image: of all pods: with a shell and busybox's commands.
    """

    api: Api
    image: str
    namespace: str
    clock: Clock = time

    def create_pod(self, pod: Json) -> None:
        """Creates a pod, once the new namespace has the ServiceAccount without which none can be created."""
        deadline = self.clock.monotonic() + ACCOUNT_SECONDS
        while True:
            try:
                self.api.create(PODS.list_path(self.namespace), pod)
            except ApiError as error:
                # Forbidden, without a cause: the words are those of Kubernetes' plugin/pkg/admission/serviceaccount
                # (`error looking up service account`).
                waits = error.reason == "Forbidden" and "service account" in error.message
                if not waits or self.clock.monotonic() > deadline:
                    raise
                self.clock.sleep(_POLL_SECONDS)
            else:
                return

    def read_pod(self, name: str) -> Json:
        """A pod as it is now."""
        return self.api.get(PODS.path(name, self.namespace))

    def read_log(self, name: str, **query: str) -> str:
        """What a pod has written."""
        return self.api.get_text(PODS.path(name, self.namespace, "log"), query)

    def wait_for_node(self, pod: str) -> None:
        """Waits until a pod has a node.

        Raises:
            NoRoom: it has none in that time; the message says why.
        """
        try:
            self.wait(ROOM_SECONDS, pod, lambda: self.read_pod(pod).get("spec", {}).get("nodeName"))
        except NoResult as problem:
            raise NoRoom(str(problem)) from None

    def wait(self, seconds: float, pod: str, ask: Callable[[], Any]) -> Any:
        """What `ask` answers, once that is anything.

        Raises:
            NoResult: it wasn't in that time; the message says how far the pod has come.
        """
        deadline = self.clock.monotonic() + seconds
        while not (answer := ask()):
            if self.clock.monotonic() > deadline:
                raise NoResult(f"After {seconds:g} s {describe_pod(self.read_pod(pod))}.")
            self.clock.sleep(_POLL_SECONDS)
        return answer


class Trial(Protocol):
    """One thing that is tried out."""

    @property
    def check(self) -> Check: ...  # noqa: D102  # what its findings are about

    @property
    def plan(self) -> str: ...  # noqa: D102  # what it will create and why, as a phrase

    @property
    def question(self) -> str: ...  # noqa: D102  # what it finds out, as a clause: "Whether …"

    def run(self, room: Room) -> Finding:
        """Tries.

        Raises:
            NoResult: it couldn't find out.
            ApiError: the API server refused something.
            ApiUnreachable: it can't be reached.
        """


@dataclass(frozen=True, slots=True)
class Probe:
    """Trials in one namespace."""

    room: Room
    trials: Sequence[Trial]

    @classmethod
    def with_fresh_name(cls, api: Api, image: str, trials: Sequence[Trial]) -> "Probe":
        """A probe whose namespace no one else has."""
        return cls(Room(api, image, f"monopod-doctor-{secrets.token_hex(3)}"), trials)

    def describe(self) -> str:
        """What it is about to do, to be told before."""
        plans = "; ".join(trial.plan for trial in self.trials)
        return (
            f"Creating namespace {self.room.namespace} (image {self.room.image}) with {plans}. All of it is deleted "
            "afterwards. This takes a minute or two."
        )

    def run(self) -> list[Finding]:
        """Tries, and deletes what it created, whatever happens."""
        try:
            self.room.api.create(NAMESPACES.list_path(), build_namespace(self.room.namespace))
        except (ApiError, ApiUnreachable) as failure:
            action = "Run it as a user who may create namespaces, and pods and NetworkPolicies in them."
            return [self._describe_no_result(trial, describe(failure), action) for trial in self.trials]
        left: list[Finding] = []
        try:
            found = [self._run(trial) for trial in self.trials]
        finally:
            left = self._clean_up()
        return found + left

    def _run(self, trial: Trial) -> Finding:
        try:
            return trial.run(self.room)
        except (ApiError, ApiUnreachable) as failure:
            return self._describe_no_result(trial, describe(failure))
        except NoRoom as problem:
            action = "Make room on a node that can take it, and try again."
            return Finding(trial.check, Level.WARNING, f"{trial.question} can't be told. {problem}", action)
        except NoResult as problem:
            return self._describe_no_result(trial, str(problem))

    def _describe_no_result(self, trial: Trial, problem: str, action: str = "") -> Finding:
        message = f"{trial.question} can't be told. {problem}"
        action = action or f"See that pods of image {self.room.image} can start (--image names another), and try again."
        return Finding(trial.check, Level.PROBLEM, message, action)

    def _clean_up(self) -> list[Finding]:
        name = self.room.namespace
        try:
            self.room.api.delete(NAMESPACES.path(name))
        except (ApiError, ApiUnreachable) as failure:
            message = f"Namespace {name} couldn't be deleted. {describe(failure)}"
            action = f"kubectl delete namespace {name} --ignore-not-found"
            return [Finding(self.trials[-1].check, Level.WARNING, message, action)]
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


def build_pod(name: str, image: str, script: str, **fields: object) -> Json:
    """A pod that runs a shell script, as the restricted Pod Security Standard wants it, outside Fargate."""
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
            **fields,
        },
    }
