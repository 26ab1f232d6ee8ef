"""Who attacks: users with the rights that people really have, by impersonation, so that RBAC decides as well."""

from dataclasses import dataclass
from typing import Any

from monopod.admission.policies import DEFAULT_SERVICE_ACCOUNT
from tests.controlplane.operating.lab import Json, Lab
from tests.controlplane.reach import poll
from tests.controlplane.server import MERGE_PATCH, Answer, Server

OPERATOR_USER = DEFAULT_SERVICE_ACCOUNT
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


@dataclass(frozen=True)
class Person:
    """A user of the cluster, whose requests carry no group beyond these and `system:authenticated`."""

    name: str
    server: Server
    groups: tuple[str, ...] = ()

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def create(self, path: str, manifest: Json) -> Answer:
        return self.send("POST", path, manifest)

    def try_pod(self, namespace: str, pod: Json) -> Answer:
        """What admission makes of a pod; nothing is stored."""
        return self.create(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)

    def update(self, path: str, manifest: Json) -> Answer:
        return self.send("PUT", path, manifest)

    def patch(self, path: str, patch: Any, kind: str = MERGE_PATCH) -> Answer:
        return self.send("PATCH", path, patch, kind)

    def delete(self, path: str) -> Answer:
        """One object, or all of a collection."""
        return self.send("DELETE", path, {"gracePeriodSeconds": 0})

    def send(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Answer:
        """Any other request."""
        return self.server.send_as(self.name, method, path, body, kind, self.groups)


def bind_role(lab: Lab, user: str, cluster_role: str, namespace: str) -> Person:
    """A user with a ClusterRole's rights in one namespace."""
    binding = f"{user}-{cluster_role}"
    lab.kubectl("create", "rolebinding", binding, f"--clusterrole={cluster_role}", f"--user={user}", "-n", namespace)
    return await_right(Person(user, Server(lab.kubeconfig_path)), "create", "pods", namespace=namespace)


def grant(lab: Lab, user: str, verbs: str, resources: str) -> Person:
    """A user with cluster-wide rights of their own, such as `*` on `namespaces`."""
    role = f"{user}-grant"
    lab.kubectl("create", "clusterrole", role, f"--verb={verbs}", f"--resource={resources}")
    lab.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", f"--user={user}")
    resource, _, group = resources.partition(".")
    return await_right(Person(user, Server(lab.kubeconfig_path)), verbs.split(",")[0], resource, group=group)


def await_right(person: Person, verb: str, resource: str, **more: str) -> Person:
    """Returns when the API server knows that they may do this: it hears of a binding a moment after it is written."""
    attributes = {"verb": verb, "resource": resource, **more}
    asked = {"spec": {"user": person.name, "resourceAttributes": attributes}}
    poll(lambda: person.server.create(REVIEWS, asked), lambda answer: answer.expect_ok()["status"]["allowed"])
    return person


def as_kubelet(lab: Lab, node: str) -> Person:
    """Whoever holds a kubelet's certificate; the Node authorizer and NodeRestriction decide what it may do."""
    return Person(f"system:node:{node}", Server(lab.kubeconfig_path), ("system:nodes",))


def as_operator(lab: Lab) -> Person:
    """Whoever holds the operator's token."""
    return Person(OPERATOR_USER, Server(lab.kubeconfig_path))
