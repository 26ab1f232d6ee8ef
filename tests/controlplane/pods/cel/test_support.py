"""What admission does with a pod that Fargate can't run, on a real API server: the exact words, and the gate."""

import pytest

from monopod.api.names import (
    EKS_PROFILE_LABEL,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    UNSUPPORTED_ANNOTATION,
    UNSUPPORTED_GATE,
    VOLUMES_GATE,
)
from monopod.api.profile_fields import LINUX_CAPABILITIES
from monopod.isolation.rules.membership import build_group_marks
from monopod.kube.objects.resources import PODS
from monopod.pods.rules.bounds import MAX_ENTRIES
from monopod.pods.rules.support import REPORTED_ANNOTATIONS, UNSUPPORTED_PREFIX
from tests.controlplane.reach import reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

GATE = {"name": UNSUPPORTED_GATE}
VOLUMES = {"name": VOLUMES_GATE}

UNSUPPORTED = {
    "hostNetwork": (a_pod().with_spec(hostNetwork=True), "fields not supported: HostNetwork"),
    "hostPID": (a_pod().with_spec(hostPID=True), "fields not supported: HostPID"),
    "hostIPC": (a_pod().with_spec(hostIPC=True), "fields not supported: HostIPC"),
    "all host namespaces": (
        a_pod().with_spec(hostNetwork=True, hostPID=True, hostIPC=True),
        "fields not supported: HostNetwork, HostPID, HostIPC",
    ),
    "users of its own": (a_pod().with_spec(hostUsers=False), "fields not supported: HostUsers"),
    "a port on the host's network": (
        a_pod().with_spec(hostNetwork=True).with_port(),
        "fields not supported: HostNetwork, port contains HostIP or HostPort",
    ),
    "hostPort": (a_pod().with_port(hostPort=80), "port contains HostIP or HostPort"),
    "hostIP": (a_pod().with_port(hostIP="127.0.0.1"), "port contains HostIP or HostPort"),
    "privileged": (a_pod().secured(privileged=True), "invalid SecurityContext fields: Privileged"),
    "allowPrivilegeEscalation": (
        a_pod().secured(allowPrivilegeEscalation=True),
        "invalid SecurityContext fields: AllowPrivilegeEscalation",
    ),
    "an added capability": (
        a_pod().adding_capabilities("NET_ADMIN"),
        "invalid SecurityContext fields: Capabilities added: NET_ADMIN",
    ),
    "a usual capability with a prefix, which Kubernetes' don't have": (
        a_pod().adding_capabilities("CAP_CHOWN"),
        "invalid SecurityContext fields: Capabilities added: CAP_CHOWN",
    ),
    "added capabilities, sorted, once each, without the usual ones": (
        a_pod().adding_capabilities("SYS_TIME", "NET_ADMIN", "SYS_TIME", "CHOWN"),
        "invalid SecurityContext fields: Capabilities added: NET_ADMIN, SYS_TIME",
    ),
    "every privilege": (
        a_pod().secured(privileged=True, allowPrivilegeEscalation=True).adding_capabilities("ALL"),
        "invalid SecurityContext fields: Capabilities added: ALL, AllowPrivilegeEscalation, Privileged",
    ),
    "hostPath": (
        a_pod().with_volume("logs", hostPath={"path": "/var/log"}),
        "volumes not supported: logs is of an unsupported volume Type",
    ),
    "two volumes": (
        a_pod().with_volume("b", hostPath={"path": "/b"}).with_volume("a", csi={"driver": "ebs.csi.aws.com"}),
        "volumes not supported: b is of an unsupported volume Type, a is of an unsupported volume Type",
    ),
    "a generic ephemeral volume": (
        a_pod().with_volume(
            "scratch",
            ephemeral={
                "volumeClaimTemplate": {
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
                }
            },
        ),
        "volumes not supported: scratch is of an unsupported volume Type",
    ),
    "an image volume": (
        a_pod().with_volume("model", image={"reference": "example.com/model:1"}),
        "volumes not supported: model is of an unsupported volume Type",
    ),
    "a GPU": (
        a_pod().requesting_extended("nvidia.com/gpu").limited_to(**{"nvidia.com/gpu": 1}),
        "resources not supported: nvidia.com/gpu",
    ),
    "a GPU by its limit, in an init container": (
        a_pod().with_spec(
            initContainers=[{"name": "i", "image": "i", "resources": {"limits": {"b.com/x": 1, "a.com/x": 1}}}]
        ),
        "resources not supported: a.com/x, b.com/x",
    ),
    "huge pages": (
        a_pod().requesting(cpu="1").limited_to(**{"hugepages-2Mi": "4Mi"}),
        "resources not supported: hugepages-2Mi",
    ),
    "a device by a claim": (
        a_pod().with_spec(resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}]),
        "resources not supported: resourceClaims",
    ),
    "a claim beside a GPU": (
        a_pod()
        .with_spec(resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}])
        .limited_to(**{"nvidia.com/gpu": 1}),
        "resources not supported: nvidia.com/gpu, resourceClaims",
    ),
    "a raw device": (
        a_pod()
        .with_volume("data", persistentVolumeClaim={"claimName": "data"})
        .with_volume("raw", persistentVolumeClaim={"claimName": "raw"})
        .with_devices(raw="/dev/raw"),
        "volumes not supported: raw is of an unsupported volume Type",
    ),
    "too much CPU": (a_pod().requesting(cpu="16001m"), "requests exceed the largest size: 16vCPU 120GB"),
    "too much memory": (
        a_pod().requesting(memory=str(122_624 * 2**20 + 1)),
        "requests exceed the largest size: 16vCPU 120GB",
    ),
    "an absurd amount": (a_pod().requesting(cpu="1E"), "requests exceed the largest size: 16vCPU 120GB"),
    "too much storage": (
        a_pod().requesting(ephemeral_storage="100Gi").with_container("b", ephemeral_storage="76Gi"),
        "ephemeral storage exceeds 175 GiB",
    ),
    "an instruction to the sandbox": (
        a_pod().annotated({"io.katacontainers.config_path": "/etc/kata.toml"}),
        "annotations not supported: io.katacontainers.config_path",
    ),
    "instructions to the sandbox, sorted": (
        a_pod().annotated({"io.katacontainers.config.hypervisor.default_vcpus": "16", "dev.gvisor.flag.debug": "true"}),
        "annotations not supported: dev.gvisor.flag.debug, io.katacontainers.config.hypervisor.default_vcpus",
    ),
    "annotations for runtimes, devices and network plugins, sorted": (
        a_pod().annotated(
            {
                "v1.multus-cni.io/default-network": "kube-system/other",
                "io.kubernetes.cri-o.Devices": "/dev/fuse",
                "mounts.nri.io/container.app": "",
            }
        ),
        "annotations not supported: io.kubernetes.cri-o.Devices, mounts.nri.io/container.app, "
        "v1.multus-cni.io/default-network",
    ),
    "a pod's SELinux label": (
        a_pod().with_spec(securityContext={"seLinuxOptions": {"type": "spc_t"}}),
        "invalid SecurityContext fields: SELinuxOptions",
    ),
    "a container's SELinux label": (
        a_pod().secured(seLinuxOptions={"level": "s0:c1,c2"}),
        "invalid SecurityContext fields: SELinuxOptions",
    ),
    "an init container's SELinux label": (
        a_pod().with_spec(
            initContainers=[{"name": "i", "image": "i", "securityContext": {"seLinuxOptions": {"user": "root"}}}]
        ),
        "invalid SecurityContext fields: SELinuxOptions",
    ),
    "a Windows pod, which may have no size": (
        a_pod().with_spec(os={"name": "windows"}).limited_to(cpu="2"),
        "operating system not supported: windows",
    ),
    "several reasons, in AWS's order": (
        a_pod()
        .requesting(cpu="17", ephemeral_storage="1Ti")
        .with_volume("v", hostPath={"path": "/"})
        .secured(privileged=True)
        .with_port(hostPort=1)
        .with_spec(hostPID=True),
        "fields not supported: HostPID, invalid SecurityContext fields: Privileged, "
        "port contains HostIP or HostPort, volumes not supported: v is of an unsupported volume Type, "
        "requests exceed the largest size: 16vCPU 120GB, ephemeral storage exceeds 175 GiB",
    ),
}

