"""What `doctor` finds: the facts about a cluster, the findings, and the checks of the API server and the operator.

    facts (read once) ──► checks, each a pure function ──► findings: OK, Warning or Problem, with what to do

What could not be read is `Unread`; a check says so then and guesses nothing. The checks of sandboxes and nodes are in
`monopod.cli.doctor.sandboxes`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from monopod.api.names import KUBE_SYSTEM
from monopod.kube.objects.fields import InvalidProfile
from monopod.kube.objects.text import list_names
from monopod.pods.rules.selection import Profile
from monopod.profiles.rules.overlap import describe_overlap, find_overlaps
from monopod.profiles.rules.sandboxes import choose_sandbox

Json = Mapping[str, Any]

MINIMUM_MINOR: Final = 36
"""Kubernetes 1.36: the first with MutatingAdmissionPolicy v1."""


class Check(StrEnum):
    """What is checked, in this order."""

    KUBERNETES_VERSION = "KubernetesVersion"
    ADMISSION_API = "MutatingAdmissionPolicy"
    POD_LEVEL_RESOURCES = "PodLevelResources"
    INSTALLATION = "Installation"
    ADMISSION_POLICIES = "AdmissionPolicies"
    OPERATOR = "Operator"
    LEADER = "Leader"
    PROFILES = "Profiles"
    NEW_NAMESPACES = "NewNamespaces"
    RUNTIME_CLASS = "RuntimeClass"
    NODES = "Nodes"
    CAPACITY = "Capacity"
    SPOT = "Spot"
    KATA_SIZING = "KataSizing"
    CGROUP_DRIVER = "CgroupDriver"
    OVERHEAD = "Overhead"
    AUTOSCALERS = "Autoscalers"
    NETWORK_PLUGIN = "NetworkPlugin"
    NETWORK_POLICY = "NetworkPolicy"
    KERNEL = "Kernel"


class Level(StrEnum):
    """How bad it is."""

    OK = "OK"
    WARNING = "Warning"
    PROBLEM = "Problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about the cluster, and what to do about it ("" if nothing)."""

    check: Check
    level: Level
    message: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that couldn't be read, with the API server's answer; `absent` if it isn't there."""

    why: str
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Gates:
    """A feature gate where it counts, as far as it could be read.

    Attributes:
        scheduler: kube-scheduler's; None if it couldn't be read.
        kubelets: those of the nodes that were asked and told, by node.
        unread: what couldn't be read, and why, as phrases.
    """

    scheduler: bool | None = None
    kubelets: Mapping[str, bool] = field(default_factory=dict)
    unread: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NewNamespace:
    """What a dry run made of a namespace.

    Attributes:
        profile: an active one that reaches it; "" if none does, and it wore a forged mark.
        is_right: whether it came back with that profile's selectors and the mark, or without the forged one.
        refusal: the API server's words, if it was refused.
    """

    name: str
    profile: str
    is_right: bool = False
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """A cluster as far as it could be read.

    Attributes:
        version: what /version says.
        admission_kinds: the resources that the API server serves in admissionregistration.k8s.io/v1.
        pod_level_resources: whether the API server's feature gate of this name is on.
        policies: the admission policies and bindings of all kinds, as dicts.
        expected: kind and name of those that Monopod needs.
        changed: those that were edited since they were installed, as KIND/NAME.
        namespace: Monopod's own.
        lease: the leader's, or Unread.
        now: by this machine's clock.
        counts_overhead_twice: whether the API server's feature gate is on with which Kubernetes does so.
        overhead_gates: the same gate of those who count.
        autoscalers: the HorizontalPodAutoscalers.
        pods: those of profiles, if there are autoscalers.
        new_namespace: what a dry run of one showed; None where none could be tried.
        cgroup_drivers: that of the kubelets where gVisor may run pods, by node.
        node_pools: Karpenter's, absent where it isn't installed.
        daemon_sets: all of them, where there are NodePools.
        cilium: Cilium's ConfigMaps, of which there is one where it is the network plugin.
    """

    version: Json
    admission_kinds: frozenset[str] | Unread
    pod_level_resources: bool | Unread
    policies: Sequence[Json] | Unread
    expected: Sequence[tuple[str, str]]
    profiles: Sequence[Json] | Unread
    runtime_classes: Sequence[Json] | Unread
    nodes: Sequence[Json] | Unread
    deployments: Sequence[Json] | Unread
    lease: Json | Unread
    namespace: str
    now: datetime
    changed: Sequence[str] = ()
    cgroup_drivers: Mapping[str, str] | Unread = field(default_factory=dict)
    cilium: Sequence[Json] | Unread = ()
    counts_overhead_twice: bool | Unread = False
    overhead_gates: Gates = Gates()
    autoscalers: Sequence[Json] | Unread = ()
    pods: Sequence[Json] | Unread = ()
    node_pools: Sequence[Json] | Unread = Unread("", absent=True)
    daemon_sets: Sequence[Json] | Unread = ()
    new_namespace: NewNamespace | Unread | None = None

    @property
    def default_sandbox(self) -> str:
        """The RuntimeClass of profiles that name none, from the operator's arguments; "" if they name none."""
        return next(iter(self._get_arguments("--sandbox=")), "")

    @property
    def sandbox_handlers(self) -> Sequence[str]:
        """The handlers that alone count as sandboxes, from the same; empty: all but those that are known to be none."""
        return self._get_arguments("--sandbox-handler=")

    @property
    def classes(self) -> dict[str, str]:
        """The handler of each RuntimeClass."""
        found = () if isinstance(self.runtime_classes, Unread) else self.runtime_classes
        return {each["metadata"]["name"]: str(each["handler"]) for each in found}

    def compute_default_sandbox(self, current: str = "") -> str:
        """The RuntimeClass of a profile that names none, as the operator finds it; "" if that isn't known.

        Args:
            current: the one that its status tells.
        """
        if self.default_sandbox or not list_arguments(self.deployments) or isinstance(self.runtime_classes, Unread):
            return self.default_sandbox or current
        return choose_sandbox(self.classes, self.sandbox_handlers, current)

    def _get_arguments(self, option: str) -> Sequence[str]:
        arguments = list_arguments(self.deployments)
        return [argument.removeprefix(option) for argument in arguments if argument.startswith(option)]


