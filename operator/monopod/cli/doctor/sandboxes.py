"""Checks of `doctor` that are about sandboxes: their RuntimeClasses, the nodes that serve them, and Kata's sizes.

Source for Kata: the configuration of its runtimes (static_sandbox_resource_mgmt, default_memory, default_vcpus) and
kata-containers issues 6129, 6533 and 12786. That configuration lies in files on the nodes and can't be read from here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, Unread, read_minor, read_profiles, unread
from monopod.kube.objects.names import is_dns_label
from monopod.kube.objects.quantity import InvalidQuantity, parse_quantity
from monopod.kube.objects.text import list_names
from monopod.profiles.rules.sandboxes import (
    INSTALL_A_SANDBOX,
    NO_SANDBOX,
    describe_no_sandbox,
    is_sandbox,
    rank_sandboxes,
)

Json = Mapping[str, Any]

POD_LEVEL_MINOR: Final = 34
"""Kubelets enforce pod-level resources by default from Kubernetes 1.34."""

FOUND: Final = "the default sandbox, found by Monopod"

"""What a RuntimeClass takes. A node may report anything, and somebody pastes the command that is made of it."""

_NEW_KATA: Final = ("runtime-rs", "dragonball", "cloud-hypervisor")
"""In the names of handlers whose runtime is Kata's in Rust, which gives the VM the pod's limits and no more."""


def check_sandboxes(facts: Facts) -> Iterator[Finding]:
    """All of this module's checks, for each RuntimeClass that is in use."""
    if isinstance(facts.runtime_classes, Unread):
        yield unread(Check.RUNTIME_CLASS, "The RuntimeClasses", facts.runtime_classes)
        return
    found = {each["metadata"]["name"]: each for each in facts.runtime_classes}
    users = find_users(facts)
    if not users:
        message = "No RuntimeClass is in use: there is no profile, and the operator's default sandbox isn't known."
        yield Finding(Check.RUNTIME_CLASS, Level.OK, message)
    for name, user in sorted(users.items()):
        if name not in found:
            yield describe_missing(name, user, facts)
            continue
        handler = found[name]["handler"]
        if is_sandbox(handler, facts.sandbox_handlers):
            message = f"RuntimeClass {name} exists, handler {handler} ({user})."
            others = [each for each in rank_sandboxes(facts.classes, facts.sandbox_handlers) if each != name]
            if others and FOUND in user:
                message += f" There is {list_names(others)}, too, for profiles that name it."
            yield Finding(Check.RUNTIME_CLASS, Level.OK, message)
        else:
            message = f"RuntimeClass {name}'s handler {handler} is no sandbox: pods share the node's kernel ({user})."
            action = "Name a sandbox's class; or, if it is one, the handler in the chart's sandboxHandlers."
            yield Finding(Check.RUNTIME_CLASS, Level.PROBLEM, message, action)
        yield from check_nodes(found[name], facts)
        yield from check_kata(found[name])


def find_users(facts: Facts) -> dict[str, str]:
    """The RuntimeClasses in use, each with who uses it, for a message."""
    users: dict[str, list[str]] = {}
    if default := facts.compute_default_sandbox():
        users[default] = ["the default sandbox" if facts.default_sandbox or default == NO_SANDBOX else FOUND]
    for profile in read_profiles(facts):
        if profile.runtime_class:
            users.setdefault(profile.runtime_class, []).append(f"profile {profile.name}")
    return {name: list_names(who) for name, who in users.items()}


