"""Pods and workloads that a real API server refuses, with the words in which `kubectl fargate` says so, or takes."""

from typing import Any

Object = dict[str, Any]


def a_pod(metadata: Object | None = None, **container: Any) -> Object:
    """A pod of one container."""
    spec = {"containers": [{"name": "a", "image": "i", **container}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", **(metadata or {})}, "spec": spec}


def a_workload(kind: str, *, version: str = "apps/v1", restart: str | None = None, **spec: Any) -> Object:
    """A workload whose pods have the label `app: y`."""
    pod = {"containers": [{"name": "a", "image": "i"}], **({"restartPolicy": restart} if restart else {})}
    template = {"metadata": {"labels": {"app": "y"}}, "spec": pod}
    spec = {"template": template, **spec}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "w"}, "spec": spec}


def a_sized_workload(size: Object, *containers: Object) -> Object:
    """A Deployment with pod-level resources, and containers with theirs."""
    workload = a_workload("Deployment", selector=SELECTOR)
    named = [{"name": f"c{number}", "image": "i", "resources": each} for number, each in enumerate(containers or ({},))]
    workload["spec"]["template"]["spec"] |= {"resources": size, "containers": named}
    return workload


SELECTOR = {"matchLabels": {"app": "y"}}
REQUESTS = "spec.containers[0].resources.requests"

REFUSED: dict[str, tuple[Object, str]] = {
    "a request above its limit": (
        a_pod(resources={"requests": {"cpu": 2}, "limits": {"cpu": 1}}),
        f'{REQUESTS}: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    "a misspelt field of a container": (a_pod(resource={}), 'unknown field "spec.containers[0].resource"'),
    "a misspelt field of resources": (
        a_pod(resources={"request": {"cpu": 4}}),
        'unknown field "spec.containers[0].resources.request"',
    ),
    "a label with a space": (a_pod({"labels": {"app": "has space"}}), 'metadata.labels: Invalid value: "has space"'),
    "a label's key with a space": (
        a_pod({"labels": {"has space": "x"}}),
        'metadata.labels: Invalid value: "has space"',
    ),
    "a label that is a boolean": (
        a_pod({"labels": {"fargate": True}}),
        "metadata.labels.fargate: must be a string, not",
    ),
    "an annotation that is a number": (
        a_pod({"annotations": {"a": 1}}),
        "metadata.annotations.a: must be a string, not",
    ),
    "an annotation's key with a space": (a_pod({"annotations": {"a b": "1"}}), "metadata.annotations: Invalid value"),
    "a name with capitals": (a_pod({"name": "Web"}), 'metadata.name: Invalid value: "Web"'),
    "no name": (a_pod({"name": ""}), "metadata.name: Required value: name or generateName is required"),
    "a port as text": (a_pod(ports=[{"containerPort": "53"}]), "spec.containers[0].ports[0].containerPort: must be a"),
    "a switch as text": (a_pod(stdin="yes"), "spec.containers[0].stdin: must be true or false, not a string"),
    "a number in the environment": (
        a_pod(env=[{"name": "A", "value": 1}]),
        "spec.containers[0].env[0].value: must be a string, not a number",
    ),
    "a container without a name": (
        {**a_pod(), "spec": {"containers": [{"image": "i"}]}},
        "spec.containers[0].name: Required value",
    ),
    "a Deployment without a selector": (a_workload("Deployment"), "spec.selector: Required value"),
    "an empty selector": (a_workload("Deployment", selector={}), "spec.selector: Invalid value"),
    "a selector that doesn't select its pods": (
        a_workload("StatefulSet", serviceName="w", selector={"matchLabels": {"app": "x"}}),
        'spec.template.metadata.labels: Invalid value: {"app": "y"}: `selector` does not match template `labels`',
    ),
    "replicas as text": (
        a_workload("ReplicaSet", selector=SELECTOR, replicas="2"),
        "spec.replicas: must be a whole number, not a string",
    ),
    "a Deployment whose pods end": (
        a_workload("Deployment", selector=SELECTOR, restart="Never"),
        "spec.template.spec.restartPolicy: Unsupported value",
    ),
    "a Job whose pods never end": (
        a_workload("Job", version="batch/v1"),
        "spec.template.spec.restartPolicy: Unsupported value",
    ),
    "a CronJob without a schedule": (
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "w"},
            "spec": {"jobTemplate": {"spec": a_workload("Job", restart="Never")["spec"]}},
        },
        "spec.schedule: Required value",
    ),
    "pod-level requests below those of a template's containers": (
        a_sized_workload({"requests": {"cpu": "500m"}}, {"requests": {"cpu": "300m"}}, {"requests": {"cpu": "201m"}}),
        'spec.template.spec.resources.requests[cpu]: Invalid value: "500m": must be greater than or equal to aggregate',
    ),
    "pod-level limits below a container's": (
        a_sized_workload({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "2Gi"}}),
        "spec.template.spec.resources.containers[0][memory].limits: Invalid value",
    ),
    "pod-level requests above pod-level limits": (
        a_sized_workload({"requests": {"cpu": 2}, "limits": {"cpu": 1}}),
        'spec.template.spec.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    "another version": (
        {**a_workload("Deployment", selector=SELECTOR), "apiVersion": "extensions/v1beta1"},
        'apiVersion: no matches for kind "Deployment" in version "extensions/v1beta1": it is apps/v1',
    ),
    "another group": (
        a_workload("Job", version="apps/v1", restart="Never"),
        'apiVersion: no matches for kind "Job" in version "apps/v1": it is batch/v1',
    ),
}


