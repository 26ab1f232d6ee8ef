"""What a bare control plane lacks to be a cluster: Calico's kinds, RBAC of its parts, DNS, the sandbox's class."""

import json
from pathlib import Path
from typing import Any

from lab.cluster.controlplane import KUBELET_CLIENT
from lab.cluster.node import CLUSTER_DNS, SANDBOX_HANDLER

Object = dict[str, Any]
SANDBOX_CLASS = "gvisor"
SANDBOX_LABEL = "monopod.dev/gvisor"
COREDNS_IMAGE = "monopod.local/coredns:1"

COREFILE = """.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    cache 30
    reload
    loadbalance
}
"""


def build_runtime_class(*, labelled: bool = False) -> Object:
    """GVisor as a RuntimeClass; the overhead is what its sentry and gofer were seen to need.

    Args:
        labelled: Whether it selects nodes by the label that gvisor-node gives to those that have gVisor.
    """
    scheduling = {"scheduling": {"nodeSelector": {SANDBOX_LABEL: "true"}}} if labelled else {}
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": SANDBOX_CLASS},
        "handler": SANDBOX_HANDLER,
        "overhead": {"podFixed": {"cpu": "50m", "memory": "128Mi"}},
        **scheduling,
    }


def build_node_objects() -> list[Object]:
    """What nodes need before they start: the rights of Calico and of the API server at the kubelets."""
    calico_rules = [
        _rule([""], ["pods", "nodes", "namespaces", "services", "endpoints", "serviceaccounts"], "get list watch"),
        _rule([""], ["pods/status"], "patch"),
        _rule(["networking.k8s.io"], ["networkpolicies"], "get list watch"),
        _rule(["policy.networking.k8s.io"], ["adminnetworkpolicies"], "get list watch"),
        _rule(["discovery.k8s.io"], ["endpointslices"], "get list watch"),
        _rule(["crd.projectcalico.org"], ["*"], "get list watch create update patch delete"),
    ]
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "calico-node"},
            "rules": calico_rules,
        },
        _binding("calico-node", "calico-node", "User", "calico-node"),
        _binding("kube-apiserver-kubelet-client", "system:kubelet-api-admin", "User", KUBELET_CLIENT),
    ]


def build_calico_objects() -> list[Object]:
    """The objects of Calico's own kinds that its node agent would make: without it felix waits forever."""
    spec = {"clusterType": "k8s,kdd", "clusterGUID": "0" * 32, "datastoreReady": True}
    return [
        {
            "apiVersion": "crd.projectcalico.org/v1",
            "kind": "ClusterInformation",
            "metadata": {"name": "default"},
            "spec": spec,
        }
    ]


def build_dns_objects() -> list[Object]:
    """CoreDNS as kubeadm deploys it, one replica."""
    meta = {"name": "coredns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
    container = {
        "name": "coredns",
        "image": COREDNS_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        },
        "resources": {"requests": {"cpu": "50m", "memory": "70Mi"}, "limits": {"memory": "170Mi"}},
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    rules = [
        _rule([""], ["endpoints", "services", "pods", "namespaces"], "list watch"),
        _rule(["discovery.k8s.io"], ["endpointslices"], "list watch"),
    ]
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    selector = {"k8s-app": "kube-dns"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": rules,
        },
        _binding("system:coredns", "system:coredns", "ServiceAccount", "coredns"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": COREFILE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": selector},
                "template": {"metadata": {"labels": selector}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "name": "kube-dns"},
            "spec": {"clusterIP": CLUSTER_DNS, "selector": selector, "ports": ports},
        },
    ]


def read_calico_kinds(folder: Path) -> list[Path]:
    """The CRD files of Calico."""
    return sorted(folder.glob("*.yaml"))


def to_list(objects: list[Object]) -> str:
    """One document that kubectl applies."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _rule(groups: list[str], resources: list[str], verbs: str) -> Object:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs.split()}


def _binding(name: str, role: str, kind: str, subject: str) -> Object:
    who: Object = {"kind": kind, "name": subject}
    who |= {"namespace": "kube-system"} if kind == "ServiceAccount" else {"apiGroup": "rbac.authorization.k8s.io"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [who],
    }
