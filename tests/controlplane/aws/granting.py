"""Roles for tests of the AWS endpoint, in which users have the rights that they need and no more."""

from tests.controlplane.operating.lab import eventually
from tests.controlplane.server import Server

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def grant(server: Server, name: str, users: list[str], rules: list[dict[str, list[str]]], namespace: str = "") -> None:
    """Gives users some rights, in a namespace or everywhere."""
    kind = "Role" if namespace else "ClusterRole"
    group = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules}
    server.create(f"{group}/{kind.lower()}s", role).expect_ok()
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": each} for each in users],
    }
    server.create(f"{group}/{kind.lower()}bindings", binding).expect_ok()
    for user in users:
        for rule in rules:
            await_right(server, user, rule, namespace)


def await_right(server: Server, user: str, rule: dict[str, list[str]], namespace: str = "") -> None:
    """Waits until the API server has heard of a role: it allows its user what the rule says first."""
    resource, _, subresource = rule["resources"][0].partition("/")
    asked = {"verb": rule["verbs"][0], "group": rule["apiGroups"][0], "resource": resource, "namespace": namespace}
    review = {"spec": {"user": user, "resourceAttributes": {**asked, "subresource": subresource}}}
    eventually(lambda: server.create(REVIEWS, review).expect_ok()["status"]["allowed"])
