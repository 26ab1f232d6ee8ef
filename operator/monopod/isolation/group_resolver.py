"""Which security groups pods belong to, and the labels that say so; and the task id of a pod with its own policy.

Admission writes these labels when a pod is created. When a SecurityGroupPolicy, a profile or a ServiceAccount changes
later, the running pods' labels follow here, without the pods being created again. No one else may change them.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from monopod.api.names import GROUP_COUNT_LABEL, GROUP_LABEL_PREFIX, GROUPS_ANNOTATION, TASK_LABEL
from monopod.isolation.caches import Caches
from monopod.isolation.rules.group_policy import GroupPolicy
from monopod.isolation.rules.membership import (
    Groups,
    GroupSource,
    awaits_account,
    build_group_marks,
    choose_groups,
    depends_on_account,
    get_account,
)
from monopod.isolation.rules.network_policies import build_task_id
from monopod.kube.client.api import Api, ApiError
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.resources import PODS
from monopod.pods.rules.selection import Profile
from monopod.pods.view import PodView

Names = tuple[str, ...]
Accounts = Mapping[str, Mapping[str, str]]
logger = structlog.stdlib.get_logger(__name__)


class SecurityGroupResolver:
    """Remembers what it has read: profiles, SecurityGroupPolicies, and the ServiceAccounts of pods that need it."""

    def __init__(self, api: Api, caches: Caches, default_sandbox: str, problems: ProblemLog) -> None:
        self._api = api
        self._caches = caches
        self._default_sandbox = default_sandbox
        self._problems = problems
        self._profiles: dict[str, tuple[Mapping[str, Any], Profile | None]] = {}
        self._policies_at = -1
        self._policies: dict[str, tuple[GroupPolicy, ...]] = {}
        self._accounts: dict[str, str] = {}

    def get_profile(self, name: str) -> Profile | None:
        """The profile; None if there is none, or it can't be read."""
        resource = self._caches.profiles.find("", name)
        if resource is None:
            self._profiles.pop(name, None)
            return None
        known = self._profiles.get(name)
        if known is None or known[0] is not resource:
            try:
                profile: Profile | None = Profile.from_resource(resource, self._default_sandbox)
            except ValueError:
                profile = None  # the profile's status reports it
            self._profiles[name] = known = (resource, profile)
        return known[1]

    def has_changed(self, name: str) -> bool:
        """Whether the profile gives pods other groups, or other policies, than when it was last asked for."""
        known = self._profiles.get(name)
        before, after = known[1] if known else None, self.get_profile(name)
        return _get_isolation(before) != _get_isolation(after)

    def get_policies(self, namespace: str) -> tuple[GroupPolicy, ...]:
        """The SecurityGroupPolicies of a namespace, but for those that can't be read."""
        kind = self._caches.group_policies
        if self._policies_at != kind.revision:
            self._policies_at, self._policies = kind.revision, {}
        if namespace not in self._policies:
            self._policies[namespace] = tuple(
                policy for resource in kind.look_up("namespace", namespace) if (policy := self._read_policy(resource))
            )
        return self._policies[namespace]

    def get_accounts(self, namespace: str) -> Accounts:
        """The labels of a namespace's ServiceAccounts by name."""
        return {account.name: account.labels for account in self._caches.accounts.look_up("namespace", namespace)}

    async def choose(self, pod: PodView, account: str | None = None) -> Groups:
        """The groups that the pod should belong to; those that it has, as if no one chose them, where that is unknown.

        Raises:
            ApiError: the pod's ServiceAccount can't be read.
            ApiUnreachable: no answer.
        """
        unknown = Groups(pod.groups, GroupSource.DEFAULT)
        profile = self.get_profile(pod.profile)
        if profile is None:
            return unknown
        labels, policies = pod.labels, self.get_policies(pod.namespace)
        accounts: Accounts = {}
        if depends_on_account(labels, profile, policies):
            account = account or await self._fetch_account(pod)
            accounts = self.get_accounts(pod.namespace)
            if account not in accounts:
                return unknown  # it was deleted, perhaps to be made again: what selects it can't be told
        annotations = {} if pod.asked is None else {GROUPS_ANNOTATION: pod.asked}
        try:
            return choose_groups(labels, annotations, account or "", profile, policies, accounts)
        except ValueError:
            return unknown  # admission admits no such pod, so the profile came to allow it later

    def awaits_account(self, pod: PodView, account: str) -> bool:
        """Whether the pod's groups depend on its ServiceAccount, and that one hasn't been seen."""
        profile = self.get_profile(pod.profile)
        if profile is None:
            return False
        policies, accounts = self.get_policies(pod.namespace), self.get_accounts(pod.namespace)
        return awaits_account(pod.labels, account, profile, policies, accounts)

    def is_right(self, pod: PodView, names: Names) -> bool:
        """Whether the pod's marks say that it belongs to exactly these groups."""
        labels, annotations = build_group_marks(names)
        return _get_marks(pod) == labels and pod.shown in annotations.values()

    async def adjust(self, pod: PodView, names: Names, *, identify: bool = False) -> None:
        """Writes the marks of these groups on the pod, its task id if it needs one, and nothing else.

        Raises:
            ApiError: the API server refuses it; 422 if another pod has taken the name.
            ApiUnreachable: no answer.
        """
        labels, annotations = build_group_marks(names)
        gone: dict[str, str | None] = {key: None for key in _get_marks(pod) if key not in labels}
        # The uid never changes, so a patch that names another one is refused.
        task_id = {TASK_LABEL: build_task_id(pod.uid)} if identify else {}
        patch = {"metadata": {"uid": pod.uid, "labels": {**gone, **labels, **task_id}, "annotations": annotations}}
        try:
            written = await self._api.merge(PODS.path(pod.name, pod.namespace), patch)
        except ApiError as error:
            if error.status == 404:
                return
            WRITES.labels("pods", "failed").inc()
            raise
        WRITES.labels("pods", "ok").inc()
        if pod.groups != names:
            logger.info(
                "security groups changed", namespace=pod.namespace, pod=pod.name, groups=names, before=pod.groups
            )
        self._caches.pods.observe("MODIFIED", written)

    def forget(self, uid: str) -> None:
        """Forgets a pod that is gone."""
        self._accounts.pop(uid, None)

    async def _fetch_account(self, pod: PodView) -> str:
        # Lists have no spec, and few pods need it: an account never changes, so once per pod is enough.
        if pod.uid not in self._accounts:
            path = PODS.path(pod.name, pod.namespace)
            self._accounts[pod.uid] = get_account(await self._api.get(path))
        return self._accounts[pod.uid]

    def _read_policy(self, resource: Mapping[str, Any]) -> GroupPolicy | None:
        subject = f"SecurityGroupPolicy {resource['metadata']['namespace']}/{resource['metadata']['name']}"
        try:
            policy = GroupPolicy.from_resource(resource)
        except ValueError as error:
            self._problems.report(subject, str(error))
            return None
        self._problems.clear(subject)
        return policy


def _get_isolation(profile: Profile | None) -> tuple[object, ...] | None:
    return (profile.security_groups, profile.isolation, profile.pod_security_groups) if profile else None


def _get_marks(pod: PodView) -> dict[str, str]:
    return {
        key: value
        for key, value in pod.labels.items()
        if key.startswith(GROUP_LABEL_PREFIX) or key == GROUP_COUNT_LABEL
    }
