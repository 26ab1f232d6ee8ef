"""What a pod asks for that Fargate can't run, in AWS's words and order.

Source: EKS user guide, Fargate considerations, and the messages that Fargate's scheduler writes. Lists are sorted and
free of duplicates (volumes keep the manifest's order), because the admission policy says the same in CEL, which can't
sort by first appearance.

Where something is harmless on one cluster and a way out on another, a profile may allow it; nothing else here depends
on the profile but its zones. Every field of a pod that isn't here has been looked at: `docs/pod-fields.yaml`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from monopod.kube.objects.fields import Part
from monopod.pods.rules.selection import Profile
from monopod.pods.rules.size import LARGEST, MAX_STORAGE_GIB, MAX_STORAGE_MIB, Need, compute_pod_size, measure_need
from monopod.pods.rules.zones import excludes_zones

UNSUPPORTED_PREFIX: Final = "Pod not supported on Fargate: "

RESOURCE_CLAIMS: Final = "resourceClaims"
"""How dynamic resource allocation is named among the resources: AWS, which has none, has no word for it."""

SANDBOX_ANNOTATIONS: Final = ("io.katacontainers.", "dev.gvisor.")
"""How annotations begin that containerd may pass to the sandbox: kata-deploy and gVisor's documentation set it up so
(`pod_annotations`). A pod that configures its sandbox can leave it: by `io.katacontainers.config_path` the node runs
any program as root (CVE-2026-50540), by `dev.gvisor.spec.cgroup-parent` the pod leaves its cgroup, and so its size."""

HARMLESS_ANNOTATIONS: Final = ("dev.gvisor.spec.mount.", "dev.gvisor.internal.seccomp.")
"""Of these the ones that tell gVisor of the pod's own volumes and seccomp profiles. Clusters that run it for everyone
have webhooks that write them."""

NODE_ANNOTATIONS: Final = (
    *("io.kubernetes.cri-o.", "io.kubernetes.cri.", "io.containerd.", "run.oci.", "cdi.k8s.io/"),
    *("k8s.v1.cni.cncf.io/", "v1.multus-cni.io/", "cni.projectcalico.org/"),
)
"""How annotations begin by which a pod asks something of its node: of CRI-O, containerd and crun; for devices (CDI);
and for other networks, or addresses, of Multus and Calico. By `v1.multus-cni.io/default-network` it replaces the very
interface that security groups are about, by `io.kubernetes.cri-o.Devices` it gets the node's devices. Each has an
effect only where the node's administrator has set it up, perhaps for other pods; a profile may allow it."""

NODE_ANNOTATION_DOMAINS: Final = (".crio.io", ".nri.io", ".nri.containerd.io", ".noderesource.dev")
"""The same where the name comes first: `devices.crio.io`; and of containerd's plugins (NRI), which put devices and
mounts into containers: `devices.noderesource.dev/container.NAME`."""

REPORTED_ANNOTATIONS: Final = (
    *("cni.projectcalico.org/containerID", "cni.projectcalico.org/podIP", "cni.projectcalico.org/podIPs"),
    *("k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks-status"),
)
"""Of these the ones that network plugins write themselves on pods that run. Copied manifests bring them along."""

WINDOWS: Final = "operating system not supported: windows"
"""Our own words, as those about annotations and zones. The API server refuses a Windows pod that has a size."""

OTHER_ZONES: Final = "subnets not supported: the pod requires zones other than "
"""On EKS, affinities have no effect."""

SUPPORTED_VOLUMES: Final = (
    "configMap",
    "secret",
    "downwardAPI",
    "projected",
    "emptyDir",
    "nfs",
    "persistentVolumeClaim",
)

DEFAULT_CAPABILITIES: Final = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)
"""What containerd gives every container; adding one of these changes nothing, so it is allowed. Others a profile may
allow, each by its name: `ALL` isn't one."""

_NO_PROFILE: Final = Profile("", (), "")
_HOST_FLAGS: Final = (("hostNetwork", "HostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC"))


def format_unsupported(messages: tuple[str, ...]) -> str:
    """The sentence on the pod, such as `Pod not supported on Fargate: port contains HostIP or HostPort`."""
    return UNSUPPORTED_PREFIX + ", ".join(messages)


def configures_sandbox(annotation: str) -> bool:
    """Whether an annotation of this name is an instruction to the sandbox."""
    return annotation.startswith(SANDBOX_ANNOTATIONS) and not annotation.startswith(HARMLESS_ANNOTATIONS)


def configures_node(annotation: str) -> bool:
    """Whether an annotation of this name asks the node for something, of what a profile may allow."""
    known = annotation.startswith(NODE_ANNOTATIONS) or any(each in annotation for each in NODE_ANNOTATION_DOMAINS)
    return known and annotation not in REPORTED_ANNOTATIONS


def is_allowed(annotation: str, patterns: Sequence[str]) -> bool:
    """Whether one of a profile's `allowedAnnotations` is the annotation, or how it begins."""
    return any(
        annotation.startswith(pattern.removesuffix("*")) if pattern.endswith("*") else annotation == pattern
        for pattern in patterns
    )


