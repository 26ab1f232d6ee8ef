"""What Python's decision expects of an admitted pod, and where the API server's answer differs from it."""

import contextlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import assert_never

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    EKS_PROFILE_LABEL,
    FARGATE_SPOT,
    ISOLATION_GATE,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    SPOT_CLASSES,
    SPOT_KEPT_CLASS,
    SPOT_PRIORITY_CLASS,
    STORAGE_ANNOTATION,
    UNSUPPORTED_ANNOTATION,
    UNSUPPORTED_GATE,
    VOLUMES_GATE,
)
from monopod.isolation.rules.membership import (
    MALFORMED,
    InvalidGroups,
    awaits_account,
    build_group_marks,
    choose_groups,
    get_account,
)
from monopod.kube.objects.quantity import parse_quantity
from monopod.pods.rules.decision import (
    Decision,
    OptOutRefused,
    OutOfBounds,
    ProviderRefused,
    Sandboxed,
    Skipped,
    Unmatched,
    Unsupported,
    decide,
)
from monopod.pods.rules.exemptions import compute_skip
from monopod.pods.rules.nodes import DEFAULT_SCHEDULER, choose_node_selector, read_terms
from monopod.pods.rules.selection import Profile, is_written, reaches_any
from monopod.pods.rules.size import PodSize
from monopod.pods.rules.spot import SPOT_KEPT_PRIORITY, SPOT_PRIORITY, compute_spot_terms
from monopod.pods.rules.storage import LimitChange, plan_storage
from monopod.pods.rules.zones import compute_requirements, merge_terms
from tests.controlplane.conftest import PRIORITY_CLASS
from tests.controlplane.differential.draws import SCHEDULED_SANDBOX, Manifest, find_creator
from tests.controlplane.differential.group_draws import Setting
from tests.controlplane.server import Answer, Server

UNREACHED = "plain"

PRIORITIES = {
    None: 0,
    PRIORITY_CLASS: 1000,
    SPOT_PRIORITY_CLASS: SPOT_PRIORITY,
    SPOT_KEPT_CLASS: SPOT_KEPT_PRIORITY,
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}

_STORAGE = "ephemeral-storage"

NO_PROFILE_TAKES_IT = "no profile takes it"
OUR_GATES = (UNSUPPORTED_GATE, VOLUMES_GATE, ISOLATION_GATE)