def list_arguments(deployments: Sequence[Json] | Unread) -> list[str]:
    """The arguments that the operator is started with; none if they can't be read."""
    found = () if isinstance(deployments, Unread) else deployments
    containers = (container for each in found for container in each["spec"]["template"]["spec"]["containers"])
    return [argument for container in containers for argument in container.get("args") or ()]


def unread(check: Check, what: str, fact: Unread) -> Finding:
    """The finding where something couldn't be read."""
    action = "Run it as a user who may read this, or look yourself."
    return Finding(check, Level.WARNING, f"{what} couldn't be read. {fact.why}", action)


def check_version(facts: Facts) -> Iterator[Finding]:
    """Whether the cluster is new enough."""
    version = str(facts.version.get("gitVersion"))
    minor = read_minor(version)
    if minor is not None and minor < MINIMUM_MINOR:
        message = f"The API server is Kubernetes {version}; Monopod needs 1.{MINIMUM_MINOR} or newer."
        yield Finding(Check.KUBERNETES_VERSION, Level.PROBLEM, message, "Upgrade the cluster.")
        return
    yield Finding(Check.KUBERNETES_VERSION, Level.OK, f"The API server is Kubernetes {version}.")


def read_minor(version: str) -> int | None:
    """36 from `v1.36.3+k3s1`; None if it isn't of that form."""
    found = re.match(r"v1\.(\d+)\b", version)
    return int(found[1]) if found else None


def check_admission_api(facts: Facts) -> Iterator[Finding]:
    """Whether the API server serves the policies that Monopod's admission consists of."""
    if isinstance(facts.admission_kinds, Unread):
        yield unread(Check.ADMISSION_API, "What the API server serves", facts.admission_kinds)
    elif "mutatingadmissionpolicies" in facts.admission_kinds:
        yield Finding(Check.ADMISSION_API, Level.OK, "The API server serves MutatingAdmissionPolicy v1.")
    else:
        message = "The API server doesn't serve MutatingAdmissionPolicy v1 (admissionregistration.k8s.io)."
        action = "Use Kubernetes 1.36 or newer, and don't switch this API or its feature gate off."
        yield Finding(Check.ADMISSION_API, Level.PROBLEM, message, action)


