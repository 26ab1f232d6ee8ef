"""What containers ask of the kernel: privileges, capabilities, devices, memory, limits, sysctls.

Sources: ECS developer guide, Linux parameters and task definition differences for Fargate; AWS's announcement of
January 2026 that Fargate mounts tmpfs; Kubernetes' documentation, safe sysctls.
"""

from collections.abc import Iterator
from typing import Final

from monopod.api.ecs.names import ECS_CAPABILITIES
from monopod.tasks.rules.rule import Finding, note, refused, refused_untold, unavailable
from monopod.tasks.rules.view import View, show

PRIVILEGED = refused(
    "PrivilegedUnsupported",
    "Fargate requires that the 'privileged' setting be 'false'.",
    "Leave privileged out: a task has a kernel of its own, and no rights on its host.",
)
SECURITY_OPTIONS = refused(
    "DockerSecurityOptionsUnsupported",
    "Fargate compatible task definitions do not support dockerSecurityOptions.",
    "Leave dockerSecurityOptions out.",
)
CAPABILITY_NOT_ALLOWED = refused(
    "CapabilityNotAllowed",
    "{capability} is not allowed on Fargate.",
    "SYS_PTRACE is the only one that can be added: remove it, or find a way without.",
)
CAPABILITY_UNKNOWN = refused_untold(
    "CapabilityUnknown", "There is no capability {capability}.", "Write its name without CAP_, such as NET_RAW."
)
DEVICES = refused(
    "DevicesUnsupported",
    "Fargate compatible task definitions do not support devices.",
    "Leave devices out: there is no host whose devices it could have.",
)
SHARED_MEMORY = refused(
    "SharedMemorySizeUnsupported",
    "Fargate compatible task definitions do not support sharedMemorySize.",
    "Leave it out, and mount a tmpfs on /dev/shm.",
)
MAX_SWAP = refused(
    "MaxSwapUnsupported",
    "Fargate compatible task definitions do not support maxSwap.",
    "Leave it out: there is no swap.",
)
SWAPPINESS = refused_untold(
    "SwappinessUnsupported", "Fargate doesn't take swappiness.", "Leave it out: there is no swap."
)
SOFT_ABOVE_HARD = refused(
    "SoftLimitAboveHardLimit",
    "Soft limit exceeds hard limit for ulimit {name}.",
    "Lower softLimit, or raise hardLimit.",
)
SYSTEM_CONTROL_UNKNOWN = refused_untold(
    "SystemControlUnsupported",
    "{name} belongs to no namespace of the task's.",
    "Possible are net.*, fs.mqueue.* and kernel.{{msgmax,msgmnb,msgmni,sem,shmall,shmmax,shmmni,shm_rmid_forced}}.",
)
SYSTEM_CONTROL_INCOMPLETE = refused_untold(
    "SystemControlIncomplete", "A system control needs a namespace and a value.", "Add them."
)
TMPFS_TOO_SMALL = refused_untold("TmpfsTooSmall", "A tmpfs has at least 1 MiB.", "Raise its size.")

ULIMITS = unavailable(
    "Ulimits",
    "No field of a pod says ulimits.",
    "Leave ulimits out, and raise the soft limit in the image's entry point; the hard one is the runtime's.",
)
SYSTEM_CONTROL_UNSAFE = unavailable(
    "SystemControlUnsafe",
    "Kubelets set {name} only where they are told to (--allowed-unsafe-sysctls).",
    "Leave it out.",
)
SYSTEM_CONTROLS_DIFFER = unavailable(
    "SystemControlsDiffer",
    "{name} has other values in other containers, and a pod has one for all of them.",
    "Write the same value everywhere.",
)
TMPFS_OPTIONS = unavailable(
    "TmpfsOptions",
    "A pod's volume in memory has no mount options.",
    "Leave mountOptions out.",
)
INIT_PROCESS = note(
    "InitProcess",
    "No init process is added to a container.",
    "Have the image bring one, such as tini, if its process leaves children behind.",
)

