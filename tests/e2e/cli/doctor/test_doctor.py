"""`kubectl fargate doctor` on a cluster where everything works, with the network tried for real."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from lab.cluster.images import BUSYBOX_IMAGE
from tests.e2e.live import Live, Object

SANDBOX_MILLIS = 100
"""Thousandths of a CPU, at least the overhead of the lab's RuntimeClass."""


@pytest.fixture
def full_node(live: Live) -> Iterator[None]:
    """The cluster with less than 8 milli-CPUs free on a node of two: each of these pods takes half of what is left.

    A sandbox has an overhead, which a last filler gives way to; the others don't take its place.
    """
    live.await_leader()
    namespace = live.make_namespace("full")
    live.apply(a_priority_class("doctor-yields", -1000), a_priority_class("doctor-stays", 0))
    live.apply(a_filler(namespace, SANDBOX_MILLIS, "doctor-yields"))

    def look() -> bool:
        return all(
            any(each["type"] == "PodScheduled" for each in pod["status"].get("conditions", ()))
            for pod in live.find("pods", namespace)
        )

    live.wait_for(look, "room for the sandbox kept")
    live.apply(*(a_filler(namespace, millis, "doctor-stays") for millis in (1024, 512, 256, 128, 64, 32, 16, 8)))
    live.wait_for(look, "each filler scheduled, or told that it doesn't fit")
    yield
    live.remove_namespace(namespace)
    live.kubectl("delete", "priorityclass", "doctor-yields", "doctor-stays")


def a_priority_class(name: str, value: int) -> Object:
    metadata = {"metadata": {"name": name}, "value": value, "preemptionPolicy": "Never"}
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", **metadata}


def a_filler(namespace: str, millis: int, priority: str) -> Object:
    container: Object = {"name": "filler", "image": BUSYBOX_IMAGE, "command": ["sleep", "3600"]}
    container |= {"imagePullPolicy": "IfNotPresent", "resources": {"requests": {"cpu": f"{millis}m"}}}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container], "priorityClassName": priority}
    metadata = {"name": f"filler-{millis}", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.usefixtures("full_node")
def test_doctor_finds_no_problem_and_what_only_a_try_tells_on_a_full_node(live: Live) -> None:
    done = subprocess.run(
        ["kubectl-fargate", "doctor", "--probe", "--image", BUSYBOX_IMAGE, "-o", "json"],
        env={**os.environ, "KUBECONFIG": str(live.cluster.kubeconfig_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    findings = json.loads(done.stdout)["findings"]
    assert [finding for finding in findings if finding["level"] == "Problem"] == []
    assert "NetworkPolicies are enforced: a pod could reach another until a policy forbade it." in [
        finding["message"] for finding in findings
    ]
    (kernel,) = [finding["message"] for finding in findings if finding["check"] == "Kernel"]
    (node, *_) = json.loads(live.kubectl("get", "nodes", "-o", "json"))["items"]
    release = node["status"]["nodeInfo"]["kernelVersion"]
    assert kernel.startswith(f"RuntimeClass {live.cluster.sandbox}: `uname -r` says "), kernel
    assert f"in a pod, and {release} on its node" in kernel
    assert kernel.endswith("The pod's kernel is its own.")
    assert f"says {release} in a pod" not in kernel
    assert done.returncode == 0
    (driver,) = [finding for finding in findings if finding["check"] == "CgroupDriver"]
    assert driver["level"] == "OK", "it is read from the kubelet itself"
    # So is the gate by which overhead is counted twice; only the scheduler's can't be read everywhere.
    overhead = [finding["message"] for finding in findings if finding["check"] == "Overhead"]
    assert all("kubelet" not in message.partition("Not read:")[2] for message in overhead)
    (found,) = [finding["message"] for finding in findings if "found by Monopod" in finding["message"]]
    assert found.startswith(f"RuntimeClass {live.cluster.sandbox} exists")
    left = [
        item["metadata"]["name"]
        for item in json.loads(live.kubectl("get", "ns", "-o", "json"))["items"]
        if "deletionTimestamp" not in item["metadata"]
    ]
    assert not [name for name in left if name.startswith("monopod-doctor-")]
