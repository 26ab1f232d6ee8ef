"""Whether a sandbox has a kernel of its own, found out by asking in one: trials of `doctor --probe`.

    pod of the RuntimeClass ─► `uname -r`, and the boot ID, as its kernel tells them ─► the same of the node, by kubelet

A RuntimeClass is a name; what its handler starts is the node's configuration to say, and a handler that runs runc under
a sandbox's name isolates nothing. The boot ID decides where a kernel tells one, because a release can be made up; a
sandbox whose kernel tells none (gVisor's) is known by the release.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, Unread
from monopod.cli.doctor.probe import START_SECONDS, NoResult, Room, build_pod, describe_pod
from monopod.cli.doctor.sandboxes import compute_takers, find_users
from monopod.kube.objects.resources import NODES

Json = dict[str, Any]

_ASK: Final = "uname -r; cat /proc/sys/kernel/random/boot_id 2>/dev/null || :"


@dataclass(frozen=True, slots=True)
class Kernel:
    """What is known of a kernel; "" is unknown."""

    release: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class KernelTrial:
    """A pod of one RuntimeClass, which says what its kernel is.

    Attributes:
        pod: its name.
    """

    runtime_class: str
    handler: str
    pod: str = "kernel"
    check: Check = Check.KERNEL

    @property
    def plan(self) -> str:
        """What it will create, and why."""
        return f"a pod of RuntimeClass {self.runtime_class}, to see whether its kernel is its own"

    @property
    def question(self) -> str:
        """What it finds out."""
        return f"Whether pods of RuntimeClass {self.runtime_class} have a kernel of their own"

    def run(self, room: Room) -> Finding:
        """Tries; raises as `Trial` says."""
        fields = {"runtimeClassName": self.runtime_class, "restartPolicy": "Never"}
        room.create_pod(build_pod(self.pod, room.image, _ASK, **fields))
        room.wait_for_node(self.pod)
        pod: Json = room.wait(START_SECONDS, self.pod, lambda: _read_ended(room, self.pod))
        if pod["status"]["phase"] != "Succeeded":
            raise NoResult(f"Its {describe_pod(pod)}.")
        release, _, boot_id = room.read_log(self.pod).strip().partition("\n")
        node = room.api.get(NODES.path(pod["spec"]["nodeName"]))
        told = (node.get("status") or {}).get("nodeInfo") or {}
        nodes = Kernel(str(told.get("kernelVersion") or ""), str(told.get("bootID") or ""))
        if not release or not nodes.release:
            raise NoResult(f"{'The node' if release else f'Its pod {self.pod}'} doesn't tell its kernel.")
        return self.judge(Kernel(_clean(release), _clean(boot_id)), nodes, node["metadata"]["name"])

    def judge(self, pods: Kernel, nodes: Kernel, node: str) -> Finding:
        """Whether they are two."""
        seen = (
            f"RuntimeClass {self.runtime_class}: `uname -r` says {pods.release} in a pod, and {nodes.release} on its "
            f"node {node}."
        )
        if pods.boot_id == nodes.boot_id if pods.boot_id else pods.release == nodes.release:
            same_boot = " Both have one boot ID." if pods.boot_id else ""
            message = f"{seen}{same_boot} The pod shares the node's kernel: it isn't sandboxed."
            action = (
                f"See what the handler {self.handler} starts (runtime_type in containerd's configuration on the node), "
                "or name another RuntimeClass."
            )
            return Finding(self.check, Level.PROBLEM, message, action)
        if pods.release == nodes.release:
            message = f"{seen} The boot IDs differ, so there seem to be two kernels of one release."
            action = f"Compare `dmesg` in a pod with the node's: what the handler {self.handler} starts decides."
            return Finding(self.check, Level.WARNING, message, action)
        return Finding(self.check, Level.OK, f"{seen} The pod's kernel is its own.")


def _clean(text: str) -> str:
    """What a pod wrote, fit for a message."""
    return "".join(filter(str.isprintable, text.strip()))[:80]


def _read_ended(room: Room, name: str) -> Json | None:
    pod = room.read_pod(name)
    return pod if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") else None


def build_trials(facts: Facts) -> tuple[list[KernelTrial], list[Finding]]:
    """A trial for each RuntimeClass in use that has nodes, and what is said of the others."""
    trials, untried = list[KernelTrial](), list[Finding]()
    for number, runtime_class in enumerate(_find_classes(facts), 1):
        trial = KernelTrial(runtime_class["metadata"]["name"], str(runtime_class["handler"]), f"kernel-{number}")
        if isinstance(facts.nodes, Unread) or any(True for _ in compute_takers(facts, [runtime_class])):
            trials.append(trial)
            continue
        message = f"{trial.question} was not tried: no node can take one now."
        action = "Try again when there is such a node; what the check Nodes says of it is above."
        untried.append(Finding(Check.KERNEL, Level.WARNING, message, action))
    return trials, untried


def _find_classes(facts: Facts) -> Iterator[Json]:
    users = find_users(facts)
    for runtime_class in () if isinstance(facts.runtime_classes, Unread) else facts.runtime_classes:
        if runtime_class["metadata"]["name"] in users:
            yield dict(runtime_class)
