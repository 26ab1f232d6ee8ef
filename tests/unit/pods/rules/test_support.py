import pytest

from monopod.api.names import PROFILE_LABEL
from monopod.api.profile_fields import LINUX_CAPABILITIES
from monopod.pods.rules.support import (
    DEFAULT_CAPABILITIES,
    REPORTED_ANNOTATIONS,
    SUPPORTED_VOLUMES,
    compute_unsupported,
    format_unsupported,
)
from tests.unit.builders import PodBuilder, a_pod, a_profile


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        pytest.param(a_pod().with_spec(hostNetwork=True), "fields not supported: HostNetwork", id="hostNetwork"),
        pytest.param(
            a_pod().with_spec(hostIPC=True, hostPID=True, hostNetwork=True),
            "fields not supported: HostNetwork, HostPID, HostIPC",
            id="all host namespaces, in AWS's order",
        ),
        pytest.param(a_pod().with_spec(hostUsers=False), "fields not supported: HostUsers", id="users of its own"),
        pytest.param(a_pod().with_port(hostPort=8080), "port contains HostIP or HostPort", id="hostPort"),
        pytest.param(a_pod().with_port(hostIP="10.0.0.1"), "port contains HostIP or HostPort", id="hostIP"),
        pytest.param(a_pod().secured(privileged=True), "invalid SecurityContext fields: Privileged", id="privileged"),
        pytest.param(
            a_pod().secured(allowPrivilegeEscalation=True),
            "invalid SecurityContext fields: AllowPrivilegeEscalation",
            id="privilege escalation",
        ),
        pytest.param(
            a_pod().adding_capabilities("SYS_ADMIN", "CHOWN", "NET_ADMIN", "SYS_ADMIN"),
            "invalid SecurityContext fields: Capabilities added: NET_ADMIN, SYS_ADMIN",
            id="capabilities, sorted, once each",
        ),
        pytest.param(
            a_pod().adding_capabilities("CAP_CHOWN"),
            "invalid SecurityContext fields: Capabilities added: CAP_CHOWN",
            id="a prefix, which Kubernetes' capabilities don't have",
        ),
        pytest.param(
            a_pod().adding_capabilities("ALL"), "invalid SecurityContext fields: Capabilities added: ALL", id="ALL"
        ),
        pytest.param(
            a_pod().secured(privileged=True, allowPrivilegeEscalation=True, capabilities={"add": ["BPF"]}),
            "invalid SecurityContext fields: Capabilities added: BPF, AllowPrivilegeEscalation, Privileged",
            id="all of them",
        ),
        pytest.param(
            a_pod().with_volume("data", hostPath={"path": "/"}),
            "volumes not supported: data is of an unsupported volume Type",
            id="hostPath",
        ),
        pytest.param(
            a_pod().with_volume("b", hostPath={"path": "/"}).with_volume("ok", emptyDir={}).with_volume("a", csi={}),
            "volumes not supported: b is of an unsupported volume Type, a is of an unsupported volume Type",
            id="volumes in the manifest's order",
        ),
        pytest.param(
            a_pod().requesting_extended("nvidia.com/gpu"), "resources not supported: nvidia.com/gpu", id="GPU requested"
        ),
        pytest.param(
            a_pod().limited_to(**{"nvidia.com/gpu": 1}), "resources not supported: nvidia.com/gpu", id="GPU limited"
        ),
        pytest.param(
            a_pod().requesting_extended("z.io/gpu").with_spec(resourceClaims=[{"name": "gpu"}]),
            "resources not supported: resourceClaims, z.io/gpu",
            id="a claim of a device",
        ),
        pytest.param(
            a_pod()
            .with_volume("data", persistentVolumeClaim={"claimName": "data"})
            .with_volume("raw", persistentVolumeClaim={"claimName": "raw"})
            .with_devices(raw="/dev/raw"),
            "volumes not supported: raw is of an unsupported volume Type",
            id="a raw device",
        ),
        pytest.param(
            a_pod().requesting_extended("hugepages-2Mi", "4Mi").requesting_extended("aws.amazon.com/neuron"),
            "resources not supported: aws.amazon.com/neuron, hugepages-2Mi",
            id="sorted",
        ),
        pytest.param(
            a_pod().with_pod_level(limits={"hugepages-2Mi": "4Mi"}),
            "resources not supported: hugepages-2Mi",
            id="huge pages of the pod",
        ),
        pytest.param(
            a_pod().requesting(cpu="17"), "requests exceed the largest size: 16vCPU 120GB", id="too many CPUs"
        ),
        pytest.param(
            a_pod().requesting(memory="120Gi"), "requests exceed the largest size: 16vCPU 120GB", id="120 Gi and 256 Mi"
        ),
        pytest.param(
            a_pod().requesting(ephemeral_storage="100Gi").with_container("b", ephemeral_storage="76Gi"),
            "ephemeral storage exceeds 175 GiB",
            id="storage",
        ),
        pytest.param(
            a_pod().annotated({"io.katacontainers.config_path": "/etc/k.toml", "dev.gvisor.spec.cgroup-parent": "/"}),
            "annotations not supported: dev.gvisor.spec.cgroup-parent, io.katacontainers.config_path",
            id="annotations that configure the sandbox, sorted",
        ),
        pytest.param(
            a_pod().annotated(
                {
                    "k8s.v1.cni.cncf.io/networks": "other",
                    "io.kubernetes.cri-o.Devices": "/dev/fuse",
                    "devices.noderesource.dev/container.app": "",
                    "devices.crio.io": "/dev/fuse",
                    "io.katacontainers.x": "",
                }
            ),
            "annotations not supported: devices.crio.io, devices.noderesource.dev/container.app, "
            "io.katacontainers.x, io.kubernetes.cri-o.Devices, k8s.v1.cni.cncf.io/networks",
            id="annotations for runtimes, devices and plugins, sorted among them",
        ),
        pytest.param(
            a_pod().with_spec(securityContext={"seLinuxOptions": {"type": "spc_t"}}),
            "invalid SecurityContext fields: SELinuxOptions",
            id="a pod's SELinux label",
        ),
        pytest.param(
            a_pod().adding_capabilities("BPF").secured(seLinuxOptions={"level": "s0:c1,c2"}),
            "invalid SecurityContext fields: Capabilities added: BPF, SELinuxOptions",
            id="a container's",
        ),
        pytest.param(
            a_pod().with_spec(os={"name": "windows"}), "operating system not supported: windows", id="Windows"
        ),
    ],
)
def test_what_fargate_cannot_run_is_said_in_its_words(pod: PodBuilder, message: str) -> None:
    assert compute_unsupported(pod.build()) == (message,)


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod(), id="ordinary pod"),
        pytest.param(a_pod().with_spec(hostNetwork=False, hostPID=False, hostIPC=False), id="host flags set to false"),
        pytest.param(a_pod().with_spec(hostUsers=True), id="the users that a pod has anyway"),
        pytest.param(a_pod().with_port(hostPort=0, hostIP=""), id="a port without a host"),
        pytest.param(a_pod().secured(privileged=False, allowPrivilegeEscalation=False), id="unprivileged, explicitly"),
        pytest.param(a_pod().adding_capabilities(*DEFAULT_CAPABILITIES), id="the capabilities it has anyway"),
        pytest.param(a_pod().secured(capabilities={"drop": ["ALL"]}), id="capabilities dropped"),
        pytest.param(a_pod().with_volume("v"), id="a volume without a source is an emptyDir"),
        pytest.param(a_pod().with_volume("v", hostPath=None), id="also with a null source"),
        pytest.param(a_pod().requesting(ephemeral_storage="175Gi"), id="as much storage as there is"),
        pytest.param(a_pod().requesting_extended("kubernetes.io/batteries"), id="Kubernetes' own resources"),
        pytest.param(
            a_pod().annotated(
                {
                    "dev.gvisor.spec.mount.data.share": "pod",
                    "dev.gvisor.internal.seccomp.app": "RuntimeDefault",
                    "io.katacontainers": "x",
                    "example.com/io.katacontainers.config_path": "x",
                }
            ),
            id="annotations that only look so, or do no harm",
        ),
        pytest.param(
            a_pod().annotated(dict.fromkeys((*REPORTED_ANNOTATIONS, "cdi.k8s.io", "nri.io/x", "a.com/run.oci.x"), "")),
            id="annotations that network plugins write, and others that only look so",
        ),
        pytest.param(
            a_pod().with_spec(securityContext={"seLinuxOptions": {}}).secured(seLinuxOptions={"type": "", "user": ""}),
            id="SELinux options without any, as many charts write",
        ),
        pytest.param(a_pod().with_spec(os={"name": "linux"}), id="Linux, explicitly"),
        pytest.param(a_pod().with_spec(securityContext={"runAsUser": 0}), id="root inside the sandbox"),
    ],
)
def test_what_fargate_runs_is_not_complained_about(pod: PodBuilder) -> None:
    assert compute_unsupported(pod.build()) == ()


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ((), ["cdi.k8s.io/gpu", "k8s.v1.cni.cncf.io/networks", "run.oci.handler"]),
        (("k8s.v1.cni.cncf.io/networks",), ["cdi.k8s.io/gpu", "run.oci.handler"]),
        (("k8s.v1.cni.cncf.io/network",), ["cdi.k8s.io/gpu", "k8s.v1.cni.cncf.io/networks", "run.oci.handler"]),
        (("k8s.*", "cdi.k8s.io/*"), ["run.oci.handler"]),
        (("run.*", "k8s.*", "cdi.*"), []),
    ],
    ids=str,
)
def test_a_profile_may_allow_annotations_by_name_or_by_how_they_begin(
    patterns: tuple[str, ...], left: list[str]
) -> None:
    names = ("k8s.v1.cni.cncf.io/networks", "run.oci.handler", "cdi.k8s.io/gpu")
    found = compute_unsupported(
        a_pod().annotated(dict.fromkeys(names, "")).build(), profile=a_profile("web", annotations=patterns)
    )
    assert found == (("annotations not supported: " + ", ".join(left),) if left else ())


