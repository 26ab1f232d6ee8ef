"""What sets of security groups allow: rules, computed once for all pods that have them.

A change of a group, or of the cluster's own addresses, is answered with the sets whose rules it changed; the pods of
others have nothing to do with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monopod.isolation.caches import Caches
from monopod.isolation.rules.infrastructure import build_infrastructure, describe_odd_addresses
from monopod.isolation.rules.network_policies import Infrastructure, PolicyTooLarge, Rules, build_rules
from monopod.isolation.rules.security_group import SecurityGroup
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.text import list_names

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Allowed:
    """The groups exist, and allow this."""

    rules: Rules


@dataclass(frozen=True, slots=True)
class Denied:
    """Pods of these groups are denied all traffic; `why` is for a person, `missing` names the groups at fault."""

    missing: Names
    why: str


GroupRules = Allowed | Denied


class GroupRulesCache:
    """Remembers groups as they were read, and the rules of each set of them."""

    def __init__(
        self, caches: Caches, node_cidrs: tuple[str, ...], metadata: tuple[str, ...], problems: ProblemLog
    ) -> None:
        self._caches = caches
        self._node_cidrs = node_cidrs
        self._metadata = metadata
        self._problems = problems
        self._groups: dict[str, SecurityGroup] = {}
        self._rules: dict[Names, GroupRules] = {}
        self._infrastructure: Infrastructure | None = None
        self._odd: frozenset[str] = frozenset()

    @property
    def infrastructure(self) -> Infrastructure:
        """The cluster's own addresses, as of the last `refresh`."""
        if self._infrastructure is None:
            self._infrastructure = self._build_infrastructure()
        return self._infrastructure

    def find(self, names: Names) -> GroupRules:
        """What pods of exactly these groups may do."""
        if names not in self._rules:
            self._rules[names] = self._compute(names)
        return self._rules[names]

    def get_group(self, name: str) -> SecurityGroup | str:
        """The group, or why there is none that counts."""
        known = self._groups.get(name) or self._read(name)
        if isinstance(known, SecurityGroup):  # pods may name any number of others
            self._groups[name] = known
        return known

    def change_group(self, name: str) -> list[Names]:
        """Updates the rules after a change of a group; returns the sets whose rules differ now."""
        self._groups.pop(name, None)
        return self._renew(names for names in self._rules if name in names)

    def refresh(self) -> list[Names]:
        """Updates the rules after a change of nodes or API servers; returns the sets whose rules differ now."""
        fresh = self._build_infrastructure()
        if fresh == self._infrastructure:
            return []
        self._infrastructure = fresh
        return self._renew(self._rules)

    def forget(self, names: Names) -> None:
        """Forgets a set that no pod has any more."""
        self._rules.pop(names, None)

    def _renew(self, sets: Iterable[Names]) -> list[Names]:
        changed = []
        for names in list(sets):
            rules = self._compute(names)
            if rules != self._rules[names]:
                self._rules[names] = rules
                changed.append(names)
        return changed

    def _compute(self, names: Names) -> GroupRules:
        found = {name: self.get_group(name) for name in names}
        missing = tuple(name for name, group in found.items() if isinstance(group, str))
        if missing:
            reasons = [str(found[name]) for name in missing]
            return Denied(missing, f"{list_names(reasons)}, so all the pod's traffic is denied")
        groups = [group for group in found.values() if isinstance(group, SecurityGroup)]
        if not groups:
            return Denied((), "the pod belongs to no security group, so all its traffic is denied")
        try:
            return Allowed(build_rules(groups, self.infrastructure))
        except PolicyTooLarge as error:
            return Denied(names, f"{error}; all the pod's traffic is denied")

    def _read(self, name: str) -> SecurityGroup | str:
        resource = self._caches.groups.find("", name)
        if resource is None:
            return f"SecurityGroup {name} doesn't exist"
        if "deletionTimestamp" in resource["metadata"]:
            return f"SecurityGroup {name} is being deleted"
        subject = f"SecurityGroup {name}"
        try:
            group = SecurityGroup.from_resource(resource)
        except ValueError as error:
            self._problems.report(subject, str(error))
            return f"SecurityGroup {name} can't be read ({error})"
        self._problems.clear(subject)
        return group

    def _build_infrastructure(self) -> Infrastructure:
        nodes = [] if self._node_cidrs else self._caches.nodes.views()
        self._report_odd({f"node {node.name}": odd for node in nodes if (odd := describe_odd_addresses(node))})
        return build_infrastructure(nodes, self._node_cidrs, self._caches.endpoints.views(), self._metadata)

    def _report_odd(self, odd: Mapping[str, str]) -> None:
        for subject, trouble in odd.items():
            self._problems.report(subject, trouble)
        for subject in self._odd - odd.keys():
            self._problems.clear(subject)
        self._odd = frozenset(odd)
