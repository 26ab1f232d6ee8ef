"""Pods with persistent volume claims: held until the claims are bound, then released without anyone deleting them."""

import json
from collections.abc import Iterator

import pytest

from monopod.api.names import VOLUMES_GATE
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually

NFS: Json = {"nfs": {"server": "10.0.0.1", "path": "/"}}
DISK: Json = {"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}}
SIZE: Json = {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}
NOT_BOUND = "Pod not supported on Fargate: volumes not supported: data not supported because: PVC data not bound"
INVALID = (
    "Pod not supported on Fargate: volumes not supported: data not supported because: "
    "PVC data bound to invalid PV disk with CSI Driver: ebs.csi.aws.com"
)


@pytest.fixture
def claimed(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace on Fargate with a pod that mounts the claim `data`, which doesn't exist yet."""
    name = f"claims-{request.node.name.replace('_', '-')[:40].rstrip('-')}"
    lab.create_namespace(name)
    lab.create_profile("claims", name)
    yield name
    lab.kubectl("delete", "pv", "--all", "--wait=false")


def create_pod(lab: Lab, namespace: str) -> None:
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    lab.create_pod(namespace, "app", volumes=[claim])


def find_gates(lab: Lab, namespace: str) -> list[str]:
    pod = lab.get("Pod", "app", namespace) or {}
    return [gate["name"] for gate in pod["spec"].get("schedulingGates") or ()]


def bind_claim(lab: Lab, namespace: str, volume: str, source: Json) -> None:
    capacity = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    spec = {**SIZE, "volumeName": volume, "storageClassName": ""}
    for item in (
        {"kind": "PersistentVolume", "metadata": {"name": volume}, "spec": {**capacity, **source}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": namespace}, "spec": spec},
    ):
        lab.kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", **item}))
    # What the volume controller of a whole cluster does.
    bound = json.dumps({"status": {"phase": "Bound", **capacity}})
    lab.kubectl("patch", "pvc", "data", "-n", namespace, "--subresource=status", "--type=merge", "-p", bound)


@pytest.mark.eks("2.unbound-claim", "2.static-volumes")
@pytest.mark.usefixtures("operator")
def test_a_pod_is_released_once_its_claim_is_bound(lab: Lab, claimed: str) -> None:
    lab.becomes_active("claims")
    create_pod(lab, claimed)
    (event,) = eventually(lambda: lab.events(claimed, "app"))
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "FailedScheduling", NOT_BOUND)
    assert find_gates(lab, claimed) == [VOLUMES_GATE]
    bind_claim(lab, claimed, "share", NFS)
    eventually(lambda: find_gates(lab, claimed) == [])


@pytest.mark.eks("2.no-block-devices")
@pytest.mark.usefixtures("operator")
def test_a_pod_with_a_block_device_stays(lab: Lab, claimed: str) -> None:
    lab.becomes_active("claims")
    bind_claim(lab, claimed, "disk", DISK)
    create_pod(lab, claimed)
    (event,) = eventually(lambda: lab.events(claimed, "app"))
    assert event["message"] == INVALID
    assert find_gates(lab, claimed) == [VOLUMES_GATE]


def test_a_claim_that_was_bound_while_the_operator_was_away_releases_its_pod(
    lab: Lab, start: StartOperator, claimed: str
) -> None:
    first: OperatorProcess = start()
    lab.becomes_active("claims")
    first.kill()
    create_pod(lab, claimed)
    bind_claim(lab, claimed, "late", NFS)
    assert find_gates(lab, claimed) == [VOLUMES_GATE]
    start("--no-leader-elect")
    eventually(lambda: find_gates(lab, claimed) == [])
