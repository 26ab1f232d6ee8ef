"""What `doctor` says where the network plugin is Cilium: which of a pod's labels it knows, and how many pods it holds.

Cilium gives an identity to each set of labels that it takes for relevant, and has 65,535 of them for a whole cluster. A
pod with a NetworkPolicy of its own has a label of its own, so it takes one for itself. A label that is left out of the
relevant ones selects nothing any more: Monopod's default-deny policy, for instance, would then select no pods.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from monopod.api.names import GROUP_COUNT_LABEL, GROUP_LABEL_PREFIX, PROFILE_LABEL, TASK_LABEL
from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, Unread, unread
from monopod.kube.objects.text import list_names

CONFIG_MAP: Final = "cilium-config"
IDENTITIES: Final = 65_535
MANY_PODS: Final = 10_000
"""Identities of pods that are gone are kept for a while, and all other pods of the cluster need some too."""

_SELECTED_BY: Final = (PROFILE_LABEL, TASK_LABEL, GROUP_COUNT_LABEL, f"{GROUP_LABEL_PREFIX}cluster")
_PATTERN: Final = re.compile(r"(?:(?P<source>[a-z0-9]*):)?(?P<not>!?)(?P<key>.*)")


def check_cilium(facts: Facts) -> Iterator[Finding]:
    """Whether Cilium knows the labels that Monopod's policies select by, and has identities enough."""
    if isinstance(facts.cilium, Unread):
        yield unread(Check.NETWORK_PLUGIN, f"Whether there is a ConfigMap {CONFIG_MAP}, Cilium's,", facts.cilium)
        return
    for config in facts.cilium:
        place = f"ConfigMap {config['metadata']['namespace']}/{CONFIG_MAP}"
        left_out = find_left_out(str((config.get("data") or {}).get("labels") or ""))
        if left_out:
            message = (
                f"Cilium ignores {list_names(left_out)} ({place}, `labels`), by which Monopod's NetworkPolicies select "
                "pods: they isolate nothing."
            )
            action = r"Let `labels` include monopod\.dev and sg\.monopod\.dev, and restart Cilium's agents."
            yield Finding(Check.NETWORK_PLUGIN, Level.PROBLEM, message, action)
        else:
            yield _judge_number(facts)


def find_left_out(labels: str) -> tuple[str, ...]:
    """The labels of ours that Cilium's option `labels` leaves out; its patterns stand one beside the other."""
    patterns = [found for each in labels.split() if (found := _PATTERN.fullmatch(each))]
    included = [each["key"] for each in patterns if not each["not"] and each["source"] in (None, "", "any", "k8s")]
    excluded = [each["key"] for each in patterns if each["not"] and each["source"] in (None, "", "any", "k8s")]
    inclusive = any(not each["not"] for each in patterns)
    return tuple(key for key in _SELECTED_BY if _any(excluded, key) or (inclusive and not _any(included, key)))


def _any(patterns: list[str], key: str) -> bool:
    try:
        return any(re.match(pattern, key) for pattern in patterns)
    except re.error:
        return False  # Go's syntax knows a few things that Python's doesn't


def _judge_number(facts: Facts) -> Finding:
    pods = sum(_count_own(profile) for profile in facts.profiles) if not isinstance(facts.profiles, Unread) else 0
    message = (
        f"Cilium gives each pod of a profile with `isolation: PerPod` an identity of its own, of {IDENTITIES:,} in the "
        f"cluster. There are {pods:,} such pods."
    )
    action = "Give profiles with many pods `isolation: PerGroup`: their pods have the identities of their groups."
    if pods > MANY_PODS:
        return Finding(Check.NETWORK_PLUGIN, Level.WARNING, message, action)
    return Finding(Check.NETWORK_PLUGIN, Level.OK, message)


def _count_own(profile: Mapping[str, Any]) -> int:
    shared = profile["spec"].get("isolation") == "PerGroup"
    return 0 if shared else int((profile.get("status") or {}).get("pods") or 0)
