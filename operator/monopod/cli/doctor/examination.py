"""Reads what `doctor` looks at. It only reads; what a user may not read becomes `Unread`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from monopod.admission.policies import build_policies
from monopod.admission.revision import find_changed
from monopod.api.names import PROFILE_LABEL, SERVICE_ACCOUNT
from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE
from monopod.cli.doctor.cilium import CONFIG_MAP as CILIUM_CONFIG
from monopod.cli.doctor.diagnosis import Facts, Unread, list_arguments
from monopod.cli.doctor.overhead import GATE, is_on
from monopod.cli.failure import describe_refusal
from monopod.cli.live import NOT_FOUND, Cluster
from monopod.kube.client.api import ApiError, ServerTrouble
from monopod.kube.objects.resources import (
    ADMISSION_RESOURCES,
    AUTOSCALERS,
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    LEASES,
    MUTATING_POLICIES,
    NODE_POOLS,
    NODES,
    PODS,
    PROFILES,
    RUNTIME_CLASSES,
)
from monopod.workloads.rules.autoscaling import KIND as HPA

LEASE: Final = "monopod"
"""As in monopod.kube.lease, which would bring the operator's whole client with it."""


Fact = TypeVar("Fact")
Policies = dict[str, tuple[dict[str, Any], dict[str, Any]]]


def examine(cluster: Cluster, namespace: str) -> Facts:
    """Reads everything that the checks need.

    Raises:
        ApiUnreachable: the API server can't be reached.
        ApiError: it doesn't know who asks.
    """
    policies = _try(lambda: _read_policies(cluster))
    deployments = _read_list(cluster, DEPLOYMENTS.list_path(namespace), labelSelector="app.kubernetes.io/name=monopod")
    expected = [document for pair in build_expected(deployments, namespace).values() for document in pair]
    metrics = _try(lambda: cluster.get_text("/metrics"))
    autoscalers = _read_list(cluster, AUTOSCALERS.list_path())
    node_pools = _read_list(cluster, NODE_POOLS.list_path())
    return Facts(
        # Everyone who is known may read this; who isn't learns it here.
        version=cluster.get("/version"),
        admission_kinds=_try(lambda: _read_kinds(cluster)),
        pod_level_resources=metrics if isinstance(metrics, Unread) else _has_feature(metrics),
        counts_overhead_twice=metrics if isinstance(metrics, Unread) else is_on(metrics, GATE) is True,
        policies=policies,
        expected=[_key(document) for document in expected],
        changed=() if isinstance(policies, Unread) else find_changed(expected, {_key(one): one for one in policies}),
        profiles=_read_list(cluster, PROFILES.list_path()),
        runtime_classes=_read_list(cluster, RUNTIME_CLASSES.list_path()),
        nodes=_read_list(cluster, NODES.list_path()),
        deployments=deployments,
        cilium=_read_list(cluster, CONFIG_MAPS.list_path(), fieldSelector=f"metadata.name={CILIUM_CONFIG}"),
        lease=_try(lambda: cluster.get(LEASES.path(LEASE, namespace))),
        autoscalers=_name_kind(autoscalers),
        pods=_read_list(cluster, PODS.list_path(), labelSelector=PROFILE_LABEL) if autoscalers else (),
        node_pools=node_pools,
        daemon_sets=() if isinstance(node_pools, Unread) else _read_list(cluster, DAEMON_SETS.list_path()),
        namespace=namespace,
        now=datetime.now(UTC),
    )


def build_expected(deployments: Sequence[dict[str, Any]] | Unread, namespace: str) -> Policies:
    """The policies as they should be: for the ServiceAccount that the operator has, and what it is told that it may."""
    specs = [] if isinstance(deployments, Unread) else [each["spec"]["template"]["spec"] for each in deployments]
    account = next((name for spec in specs if (name := spec.get("serviceAccountName"))), SERVICE_ACCOUNT)
    arguments = list_arguments(deployments)
    pause_images = (each.partition("=")[2] for each in arguments if each.startswith("--pause-image="))
    return build_policies(
        f"system:serviceaccount:{namespace}:{account}",
        namespace,
        recreate_bare_pods="--recreate-bare-pods" in arguments,
        runs_tasks="--ecs" in arguments,
        pause_image=next(pause_images, PAUSE_IMAGE),
    )


def _key(document: Mapping[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _try(read: Callable[[], Fact]) -> Fact | Unread:
    try:
        return read()
    except ApiError as error:
        if error.status == 401:
            raise
        return Unread(describe_refusal(error), absent=error.status == NOT_FOUND)
    except ServerTrouble as trouble:
        return Unread(describe_refusal(trouble))


def _read_list(cluster: Cluster, path: str, **query: str) -> Sequence[dict[str, Any]] | Unread:
    return _try(lambda: cluster.list_items(path, query))


def _name_kind(autoscalers: Sequence[dict[str, Any]] | Unread) -> Sequence[dict[str, Any]] | Unread:
    # The items of a list don't say what they are.
    return autoscalers if isinstance(autoscalers, Unread) else [{"kind": HPA, **each} for each in autoscalers]


def _read_kinds(cluster: Cluster) -> frozenset[str]:
    return frozenset(resource["name"] for resource in cluster.get(MUTATING_POLICIES.group_path)["resources"])


def _read_policies(cluster: Cluster) -> list[dict[str, Any]]:
    served = _read_kinds(cluster)
    return [
        {**policy, "kind": resource.kind}
        for resource in ADMISSION_RESOURCES
        if resource.plural in served
        for policy in cluster.list_items(resource.list_path())
    ]


def _has_feature(metrics: str) -> bool:
    # A gate that is gone has become a part of Kubernetes; one that doesn't exist yet means a version that is too old,
    # which another check says.
    return is_on(metrics, "PodLevelResources") is not False