def test_a_profile_may_allow_selinux_options_and_nothing_else_with_them() -> None:
    pod = a_pod().secured(seLinuxOptions={"type": "spc_t"}, privileged=True).build()
    profile = a_profile("web", selinux="Allow")
    assert compute_unsupported(pod, profile=profile) == ("invalid SecurityContext fields: Privileged",)


@pytest.mark.parametrize(
    ("allowed", "left"),
    [
        ((), ["BPF", "SYS_PTRACE"]),
        (("SYS_PTRACE",), ["BPF"]),
        (("BPF", "SYS_PTRACE", "NET_ADMIN"), []),
        (("PTRACE", "SYS_PTRACE_", "sys_ptrace", "CHOWN"), ["BPF", "SYS_PTRACE"]),
    ],
    ids=str,
)
def test_a_profile_may_allow_capabilities_by_name(allowed: tuple[str, ...], left: list[str]) -> None:
    pod = a_pod().with_init("i").adding_capabilities("SYS_PTRACE", "CHOWN").build()
    pod["spec"]["initContainers"][0]["securityContext"] = {"capabilities": {"add": ["BPF"]}}
    found = compute_unsupported(pod, profile=a_profile("web", capabilities=allowed))
    words = "invalid SecurityContext fields: Capabilities added: "
    assert found == ((words + ", ".join(left),) if left else ())