SUPPORTED = {
    "the supported volumes": a_pod()
    .with_volume("a", configMap={"name": "a"})
    .with_volume("b", secret={"secretName": "b"})
    .with_volume("c", downwardAPI={"items": []})
    .with_volume("d", projected={"sources": []})
    .with_volume("e", emptyDir={})
    .with_volume("f", nfs={"server": "s", "path": "/"})
    .with_volume("g"),
    "allowPrivilegeEscalation forbidden": a_pod().secured(allowPrivilegeEscalation=False, privileged=False),
    "capabilities dropped, and one that every container has": a_pod().secured(
        capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    ),
    "a container port": a_pod().with_port(),
    "what gVisor is told of the pod's own volumes": a_pod().annotated({"dev.gvisor.spec.mount.data.share": "pod"}),
    "what network plugins wrote on the pod that was copied": a_pod().annotated(
        dict.fromkeys(REPORTED_ANNOTATIONS, "10.0.0.1")
    ),
    "SELinux options without any": a_pod()
    .with_spec(securityContext={"seLinuxOptions": {}})
    .secured(seLinuxOptions={"type": ""}),
    "a Linux pod that says so": a_pod().with_spec(os={"name": "linux"}),
    "the largest size": a_pod().requesting(cpu="16", memory="122624Mi"),
    "175 GiB of storage": a_pod().requesting(ephemeral_storage="175Gi"),
    "storage of init containers one after the other": a_pod()
    .with_init("i", ephemeral_storage="100Gi")
    .with_init("j", ephemeral_storage="100Gi"),
}