class Case:
    """One pod in a namespace with some profiles.

    Attributes:
        groups: the security groups that Python gives the pod; None if it doesn't name them as it should, or if no
            profile takes it.
        waits: whether Python has it wait for its isolation.
        traits: what decided on its groups, whether it waits, and whether Spot lacks room, so that it can be counted.
    """

    def __init__(self, namespace: str, profiles: Sequence[Profile], setting: Setting, pod: Manifest) -> None:
        self.namespace, self.profiles, self.setting, self.pod = namespace, profiles, setting, pod
        self.username = find_creator(pod)
        self.decision: Decision = decide(pod, namespace, profiles, username=self.username, on_demand=setting.on_demand)
        self.groups: tuple[str, ...] | None = None
        self.waits = False
        self.traits: tuple[str, ...] = ()
        if isinstance(self.decision, Sandboxed | Unsupported):
            self._choose_groups(self.decision.profile)
            if decide(pod, namespace, profiles, username=self.username) != self.decision:
                self.traits += ("OnDemand",)

    def _choose_groups(self, profile: Profile) -> None:
        labels, annotations = self._read_metadata("labels"), self._read_metadata("annotations")
        account, policies, accounts = get_account(self.pod), self.setting.read_policies(), self.setting.accounts
        self.waits = not self.setting.isolated or awaits_account(labels, account, profile, policies, accounts)
        with contextlib.suppress(InvalidGroups):
            chosen = choose_groups(labels, annotations, account, profile, policies, accounts)
            self.groups = chosen.names
            self.traits = (chosen.source.value, *(["waits"] if self.waits else []))

    def _read_metadata(self, field: str) -> dict[str, str]:
        return dict(self.pod["metadata"].get(field, {}))

    @property
    def outcome(self) -> str:
        """What kind of case it is, so that it can be counted too."""
        taken = isinstance(self.decision, Sandboxed | Unsupported)
        return "Misnamed" if taken and self.groups is None else type(self.decision).__name__

    def find_differences(self, server: Server) -> list[str] | None:
        """Where the API server decides otherwise; None if it wouldn't take the manifest anywhere."""
        answer = server.create_pod(self.namespace, self.pod, user=self.username)
        differences = list(self._compare(answer))
        if differences and not answer.ok and not self._is_valid(server):
            return None
        return differences

    def _is_valid(self, server: Server) -> bool:
        """Whether the manifest is accepted where there are no profiles; otherwise a refusal says nothing of them."""
        return server.create_pod(UNREACHED, self._without_mark(), user=self.username).ok

    def _without_mark(self) -> Manifest:
        labels = {key: value for key, value in self.pod["metadata"].get("labels", {}).items() if key != PROFILE_LABEL}
        return {**self.pod, "metadata": {**self.pod["metadata"], "labels": labels}}

    def _expects_refusal(self) -> bool:
        match self.decision:
            case OutOfBounds() | OptOutRefused() | ProviderRefused():
                return True
            case Unmatched() | Skipped():
                return PROFILE_LABEL in self.pod["metadata"].get("labels", {})
            case Unsupported(profile=profile) if profile.unsupported == "Reject":
                return True
            case Sandboxed() | Unsupported():
                return self.groups is None
            case _:
                assert_never(self.decision)

    def _compare(self, answer: Answer) -> Iterator[str]:
        if not answer.ok and not self._expects_refusal():
            yield f"refused: {answer.message}"
            return
        match self.decision:
            case OutOfBounds(text=text) | OptOutRefused(text=text) | ProviderRefused(text=text):
                if text not in answer.message:
                    yield f"not refused with {text!r}: {answer.message!r}"
            case Unmatched() | Skipped():
                yield from self._compare_untouched(answer)
            case Unsupported(profile=profile, text=text) if profile.unsupported == "Reject":
                # The API server trims messages, and the last name in this one may be empty.
                if not answer.message.endswith(text.rstrip()):
                    yield f"not refused with {text!r}: {answer.message!r}"
            case Unsupported() | Sandboxed() if self.groups is None:
                if MALFORMED not in answer.message:
                    yield f"the groups' names are not refused: {answer.message!r}"
            case Unsupported():
                yield from self._compare_unsupported(answer.body, self.decision)
            case Sandboxed():
                yield from self._compare_sandboxed(answer.body, self.decision)

    def _compare_untouched(self, answer: Answer) -> Iterator[str]:
        if self._is_withdrawn() and not answer.ok:
            yield f"refused: {answer.message}"
            return
        if self._is_withdrawn():
            yield from _differ(
                "marks", [], [key for key in answer.body["metadata"].get("labels", {}) if is_written(key)]
            )
            yield from _differ("our gates", [], [gate for gate in _find_gates(answer.body) if gate in OUR_GATES])
            return
        if self._expects_refusal():
            if NO_PROFILE_TAKES_IT not in answer.message:
                yield f"the forged mark is not refused: {answer.message!r}"
            return
        metadata, spec = answer.body["metadata"], answer.body["spec"]
        yield from _differ("labels", self.pod["metadata"].get("labels", {}), metadata.get("labels", {}))
        yield from _differ("annotations", self.pod["metadata"].get("annotations", {}), metadata.get("annotations", {}))
        yield from _differ("runtimeClassName", self.pod["spec"].get("runtimeClassName"), spec.get("runtimeClassName"))
        yield from _differ("gates", _find_gates(self.pod), _find_gates(answer.body))

    def _is_withdrawn(self) -> bool:
        """Whether the pod is as an earlier run may have left it, and has opted out since."""
        mark = self._read_metadata("labels").get(PROFILE_LABEL)
        marked_by = [profile for profile in self.profiles if profile.name == mark]
        skip = compute_skip(self.pod, self.username)
        opted_out = skip is not None and skip.is_opt_out and not self.pod["spec"].get("nodeName")
        return opted_out and reaches_any(marked_by, self.namespace, ())

    def _compare_unsupported(self, pod: Manifest, decision: Unsupported) -> Iterator[str]:
        yield from self._compare_marks(pod, decision, UNSUPPORTED_GATE)
        yield from _differ("annotation", decision.text, pod["metadata"]["annotations"].get(UNSUPPORTED_ANNOTATION))
        yield from _differ("capacity", None, pod["metadata"]["annotations"].get(CAPACITY_ANNOTATION))
        yield from _differ("storage", None, pod["metadata"]["annotations"].get(STORAGE_ANNOTATION))
        yield from _differ("node affinity", _find_terms(self.pod), _find_terms(pod))

    def _compare_sandboxed(self, pod: Manifest, decision: Sandboxed) -> Iterator[str]:
        row = decision.size.row
        waits = {VOLUMES_GATE: bool(decision.claims), ISOLATION_GATE: self.waits}
        yield from self._compare_marks(pod, decision, *(gate for gate in waits if waits[gate]))
        yield from _differ("annotation", None, pod["metadata"]["annotations"].get(UNSUPPORTED_ANNOTATION))
        yield from _differ("capacity", str(row), pod["metadata"]["annotations"].get(CAPACITY_ANNOTATION))
        for kind in ("requests", "limits"):
            found = pod["spec"].get("resources", {}).get(kind, {})
            yield from _differ(kind, _as_amounts(row), {name: parse_quantity(found.get(name)) for name in found})
        terms = merge_terms(self.pod, compute_requirements(decision.profile))
        yield from _differ("node affinity", _tidy(terms), _find_terms(pod))
        plan = plan_storage(self.pod, decision.size.need)
        storage = {_STORAGE: Fraction(plan.gib * 2**30)}
        yield from _differ("storage", f"{plan.gib}Gi", pod["metadata"]["annotations"].get(STORAGE_ANNOTATION))
        for kind, changes in (("containers", plan.containers), ("initContainers", plan.init_containers)):
            found = pod["spec"].get(kind, [])
            for wanted, container, change in zip(self.pod["spec"].get(kind, []), found, changes, strict=True):
                limits = _lower(_amounts(wanted, "limits"), row)
                requests = _amounts(wanted, "limits") | _amounts(wanted, "requests")  # as the API server completes them
                match change:
                    case LimitChange.KEEP:
                        pass
                    case LimitChange.SET:
                        limits, requests = limits | storage, {_STORAGE: Fraction(0)} | requests
                    case LimitChange.REMOVE:
                        del limits[_STORAGE]
                yield from _differ(f"limits of {container['name']}", limits, _amounts(container, "limits"))
                yield from _differ(f"requests of {container['name']}", requests, _amounts(container, "requests"))

    def _compare_marks(self, pod: Manifest, decision: Sandboxed | Unsupported, *gates: str) -> Iterator[str]:
        """Whether all labels, the gates and what tells the groups are as they should be."""
        marks, shown = build_group_marks(self.groups or ())
        own = {key: value for key, value in self._read_metadata("labels").items() if not is_written(key)}
        names = dict.fromkeys((PROFILE_LABEL, EKS_PROFILE_LABEL), decision.profile.name)
        spot = {CAPACITY_PROVIDER_LABEL: FARGATE_SPOT} if decision.profile.is_spot else {}
        yield from _differ("labels", {**own, **names, **marks, **spot}, pod["metadata"].get("labels"))
        yield from self._compare_priority(pod, decision.profile)
        found = pod["metadata"].get("annotations", {}).get(POD_GROUPS_ANNOTATION)
        yield from _differ("groups", shown[POD_GROUPS_ANNOTATION], found)
        yield from _differ("runtimeClassName", decision.runtime_class, pod["spec"].get("runtimeClassName"))
        of_class = {"metal": "yes"} if decision.runtime_class == SCHEDULED_SANDBOX else {}
        nodes = {**choose_node_selector(self.pod), **of_class}
        yield from _differ("nodeSelector", nodes, pod["spec"].get("nodeSelector", {}))
        yield from _differ("scheduler", DEFAULT_SCHEDULER, pod["spec"]["schedulerName"])
        others = [gate for gate in _find_gates(self.pod) if gate not in OUR_GATES]
        yield from _differ("gates", [*others, *gates], _find_gates(pod))

    def _compare_priority(self, pod: Manifest, profile: Profile) -> Iterator[str]:
        """Whether the pod gives way as it should, and in time."""
        terms, spec = compute_spot_terms(self.pod), pod["spec"]
        own = self.pod["spec"].get("priorityClassName")
        was_spot = own in SPOT_CLASSES and CAPACITY_PROVIDER_LABEL in self._read_metadata("labels")
        of_class = profile.spot_class if profile.is_spot else None if was_spot else own
        yield from _differ("priorityClassName", of_class, spec.get("priorityClassName"))
        yield from _differ("priority", PRIORITIES[of_class], spec["priority"])
        grace = terms.grace_seconds if profile.is_spot else terms.asked_seconds
        yield from _differ("grace", grace, spec["terminationGracePeriodSeconds"])


