"""Every field of a pod has been looked at: docs/pod-fields.yaml has them all, and says what is so.

A field that only some release of Kubernetes knows would be let through without anybody having thought of it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monopod.api.names import COMPUTE_TYPE, PROFILE_LABEL, UNSUPPORTED_ANNOTATION, UNSUPPORTED_GATE, VOLUMES_GATE
from podfields.fields import Treatment, read_fields
from tests.attack.people import Person, bind_role
from tests.controlplane.operating.lab import ROOT, SANDBOX, Json, Lab
from tests.unit.builders import PodBuilder, a_pod

FIELDS = read_fields(ROOT)
CLASS: Json = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "another"},
    "handler": "another",
    "overhead": {"podFixed": {"cpu": "7m"}},
}


@pytest.fixture(scope="module")
def tenant(lab: Lab, fargate: str) -> Iterator[Person]:
    lab.create(CLASS).expect_ok()
    yield bind_role(lab, "author", "admin", fargate)
    lab.delete("RuntimeClass", "another")


def test_every_field_of_kubernetes_is_in_the_list(tenant: Person) -> None:
    schemas = tenant.server.get("/openapi/v3/api/v1").expect_ok()["components"]["schemas"]
    known = {kind: set(schemas[f"io.k8s.api.core.v1.{kind}"]["properties"]) for kind in FIELDS.kinds}
    listed = {kind: set(fields) for kind, fields in FIELDS.kinds.items()}
    unseen = sorted(f"{kind}.{field}" for kind in known for field in known[kind] - listed[kind])
    gone = sorted(f"{kind}.{field}" for kind in known for field in listed[kind] - known[kind])
    assert (unseen, gone) == ([], []), "look at the fields, then list them in docs/pod-fields.yaml"


Check = Callable[[Json], object]


def is_unsupported(reason: str) -> Check:
    return lambda pod: (
        reason in pod["metadata"]["annotations"].get(UNSUPPORTED_ANNOTATION, "")
        and {"name": UNSUPPORTED_GATE} in pod["spec"]["schedulingGates"]
    )


def is_outside(pod: Json) -> bool:
    return PROFILE_LABEL not in pod["metadata"].get("labels", {})


def limits(pod: Json) -> Json:
    found: Json = pod["spec"]["containers"][0]["resources"]["limits"]
    return found


CONTEXT = "invalid SecurityContext fields: "
GPU = {"name": "gpu", "resourceClaimName": "gpu"}

SHOWN: dict[str, tuple[PodBuilder, Check]] = {
    "PodSpec.affinity": (a_pod(), lambda pod: "zone-a" in str(pod["spec"]["affinity"])),
    "PodSpec.hostIPC": (a_pod().with_spec(hostIPC=True), is_unsupported("fields not supported: HostIPC")),
    "PodSpec.hostNetwork": (a_pod().with_spec(hostNetwork=True), is_unsupported("fields not supported: HostNetwork")),
    "PodSpec.hostPID": (a_pod().with_spec(hostPID=True), is_unsupported("fields not supported: HostPID")),
    "PodSpec.hostUsers": (a_pod().with_spec(hostUsers=False), is_unsupported("fields not supported: HostUsers")),
    "PodSpec.nodeName": (a_pod().with_spec(nodeName="node"), is_outside),
    "PodSpec.nodeSelector": (
        a_pod().with_spec(nodeSelector={"a": "b", COMPUTE_TYPE: "fargate"}),
        lambda pod: pod["spec"]["nodeSelector"] == {"a": "b"},
    ),
    "PodSpec.os": (a_pod().with_spec(os={"name": "windows"}), is_unsupported("operating system not supported")),
    "PodSpec.overhead": (
        a_pod().with_spec(runtimeClassName="another", overhead={"cpu": "7m"}),
        lambda pod: "7m" not in str(pod["spec"].get("overhead")),
    ),
    "PodSpec.resourceClaims": (a_pod().with_spec(resourceClaims=[GPU]), is_unsupported("resourceClaims")),
    "PodSpec.resources": (
        a_pod().with_pod_level(requests={"cpu": "300m"}, limits={"cpu": "9"}),
        lambda pod: pod["spec"]["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"},
    ),
    "PodSpec.runtimeClassName": (
        a_pod().with_spec(runtimeClassName="another"),
        lambda pod: pod["spec"]["runtimeClassName"] == SANDBOX,
    ),
    "PodSpec.schedulerName": (a_pod().with_spec(schedulerName="volcano"), is_outside),
    "PodSpec.schedulingGates": (
        a_pod().with_spec(schedulingGates=[{"name": VOLUMES_GATE}, {"name": "a.io/b"}]),
        lambda pod: {"name": VOLUMES_GATE} not in pod["spec"]["schedulingGates"],
    ),
    "Container.volumeDevices": (
        a_pod().with_volume("raw", persistentVolumeClaim={"claimName": "raw"}).with_devices(raw="/dev/raw"),
        is_unsupported("raw is of an unsupported volume Type"),
    ),
    "PodSecurityContext.seLinuxOptions": (
        a_pod().with_spec(securityContext={"seLinuxOptions": {"type": "spc_t"}}),
        is_unsupported(CONTEXT + "SELinuxOptions"),
    ),
    "SecurityContext.allowPrivilegeEscalation": (
        a_pod().secured(allowPrivilegeEscalation=True),
        is_unsupported(CONTEXT + "AllowPrivilegeEscalation"),
    ),
    "SecurityContext.privileged": (a_pod().secured(privileged=True), is_unsupported(CONTEXT + "Privileged")),
    "SecurityContext.seLinuxOptions": (
        a_pod().with_spec(
            initContainers=[{"name": "i", "image": "i", "securityContext": {"seLinuxOptions": {"type": "spc_t"}}}]
        ),
        is_unsupported(CONTEXT + "SELinuxOptions"),
    ),
    **{
        f"SELinuxOptions.{field}": (
            a_pod().secured(seLinuxOptions={field: "s0"}),
            is_unsupported(CONTEXT + "SELinuxOptions"),
        )
        for field in ("level", "role", "type", "user")
    },
    "Capabilities.add": (a_pod().adding_capabilities("BPF"), is_unsupported(CONTEXT + "Capabilities added: BPF")),
    "WindowsSecurityContextOptions.hostProcess": (
        a_pod()
        .with_spec(hostNetwork=True, os={"name": "windows"})
        .secured(windowsOptions={"hostProcess": True}, runAsNonRoot=False),
        is_unsupported("operating system not supported"),
    ),
    "ContainerPort.hostIP": (a_pod().with_port(hostIP="127.0.0.1"), is_unsupported("port contains HostIP or HostPort")),
    "ContainerPort.hostPort": (a_pod().with_port(hostPort=80), is_unsupported("port contains HostIP or HostPort")),
    "ResourceRequirements.claims": (
        a_pod().with_spec(
            resourceClaims=[GPU],
            containers=[{"name": "app", "image": "app", "resources": {"claims": [{"name": "gpu"}]}}],
        ),
        is_unsupported("resourceClaims"),
    ),
    "ResourceRequirements.limits": (
        a_pod().requesting(cpu="200m").limited_to(cpu="9"),
        lambda pod: limits(pod) == {"cpu": "250m", "ephemeral-storage": "20Gi"},
    ),
}

VOLUMES: dict[str, Json] = {
    "awsElasticBlockStore": {"volumeID": "v"},
    "azureDisk": {"diskName": "d", "diskURI": "https://a.blob.core.windows.net/vhds/d.vhd"},
    "azureFile": {"secretName": "s", "shareName": "s"},
    "cephfs": {"monitors": ["m"]},
    "cinder": {"volumeID": "v"},
    "csi": {"driver": "d.example.com"},
    "ephemeral": {
        "volumeClaimTemplate": {
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        }
    },
    "fc": {"targetWWNs": ["w"], "lun": 0},
    "flexVolume": {"driver": "a.com/b"},
    "flocker": {"datasetName": "d"},
    "gcePersistentDisk": {"pdName": "p"},
    "gitRepo": {"repository": "r"},
    "glusterfs": {"endpoints": "e", "path": "p"},
    "hostPath": {"path": "/"},
    "image": {"reference": "i"},
    "iscsi": {"targetPortal": "10.0.0.1", "iqn": "iqn.2001-04.com.example:storage", "lun": 0},
    "photonPersistentDisk": {"pdID": "p"},
    "portworxVolume": {"volumeID": "v"},
    "quobyte": {"registry": "r:1", "volume": "v"},
    "rbd": {"monitors": ["m"], "image": "i"},
    "scaleIO": {"gateway": "https://g", "system": "s", "secretRef": {"name": "s"}, "volumeName": "v"},
    "storageos": {"volumeName": "v"},
    "vsphereVolume": {"volumePath": "p"},
}
SHOWN |= {
    f"Volume.{source}": (
        a_pod().with_volume("v", **{source: fields}),
        is_unsupported("v is of an unsupported volume Type"),
    )
    for source, fields in VOLUMES.items()
}


@pytest.mark.parametrize(("pod", "holds"), SHOWN.values(), ids=SHOWN)
def test_what_the_list_says_is_so(fargate: str, tenant: Person, pod: PodBuilder, holds: Check) -> None:
    admitted = tenant.try_pod(fargate, pod.build()).expect_ok()
    assert holds(admitted), admitted
    assert holds is is_outside or admitted["spec"]["runtimeClassName"] == SANDBOX


def test_all_that_matters_of_the_list_is_shown() -> None:
    treatments: tuple[Treatment, ...] = ("unsupported", "written", "exempts")
    assert set(SHOWN) == FIELDS.find(*treatments)


ANNOTATIONS = (
    *("io.kubernetes.cri-o.Devices", "devices.crio.io", "io.containerd.cri.runtime-handler", "io.kubernetes.cri.x"),
    *("run.oci.handler", "cdi.k8s.io/gpu", "devices.nri.io/container.app", "ulimits.nri.containerd.io/container.app"),
    *("mounts.noderesource.dev/pod", "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"),
    *("cni.projectcalico.org/ipAddrs", "io.katacontainers.config_path"),
)


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_annotations_for_the_node_are_unsupported(fargate: str, tenant: Person, name: str) -> None:
    pod = a_pod().annotated({name: "x"}).build()
    assert is_unsupported(f"annotations not supported: {name}")(tenant.try_pod(fargate, pod).expect_ok())


def test_they_do_not_come_later_either(lab: Lab, fargate: str, tenant: Person) -> None:
    pod: Any = a_pod("annotated-later").with_spec(hostPID=True).build()
    path = f"/api/v1/namespaces/{fargate}/pods/annotated-later"
    tenant.create(f"/api/v1/namespaces/{fargate}/pods", pod).expect_ok()
    try:
        for name in ANNOTATIONS:
            assert tenant.patch(path, {"metadata": {"annotations": {name: "x"}}}).status == 403
        # What a network plugin reports of a pod that runs.
        tenant.patch(path, {"metadata": {"annotations": {"cni.projectcalico.org/podIP": "10.0.0.9"}}}).expect_ok()
    finally:
        tenant.delete(path)