def describe_missing(name: str, user: str, facts: Facts) -> Finding:
    """The finding about a RuntimeClass that is in use and doesn't exist; what to do depends on those that do."""
    if name == NO_SANDBOX:
        message = describe_no_sandbox(facts.classes)
        action = describe_classless(facts) or describe_unknown(facts)
        action = action or f"{INSTALL_A_SANDBOX[0].upper()}{INSTALL_A_SANDBOX[1:]}."
        return Finding(Check.RUNTIME_CLASS, Level.PROBLEM, f"{message[0].upper()}{message[1:]} ({user}).", action)
    message = f"RuntimeClass {name} doesn't exist ({user}), so matching pods are refused."
    action = "Install the sandbox; its RuntimeClass comes with it. Or name another: kubectl get runtimeclass."
    if there := rank_sandboxes(facts.classes, facts.sandbox_handlers):
        action = f"There is {list_names(there)}: leave the chart's value sandbox empty, and {there[0]} is taken."
        if name == "kata" and facts.classes[there[0]].startswith("kata"):
            action += " Or let kata-deploy make the class kata: helm upgrade … --set runtimeClasses.createDefault=true."
    return Finding(Check.RUNTIME_CLASS, Level.PROBLEM, message, action)


def describe_unknown(facts: Facts) -> str:
    """The command that makes a class the default whose handler no one here knows; "" without any."""
    names = sorted(name for name, handler in facts.classes.items() if is_sandbox(handler, facts.sandbox_handlers))
    if not names:
        return ""
    command = f"helm upgrade monopod charts/monopod -n {facts.namespace} --reuse-values --set sandbox={names[0]}"
    return f"If {list_names(names)} is a sandbox's, name it: {command}. Else install Kata Containers or gVisor."


def describe_classless(facts: Facts) -> str:
    """The command that makes a RuntimeClass where nodes have a sandbox and only that is missing; "" if none has."""
    nodes = () if isinstance(facts.nodes, Unread) else facts.nodes
    handlers = {handler: handler for node in nodes for handler in compute_handlers(node) if is_dns_label(handler)}
    if not (ranked := rank_sandboxes(handlers, facts.sandbox_handlers)):
        return ""
    handler = ranked[0]
    runtime_class = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "gvisor" if handler == "runsc" else handler},
        "handler": handler,
    }
    known = list_names([_name(node) for node in nodes if handler in compute_handlers(node)])
    return f"{known} has the handler {handler}, so: echo '{json.dumps(runtime_class)}' | kubectl apply -f -"


def check_nodes(runtime_class: Json, facts: Facts) -> Iterator[Finding]:
    """Whether there are nodes on which the sandbox's pods can start."""
    name, handler = runtime_class["metadata"]["name"], runtime_class["handler"]
    if isinstance(facts.nodes, Unread):
        yield unread(Check.NODES, "The nodes", facts.nodes)
        return
    scheduling = runtime_class.get("scheduling") or {}
    wanted = scheduling.get("nodeSelector") or {}
    chosen = [node for node in facts.nodes if wanted.items() <= (node["metadata"].get("labels") or {}).items()]
    usable = [node for node in chosen if is_usable(node, scheduling.get("tolerations") or ())]
    where = " labelled " + ",".join(f"{key}={value}" for key, value in sorted(wanted.items())) if wanted else ""
    if not usable:
        message = f"No node{where} is ready to take pods of RuntimeClass {name} ({len(chosen)} are not ready, "
        message += "cordoned, or tainted); they stay Pending."
        action = (
            "Add such a node, unless your autoscaler does; taints must be tolerated in the RuntimeClass's scheduling."
        )
        yield Finding(Check.NODES, Level.WARNING, message, action)
        return
    lacking = [_name(node) for node in usable if (known := compute_handlers(node)) and handler not in known]
    old = [_name(node) for node in usable if (read_minor(get_kubelet(node)) or POD_LEVEL_MINOR) < POD_LEVEL_MINOR]
    if lacking:
        message = f"The container runtime of {list_names(lacking)} doesn't know the handler {handler}; pods of "
        message += f"RuntimeClass {name} that land there never start."
        action = "Install the sandbox on these nodes, or keep its pods off them with the RuntimeClass's scheduling."
        yield Finding(Check.NODES, Level.PROBLEM, message, action)
    if old:
        message = f"The kubelets of {list_names(old)} are older than 1.{POD_LEVEL_MINOR}: they don't enforce sizes."
        yield Finding(Check.NODES, Level.PROBLEM, message, f"Upgrade them, or keep RuntimeClass {name} off them.")
    if not lacking and not old:
        unsure = (
            "" if any(compute_handlers(node) for node in usable) else " None of them tells which handlers it knows."
        )
        message = f"RuntimeClass {name}: {len(usable)} of {len(chosen)} nodes{where} can take its pods.{unsure}"
        yield Finding(Check.NODES, Level.OK, message)


