"""The default-deny policy of each namespace: it denies all traffic of Fargate pods but what other policies allow.

reached by a profile, or marked pods left ──► default-deny policy ──► seen: the namespace may be marked as isolated
neither ──► the mark is withdrawn first, and some seconds later the policy is deleted
"""

import time
from collections.abc import Callable, Collection
from functools import lru_cache

from monopod.api.names import BASE_POLICY
from monopod.isolation.caches import Caches
from monopod.isolation.policy_writer import PolicyWriter
from monopod.isolation.rules.network_policies import build_base_policy, digest_spec
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.concurrency import gather_some
from monopod.kube.logs import ProblemLog
from monopod.kube.options import LONGEST_RETRY_SECONDS
from monopod.kube.refusals import Refusals, is_answer
from monopod.selectors.compile import STALE_SECONDS


class DefaultDenyPolicies:
    """Creates, restores and deletes the default-deny policies of namespaces."""

    def __init__(
        self,
        caches: Caches,
        writer: PolicyWriter,
        problems: ProblemLog,
        clock: Callable[[], float] = time.monotonic,
        longest_retry: float = LONGEST_RETRY_SECONDS,
    ) -> None:
        self._caches = caches
        self._writer = writer
        self._problems = problems
        self._clock = clock
        self._required: frozenset[str] | None = None
        self.refusals = Refusals(longest_retry, clock)
        self._idle_since: dict[str, float] = {}
        """Namespaces with a default-deny policy that carry no mark any more, and since when that is known."""

    def update(self, namespaces: Collection[str]) -> None:
        """The namespaces that need one whether or not they have pods; before this is said, none is deleted."""
        self._required = frozenset(namespaces)
        now = self._clock()
        idle = {name for name in self._get_present() if not (name in self._required or self._is_marked(name))}
        self._idle_since = {name: self._idle_since.get(name, now) for name in idle}

    @property
    def is_settling(self) -> bool:
        """Whether a default-deny policy stays only until admission has certainly seen that nothing requires it."""
        return any(
            name not in (self._required or ()) and not self._caches.pods.count("namespace", name)
            for name in self._get_present()
        )

    def is_seen(self, namespace: str) -> bool:
        """Whether the API server has the namespace's default-deny policy, as it should be."""
        view = self._caches.network_policies.find(namespace, BASE_POLICY)
        return view is not None and view.kind == "base" and view.digest == _digest_base(namespace)

    async def look_up(self, namespace: str) -> None:
        """Asks the API server for the namespace's default-deny policy.

        Raises:
            ApiError: the API server refuses it.
            ApiUnreachable: no answer.
        """
        await self._writer.look_up(namespace, BASE_POLICY)

    def get_trouble(self, namespace: str) -> str:
        """Why the namespace's default-deny policy couldn't be written; "" if nothing is known to be in the way."""
        return self.refusals.get_answer(namespace)

    async def ensure(self) -> dict[str, str]:
        """Writes the default-deny policies that are missing or wrong; returns why any couldn't be, by namespace."""
        with_pods = set(self._caches.pods.values("namespace"))
        missing = [name for name in (self._required or frozenset()) | with_pods if not self.is_seen(name)]
        self.refusals.retain({*missing, *self._get_superfluous()})
        return await self._keep_all(missing)

    async def release(self) -> dict[str, str]:
        """Deletes the default-deny policies of namespaces that need none; returns as `ensure`."""
        return await self._keep_all(self._get_superfluous())

    def _get_superfluous(self) -> list[str]:
        return [name for name in self._get_present() if not self._is_needed(name)]

    async def _keep_all(self, namespaces: Collection[str]) -> dict[str, str]:
        troubles = await gather_some(self._attempt(namespace) for namespace in namespaces)
        return {name: trouble for name, trouble in zip(namespaces, troubles, strict=True) if trouble}

    async def _attempt(self, namespace: str) -> str:
        subject, needed = f"default-deny policy of namespace {namespace}", self._is_needed(namespace)
        if not self.refusals.is_due(namespace, needed):
            return self.refusals.get_answer(namespace)
        try:
            await self.reconcile(namespace)
        except (ApiError, ApiUnreachable) as error:
            self._problems.report(subject, str(error))
            if is_answer(error):
                self.refusals.add(namespace, needed, str(error))
            return str(error)
        self._problems.clear(subject)
        self.refusals.drop(namespace)
        return ""

    async def reconcile(self, namespace: str) -> None:
        """Brings one namespace's default-deny policy to what it should be.

        Raises:
            ApiError: the API server refuses it.
            ApiUnreachable: no answer.
        """
        if not self._stays(namespace):
            return
        desired = [build_base_policy(namespace)] if self._is_needed(namespace) else []
        policies = self._caches.network_policies
        existing = policies.look_up("place", (namespace, "base"))
        await self._writer.apply(desired, existing)

    def _is_needed(self, namespace: str) -> bool:
        return (
            self._required is None
            or namespace in self._required
            or bool(self._caches.pods.count("namespace", namespace))
            or self._may_admit(namespace)
        )

    def _may_admit(self, namespace: str) -> bool:
        """Whether admission may still let pods of profiles into a namespace that requires no policy any more."""
        if self._is_marked(namespace):
            return True
        since = self._idle_since.get(namespace, self._clock())
        is_present = bool(self._caches.network_policies.count("place", (namespace, "base")))
        return is_present and self._clock() - since < STALE_SECONDS

    def _is_marked(self, namespace: str) -> bool:
        view = self._caches.namespaces.find("", namespace)
        return view is not None and bool(view.compiled or view.isolated)

    def _get_present(self) -> set[str]:
        """The namespaces with a default-deny policy, but for those that are being deleted, which take it with them."""
        policies = self._caches.network_policies.look_up("kind", "base")
        return {policy.namespace for policy in policies if self._stays(policy.namespace)}

    def _stays(self, namespace: str) -> bool:
        view = self._caches.namespaces.find("", namespace)
        return view is not None and not view.terminating


@lru_cache(maxsize=8192)
def _digest_base(namespace: str) -> str:
    return digest_spec(build_base_policy(namespace))