def check_pod_level_resources(facts: Facts) -> Iterator[Finding]:
    """Whether a pod can have a size of its own, which is what sandboxes are sized from."""
    match facts.pod_level_resources:
        case Unread() as fact:
            yield unread(Check.POD_LEVEL_RESOURCES, "Whether the feature gate PodLevelResources is on", fact)
        case True:
            yield Finding(Check.POD_LEVEL_RESOURCES, Level.OK, "The API server's feature PodLevelResources is on.")
        case False:
            message = "The API server's feature PodLevelResources is off, so pods can't be given their size."
            action = (
                "Start kube-apiserver, kube-scheduler and the kubelets with --feature-gates=PodLevelResources=true."
            )
            yield Finding(Check.POD_LEVEL_RESOURCES, Level.PROBLEM, message, action)


def list_missing_policies(facts: Facts) -> list[str]:
    """Those of Monopod's admission policies and bindings that aren't there, as KIND/NAME; none if that isn't known."""
    if isinstance(facts.policies, Unread):
        return []
    found = {(policy["kind"], policy["metadata"]["name"]) for policy in facts.policies}
    return [f"{kind}/{name}" for kind, name in facts.expected if (kind, name) not in found]


def check_policies(facts: Facts) -> Iterator[Finding]:
    """Whether Monopod's admission policies are there, and refuse what they must."""
    check = Check.ADMISSION_POLICIES
    if isinstance(facts.policies, Unread):
        yield unread(check, "The admission policies", facts.policies)
        return
    found = {(policy["kind"], policy["metadata"]["name"]): policy for policy in facts.policies}
    missing = list_missing_policies(facts)
    again = "Install Monopod's chart again: helm upgrade --install."
    if missing:
        message = f"{list_names(missing)} not found: pods may pass unsandboxed."
        yield Finding(check, Level.PROBLEM, message, again)
    tame = [
        name
        for kind, name in facts.expected
        if kind == "ValidatingAdmissionPolicyBinding"
        and (kind, name) in found
        and "Deny" not in (found[kind, name]["spec"].get("validationActions") or ())
    ]
    if tame:
        message = f"ValidatingAdmissionPolicyBinding {list_names(tame)} doesn't say Deny, so nothing is refused."
        yield Finding(check, Level.PROBLEM, message, again)
    if facts.changed:
        message = f"{list_names(facts.changed)} was edited since it was installed: pods may be admitted differently."
        yield Finding(check, Level.PROBLEM, message, again)
    if not missing and not tame and not facts.changed:
        yield Finding(check, Level.OK, f"All {len(facts.expected)} admission policies and bindings are there.")


def check_operator(facts: Facts) -> Iterator[Finding]:
    """Whether the operator's replicas run."""
    check = Check.OPERATOR
    if isinstance(facts.deployments, Unread):
        yield unread(check, f"The Deployments of namespace {facts.namespace}", facts.deployments)
        return
    if not facts.deployments:
        message = f"Namespace {facts.namespace} has no Deployment labelled app.kubernetes.io/name=monopod."
        yield Finding(check, Level.PROBLEM, message, "Name Monopod's namespace with --namespace, or install its chart.")
    for deployment in facts.deployments:
        wanted = deployment["spec"].get("replicas", 1)
        ready = (deployment.get("status") or {}).get("readyReplicas") or 0
        message = f"{ready} of {wanted} replicas of Deployment {deployment['metadata']['name']} are ready."
        level = Level.OK if ready and ready >= wanted else Level.WARNING if ready else Level.PROBLEM
        action = "" if level is Level.OK else f"kubectl -n {facts.namespace} describe pods; kubectl logs of those."
        if not ready:
            message += " Pods are sandboxed all the same; new ones have no network until it is back."
        yield Finding(check, level, message, action)