def compute_takers(facts: Facts, classes: Sequence[Json]) -> Iterator[Json]:
    """The nodes that pods of any of these RuntimeClasses may land on and start."""
    for node in () if isinstance(facts.nodes, Unread) else facts.nodes:
        labels, known = node["metadata"].get("labels") or {}, compute_handlers(node)
        for handler, scheduling in ((each["handler"], each.get("scheduling") or {}) for each in classes):
            chosen = (scheduling.get("nodeSelector") or {}).items() <= labels.items()
            usable = chosen and is_usable(node, scheduling.get("tolerations") or ())
            if usable and (not known or handler in known):
                yield node
                break


def is_usable(node: Json, tolerations: Sequence[Json]) -> bool:
    """Whether the scheduler puts new pods with these tolerations on the node."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    taints = [taint for taint in spec.get("taints") or () if taint["effect"] != "PreferNoSchedule"]
    tolerated = all(any(_tolerates(one, taint) for one in tolerations) for taint in taints)
    return ready and not spec.get("unschedulable") and tolerated


def _tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    exists = toleration.get("operator") == "Exists"
    if not toleration.get("key"):
        return exists
    same = exists or (toleration.get("value") or "") == (taint.get("value") or "")
    return toleration["key"] == taint["key"] and same


def compute_handlers(node: Json) -> set[str]:
    """The handlers that the node's kubelet reports; empty with a container runtime that doesn't tell."""
    handlers = (node.get("status") or {}).get("runtimeHandlers") or ()
    # The nameless one is the default. Where it stands alone, the runtime told nothing else.
    return {handler.get("name") or "" for handler in handlers}


def check_kata(runtime_class: Json) -> Iterator[Finding]:
    """Whether the memory of Kata's VM fits what the pod is given."""
    name, handler = runtime_class["metadata"]["name"], str(runtime_class["handler"])
    if not handler.startswith("kata"):
        return
    memory = ((runtime_class.get("overhead") or {}).get("podFixed") or {}).get("memory")
    if not _is_positive(memory):
        message = (
            f"RuntimeClass {name} has no overhead.podFixed.memory: what the VM itself needs is taken from the pod, "
        )
        message += "which is killed when it uses all that it was given."
        action = "Set overhead.podFixed as kata-deploy does: cpu 250m, memory 320Mi (qemu) or 130Mi (clh, fc)."
        yield Finding(Check.KATA_SIZING, Level.WARNING, message, action)
    if any(part in handler for part in _NEW_KATA):
        message = f"The handler {handler} is of Kata's runtime in Rust, which sizes the VM by the pod's limits."
        yield Finding(Check.KATA_SIZING, Level.OK, message)
        return
    message = (
        f"The handler {handler} is of Kata's runtime in Go. Unless told otherwise it makes the VM larger than the "
    )
    message += (
        "pod, by default_memory and default_vcpus, and the pod is then killed for it. It can't be read from here."
    )
    action = "On the nodes, set static_sandbox_resource_mgmt = true in Kata's configuration (configuration-*.toml)."
    yield Finding(Check.KATA_SIZING, Level.WARNING, message, action)


def _is_positive(quantity: object) -> bool:
    try:
        return parse_quantity(quantity) > Fraction(0)
    except InvalidQuantity:
        return False


def _name(node: Json) -> str:
    return str(node["metadata"]["name"])


def get_kubelet(node: Json) -> str:
    """The version of the node's kubelet."""
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion"))
