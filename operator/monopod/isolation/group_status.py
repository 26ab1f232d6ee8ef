"""Keeps the statuses of security groups, and creates the default group where it is missing.

Counting follows the pods at a distance, so that a burst of them is one write and not one for each.
"""

import structlog

from monopod.api.names import API_VERSION, DEFAULT_GROUP
from monopod.isolation.caches import Caches
from monopod.isolation.group_resolver import SecurityGroupResolver
from monopod.isolation.rules.default_group import build_default_group
from monopod.isolation.rules.group_status import GroupFacts, decide_group_status
from monopod.isolation.rules.network_policies import Infrastructure, compute_void_peers
from monopod.isolation.rules.security_group import SecurityGroup
from monopod.isolation.rules_cache import GroupRulesCache
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock, format_now
from monopod.kube.controller import DONE, WHOLE, Backoff, Controller, Incomplete, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import SECURITY_GROUPS
from monopod.kube.statuses import StatusWriter
from monopod.pods.view import PodView

# How old a status may be.
DEBOUNCE_SECONDS = 2.0

logger = structlog.stdlib.get_logger(__name__)


class GroupReporter:
    """Writes what differs, a while after anything changed that a status depends on."""

    def __init__(
        self,
        api: Api,
        caches: Caches,
        membership: SecurityGroupResolver,
        rules: GroupRulesCache,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._caches = caches
        self._membership = membership
        self._rules = rules
        self._problems = problems
        self._statuses = StatusWriter(api, caches.groups, "SecurityGroup", problems)
        self.controller = Controller(
            "security-groups",
            self._reconcile,
            problems,
            backoff=Backoff(first=DEBOUNCE_SECONDS),
            rest=lambda _: DEBOUNCE_SECONDS,
            clock=clock,
        )
        self.controller.enqueue(WHOLE)
        self._void: dict[SecurityGroup, tuple[Infrastructure, tuple[str, ...]]] = {}
        for kind in (caches.groups, caches.profiles, caches.group_policies, caches.nodes, caches.endpoints):
            kind.listeners.append(lambda *_: self.controller.enqueue(WHOLE))
        caches.pods.listeners.append(lambda _, old, new: self._see_pod(old, new))

    def _see_pod(self, old: PodView | None, new: PodView | None) -> None:
        if (old and old.groups) != (new and new.groups):
            self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        """Creates the default group and writes all statuses that differ."""
        complete = await self._create_default()
        users = self._find_users()
        names = [resource["metadata"]["name"] for resource in self._caches.groups.views()]
        self._statuses.retain(names)
        for name in names:
            complete = await self._report(name, tuple(sorted(users.get(name, ())))) and complete
        if not complete:
            raise Incomplete
        return DONE

    async def _create_default(self) -> bool:
        """The group that pods have for which no one chose one; without it all their traffic would be denied."""
        if self._caches.groups.find("", DEFAULT_GROUP) is not None:
            return True
        subject = f"creation of SecurityGroup {DEFAULT_GROUP}"
        try:
            self._caches.groups.observe(
                "ADDED", await self._api.create(SECURITY_GROUPS.list_path(), build_default_group())
            )
        except (ApiError, ApiUnreachable) as error:
            if isinstance(error, ApiError) and error.status == 409:
                return True  # somebody else was faster, and it is theirs: the watch is about to tell
            self._problems.report(subject, str(error))
            return False
        self._problems.clear(subject)
        logger.info("default security group created", name=DEFAULT_GROUP)
        return True

    def _find_users(self) -> dict[str, set[str]]:
        """Who names which group."""
        users: dict[str, set[str]] = {}
        for resource in self._caches.profiles.views():
            name = resource["metadata"]["name"]
            profile = self._membership.get_profile(name)
            for group in profile.security_groups or (DEFAULT_GROUP,) if profile else ():
                users.setdefault(group, set()).add(f"FargateProfile/{name}")
        for namespace in self._caches.group_policies.values("namespace"):
            for policy in self._membership.get_policies(namespace):
                for group in policy.groups:
                    users.setdefault(group, set()).add(f"SecurityGroupPolicy/{namespace}/{policy.name}")
        for resource in self._caches.groups.views():
            name = resource["metadata"]["name"]
            read = self._rules.get_group(name)
            for group in read.compute_peer_groups() - {name} if isinstance(read, SecurityGroup) else ():
                users.setdefault(group, set()).add(f"SecurityGroup/{name}")
        return users

    async def _report(self, name: str, users: tuple[str, ...]) -> bool:
        resource = self._caches.groups.find("", name)
        if resource is None or resource.get("apiVersion") not in (None, API_VERSION):
            return True
        current = resource.get("status")
        wanted = decide_group_status(self._gather(name, resource["metadata"], users), current or {}, format_now())
        return await self._statuses.write(name, current, wanted)

    def _gather(self, name: str, metadata: dict[str, object], users: tuple[str, ...]) -> GroupFacts:
        group = self._rules.get_group(name)
        generation, pods = int(str(metadata.get("generation") or 0)), self._caches.pods.count("group", name)
        if isinstance(group, str):
            return GroupFacts(generation, group, pods, users)
        unknown = sorted(peer for peer in group.compute_peer_groups() if self._caches.groups.find("", peer) is None)
        return GroupFacts(generation, group, pods, users, tuple(unknown), self._compute_void(group))

    def _compute_void(self, group: SecurityGroup) -> tuple[str, ...]:
        known = self._void.get(group)
        if known is None or known[0] != self._rules.infrastructure:
            if len(self._void) > 2 * len(self._caches.groups):
                self._void.clear()
            self._void[group] = known = (
                self._rules.infrastructure,
                compute_void_peers(group, self._rules.infrastructure),
            )
        return known[1]