def check_leader(facts: Facts) -> Iterator[Finding]:
    """Whether one of the replicas leads and says so in time."""
    check = Check.LEADER
    logs = f"kubectl -n {facts.namespace} logs deployment/monopod says why."
    if isinstance(facts.lease, Unread):
        if not facts.lease.absent:
            yield unread(check, f"The Lease in namespace {facts.namespace}", facts.lease)
            return
        yield Finding(check, Level.PROBLEM, f"Namespace {facts.namespace} has no Lease: no operator ever led.", logs)
        return
    spec = facts.lease.get("spec") or {}
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if not holder or not renewed:
        yield Finding(check, Level.PROBLEM, "No replica of the operator leads.", logs)
        return
    age = round((facts.now - datetime.fromisoformat(renewed)).total_seconds())
    if age > int(spec.get("leaseDurationSeconds") or 10):
        message = f"{holder} led last, and renewed its Lease {age} s ago, which is too long."
        action = f"{logs} Or this machine's clock is ahead of the cluster's."
        yield Finding(check, Level.PROBLEM, message, action)
        return
    yield Finding(check, Level.OK, f"{holder} leads and renewed its Lease {max(age, 0)} s ago.")


def check_profiles(facts: Facts) -> Iterator[Finding]:
    """Whether the profiles are active, and none stands in another's way."""
    if isinstance(facts.profiles, Unread):
        if facts.profiles.absent:
            action = "Install Monopod's chart, or its CRDs again: helm upgrade --install."
            yield Finding(Check.INSTALLATION, Level.PROBLEM, "The cluster knows no FargateProfiles.", action)
        else:
            yield unread(Check.PROFILES, "The FargateProfiles", facts.profiles)
        return
    yield Finding(Check.INSTALLATION, Level.OK, "The cluster knows FargateProfiles.")
    faults = [fault for profile in facts.profiles for fault in _compute_profile_faults(profile)]
    faults += _find_shadows(facts)
    yield from faults
    if not faults:
        match len(facts.profiles):
            case 0:
                message = "There is no profile yet, so no pod is sandboxed."
            case 1:
                message = "The one profile is ACTIVE."
            case count:
                message = f"All {count} profiles are ACTIVE."
        yield Finding(Check.PROFILES, Level.OK, message)


def _compute_profile_faults(profile: Json) -> Iterator[Finding]:
    name, status = profile["metadata"]["name"], profile.get("status") or {}
    phase = status.get("phase") or "not looked at by the operator yet"
    if phase == "ACTIVE":
        for issue in (status.get("health") or {}).get("issues") or ():
            message = f"Profile {name} is ACTIVE, but {issue['message']}."
            yield Finding(Check.PROFILES, Level.WARNING, message, f"kubectl describe fargateprofile {name}")
        return
    ready: Json = next((each for each in status.get("conditions") or () if each["type"] == "Ready"), {})
    message = f"Profile {name} is {phase}" + (f": {ready['message']}." if ready.get("message") else ".")
    level = Level.PROBLEM if phase.endswith("_FAILED") else Level.WARNING
    yield Finding(Check.PROFILES, level, message, f"kubectl describe fargateprofile {name}")


def _find_shadows(facts: Facts) -> Iterator[Finding]:
    for name, overlap in find_overlaps(read_profiles(facts), {KUBE_SYSTEM, facts.namespace}).items():
        action = "Delete one of them, or create it again with a name or selectors that tell them apart."
        message = f"Profile {name}: {describe_overlap(name, overlap)}."
        yield Finding(Check.PROFILES, Level.WARNING, message, action)


def read_profiles(facts: Facts) -> list[Profile]:
    """The profiles that are active; those that can't be read have a fault of their own in their status."""
    profiles = []
    for resource in () if isinstance(facts.profiles, Unread) else facts.profiles:
        try:
            told = str((resource.get("status") or {}).get("runtimeClassName") or "")
            profiles.append(Profile.from_resource(resource, facts.compute_default_sandbox(told)))
        except InvalidProfile:
            continue
    return profiles


CLUSTER_CHECKS = (
    check_version,
    check_admission_api,
    check_pod_level_resources,
    check_policies,
    check_operator,
    check_leader,
    check_profiles,
)
