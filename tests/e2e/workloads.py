"""Ordinary workloads, small enough that many fit on a node of two CPUs."""

from typing import Any

from lab.cluster.images import BUSYBOX_IMAGE
from monopod.api.names import API_VERSION

Object = dict[str, Any]
SANDBOXED = {"sandbox": "yes"}
"""What the suite's profile selects, in namespaces that begin with `e2e-`."""

SLEEP = "trap 'exit 0' TERM; while true; do sleep 1000 & wait; done"
SERVE = "mkdir /tmp/www && echo hello >/tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"
PORT = 8080


def a_profile(name: str, namespace: str, labels: dict[str, str], **spec: object) -> Object:
    selectors = [{"namespace": namespace, "labels": labels}]
    metadata = {"name": name}
    return {
        "apiVersion": API_VERSION,
        "kind": "FargateProfile",
        "metadata": metadata,
        "spec": {"selectors": selectors, **spec},
    }


def a_pod(name: str, namespace: str, labels: dict[str, str], script: str = SLEEP, **spec: object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name, **labels}},
        "spec": {**_pod_spec(script), **spec},
    }


def a_server(name: str, namespace: str, labels: dict[str, str]) -> Object:
    pod = a_pod(name, namespace, labels, SERVE)
    probe(pod["spec"])
    return pod


def probe(spec: Object) -> None:
    """Has a server's pods be Ready when they answer."""
    spec["containers"][0]["readinessProbe"] = {
        "httpGet": {"path": "/", "port": PORT},
        "periodSeconds": 1,
        "timeoutSeconds": 5,
    }


def serve_to_the_last(spec: Object) -> None:
    """Has a server's pods serve until all have heard that they are going, as whoever wants no failed requests must."""
    probe(spec)
    spec["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 8}}}
    spec["terminationGracePeriodSeconds"] = 20


def a_service(name: str, namespace: str) -> Object:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def a_deployment(
    name: str, namespace: str, labels: dict[str, str], requests: dict[str, str], script: str = SLEEP
) -> Object:
    pod_labels = {"app": name, **labels}
    spec = _pod_spec(script)
    spec["containers"][0]["resources"] = {"requests": requests}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": pod_labels}, "spec": spec},
        },
    }


def a_stateful_set(name: str, namespace: str, labels: dict[str, str], replicas: int) -> Object:
    """Pods that serve; each waits for the one before it to be Ready."""
    spec = _pod_spec(SERVE)
    probe(spec)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name, **labels}}, "spec": spec},
        },
    }


def a_budget(name: str, namespace: str, minimum: int) -> Object:
    """A PodDisruptionBudget of an app's pods."""
    spec = {"minAvailable": minimum, "selector": {"matchLabels": {"app": name}}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def a_job(name: str, namespace: str, labels: dict[str, str]) -> Object:
    pod = {"metadata": {"labels": {"app": name, **labels}}, "spec": {**_pod_spec(SLEEP), "restartPolicy": "Never"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": pod},
    }


def a_group(name: str, **spec: object) -> Object:
    """A SecurityGroup; without rules it opens nothing."""
    return {"apiVersion": API_VERSION, "kind": "SecurityGroup", "metadata": {"name": name}, "spec": spec}


def a_group_policy(name: str, namespace: str, app: str, *groups: str) -> Object:
    """A SecurityGroupPolicy that gives the pods of an app their groups."""
    return {
        "apiVersion": "vpcresources.k8s.aws/v1beta1",
        "kind": "SecurityGroupPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": app}}, "securityGroups": {"groupIds": list(groups)}},
    }


def _pod_spec(script: str) -> Object:
    container = {
        "name": "app",
        "image": BUSYBOX_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
    }
    return {"terminationGracePeriodSeconds": 1, "containers": [container]}
