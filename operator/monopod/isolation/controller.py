"""Keeps pods isolated, by one key each: what would be too slow, and too much, for the controller of profiles.

    event ──caches──► key in the queue ──worker──► compare what should be with what is ──► write the difference

Everything is level-based: a key names a namespace, a pod or a policy, and all of that is compared. The controller
is one of its own, so that a burst of pods never delays the profiles, nor the other way round. A namespace goes before
all pods, because its default-deny policy is what denies their traffic.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from monopod.api.names import BASE_POLICY, TASKS_POLICY_KIND
from monopod.gates.controller import GateKeeper, Manifest
from monopod.isolation.caches import Caches
from monopod.isolation.default_deny import DefaultDenyPolicies
from monopod.isolation.drift import DriftReporter
from monopod.isolation.group_resolver import Names, SecurityGroupResolver
from monopod.isolation.group_status import GroupReporter
from monopod.isolation.keys import InfrastructureKey, NamespaceKey, PodKey, SetsKey, StrayKey, WorkKey
from monopod.isolation.options import IsolationOptions
from monopod.isolation.over_permissive_policies import OverPermissivePolicies
from monopod.isolation.owners_policies import OwnersPolicies
from monopod.isolation.pod_policies import PodPolicies
from monopod.isolation.policy_writer import PolicyWriter
from monopod.isolation.rules.changes import PolicyView
from monopod.isolation.rules.membership import get_account
from monopod.isolation.rules.owners_policies import DEFAULT_GROUPS, Concern, Directions
from monopod.isolation.rules.summary import Isolation, describe_isolation
from monopod.isolation.rules_cache import Denied, GroupRulesCache
from monopod.kube.cache import Key
from monopod.kube.client.api import Api, ApiError
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, WHOLE, After, Controller, Result
from monopod.kube.event_recorder import EventRecorder
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import DENIED_PODS
from monopod.kube.objects.conditions import Contribution
from monopod.kube.objects.resources import PODS
from monopod.kube.signals import Signal
from monopod.pods.view import PodView
from monopod.selectors.publication import NamespaceView

WORKERS = 16
# Nodes come in numbers; each set of rules is worked out once for all that come within this time.
COME_SECONDS = 1.0
# They go in numbers, too, one after the other, and no pod waits for that. Whoever gets a node's address within this
# time counts as the node meanwhile (docs/security.md).
GONE_SECONDS = 30.0
# A set whose last pod is gone often gets the next one soon.
SETS_SECONDS = 1.0
# As long as pods wait for policies of their own, the one that they share is checked again after this time.
AWAITED_SECONDS = 0.2
# Replacing a policy by another may mean deleting the first before the second is there.
OWNERS_SECONDS = 1.0
# The garbage collector has this long for the policy of a pod that is gone, before it counts as left over.
STRAY_SECONDS = 30.0
# After how long an event about a pod that couldn't be posted is tried again.
UNTOLD_SECONDS = 30.0


class Isolator:
    """Enqueues what changes in the caches concern, and reconciles it.

    Attributes:
        places_changed: namespaces may have to be marked again.
        sums_changed: other pods are denied, unwritten or over-permissive than before.
    """

    def __init__(
        self,
        api: Api,
        caches: Caches,
        options: IsolationOptions,
        recorder: EventRecorder,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._caches = caches
        self.places_changed, self.sums_changed = Signal(), Signal()
        self._queue: Controller[WorkKey] = Controller(
            "isolation", self._reconcile, problems, workers=WORKERS, clock=clock
        )
        self._writer = PolicyWriter(api, caches, self._see_tampering)
        self._drift: DriftReporter[WorkKey] = DriftReporter(caches, recorder, problems)
        self.membership = SecurityGroupResolver(api, caches, options.sandbox, problems)
        self.rules = GroupRulesCache(caches, options.node_cidrs, options.blocked_addresses, problems)
        self._owners = OwnersPolicies(api, caches)
        self.base = DefaultDenyPolicies(
            caches, self._writer, problems, clock.monotonic, longest_retry=options.longest_retry_seconds
        )
        left: dict[str, Directions] = {}
        tell = self.sums_changed.fire
        self._over_permissive = OverPermissivePolicies(caches, self.rules, left, tell, problems, clock)
        self.pods = PodPolicies(
            caches,
            self.membership,
            self.rules,
            self._owners,
            self._writer,
            recorder,
            left,
            tell,
            self._over_permissive.enqueue,
            clock,
        )
        self._gates = GateKeeper(api, caches, self.base.look_up, self._prepare_release, recorder, problems, clock)
        self._groups = GroupReporter(api, caches, self.membership, self.rules, problems, clock)
        self.controllers: tuple[Controller[Any], ...] = (
            self._queue,
            self._gates.controller,
            self._groups.controller,
            self._over_permissive.controller,
        )
        self._listen()

    def sum_up(self) -> dict[str, Isolation]:
        """What isn't as security groups say, by profile; those where all is well aren't among them."""
        denied: dict[str, list[Denied]] = {}
        for pod, trouble in self.pods.denied.values():
            denied.setdefault(pod.profile, []).append(trouble)
        over_permissive = self._over_permissive.found.values()
        unwritten = Counter(pod.profile for pod in self.pods.unwritten.values())
        return {
            profile: Isolation(
                denied=len(denied.get(profile, ())),
                groups=tuple(sorted({name for trouble in denied.get(profile, ()) for name in trouble.missing})),
                over_permissive=sum(found.pods.get(profile, 0) for found in over_permissive),
                policies=tuple(sorted({name for found in over_permissive for name in found.policies.get(profile, ())})),
                unwritten=unwritten[profile],
            )
            for profile in {*denied, *unwritten, *(profile for found in over_permissive for profile in found.pods)}
        }

    def contribute(self, profiles: Iterable[str], _: str) -> dict[str, Contribution]:
        """What each profile's status says of the isolation of its pods."""
        sums = self.sum_up()
        return {name: Contribution((describe_isolation(sums.get(name, Isolation())),)) for name in profiles}

    def measure(self) -> None:
        """Sets the gauges that a scrape can't work out."""
        DENIED_PODS.clear()
        for pod, _ in self.pods.denied.values():
            DENIED_PODS.labels(pod.profile).inc()

    def begin(self) -> None:
        """The first lists are complete: pods that come from now on are new."""
        self.pods.begin()

    def _listen(self) -> None:
        caches = self._caches
        caches.namespaces.listeners.append(self._see_namespace)
        caches.pods.listeners.append(self._see_pod)
        caches.network_policies.listeners.append(self._see_policy)
        caches.profiles.listeners.append(self._see_profile)
        caches.groups.listeners.append(self._see_group)
        caches.nodes.listeners.append(lambda _, __, new: self._refresh_later(COME_SECONDS if new else GONE_SECONDS))
        caches.endpoints.listeners.append(lambda *_: self._refresh_later(COME_SECONDS))
        caches.group_policies.listeners.append(lambda key, _, __: self._see_membership(key[0]))
        caches.accounts.listeners.append(lambda key, _, __: self._see_membership(key[0]))

    def _see_namespace(self, key: Key, old: NamespaceView | None, new: NamespaceView | None) -> None:
        if new and (old is None or old.uid != new.uid):
            self._writer.forget(key[1])

    def _see_pod(self, key: Key, old: PodView | None, new: PodView | None) -> None:
        if old and (new is None or new.uid != old.uid):
            self.pods.forget(old.uid)
        if new and (old is None or new.uid != old.uid):
            self.pods.observe(new.uid)
        if new and (old is None or _get_relevant(old) != _get_relevant(new)):
            self._queue.enqueue(PodKey(*key))
        if old and not self._caches.pods.count("groups", old.groups):
            self.rules.forget(old.groups)
        leaves = old and (new is None or (old.groups, old.profile) != (new.groups, new.profile))
        if leaves and self._caches.network_policies.count("place", (key[0], "groups")):
            self._queue.enqueue_after(SetsKey(key[0]), SETS_SECONDS)

    def _see_policy(self, key: Key, old: PolicyView | None, new: PolicyView | None) -> None:
        if new and new.kind == "base":
            # Where there was none, namespaces can be marked now, and pods may go.
            self.places_changed.fire()
            self._gates.controller.enqueue(WHOLE)
        self._see_concerns(key[0], [view.concern for view in (old, new) if view and view.concern], gone=new is None)
        if self._writer.has_written(key, new):
            return
        for view in (old, new):
            if view and view.kind:
                self._add_for(view)

    def _see_concerns(self, namespace: str, concerns: Sequence[Concern], *, gone: bool) -> None:
        """A policy of the namespace's owners came, changed or went: pods of the default group may follow it."""
        if not concerns:
            return
        first_or_last = self._owners.count(namespace) <= 1
        for value in self._caches.pods.values("set"):
            if value[0] == namespace and value[2] == DEFAULT_GROUPS:
                is_per_group = self.pods.is_per_group(value[1])
                for pod in self._caches.pods.look_up("set", value):
                    labels = pod.labels
                    if (is_per_group and first_or_last) or any(each.selects(labels) for each in concerns):
                        key = PodKey(namespace, pod.name)
                        if gone:
                            self._queue.enqueue_after(key, OWNERS_SECONDS)
                        else:
                            self._queue.enqueue(key, urgent=True)
        if not gone and first_or_last and self._caches.network_policies.count("place", (namespace, "groups")):
            self._queue.enqueue_after(SetsKey(namespace), AWAITED_SECONDS)

    def _add_for(self, policy: PolicyView) -> WorkKey | None:
        """Enqueues what one of our policies belongs to; None if it belongs to nothing any more."""
        key: WorkKey
        if policy.kind == TASKS_POLICY_KIND:
            return None  # that of whoever runs tasks
        pods = self._caches.pods.look_up("uid", policy.owner) if policy.kind == "pod" else []
        if policy.kind == "base":
            key = NamespaceKey(policy.namespace)
        elif policy.kind == "groups":
            key = SetsKey(policy.namespace)
        elif pods and pods[0].namespace == policy.namespace:
            key = PodKey(policy.namespace, pods[0].name)
        else:
            if self._caches.network_policies.find(policy.namespace, policy.name):
                self._queue.enqueue_after(StrayKey(policy.namespace, policy.name), STRAY_SECONDS)
            return None
        self._queue.enqueue(key, urgent=True)
        return key

    def _see_tampering(self, policy: PolicyView, *, deleted: bool) -> None:
        key = self._add_for(policy)
        if key:
            self._drift.expect(key, policy, deleted=deleted)

    def _see_group(self, key: Key, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        if _get_substance(old) != _get_substance(new):  # not for a status, which counts pods
            self._add_sets(self.rules.change_group(key[1]))

    def _see_profile(self, key: Key, _: dict[str, Any] | None, __: dict[str, Any] | None) -> None:
        if self.membership.has_changed(key[1]):
            self._add_with_sets(self._caches.pods.look_up("profile", key[1]))

    def _see_membership(self, namespace: str) -> None:
        self._add_pods(self._caches.pods.look_up("namespace", namespace))
        self.places_changed.fire()

    def _add_pods(self, pods: Iterable[PodView], *, background: bool = False) -> None:
        for pod in pods:
            self._queue.enqueue(PodKey(pod.namespace, pod.name), background=background)

    def _add_sets(self, changed: Iterable[Names]) -> None:
        for names in changed:
            self._add_with_sets(self._caches.pods.look_up("groups", names))

    def _follow_infrastructure(self) -> None:
        """Writes the policies again that name nodes or API servers.

        They are in the background, because their pods have policies already and new pods have none. The newest pods
        come first, because these may run on the nodes that came.
        """
        pods = [pod for names in self.rules.refresh() for pod in self._caches.pods.look_up("groups", names)]
        self._add_with_sets(sorted(pods, key=lambda pod: pod.created, reverse=True), background=True)

    def _add_with_sets(self, pods: Sequence[PodView], *, background: bool = False) -> None:
        """The pods first, so that each has its own policy before one that it shared is deleted."""
        self._add_pods(pods, background=background)
        for namespace in {pod.namespace for pod in pods}:
            if self._caches.network_policies.count("place", (namespace, "groups")):
                self._queue.enqueue(SetsKey(namespace))

    def _refresh_later(self, seconds: float) -> None:
        self._queue.enqueue_after(InfrastructureKey(), seconds)

    async def _reconcile(self, key: WorkKey) -> Result:
        result: Result = DONE
        match key:
            case NamespaceKey(namespace):
                await self.base.reconcile(namespace)
            case SetsKey(namespace):
                if not await self.pods.keep_sets(namespace):
                    return After(AWAITED_SECONDS)
            case PodKey(namespace, name):
                if not await self._work_on_pod(key, namespace, name):
                    result = After(UNTOLD_SECONDS)
            case StrayKey(namespace, name):
                await self._clear_away(namespace, name)
            case InfrastructureKey():
                self._follow_infrastructure()
            case _:
                assert_never(key)
        await self._drift.report(key)
        return result

    async def _work_on_pod(self, key: PodKey, namespace: str, name: str) -> bool:
        """False if there is something to say of the pod that couldn't be said yet."""
        pod = self._caches.pods.find(namespace, name)
        if pod is None:
            self._drift.drop(key)
            return True
        if self._drift.is_deletion(key) and not await self._exists(pod):
            # The pod went first, and its policy with it; the watch of pods is about to say so.
            self._drift.drop(key)
            return True
        return await self.pods.reconcile(pod)

    async def _exists(self, pod: PodView) -> bool:
        try:
            found = await self._api.get(PODS.path(pod.name, pod.namespace))
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return bool(found["metadata"]["uid"] == pod.uid)

    async def _clear_away(self, namespace: str, name: str) -> None:
        view = self._caches.network_policies.find(namespace, name)
        if view is None or view.kind in ("", "base", "groups", TASKS_POLICY_KIND):
            return
        if not (view.kind == "pod" and self._caches.pods.count("uid", view.owner)):
            await self._writer.delete(view)

    async def _prepare_release(self, pod: Manifest) -> str:
        """Writes the labels of the pod's groups if they are wrong; returns why it must not run yet, "" if it may.

        It may once its namespace has its default-deny policy and its labels say which groups it belongs to.
        """
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        if not self.base.is_seen(namespace):
            trouble = self.base.get_trouble(namespace)
            waits = f"Waits until namespace {namespace} has the NetworkPolicy {BASE_POLICY}"
            return f"{waits}, which can't be written: {trouble}" if trouble else f"{waits}."
        view = self._caches.pods.find(namespace, name)
        if view is None or view.uid != pod["metadata"]["uid"]:
            return "Waits until Monopod's operator has seen it."
        account = get_account(pod)
        if self.membership.awaits_account(view, account):
            return f"Waits for ServiceAccount {account}, on which its security groups depend, and which doesn't exist."
        names = (await self.membership.choose(view, account)).names
        if not self.membership.is_right(view, names):
            await self.membership.adjust(view, names)
        return ""


def _get_substance(group: Mapping[str, Any] | None) -> tuple[object, ...] | None:
    if group is None:
        return None
    return (group.get("spec"), group["metadata"].get("uid"), group["metadata"].get("deletionTimestamp"))


def _get_relevant(pod: PodView) -> tuple[object, ...]:
    return (pod.uid, pod.profile, pod.label_text, pod.asked, pod.shown, pod.unsupported)
