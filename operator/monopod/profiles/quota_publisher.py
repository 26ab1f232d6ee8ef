"""Keeps the count of profiles that the quota's admission policy reads (`monopod.profiles.cel.quota`)."""

from collections.abc import Iterable

from monopod.api.names import QUOTA_CONFIGMAP
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import Clock
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.resources import CONFIG_MAPS
from monopod.profiles.rules.quota import build_quota_data
from monopod.selectors.publication import build_patterns_patch

SUBJECT = f"ConfigMap {QUOTA_CONFIGMAP}"


class QuotaPublisher:
    """Writes the ConfigMap when the profiles change, and checks from time to time whether it is still as written.

    It isn't watched, unlike the patterns: what someone does to it lets some profiles more be created, or some less, and
    no pod pass.
    """

    def __init__(
        self,
        api: Api,
        system_namespace: str,
        quota: int,
        check_seconds: float,
        problems: ProblemLog,
        clock: Clock,
    ) -> None:
        self._api = api
        self._path = CONFIG_MAPS.path(QUOTA_CONFIGMAP, system_namespace)
        self._quota = quota
        self._check_seconds = check_seconds
        self._problems = problems
        self._clock = clock
        self._known: dict[str, str] | None = None
        self._known_at = 0.0

    async def publish(self, profiles: Iterable[str]) -> bool:
        """Writes these names, profiles that are being deleted included; returns False if a write failed."""
        wanted = build_quota_data(profiles, self._quota)
        fresh = self._clock.monotonic() - self._known_at < self._check_seconds
        if wanted == self._known and fresh:
            return True
        try:
            current = await self._fetch()
            patch = build_patterns_patch(current, wanted)
            if patch is not None:
                await self._write(patch, exists=current is not None)
                WRITES.labels("configmaps", "ok").inc()
        except (ApiError, ApiUnreachable) as error:
            WRITES.labels("configmaps", "failed").inc()
            self._problems.report(SUBJECT, str(error))
            return False
        self._problems.clear(SUBJECT)
        self._known, self._known_at = wanted, self._clock.monotonic()
        return True

    async def _fetch(self) -> dict[str, str] | None:
        try:
            return dict((await self._api.get(self._path)).get("data") or {})
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def _write(self, patch: dict[str, object], *, exists: bool) -> None:
        if exists:
            await self._api.merge(self._path, patch)
        else:
            whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": QUOTA_CONFIGMAP}, **patch}
            await self._api.apply(self._path, whole)