def compute_unsupported(
    pod: Mapping[str, object], need: Need | None = None, profile: Profile = _NO_PROFILE
) -> tuple[str, ...]:
    """Every reason why Fargate can't run the pod; none if it can.

    Args:
        pod: the pod's manifest.
        need: the pod's need, if the caller has measured it already.
        profile: the pod's, which may allow something.

    Raises:
        InvalidPod: a field is of the wrong type, or not a quantity.
    """
    root = Part(pod)
    asked = need or measure_need(pod, profile.runtime_class)
    found = [message for rule in _RULES for message in rule(root, asked, profile)]
    if excludes_zones(pod, profile.zones):
        found.append(OTHER_ZONES + ", ".join(profile.zones))
    return tuple(found)


def _uses_host_namespaces(pod: Part, _: Need, __: Profile) -> Iterator[str]:
    spec = pod.child("spec")
    found = [name for field, name in _HOST_FLAGS if spec.flag(field)]
    # No sandbox has user namespaces, so such a pod would never start.
    if spec.fields.get("hostUsers") is not None and not spec.flag("hostUsers"):
        found.append("HostUsers")
    if found:
        yield "fields not supported: " + ", ".join(found)


def _uses_host_ports(pod: Part, _: Need, __: Profile) -> Iterator[str]:
    spec = pod.child("spec")
    ports = [port for container in _all_containers(spec) for port in container.children("ports")]
    # With hostNetwork the API server sets every port's hostPort; a file hasn't been through it.
    on_host = bool(ports) and spec.flag("hostNetwork")
    if on_host or any(port.number("hostPort") or port.text("hostIP") for port in ports):
        yield "port contains HostIP or HostPort"


def _raises_privileges(pod: Part, _: Need, profile: Profile) -> Iterator[str]:
    spec = pod.child("spec")
    contexts = [container.child("securityContext") for container in _all_containers(spec)]
    found = []
    added = {name for context in contexts for name in context.child("capabilities").texts("add")}
    if added := added.difference(DEFAULT_CAPABILITIES, profile.allowed_capabilities):
        found.append("Capabilities added: " + ", ".join(sorted(added)))
    if any(context.flag("allowPrivilegeEscalation") for context in contexts):
        found.append("AllowPrivilegeEscalation")
    if any(context.flag("privileged") for context in contexts):
        found.append("Privileged")
    labels = [context.text_map("seLinuxOptions") for context in (*contexts, spec.child("securityContext"))]
    if any(any(each.values()) for each in labels) and profile.selinux_options != "Allow":
        found.append("SELinuxOptions")
    if found:
        yield "invalid SecurityContext fields: " + ", ".join(found)


def _uses_other_volumes(pod: Part, _: Need, __: Profile) -> Iterator[str]:
    spec = pod.child("spec")
    devices = {device.text("name") for each in _all_containers(spec) for device in each.children("volumeDevices")}
    found = [
        f"{volume.text('name')} is of an unsupported volume Type"
        for volume in spec.children("volumes")
        if volume.text("name") in devices or not _is_supported_volume(volume)
    ]
    if found:
        yield "volumes not supported: " + ", ".join(found)


def _is_supported_volume(volume: Part) -> bool:
    sources = {key for key, value in volume.fields.items() if key != "name" and value is not None}
    # A volume without a source is an emptyDir: the API server's default.
    return sources.issubset(SUPPORTED_VOLUMES)


def _uses_extended_resources(pod: Part, _: Need, __: Profile) -> Iterator[str]:
    spec = pod.child("spec")
    holders = (*_all_containers(spec), spec)
    found = {
        name
        for holder in holders
        for kind in ("requests", "limits")
        for name in holder.child("resources").quantities(kind)
        if _is_extended(name)
    }
    if spec.children("resourceClaims"):
        found.add(RESOURCE_CLAIMS)
    if found:
        yield "resources not supported: " + ", ".join(sorted(found))


def _is_extended(name: str) -> bool:
    return name.startswith("hugepages-") or ("/" in name and not name.startswith("kubernetes.io/"))


def _exceeds_largest_size(_: Part, need: Need, __: Profile) -> Iterator[str]:
    if compute_pod_size(need) is None:
        yield f"requests exceed the largest size: {LARGEST}"


def _exceeds_storage(_: Part, need: Need, __: Profile) -> Iterator[str]:
    if need.total.storage_mib > MAX_STORAGE_MIB:
        yield f"ephemeral storage exceeds {MAX_STORAGE_GIB} GiB"


def _configures_sandbox_or_node(pod: Part, _: Need, profile: Profile) -> Iterator[str]:
    found = sorted(
        name
        for name in pod.child("metadata").text_map("annotations")
        if configures_sandbox(name) or (configures_node(name) and not is_allowed(name, profile.allowed_annotations))
    )
    if found:
        yield "annotations not supported: " + ", ".join(found)


def _is_for_windows(pod: Part, _: Need, __: Profile) -> Iterator[str]:
    if pod.child("spec").child("os").text("name") == "windows":
        yield WINDOWS


def _all_containers(spec: Part) -> tuple[Part, ...]:
    return spec.children("containers") + spec.children("initContainers")


_RULES: Final[tuple[Callable[[Part, Need, Profile], Iterator[str]], ...]] = (
    _uses_host_namespaces,
    _raises_privileges,
    _uses_host_ports,
    _uses_other_volumes,
    _uses_extended_resources,
    _exceeds_largest_size,
    _exceeds_storage,
    _configures_sandbox_or_node,
    _is_for_windows,
)