_CAPABILITIES: Final = frozenset(
    (
        *("ALL", "AUDIT_CONTROL", "AUDIT_WRITE", "BLOCK_SUSPEND", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH"),
        *("FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN"),
        *("MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID"),
        *("SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT"),
        *("SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM"),
    )
)
_NAMESPACED: Final = frozenset(
    f"kernel.{each}" for each in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)
_SAFE: Final = frozenset(
    (
        "kernel.shm_rmid_forced",
        *("net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range"),
        *("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time"),
        *("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"),
        *("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    )
)


def check_linux(container: View) -> Iterator[Finding]:
    """One container's wishes of the kernel."""
    if container.is_true("privileged"):
        yield PRIVILEGED.at(container.path_of("privileged"))
    if container.has("dockerSecurityOptions"):
        yield SECURITY_OPTIONS.at(container.path_of("dockerSecurityOptions"))
    parameters = container.child("linuxParameters")
    yield from _check_capabilities(parameters.child("capabilities"))
    if parameters.is_true("initProcessEnabled"):
        yield INIT_PROCESS.at(parameters.path_of("initProcessEnabled"))
    if parameters.has("devices"):
        yield DEVICES.at(parameters.path_of("devices"))
    for key, rule in (("sharedMemorySize", SHARED_MEMORY), ("maxSwap", MAX_SWAP), ("swappiness", SWAPPINESS)):
        if parameters.number(key) is not None:
            yield rule.at(parameters.path_of(key))
    yield from _check_tmpfs(parameters)
    yield from _check_ulimits(container)


def _check_capabilities(capabilities: View) -> Iterator[Finding]:
    for key in ("add", "drop"):
        for path, name in capabilities.texts(key):
            if name not in _CAPABILITIES:
                yield CAPABILITY_UNKNOWN.at(path, capability=repr(show(name)))
            elif key == "add" and name not in ECS_CAPABILITIES:
                yield CAPABILITY_NOT_ALLOWED.at(path, capability=name)


def _check_tmpfs(parameters: View) -> Iterator[Finding]:
    for mount in parameters.children("tmpfs"):
        size = mount.number("size")
        if size is not None and size < 1:
            yield TMPFS_TOO_SMALL.at(mount.path_of("size"))
        if any(option != "defaults" for _, option in mount.texts("mountOptions")):
            yield TMPFS_OPTIONS.at(mount.path_of("mountOptions"))


def _check_ulimits(container: View) -> Iterator[Finding]:
    for limit in container.children("ulimits"):
        soft, hard = limit.number("softLimit"), limit.number("hardLimit")
        # -1 is no limit at all.
        if soft is not None and hard is not None and hard != -1 and (soft > hard or soft == -1):
            yield SOFT_ABOVE_HARD.at(limit.path, name=show(limit.text("name") or ""))
    if container.has("ulimits"):
        yield ULIMITS.at(container.path_of("ulimits"))


def check_system_controls(root: View) -> Iterator[Finding]:
    """Of all containers, which have the namespaces of the task together."""
    first: dict[str, str | None] = {}
    for container in root.children("containerDefinitions"):
        for control in container.children("systemControls"):
            name, value, path = control.text("namespace"), control.text("value"), control.path
            if not control.has("namespace") or not control.has("value"):
                yield SYSTEM_CONTROL_INCOMPLETE.at(path)
            if not name:
                continue
            if name not in _NAMESPACED and not name.startswith(("net.", "fs.mqueue.")):
                yield SYSTEM_CONTROL_UNKNOWN.at(path, name=repr(show(name)))
            elif name not in _SAFE:
                yield SYSTEM_CONTROL_UNSAFE.at(path, name=show(name))
            elif first.setdefault(name, value) != value:
                yield SYSTEM_CONTROLS_DIFFER.at(path, name=show(name))
