"""What `doctor` says of a RuntimeClass's overhead that Kubernetes counts twice, so that pods fail with OutOfcpu.

With pod-level resources and the feature InPlacePodLevelResourcesVerticalScaling (Kubernetes 1.36, kubernetes#139627)
the overhead of a pod that runs is counted twice: by the kubelet at once, by the scheduler later. Near a node's capacity
the kubelet then refuses pods that the scheduler has bound, and such pods fail for good.
"""

from collections.abc import Iterator
from typing import Final

from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, Unread
from monopod.cli.doctor.sandboxes import find_users
from monopod.kube.objects.text import list_names

GATE: Final = "InPlacePodLevelResourcesVerticalScaling"


def check_overhead(facts: Facts) -> Iterator[Finding]:
    """Whether the feature is on with which it is counted twice; nothing where no class in use has any."""
    if isinstance(facts.runtime_classes, Unread):
        return  # another check says so
    classes = {each["metadata"]["name"]: (each.get("overhead") or {}).get("podFixed") for each in facts.runtime_classes}
    heavy = sorted(name for name in find_users(facts) if classes.get(name))
    if not heavy or facts.counts_overhead_twice is not True:
        return
    message = (
        f"Kubernetes counts the overhead of running pods twice (RuntimeClass {list_names(heavy)}; kubernetes#139627): "
        "near a node's capacity pods fail with OutOfcpu or OutOfmemory."
    )
    action = (
        f"Start kube-scheduler and the kubelets, and kube-apiserver too, with --feature-gates={GATE}=false. What is "
        "read here is the API server's gate; leave it if the other two have theirs off already."
    )
    yield Finding(Check.OVERHEAD, Level.WARNING, message, action)
