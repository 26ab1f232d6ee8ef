"""The NetworkPolicies of pods: one per pod, or one per namespace and set of groups, as the pod's profile says.

    groups by the rules ── every group exists? ── no: no policy, so default-deny denies all its traffic; event
        └── yes: policy compared with what the API server has, and written if it differs; others deleted
                └── groups differ from the labels? ── labels written

The policy comes before the labels: if these can't be written, what the pod may do has changed all the same. A shared
policy selects by the labels, so there a pod whose labels can't be written is left out, and has a policy of its own.

A pod that has the default group because no one chose any is allowed traffic only in directions that no policy of its
namespace's owners is about. Such policies may select some of the pods alone, so where there are any, the pods of the
default group have policies of their own whatever their profile says.

Policies go with their pods: the garbage collector deletes those of a pod, and here those of a set that has none left.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import assert_never

from monopod.api.reasons import EventType, IsolationReason
from monopod.isolation.caches import Caches
from monopod.isolation.group_resolver import Names, SecurityGroupResolver
from monopod.isolation.owners_policies import OwnersPolicies
from monopod.isolation.policy_writer import PolicyWriter
from monopod.isolation.rules.changes import PolicyView
from monopod.isolation.rules.membership import Groups
from monopod.isolation.rules.network_policies import (
    Policy,
    Rules,
    build_groups_policy,
    build_pod_policy,
    name_groups_policy,
    name_pod_policy,
)
from monopod.isolation.rules.owners_policies import (
    DEFAULT_GROUPS,
    NO_DIRECTIONS,
    Directions,
    get_opened_directions,
    leave_directions,
)
from monopod.isolation.rules_cache import Allowed, Denied, GroupRulesCache
from monopod.kube.client.api import ApiError, ApiUnreachable, ServerTrouble
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.event_recorder import EventRecorder, refer_to_pod
from monopod.kube.metrics import ISOLATION_SECONDS
from monopod.pods.view import PodView

PER_GROUP = "PerGroup"
# What is refused only so long, by a webhook that is being restarted for instance, is nothing to tell.
PATIENCE_SECONDS = 5.0


class PodPolicies:
    """Keeps the policies of pods, one pod at a time; remembers which are denied, and when a pod was first seen."""

    def __init__(
        self,
        caches: Caches,
        membership: SecurityGroupResolver,
        rules: GroupRulesCache,
        owners: OwnersPolicies,
        writer: PolicyWriter,
        recorder: EventRecorder,
        left: dict[str, Directions],
        tell: Callable[[], None],
        tell_left: Callable[[str], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Does nothing yet.

        `left` has the directions that are left to the owners of a pod's namespace, by the pod's uid, and is kept here;
        `tell_left` hears of a namespace where it has changed, `tell` that other pods are denied or unwritten.
        """
        self._caches = caches
        self._membership = membership
        self._rules = rules
        self._owners = owners
        self._writer = writer
        self._recorder = recorder
        self._sets = asyncio.Lock()
        self._seen: dict[str, float] = {}
        self._failing_since: dict[str, float] = {}
        self._left_out: dict[str, PodView] = {}
        """Pods of shared policies whose labels can't be written, with their old groups."""
        self._tell = tell
        self._tell_left = tell_left
        self._clock = clock
        self.denied: dict[str, tuple[PodView, Denied]] = {}
        """Pods that have no policy of their own, by uid, and why."""
        self.unwritten: dict[str, PodView] = {}
        """Pods of which something couldn't be written for some time, by uid."""
        self._left = left

    def begin(self) -> None:
        """The first lists are complete: pods that come from now on are new."""
        self._seen.clear()

    def observe(self, uid: str) -> None:
        """A pod appeared: from now on its time counts."""
        self._seen[uid] = self._clock.monotonic()

    def forget(self, uid: str) -> None:
        """A pod is gone."""
        self._seen.pop(uid, None)
        self._left_out.pop(uid, None)
        self._recover(uid)
        self._left.pop(uid, None)
        self._allow(uid)
        self._membership.forget(uid)

    def _recover(self, uid: str) -> None:
        self._failing_since.pop(uid, None)
        if self.unwritten.pop(uid, None):
            self._tell()

    def _allow(self, uid: str) -> None:
        if self.denied.pop(uid, None):
            self._tell()

    def is_per_group(self, profile: str) -> bool:
        """Whether the pods of a profile share policies."""
        found = self._membership.get_profile(profile)
        return found is not None and found.isolation == PER_GROUP

    def shares_policy(self, namespace: str, profile: str, names: Names) -> bool:
        """Whether a profile's pods of these groups share a policy in a namespace."""
        return self.is_per_group(profile) and not (names == DEFAULT_GROUPS and self._owners.count(namespace))

    async def reconcile(self, pod: PodView) -> bool:
        """Brings labels and policies of one pod to what they should be; False if an event has yet to be posted.

        Raises:
            ApiError: the API server refuses something.
            ApiUnreachable: no answer.
        """
        if pod.unsupported:
            return True  # it never runs
        try:
            is_told = await self._keep(pod)
        except (ApiError, ApiUnreachable) as error:
            await self._tell_of_failure(pod, error)
            raise
        finally:
            if not self._caches.pods.count("uid", pod.uid):
                self.forget(pod.uid)  # it went meanwhile, and nothing will say so again
        self._recover(pod.uid)
        return is_told

    async def _tell_of_failure(self, pod: PodView, error: ApiError | ApiUnreachable) -> None:
        now = self._clock.monotonic()
        lasts = now - self._failing_since.setdefault(pod.uid, now) >= PATIENCE_SECONDS
        if not lasts or not isinstance(error, ApiError | ServerTrouble):
            return  # without any answer no event can be written
        if pod.uid not in self.unwritten:
            self.unwritten[pod.uid] = pod
            self._tell()
        text = f"What its security groups say can't be enforced yet, and is tried again: {error}"
        with contextlib.suppress(ApiUnreachable):
            await self._record(pod, IsolationReason.NOT_ENFORCED, text)

    async def _record(self, pod: PodView, reason: IsolationReason, text: str) -> bool:
        about = refer_to_pod(pod.namespace, pod.name, pod.uid)
        return await self._recorder.record_state(about, EventType.WARNING, reason, text)

    async def _keep(self, pod: PodView) -> bool:
        groups = await self._membership.choose(pod)
        match self._rules.find(groups.names):
            case Allowed(rules):
                self._allow(pod.uid)
                if self._opens_more(pod, groups, rules):
                    await self._owners.refresh(pod.namespace, pod.uid)
            case Denied() as denied:
                self.denied[pod.uid] = (pod, denied)
                self._tell()
            case never:
                assert_never(never)
        if self.is_per_group(pod.profile):
            await self._share(pod, groups)
        else:
            # The new name may be refused, by a quota for instance, and so may the labels: neither waits for the other.
            await self._change_rules(pod, groups)
            try:
                await self._adjust(pod, groups.names)
            finally:
                await self._rename(pod, groups)
        began = self._seen.pop(pod.uid, None)
        if trouble := self.denied.get(pod.uid):
            return await self._record(pod, IsolationReason.SECURITY_GROUP_NOT_FOUND, trouble[1].why)
        if began is not None:
            ISOLATION_SECONDS.observe(self._clock.monotonic() - began)
        return True

    def _opens_more(self, pod: PodView, groups: Groups, rules: Rules) -> bool:
        """Whether the default group opens a direction that isn't open yet by the policy that is to do so."""
        if groups.names != DEFAULT_GROUPS:
            return False
        if self.shares_policy(pod.namespace, pod.profile, groups.names):
            left, view = NO_DIRECTIONS, self._compute_shared(pod.namespace)
        else:
            left = self._owners.find_left(pod, groups)
            named = self._caches.network_policies.find(pod.namespace, name_pod_policy(pod.name, groups.names))
            view = named if named and named.owner == pod.uid else None
        opened = get_opened_directions({"ingress": rules.ingress, "egress": rules.egress}) - left
        return bool(opened - (view.opened if view else NO_DIRECTIONS))

    def _build_own(self, pod: PodView, groups: Groups | None) -> Policy | None:
        """The policy that a pod of these groups should have by itself, as of what the owners say now."""
        answer = self._rules.find(groups.names) if groups else None
        left = self._owners.find_left(pod, groups) if groups and isinstance(answer, Allowed) else NO_DIRECTIONS
        before = self._left.pop(pod.uid, NO_DIRECTIONS)
        if left:
            self._left[pod.uid] = left
        if before != left:
            self._tell_left(pod.namespace)
        if groups is None or not isinstance(answer, Allowed):
            return None
        return build_pod_policy(pod.namespace, pod.name, pod.uid, groups.names, leave_directions(answer.rules, left))

    async def _bring(self, pod: PodView, groups: Groups | None) -> None:
        """Brings a pod's own policy to what it should be; None: it has none.

        Policies add up, and the name says the groups. So that a pod is at no instant open to both, its old groups and
        its new ones, the rules change first and the name after that.
        """
        await self._change_rules(pod, groups)
        await self._rename(pod, groups)

    async def _change_rules(self, pod: PodView, groups: Groups | None) -> None:
        """Gives the policies that a pod has the rules of its groups, under the names that they have; or deletes them.

        Nothing is awaited between reading what the owners say and the write.
        """
        own, existing = self._build_own(pod, groups), self._get_own(pod)
        if own is None:
            await self._writer.apply([], existing.values())
        elif own["metadata"]["name"] not in existing:
            renamed = [{**own, "metadata": {**own["metadata"], "name": old}} for old in existing]
            await self._writer.apply(renamed, existing.values())

    async def _rename(self, pod: PodView, groups: Groups | None) -> None:
        """Leaves a pod one policy, with the rules of its groups and the name that says them."""
        own, existing = self._build_own(pod, groups), self._get_own(pod)
        if own is None:
            return
        # A deleted pod of the same name may have left its policy, which then becomes this pod's.
        name = own["metadata"]["name"]
        if view := self._caches.network_policies.find(pod.namespace, name):
            existing |= {name: view} if view.kind else {}
        await self._writer.apply([own], existing.values())

    def _get_own(self, pod: PodView) -> dict[str, PolicyView]:
        owned = self._caches.network_policies.look_up("owner", pod.uid)
        return {view.name: view for view in owned if view.kind}  # others may give the pod policies, too

    async def _adjust(self, pod: PodView, names: Names) -> None:
        needs_task_id = not pod.task and not self.shares_policy(pod.namespace, pod.profile, names)
        if needs_task_id or not self._membership.is_right(pod, names):
            await self._membership.adjust(pod, names, identify=needs_task_id)

    async def _share(self, pod: PodView, groups: Groups) -> None:
        """Has the pod selected by the policy of its groups, or by one of its own where they have none."""
        names = groups.names
        if pod.groups == names:
            self._left_out.pop(pod.uid, None)
        shares = self.shares_policy(pod.namespace, pod.profile, names)
        try:
            await self._keep_set(pod, names)
            if not shares:
                await self._bring(pod, groups)
        except (ApiError, ServerTrouble):
            await self._adjust(pod, names)  # the policy of its old groups then selects it no more: all is denied
            raise
        try:
            await self._adjust(pod, names)
        except (ApiError, ServerTrouble):
            if pod.groups != names and pod.task:  # without a task id it can't be left out
                self._left_out[pod.uid] = pod
                await self._keep_set(pod, pod.groups)
                await self._bring(pod, groups)
            raise
        self._left_out.pop(pod.uid, None)
        if shares:
            await self._bring(pod, None)

    async def _keep_set(self, pod: PodView, names: Names) -> None:
        namespace = pod.namespace
        async with self._sets:  # of a thousand pods the first writes, the others find it written
            answer = self._rules.find(names)
            if isinstance(answer, Allowed) and self.shares_policy(namespace, pod.profile, names):
                policy = self._build_shared(namespace, names, answer)
                view = self._caches.network_policies.find(namespace, policy["metadata"]["name"])
                await self._writer.apply([policy], [view] if view and view.kind else [])

    def _build_shared(self, namespace: str, names: Names, answer: Allowed) -> Policy:
        left_out = [
            each.task for each in self._left_out.values() if (each.namespace, each.groups) == (namespace, names)
        ]
        return build_groups_policy(namespace, names, answer.rules, without=left_out)

    async def keep_sets(self, namespace: str) -> bool:
        """Brings the shared policies of a namespace to what its pods need; False if that has to be done again soon.

        Raises:
            ApiError: the API server refuses something.
            ApiUnreachable: no answer.
        """
        async with self._sets:
            if DEFAULT_GROUPS in self._compute_sets(namespace) and not self._compute_shared(namespace):
                await self._owners.refresh(namespace)
            answers = {names: self._rules.find(names) for names in sorted(self._compute_sets(namespace))}
            desired = [
                self._build_shared(namespace, names, answer)
                for names, answer in answers.items()
                if isinstance(answer, Allowed)
            ]
            existing = self._caches.network_policies.look_up("place", (namespace, "groups"))
            wanted = {policy["metadata"]["name"] for policy in desired}
            awaited = self._compute_awaited(namespace) - wanted
            existing = [view for view in existing if view.name not in awaited]
            await self._writer.apply(desired, existing)
            return not awaited

    def _compute_sets(self, namespace: str) -> set[Names]:
        """The sets of groups of which pods of a namespace share policies."""
        return {
            pod.groups
            for value in self._caches.pods.values("set")
            if value[0] == namespace and self.shares_policy(namespace, value[1], value[2])
            for pod in self._caches.pods.look_up("set", value)[:1]
        }

    def _compute_shared(self, namespace: str) -> PolicyView | None:
        """The policy that the pods of the default group share."""
        view = self._caches.network_policies.find(namespace, name_groups_policy(DEFAULT_GROUPS))
        return view if view and view.kind else None

    def _compute_awaited(self, namespace: str) -> set[str]:
        """The shared policies whose pods have to get their own before these may go."""
        return {
            name_groups_policy(value[2])
            for value in self._caches.pods.values("set")
            if value[0] == namespace and not self.shares_policy(namespace, value[1], value[2])
            if self._caches.network_policies.find(namespace, name_groups_policy(value[2]))
            if any(map(self._lacks_policy, self._caches.pods.look_up("set", value)))
        }

    def _lacks_policy(self, pod: PodView) -> bool:
        """Whether no policy of its own selects a pod, and one is going to: not for long, unless something is wrong."""
        if pod.unsupported or pod.uid in self.denied or pod.uid in self.unwritten:
            return False
        return not (pod.task and any(view.kind for view in self._caches.network_policies.look_up("owner", pod.uid)))