@pytest.mark.eks("2.pending")
@pytest.mark.eks("2.host-network", case="hostNetwork")
@pytest.mark.eks("2.host-pid", case="hostPID")
@pytest.mark.eks("2.host-ipc", case="hostIPC")
@pytest.mark.eks("2.host-namespaces", case="all host namespaces")
@pytest.mark.eks("2.host-port", case="hostPort")
@pytest.mark.eks("2.host-ip", case="hostIP")
@pytest.mark.eks("2.privileged", case="privileged")
@pytest.mark.eks("2.privilege-escalation", case="allowPrivilegeEscalation")
@pytest.mark.eks("2.capabilities", case="an added capability")
@pytest.mark.eks("2.capabilities", case="a usual capability with a prefix, which Kubernetes' don't have")
@pytest.mark.eks("2.volumes", "2.no-host-path", case="hostPath")
@pytest.mark.eks("2.volumes", "2.several-reasons", case="two volumes")
@pytest.mark.eks("2.gpu", case="a GPU")
@pytest.mark.eks("2.too-large", case="too much CPU")
@pytest.mark.eks("2.too-large", case="too much memory")
@pytest.mark.eks("3.storage-largest", case="too much storage")
@pytest.mark.eks("2.several-reasons", case="several reasons, in AWS's order")
@pytest.mark.parametrize(("pod", "reasons"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_a_pod_that_fargate_cannot_run_waits_and_says_why(server: Server, pod: PodBuilder, reasons: str) -> None:
    admitted = server.create_pod("fargate", pod.build()).expect_ok()
    assert admitted["metadata"]["annotations"] == {
        **pod.build()["metadata"].get("annotations", {}),
        UNSUPPORTED_ANNOTATION: f"Pod not supported on Fargate: {reasons}",
        POD_GROUPS_ANNOTATION: "cluster",
    }
    assert admitted["spec"]["schedulingGates"] == [GATE]
    assert admitted["metadata"]["labels"] == {
        PROFILE_LABEL: "web",
        EKS_PROFILE_LABEL: "web",
        **build_group_marks(["cluster"])[0],
    }
    assert admitted["spec"]["runtimeClassName"] == "kata"


@pytest.mark.eks("2.config-volumes", "2.empty-dir", "2.nfs", case="the supported volumes")
@pytest.mark.eks("2.capabilities", case="capabilities dropped, and one that every container has")
@pytest.mark.eks("2.too-large", case="the largest size")
@pytest.mark.eks("3.storage-largest", case="175 GiB of storage")
@pytest.mark.parametrize("pod", SUPPORTED.values(), ids=SUPPORTED)
def test_a_pod_that_fargate_can_run_has_no_gate(server: Server, pod: PodBuilder) -> None:
    admitted = server.create_pod("fargate", pod.build()).expect_ok()
    assert UNSUPPORTED_ANNOTATION not in admitted["metadata"]["annotations"]
    assert not admitted["spec"].get("schedulingGates")
    assert "CapacityProvisioned" in admitted["metadata"]["annotations"]


def test_a_profile_may_allow_annotations_and_selinux_options(server: Server) -> None:
    allowed = ("k8s.v1.cni.cncf.io/networks", "cdi.k8s.io/*", "io.*")
    profile = a_profile("web", a_selector("allowing"), annotations=allowed, selinux="Allow")
    reach(server, "allowing", [profile])

    def find_reason(pod: PodBuilder) -> str | None:
        admitted = server.create_pod("allowing", pod.build()).expect_ok()
        reason: str | None = admitted["metadata"]["annotations"].get(UNSUPPORTED_ANNOTATION)
        return reason

    labelled = a_pod().secured(seLinuxOptions={"type": "container_kvm_t"})
    names = ("k8s.v1.cni.cncf.io/networks", "cdi.k8s.io/gpu")
    assert find_reason(labelled.annotated(dict.fromkeys(names, "x"))) is None
    others = ("k8s.v1.cni.cncf.io/other", "run.oci.handler", "io.katacontainers.config_path")
    assert find_reason(a_pod().annotated(dict.fromkeys((*names, *others), "x"))) == (
        "Pod not supported on Fargate: annotations not supported: io.katacontainers.config_path, "
        "k8s.v1.cni.cncf.io/other, run.oci.handler"
    )


def test_a_profile_may_allow_capabilities(server: Server) -> None:
    """Each profile its own: of two that reach a namespace the one that takes the pod counts."""
    tracing = a_profile("tracing", a_selector("capable", trace="yes"), capabilities=("BPF", "SYS_PTRACE"))
    reach(server, "capable", [a_profile("web", a_selector("capable")), tracing])

    def find_added(*names: str, trace: bool = True) -> str | None:
        pod = a_pod().with_init("i").adding_capabilities(*names).labelled({"trace": "yes"} if trace else {}).build()
        pod["spec"]["initContainers"][0]["securityContext"] = {"capabilities": {"add": ["BPF"]}}
        admitted = server.create_pod("capable", pod).expect_ok()
        reason: str | None = admitted["metadata"]["annotations"].get(UNSUPPORTED_ANNOTATION)
        assert bool(admitted["spec"].get("schedulingGates")) is bool(reason)
        return reason and reason.removeprefix(UNSUPPORTED_PREFIX + "invalid SecurityContext fields: ")

    assert find_added("SYS_PTRACE", "CHOWN") is None
    assert find_added("SYS_PTRACE", "SYS_TIME", "ALL") == "Capabilities added: ALL, SYS_TIME"
    assert find_added("SYS_PTRACE_") == "Capabilities added: SYS_PTRACE_"
    assert find_added("") == "Capabilities added: "
    assert find_added("SYS_PTRACE", trace=False) == "Capabilities added: BPF, SYS_PTRACE"


def test_the_longest_list_and_the_largest_pod_are_within_the_budget(server: Server) -> None:
    everything = a_profile("web", a_selector("capable-of-all"), capabilities=LINUX_CAPABILITIES)
    reach(server, "capable-of-all", [everything])
    allowed = a_pod().adding_capabilities(*LINUX_CAPABILITIES)
    assert UNSUPPORTED_ANNOTATION not in server.create_pod("capable-of-all", allowed.build()).expect_ok()[
        "metadata"
    ].get("annotations", {})
    added = [f"C{number:03}" for number in range(MAX_ENTRIES)]
    admitted = server.create_pod("capable-of-all", a_pod().adding_capabilities(*added).build()).expect_ok()
    assert admitted["metadata"]["annotations"][UNSUPPORTED_ANNOTATION].endswith(f": {', '.join(added)}")


@pytest.mark.eks("2.pending")
def test_a_profile_that_rejects_refuses_with_the_same_words(server: Server) -> None:
    reach(server, "strict", [a_profile("web", a_selector("strict"), unsupported="Reject")])
    answer = server.create_pod("strict", a_pod().with_spec(hostNetwork=True).build())
    assert answer.status == 403
    assert answer.message.endswith("denied request: Pod not supported on Fargate: fields not supported: HostNetwork")
    assert server.create_pod("strict", a_pod().build()).ok


def test_nothing_is_provisioned_for_a_pod_that_cannot_run(server: Server) -> None:
    pod = a_pod().with_spec(hostPID=True).requesting(cpu="1").limited_to(cpu="40", memory="300Gi")
    admitted = server.create_pod("fargate", pod.build()).expect_ok()
    assert "resources" not in admitted["spec"]
    assert admitted["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "40", "memory": "300Gi"}


def test_other_gates_stay(server: Server) -> None:
    def gates(pod: PodBuilder) -> list[Manifest]:
        body = server.create_pod("fargate", pod.with_spec(schedulingGates=[{"name": "a.io/b"}]).build()).expect_ok()
        found: list[Manifest] = body["spec"]["schedulingGates"]
        return found

    assert gates(a_pod()) == [{"name": "a.io/b"}]
    assert gates(a_pod().with_spec(hostPID=True)) == [{"name": "a.io/b"}, GATE]


def test_a_stale_or_forged_gate_and_reason_go_when_the_pod_can_run(server: Server) -> None:
    pod = a_pod().annotated({UNSUPPORTED_ANNOTATION: "no"}).with_spec(schedulingGates=[{"name": "a.io/b"}, GATE])
    admitted = server.create_pod("fargate", pod.build()).expect_ok()
    assert admitted["spec"]["schedulingGates"] == [{"name": "a.io/b"}]
    assert UNSUPPORTED_ANNOTATION not in admitted["metadata"]["annotations"]


def mounting_a_claim(**spec: object) -> PodBuilder:
    return a_pod().with_spec(**spec).with_volume("data", persistentVolumeClaim={"claimName": "data"})


WAITING = {
    "a claim": (mounting_a_claim(), [VOLUMES]),
    "a claim beside another gate": (
        mounting_a_claim(schedulingGates=[{"name": "a.io/b"}]),
        [{"name": "a.io/b"}, VOLUMES],
    ),
    "a claim and the gate already": (mounting_a_claim(schedulingGates=[VOLUMES]), [VOLUMES]),
    "a claim and a reason": (mounting_a_claim(hostPID=True), [GATE]),
    "a claim, a reason, and the wrong gate": (mounting_a_claim(hostPID=True, schedulingGates=[VOLUMES]), [GATE]),
    "no claim, but the gate": (a_pod().with_spec(schedulingGates=[VOLUMES]), []),
}


@pytest.mark.parametrize(("pod", "gates"), WAITING.values(), ids=WAITING)
def test_a_pod_with_a_claim_waits_for_the_operator_to_see_it(
    server: Server, pod: PodBuilder, gates: list[Manifest]
) -> None:
    admitted = server.create_pod("fargate", pod.build()).expect_ok()
    assert admitted["spec"].get("schedulingGates", []) == gates
    assert ("CapacityProvisioned" in admitted["metadata"]["annotations"]) is (GATE not in gates)


def test_a_claim_is_no_reason_to_reject(server: Server) -> None:
    reach(server, "strict-claims", [a_profile("web", a_selector("strict-claims"), unsupported="Reject")])
    admitted = server.create_pod("strict-claims", mounting_a_claim().build()).expect_ok()
    assert admitted["spec"]["schedulingGates"] == [VOLUMES]


@pytest.mark.eks("2.pending")
def test_a_gated_pod_cannot_be_bound_to_a_node(server: Server) -> None:
    pod = a_pod("gated").with_spec(hostPID=True).build()
    server.create_pod("fargate", pod, dry_run=False).expect_ok()
    binding = {"metadata": {"name": "gated"}, "target": {"kind": "Node", "name": "node-1"}}
    answer = server.create(f"{PODS.path('gated', 'fargate')}/binding", binding)
    assert "non-empty .spec.schedulingGates" in answer.message
    server.delete(PODS.path("gated", "fargate"))
