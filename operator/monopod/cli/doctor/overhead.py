"""What `doctor` says of a RuntimeClass's overhead that Kubernetes counts twice, so that pods fail with OutOfcpu.

With pod-level resources and the feature InPlacePodLevelResourcesVerticalScaling (Kubernetes 1.36, kubernetes#139627)
the overhead of a pod that runs is counted twice: by the kubelet at once, by the scheduler later. Near a node's capacity
the kubelet then refuses pods that the scheduler has bound, and such pods fail for good.

Those two count, so their gates are asked for. A kubelet's is in its node's status where it is on (declaredFeatures),
in its /configz where somebody set it, else in its metrics. The scheduler's is a flag, which can be read where it runs
as a pod: its metrics listen on the node's loopback. The API server's gate, which mostly is the same, stands in for what
can't be read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from monopod.api.names import KUBE_SYSTEM
from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Gates, Level, Unread, read_minor
from monopod.cli.doctor.kubelets import MOST_NODES, Kubelets
from monopod.cli.doctor.sandboxes import compute_takers, find_users, get_kubelet
from monopod.cli.failure import describe_refusal
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError, ServerTrouble
from monopod.kube.objects.resources import PODS
from monopod.kube.objects.text import list_names

GATE: Final = "InPlacePodLevelResourcesVerticalScaling"
SINCE_MINOR: Final = 36
SCHEDULERS: Final = {"labelSelector": "component=kube-scheduler"}
_FEATURE: Final = r'^kubernetes_feature_enabled\{{name="{}"[^}}]*\}} (\d)'
_SET: Final = re.compile(rf"\b{GATE}=(\w+)")

Json = Mapping[str, Any]


def is_on(metrics: str, gate: str) -> bool | None:
    """Whether a component's metrics say that the gate is on; None if they don't name it."""
    found = re.search(_FEATURE.format(gate), metrics, re.MULTILINE)
    return None if found is None else found[1] == "1"


def read_gates(cluster: Cluster, kubelets: Kubelets, facts: Facts) -> Gates:
    """The gates of scheduler and kubelets, where a class in use has an overhead that they could count twice.

    Raises:
        ApiUnreachable: the API server can't be reached.
    """
    heavy = _compute_heavy(facts)
    if not heavy or (read_minor(str(facts.version.get("gitVersion"))) or 0) < SINCE_MINOR:
        return Gates()
    nodes = list(compute_takers(facts, heavy))
    answers = kubelets.ask(nodes, lambda node: _read_kubelet(kubelets, node))
    unread = [f"the kubelet's of {name} ({problem.rstrip('.')})" for name, problem in answers.problems.items()]
    unread += [f"the kubelet's of {name}, which doesn't tell" for name, told in answers.told.items() if told is None]
    if len(nodes) > MOST_NODES:
        unread.append(f"those of {len(nodes) - MOST_NODES} more kubelets, which weren't asked")
    scheduler, why = _read_scheduler(cluster)
    gates = {name: told for name, told in answers.told.items() if told is not None}
    return Gates(scheduler, gates, (*([f"kube-scheduler's ({why})"] if why else []), *unread))


def _compute_heavy(facts: Facts) -> list[Json]:
    if isinstance(facts.runtime_classes, Unread):
        return []  # another check says so
    users = find_users(facts)
    return [
        each
        for each in facts.runtime_classes
        if each["metadata"]["name"] in users and (each.get("overhead") or {}).get("podFixed")
    ]


def _read_kubelet(kubelets: Kubelets, node: Json) -> bool | None:
    if (read_minor(get_kubelet(node)) or SINCE_MINOR) < SINCE_MINOR:
        return False
    if GATE in (node.get("status") or {}).get("declaredFeatures", ()):
        return True
    name = node["metadata"]["name"]
    gates = kubelets.read_configuration(name).get("featureGates") or {}
    return bool(gates[GATE]) if GATE in gates else is_on(kubelets.read_metrics(name), GATE)


def _read_scheduler(cluster: Cluster) -> tuple[bool | None, str]:
    """Whether it is on, or why that can't be read. Where no flag names the gate, it has its default."""
    try:
        pods = cluster.list_items(PODS.list_path(KUBE_SYSTEM), SCHEDULERS)
    except (ApiError, ServerTrouble) as error:
        return None, describe_refusal(error).rstrip(".")
    if not pods:
        return None, f"no pod of namespace {KUBE_SYSTEM} is one"
    return any(_is_set(pod) for pod in pods), ""


def _is_set(pod: Json) -> bool:
    containers: Sequence[Json] = pod["spec"]["containers"]
    words = [word for each in containers for word in (*(each.get("command") or ()), *(each.get("args") or ()))]
    found = [value for word in words for value in _SET.findall(word)]
    return not found or found[-1].lower() in ("true", "t", "1")


def check_overhead(facts: Facts) -> Iterator[Finding]:
    """Whether the feature is on with which it is counted twice; nothing where no class in use has any."""
    classes, gates = sorted(each["metadata"]["name"] for each in _compute_heavy(facts)), facts.overhead_gates
    if not classes:
        return
    on = [name for name, is_gate_on in gates.kubelets.items() if is_gate_on]
    who = [*(["kube-scheduler"] if gates.scheduler else []), *([f"the kubelets of {list_names(on)}"] if on else [])]
    asked = gates.unread or gates.scheduler is not None
    missing = list(gates.unread) if asked else ["kube-scheduler's and the kubelets'"]
    if not who and not (missing and facts.counts_overhead_twice is True):
        return
    counts = "counts" if who else "may count"
    by = f" by the gates of {' and '.join(who)}" if who else ", as the API server's gate is on"
    message = (
        f"Kubernetes {counts} the overhead of running pods twice (RuntimeClass {list_names(classes)}; "
        f"kubernetes#139627){by}: near a node's capacity pods fail with OutOfcpu or OutOfmemory."
    )
    if missing:
        message += f" Not read: {'; '.join(missing)}."
    action = f"Start kube-scheduler and the kubelets with --feature-gates={GATE}=false."
    if not who:
        action += " Leave it if they have it off already."
    yield Finding(Check.OVERHEAD, Level.WARNING, message, action)
