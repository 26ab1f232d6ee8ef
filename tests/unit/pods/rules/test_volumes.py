from typing import Any

import pytest

from monopod.pods.rules.volumes import NotBound, UnsupportedType, VolumesReady, get_claims, judge_volumes
from tests.unit.builders import PodBuilder, a_pod

Manifest = dict[str, Any]

EFS = {"csi": {"driver": "efs.csi.aws.com", "volumeHandle": "fs-1"}}
EBS = {"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}}


def a_claim(volume: str = "pv-1", phase: str = "Bound") -> Manifest:
    return {"spec": {"volumeName": volume}, "status": {"phase": phase}}


def a_volume(**spec: Any) -> Manifest:
    return {"spec": {"volumeMode": "Filesystem", "accessModes": ["ReadWriteOnce"], **spec}}


def mounting(*claims: str) -> PodBuilder:
    pod = a_pod().with_volume("config", configMap={"name": "c"})
    for claim in claims:
        pod.with_volume(f"v-{claim}", persistentVolumeClaim={"claimName": claim})
    return pod


def test_a_pod_without_claims_is_ready() -> None:
    assert judge_volumes(mounting().build(), {}, {}) == VolumesReady()


def test_claims_are_listed_in_the_manifests_order_and_once() -> None:
    assert get_claims(mounting("b", "a", "b").build()) == ("b", "a")


MOUNTABLE = {
    "nfs": a_volume(nfs={"server": "s", "path": "/"}),
    "EFS": a_volume(**EFS),
    "another network file system": a_volume(csi={"driver": "nfs.csi.k8s.io"}, accessModes=["ReadWriteMany"]),
    "no volumeMode": {"spec": {"nfs": {"server": "s", "path": "/"}}},
}


@pytest.mark.eks("2.static-volumes")
@pytest.mark.parametrize("volume", MOUNTABLE.values(), ids=MOUNTABLE)
def test_a_claim_bound_to_a_network_file_system_is_ready(volume: Manifest) -> None:
    assert judge_volumes(mounting("data").build(), {"data": a_claim()}, {"pv-1": volume}) == VolumesReady()


INVALID = {
    "EBS": (a_volume(**EBS), " with CSI Driver: ebs.csi.aws.com"),
    "a raw device that many may write": (
        a_volume(csi={"driver": "rbd.csi.ceph.com"}, accessModes=["ReadWriteMany"], volumeMode="Block"),
        " with CSI Driver: rbd.csi.ceph.com",
    ),
    "in-tree EBS": (a_volume(awsElasticBlockStore={"volumeID": "vol-1"}), ""),
    "hostPath": (a_volume(hostPath={"path": "/data"}), ""),
    "a local disk": (a_volume(local={"path": "/data"}, accessModes=["ReadWriteMany"]), ""),
}


@pytest.mark.eks("2.no-block-devices")
@pytest.mark.parametrize(("volume", "suffix"), INVALID.values(), ids=INVALID)
def test_a_claim_bound_to_anything_else_says_so_in_awss_words(volume: Manifest, suffix: str) -> None:
    verdict = judge_volumes(mounting("data").build(), {"data": a_claim()}, {"pv-1": volume})
    assert verdict == UnsupportedType(
        ("data",),
        "Pod not supported on Fargate: volumes not supported: v-data not supported because: "
        f"PVC data bound to invalid PV pv-1{suffix}",
    )


UNBOUND: dict[str, tuple[dict[str, Manifest], dict[str, Manifest]]] = {
    "no such claim": ({}, {"pv-1": a_volume(**EFS)}),
    "a pending claim": ({"data": a_claim("", "Pending")}, {}),
    "a claim that waits for the volume it names": ({"data": a_claim("pv-1", "Pending")}, {"pv-1": a_volume(**EFS)}),
    "a claim that lost its volume": ({"data": a_claim("pv-1", "Lost")}, {}),
    "a claim without a status": ({"data": {"spec": {}}}, {}),
    "a bound claim whose volume isn't known yet": ({"data": a_claim("pv-1")}, {}),
}


@pytest.mark.parametrize(("claims", "volumes"), UNBOUND.values(), ids=UNBOUND)
def test_a_claim_that_is_not_bound_says_so_in_awss_words(
    claims: dict[str, Manifest], volumes: dict[str, Manifest]
) -> None:
    assert judge_volumes(mounting("data").build(), claims, volumes) == NotBound(
        ("data",),
        "Pod not supported on Fargate: volumes not supported: v-data not supported because: PVC data not bound",
    )


def test_all_claims_that_keep_the_pod_waiting_are_named() -> None:
    verdict = judge_volumes(
        mounting("slow", "good", "bad").build(),
        {"good": a_claim("pv-1"), "bad": a_claim("pv-2")},
        {"pv-1": a_volume(**EFS), "pv-2": a_volume(**EBS)},
    )
    assert verdict == UnsupportedType(
        ("bad",),
        "Pod not supported on Fargate: volumes not supported: v-slow not supported because: PVC slow not bound, "
        "v-bad not supported because: PVC bad bound to invalid PV pv-2 with CSI Driver: ebs.csi.aws.com",
    )