def _as_amounts(row: PodSize) -> dict[str, Fraction]:
    return {"cpu": Fraction(row.cpu_millis, 1000), "memory": Fraction(row.memory_mib * 2**20)}


def _find_gates(pod: Manifest) -> list[str]:
    return [gate["name"] for gate in pod["spec"].get("schedulingGates", [])]


def _find_terms(pod: Manifest) -> list[Manifest]:
    return _tidy([dict(term.fields) for term in read_terms(pod)])


def _tidy(terms: list[Manifest]) -> list[Manifest]:
    """Without empty lists, which the API server leaves out."""
    return [{key: value for key, value in term.items() if value} for term in terms]


def _amounts(container: Manifest, kind: str) -> dict[str, Fraction]:
    amounts = container.get("resources", {}).get(kind, {})
    return {name: _in_thousandths(parse_quantity(amounts[name])) for name in amounts}


def _in_thousandths(amount: Fraction) -> Fraction:
    """What the API server stores: it rounds up to thousandths."""
    return Fraction(-(-amount * 1000 // 1), 1000)


def _lower(limits: dict[str, Fraction], row: PodSize) -> dict[str, Fraction]:
    bounds = _as_amounts(row)
    return {name: min(limit, bounds.get(name, limit)) for name, limit in limits.items()}


def _differ(what: str, expected: object, found: object) -> Iterator[str]:
    if expected != found:
        yield f"{what}: Python says {expected!r}, the API server {found!r}"