@pytest.mark.parametrize("name", ["ALL", "", "CAP_SYS_PTRACE", "sys_ptrace"])
def test_no_profile_allows_what_is_not_the_name_of_a_capability(name: str) -> None:
    pod = a_pod().adding_capabilities(name).build()
    assert compute_unsupported(pod, profile=a_profile("web", capabilities=LINUX_CAPABILITIES))


def test_capabilities_come_without_other_privileges() -> None:
    pod = a_pod().secured(privileged=True, capabilities={"add": ["SYS_ADMIN"]}).build()
    profile = a_profile("web", capabilities=("SYS_ADMIN",))
    assert compute_unsupported(pod, profile=profile) == ("invalid SecurityContext fields: Privileged",)


def test_no_profile_allows_annotations_that_configure_the_sandbox() -> None:
    pod = a_pod().annotated({"io.katacontainers.config_path": "/etc/kata.toml"}).build()
    profile = a_profile("web", annotations=("io.*", "io.katacontainers.config_path"))
    assert compute_unsupported(pod, profile=profile) == ("annotations not supported: io.katacontainers.config_path",)


@pytest.mark.eks("2.config-volumes", "2.empty-dir", "2.nfs")
@pytest.mark.parametrize("source", SUPPORTED_VOLUMES)
def test_supported_volumes(source: str) -> None:
    assert compute_unsupported(a_pod().with_volume("v", **{source: {}}).build()) == ()


@pytest.mark.eks("2.volumes", "2.no-host-path")
@pytest.mark.parametrize(
    "source",
    ["hostPath", "csi", "ephemeral", "image", "awsElasticBlockStore", "iscsi", "rbd", "gitRepo", "fromTheFuture"],
)
def test_all_other_volumes_are_not_supported(source: str) -> None:
    assert compute_unsupported(a_pod().with_volume("v", **{source: {}}).build()) != ()


def test_init_containers_are_held_to_the_same_rules() -> None:
    pod = a_pod().with_init("i").build()
    pod["spec"]["initContainers"][0].update(
        securityContext={"privileged": True},
        ports=[{"containerPort": 1, "hostPort": 1}],
        resources={"limits": {"nvidia.com/gpu": 1}},
    )
    assert compute_unsupported(pod) == (
        "invalid SecurityContext fields: Privileged",
        "port contains HostIP or HostPort",
        "resources not supported: nvidia.com/gpu",
    )


def test_on_the_hosts_network_every_port_is_a_host_port() -> None:
    assert compute_unsupported(a_pod().with_spec(hostNetwork=True).with_port().build()) == (
        "fields not supported: HostNetwork",
        "port contains HostIP or HostPort",
    )


@pytest.mark.eks("2.several-reasons")
def test_everything_at_once_comes_in_aws_order() -> None:
    pod = (
        a_pod().with_spec(hostPID=True).with_port(hostPort=1).secured(privileged=True)
        .with_volume("v", hostPath={}).requesting_extended("a/b").requesting(cpu="99", ephemeral_storage="1Ti")
    )  # fmt: skip
    assert format_unsupported(compute_unsupported(pod.build())) == (
        "Pod not supported on Fargate: fields not supported: HostPID, invalid SecurityContext fields: Privileged, "
        "port contains HostIP or HostPort, volumes not supported: v is of an unsupported volume Type, "
        "resources not supported: a/b, requests exceed the largest size: 16vCPU 120GB, "
        "ephemeral storage exceeds 175 GiB"
    )


def test_pod_level_huge_pages_count_on_a_marked_pod_too() -> None:
    pod = a_pod().labelled({PROFILE_LABEL: "web"}).with_pod_level(limits={"hugepages-2Mi": "4Mi"})
    assert compute_unsupported(pod.build()) == ("resources not supported: hugepages-2Mi",)
