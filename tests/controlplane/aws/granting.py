"""Roles for tests of the AWS endpoint, in which users have the rights that they need and no more."""

from tests.controlplane.server import Server

RBAC = "/apis/rbac.authorization.k8s.io/v1"


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