def _write(labels: str = "", container: str = "") -> str:
    """A pod as people write it, which quote nothing."""
    metadata = f"{{name: p, labels: {{{labels}}}}}"
    return f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\nspec: {{containers: [{{name: a, image: i{container}}}]}}"


def _write_requests(requests: str) -> str:
    return _write(container=f", resources: {{requests: {{{requests}}}}}")


REFUSED_TEXTS: dict[str, tuple[str, str]] = {
    "a label y": (_write("fargate: y"), "metadata.labels.fargate: must be a string, not a boolean"),
    "a label n": (_write("fargate: n"), "metadata.labels.fargate: must be a string, not a boolean"),
    "a label on": (_write("on: off"), "metadata.labels.true: must be a string, not a boolean"),
    "a version as label": (_write("version: 1.10"), "metadata.labels.version: must be a string, not a number"),
    "a port in quotes": (
        _write(container=', ports: [{containerPort: "53", protocol: UDP}]'),
        "spec.containers[0].ports[0].containerPort: must be a whole number, not a string",
    ),
    "CPU in Fargate's words": (_write_requests('cpu: ".25 vCPU"'), f"{REQUESTS}.cpu: must be a quantity such as"),
    "memory in Fargate's words": (_write_requests("memory: 512MB"), f"{REQUESTS}.memory: must be a quantity such as"),
    "less than nothing": (_write_requests("cpu: -1"), f"{REQUESTS}.cpu: must not be negative"),
}

ACCEPTED_TEXTS: dict[str, str] = {
    "a label of a number": _write("1: x"),
    "a label that is there twice": _write("tier: api, tier: web"),
    "a port": _write(container=", ports: [{containerPort: 53, protocol: UDP}]"),
}

ACCEPTED: dict[str, Object] = {
    "a pod": a_pod(),
    "a pod with a generated name": a_pod({"name": None, "generateName": "p-"}),
    "nulls": {**a_pod(command=None), "status": None},
    "quantities as numbers": a_pod(resources={"requests": {"cpu": 1, "memory": 1e9}, "limits": {"cpu": 1.5}}),
    "a limit alone": a_pod(resources={"limits": {"cpu": 1}}),
    "a port by name": a_pod(ports=[{"name": "http", "containerPort": 80}], livenessProbe={"httpGet": {"port": "http"}}),
    "a port by number": a_pod(livenessProbe={"tcpSocket": {"port": 80}}),
    "labels and annotations": a_pod({"labels": {"a.io/B_c": "x", "e": ""}, "annotations": {"A.io/b": "any text"}}),
    "a Deployment of none": a_workload("Deployment", selector=SELECTOR, replicas=0),
    "a selector with expressions": a_workload(
        "ReplicaSet", selector={"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "y"]}]}
    ),
    "pod-level resources of their sum": a_sized_workload(
        {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
        {"requests": {"cpu": "300m"}, "limits": {"memory": "1Gi"}},
        {"requests": {"cpu": "200m"}},
    ),
    "a StatefulSet": a_workload("StatefulSet", selector=SELECTOR, serviceName="w"),
    "a DaemonSet": a_workload("DaemonSet", selector=SELECTOR),
    "a ReplicationController without a selector": a_workload("ReplicationController", version="v1"),
    "a Job": a_workload("Job", version="batch/v1", restart="OnFailure"),
}
