"""Clusters of ECS's without an operator: what it makes of them is made here."""

from typing import Any

from monopod.api.ecs.names import ECS_API_VERSION
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASK_FAMILIES, ECS_TASKS, NAMESPACES
from monopod.tasks.rules.names import compute_namespace, compute_object_name
from tests.controlplane.operating.lab import eventually
from tests.controlplane.server import Server

CLUSTER_SCOPED = (ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASK_FAMILIES)


def make_cluster(server: Server, name: str, **spec: Any) -> str:
    """A cluster that is active, with its namespace; the namespace's name."""
    object_name, namespace = compute_object_name(name), compute_namespace(name)
    said = {**({"name": name} if name != object_name else {}), **spec}
    body = {"apiVersion": ECS_API_VERSION, "kind": "ECSCluster", "metadata": {"name": object_name}, "spec": said}
    server.create(ECS_CLUSTERS.list_path(), body).expect_ok()
    server.create(NAMESPACES.list_path(), {"metadata": {"name": namespace}})
    status = {"status": {"phase": "ACTIVE" if spec.get("active", True) else "INACTIVE", "namespace": namespace}}
    server.patch(ECS_CLUSTERS.path(object_name, subresource="status"), status).expect_ok()
    return namespace


def delete_all(server: Server) -> None:
    """Everything of ECS's, but for namespaces, which nothing here would delete."""
    # The kinds may be as new as the API server.
    eventually(lambda: all(server.get(each.list_path()).ok for each in (ECS_TASKS, *CLUSTER_SCOPED)))
    for each in server.get(ECS_TASKS.list_path()).expect_ok()["items"]:
        path = ECS_TASKS.path(each["metadata"]["name"], each["metadata"]["namespace"])
        server.patch(path, {"metadata": {"finalizers": None}})
        server.delete(path)
    for resource in CLUSTER_SCOPED:
        for each in server.get(resource.list_path()).expect_ok()["items"]:
            path = resource.path(each["metadata"]["name"])
            server.patch(path, {"metadata": {"finalizers": None}})
            server.delete(path)
    eventually(
        lambda: not any(server.get(each.list_path()).expect_ok()["items"] for each in (ECS_TASKS, *CLUSTER_SCOPED))
    )


def set_status(server: Server, arn: str, **status: Any) -> None:
    """Has a task be so far, as by the operator."""
    _, cluster, task = arn.split("/")
    path = ECS_TASKS.path(task, compute_namespace(cluster), "status")
    server.patch(path, {"status": status}).expect_ok()
