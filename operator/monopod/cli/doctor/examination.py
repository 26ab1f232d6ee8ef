"""Reads what `doctor` looks at. It only reads; what a user may not read becomes `Unread`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

from monopod.admission.policies import build_policies
from monopod.admission.revision import find_changed
from monopod.api.names import API_VERSION, PROFILE_LABEL, PROFILE_PLURAL, SERVICE_ACCOUNT
from monopod.cli.doctor.cilium import CONFIG_MAP as CILIUM_CONFIG
from monopod.cli.doctor.diagnosis import Facts, Unread, list_arguments
from monopod.cli.doctor.overhead import GATE, is_on
from monopod.cli.live import NOT_FOUND, Cluster, Refusal
from monopod.workloads.rules.autoscaling import KIND as HPA

LEASE: Final = "monopod"
"""As in monopod.kube.lease, which would bring the operator's whole client with it."""

_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_POLICY_KINDS: Final = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}

Fact = TypeVar("Fact")
Policies = dict[str, tuple[dict[str, Any], dict[str, Any]]]


def examine(cluster: Cluster, namespace: str) -> Facts:
    """Reads everything that the checks need.

    Raises:
        ApiFailure: the API server can't be reached, or doesn't know who asks.
    """
    policies = _try(lambda: _read_policies(cluster))
    apps = f"/apis/apps/v1/namespaces/{namespace}/deployments?labelSelector=app.kubernetes.io%2Fname%3Dmonopod"
    deployments = _read_list(cluster, apps)
    expected = [document for pair in _build_policies(deployments, namespace).values() for document in pair]
    metrics = _try(lambda: cluster.read_text("/metrics"))
    autoscalers = _read_list(cluster, "/apis/autoscaling/v2/horizontalpodautoscalers")
    return Facts(
        # Everyone who is known may read this; who isn't learns it here.
        version=cluster.read("/version"),
        admission_kinds=_try(lambda: _read_kinds(cluster)),
        pod_level_resources=metrics if isinstance(metrics, Unread) else _has_feature(metrics),
        counts_overhead_twice=metrics if isinstance(metrics, Unread) else is_on(metrics, GATE) is True,
        policies=policies,
        expected=[_key(document) for document in expected],
        changed=() if isinstance(policies, Unread) else find_changed(expected, {_key(one): one for one in policies}),
        profiles=_read_list(cluster, f"/apis/{API_VERSION}/{PROFILE_PLURAL}"),
        runtime_classes=_read_list(cluster, "/apis/node.k8s.io/v1/runtimeclasses"),
        nodes=_read_list(cluster, "/api/v1/nodes"),
        deployments=deployments,
        cilium=_read_list(cluster, f"/api/v1/configmaps?fieldSelector=metadata.name%3D{CILIUM_CONFIG}"),
        lease=_try(lambda: cluster.read(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}")),
        autoscalers=_name_kind(autoscalers),
        pods=_read_list(cluster, f"/api/v1/pods?labelSelector={quote(PROFILE_LABEL)}") if autoscalers else (),
        namespace=namespace,
        now=datetime.now(UTC),
    )


def _build_policies(deployments: Sequence[dict[str, Any]] | Unread, namespace: str) -> Policies:
    """The policies as they should be: for the ServiceAccount that the operator has, and what it is told that it may."""
    specs = [] if isinstance(deployments, Unread) else [each["spec"]["template"]["spec"] for each in deployments]
    account = next((name for spec in specs if (name := spec.get("serviceAccountName"))), SERVICE_ACCOUNT)
    return build_policies(
        f"system:serviceaccount:{namespace}:{account}",
        namespace,
        recreate_bare_pods="--recreate-bare-pods" in list_arguments(deployments),
    )


def _key(document: Mapping[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _try(read: Callable[[], Fact]) -> Fact | Unread:
    try:
        return read()
    except Refusal as refusal:
        if refusal.status == 401:
            raise
        return Unread(refusal.message, absent=refusal.status == NOT_FOUND)


def _read_list(cluster: Cluster, path: str) -> Sequence[dict[str, Any]] | Unread:
    return _try(lambda: cluster.list_items(path))


def _name_kind(autoscalers: Sequence[dict[str, Any]] | Unread) -> Sequence[dict[str, Any]] | Unread:
    # The items of a list don't say what they are.
    return autoscalers if isinstance(autoscalers, Unread) else [{"kind": HPA, **each} for each in autoscalers]


def _read_kinds(cluster: Cluster) -> frozenset[str]:
    return frozenset(resource["name"] for resource in cluster.read(_ADMISSION)["resources"])


def _read_policies(cluster: Cluster) -> list[dict[str, Any]]:
    served = _read_kinds(cluster)
    return [
        {**policy, "kind": kind}
        for kind, plural in _POLICY_KINDS.items()
        if plural in served
        for policy in cluster.list_items(f"{_ADMISSION}/{plural}")
    ]


def _has_feature(metrics: str) -> bool:
    # A gate that is gone has become a part of Kubernetes; one that doesn't exist yet means a version that is too old,
    # which another check says.
    return is_on(metrics, "PodLevelResources") is not False
