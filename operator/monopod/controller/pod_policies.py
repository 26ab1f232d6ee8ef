"""The NetworkPolicies of pods: one per pod, or one per namespace and set of groups, as the pod's profile says.

    groups by the rules ── every group exists? ── no: no policy, so the base policy keeps the pod closed; event
        └── yes: policy compared with what the API server has, and written if it differs; others deleted
                └── groups differ from the labels? ── labels written

The policy comes before the labels: if these can't be written, what the pod may do has changed all the same. A shared
policy selects by the labels, so there a pod whose labels can't be written is left out, and has a policy of its own.

Policies go with their pods: the garbage collector deletes those of a pod, and here those of a set that has none left.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import assert_never

from monopod.api.reasons import IsolationReason
from monopod.cluster.client import ApiClient, ApiError, ApiUnreachable, ServerTrouble
from monopod.cluster.mirror import Mirror
from monopod.cluster.views import PodView
from monopod.controller.announcing import Announcements
from monopod.controller.logs import Complaints
from monopod.controller.membership import Membership, Names
from monopod.controller.metrics import ISOLATION_SECONDS
from monopod.controller.policies import PolicyWriter
from monopod.controller.rulebook import Closed, Opened, RuleBook
from monopod.domain.isolation import Policy, build_groups_policy, build_pod_policy

PER_GROUP = "PerGroup"
# What is refused only so long, by a webhook that is being restarted for instance, is nothing to tell.
PATIENCE_SECONDS = 5.0


class PodKeeper:
    """Keeps the policies of pods, one pod at a time; remembers which are closed, and when a pod was first seen."""

    def __init__(
        self,
        api: ApiClient,
        mirror: Mirror,
        membership: Membership,
        rules: RuleBook,
        writer: PolicyWriter,
        complaints: Complaints,
    ) -> None:
        self._mirror = mirror
        self._membership = membership
        self._rules = rules
        self._writer = writer
        self._announcements = Announcements(api, complaints)
        self._sets = asyncio.Lock()
        self._seen: dict[str, float] = {}
        self._failing_since: dict[str, float] = {}
        self._left_out: dict[str, PodView] = {}
        """Pods of shared policies whose labels can't be written, with their old groups."""
        self.on_change: Callable[[], None] = lambda: None
        self.closed: dict[str, tuple[PodView, Closed]] = {}
        """Pods that have no policy of their own, by uid, and why."""
        self.unwritten: dict[str, PodView] = {}
        """Pods of which something couldn't be written for some time, by uid."""

    def begin(self) -> None:
        """The first lists are complete: pods that come from now on are new."""
        self._seen.clear()

    def see(self, uid: str) -> None:
        """A pod appeared: from now on its time counts."""
        self._seen[uid] = time.monotonic()

    def forget(self, uid: str) -> None:
        """A pod is gone."""
        self._seen.pop(uid, None)
        self._left_out.pop(uid, None)
        self._recover(uid)
        self._announcements.forget(uid)
        self._open(uid)
        self._membership.forget(uid)

    def _recover(self, uid: str) -> None:
        self._failing_since.pop(uid, None)
        if self.unwritten.pop(uid, None):
            self.on_change()

    def _open(self, uid: str) -> None:
        if self.closed.pop(uid, None):
            self.on_change()

    def is_per_group(self, profile: str) -> bool:
        """Whether the pods of a profile share policies."""
        found = self._membership.find_profile(profile)
        return found is not None and found.isolation == PER_GROUP

    async def keep(self, pod: PodView) -> None:
        """Brings labels and policies of one pod to what they should be.

        Raises:
            ApiError: the API server refuses something.
            ApiUnreachable: no answer.
        """
        if pod.unsupported:
            return  # it never runs
        try:
            await self._keep(pod)
        except (ApiError, ApiUnreachable) as error:
            await self._tell_of_failure(pod, error)
            raise
        finally:
            if not self._mirror.pods.count("uid", pod.uid):
                self.forget(pod.uid)  # it went meanwhile, and nothing will say so again
        self._recover(pod.uid)

    async def _tell_of_failure(self, pod: PodView, error: ApiError | ApiUnreachable) -> None:
        now = time.monotonic()
        lasts = now - self._failing_since.setdefault(pod.uid, now) >= PATIENCE_SECONDS
        if not lasts or not isinstance(error, ApiError | ServerTrouble):
            return  # without any answer there is nobody to tell
        if pod.uid not in self.unwritten:
            self.unwritten[pod.uid] = pod
            self.on_change()
        text = f"What its security groups say can't be put into force, and is tried again: {error}"
        with contextlib.suppress(ApiUnreachable):
            await self._announcements.say(pod.namespace, pod.name, pod.uid, IsolationReason.NOT_IN_FORCE, text)

    async def _keep(self, pod: PodView) -> None:
        names = await self._membership.choose(pod)
        own = None
        match self._rules.find(names):
            case Opened(rules):
                self._open(pod.uid)
                own = build_pod_policy(pod.namespace, pod.name, pod.uid, names, rules)
            case Closed() as closed:
                self.closed[pod.uid] = (pod, closed)
                self.on_change()
            case never:
                assert_never(never)
        if self.is_per_group(pod.profile):
            await self._share(pod, names, own)
        else:
            await self._bring(pod, own)
            await self._adjust(pod, names)
        began = self._seen.pop(pod.uid, None)
        if trouble := self.closed.get(pod.uid):
            reason, text = IsolationReason.SECURITY_GROUP_NOT_FOUND, trouble[1].why
            await self._announcements.say(pod.namespace, pod.name, pod.uid, reason, text)
        elif began is not None:
            ISOLATION_SECONDS.observe(time.monotonic() - began)

    async def _bring(self, pod: PodView, own: Policy | None) -> None:
        """Brings a pod's own policy to what it should be; None: it has none.

        Policies add up, and the name says the groups. So that a pod is at no instant open to both, its old groups and
        its new ones, the rules change first and the name after that.
        """
        owned = self._mirror.network_policies.look_up("owner", pod.uid)
        existing = {view.name: view for view in owned if view.kind}  # others may give the pod policies, too
        if own is None:
            await self._writer.bring([], existing.values())
            return
        # The name may be one that a namesake's policy still has, which then becomes this pod's.
        name = own["metadata"]["name"]
        if name not in existing:
            renamed = [{**own, "metadata": {**own["metadata"], "name": old}} for old in existing]
            await self._writer.bring(renamed, existing.values())
        if view := self._mirror.network_policies.find(pod.namespace, name):
            existing |= {name: view} if view.kind else {}
        await self._writer.bring([own], existing.values())

    async def _adjust(self, pod: PodView, names: Names) -> None:
        if not self._membership.is_right(pod, names):
            await self._membership.adjust(pod, names)

    async def _share(self, pod: PodView, names: Names, own: Policy | None) -> None:
        """Has the pod selected by the policy of its groups; `own` is what it would have of its own."""
        if pod.groups == names:
            self._left_out.pop(pod.uid, None)
        await self._keep_set(pod.namespace, names)
        try:
            await self._adjust(pod, names)
        except (ApiError, ServerTrouble):
            if pod.groups != names:
                self._left_out[pod.uid] = pod
                await self._keep_set(pod.namespace, pod.groups)
                await self._bring(pod, own)
            raise
        self._left_out.pop(pod.uid, None)
        await self._bring(pod, None)

    async def _keep_set(self, namespace: str, names: Names) -> None:
        async with self._sets:  # of a thousand pods the first writes, the others find it written
            answer = self._rules.find(names)
            if isinstance(answer, Opened):
                policy = self._build_shared(namespace, names, answer)
                view = self._mirror.network_policies.find(namespace, policy["metadata"]["name"])
                await self._writer.bring([policy], [view] if view and view.kind else [])

    def _build_shared(self, namespace: str, names: Names, answer: Opened) -> Policy:
        left_out = [
            each.task for each in self._left_out.values() if (each.namespace, each.groups) == (namespace, names)
        ]
        return build_groups_policy(namespace, names, answer.rules, without=left_out)

    async def keep_sets(self, namespace: str) -> None:
        """Brings the shared policies of a namespace to what its pods need.

        Raises:
            ApiError: the API server refuses something.
            ApiUnreachable: no answer.
        """
        async with self._sets:
            needed = {
                pod.groups
                for value in self._mirror.pods.values("set")
                if value[0] == namespace and self.is_per_group(value[1])
                for pod in self._mirror.pods.look_up("set", value)[:1]
            }
            answers = {names: self._rules.find(names) for names in sorted(needed)}
            desired = [
                self._build_shared(namespace, names, answer)
                for names, answer in answers.items()
                if isinstance(answer, Opened)
            ]
            existing = self._mirror.network_policies.look_up("place", (namespace, "groups"))
            await self._writer.bring(desired, existing)
