"""The access keys that there are: Secrets of Monopod's own namespace, read when they are asked for, and kept shortly.

    find ── known, and read within FRESH_SECONDS ──► the key
        └── older, or unknown ──► list, once for all who wait, RETRY_SECONDS after the last ──► the key │ None

A new key is good at once, or after a moment; one that was deleted signs nothing any more FRESH_SECONDS later. Nothing
is watched: most endpoints stand idle. Whoever tries ids at random waits, and causes a list every RETRY_SECONDS.
"""

import asyncio
import math
from http import HTTPStatus
from typing import Any, Final

import structlog

from monopod.access_keys.rules.stored_key import SECRET_TYPE, InvalidKey, StoredKey
from monopod.aws.wire.call import AccessKey, AwsError, Caller
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import Clock, sleep
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import SECRETS

FRESH_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 2.0

logger = structlog.stdlib.get_logger(__name__)


class AccessKeys:
    """Finds access keys.

    Args:
        api: the API server, with the right to list Secrets in the namespace.
        namespace: Monopod's own.
        clock: tells the time.
    """

    def __init__(self, api: Api, namespace: str, clock: Clock) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._problems = ProblemLog(logger)
        self._troubled: set[str] = set()
        self._keys: dict[str, AccessKey] = {}
        self._read_at = -math.inf
        self._begun_at = -math.inf
        self._failure: ApiError | ApiUnreachable | None = None
        self._reading = asyncio.Lock()

    async def find(self, access_key_id: str) -> AccessKey | None:
        """The key of an id; None if there is none.

        Raises:
            AwsError: the API server can't be asked, or doesn't tell.
        """
        arrived = self._clock.monotonic()
        if access_key_id not in self._keys or arrived - self._read_at >= FRESH_SECONDS:
            async with self._reading:
                if self._begun_at < arrived:  # no one has read them since
                    await self._read()
            if self._failure:
                message = "The access keys can't be read now."
                raise AwsError("ServiceUnavailableException", message, status=HTTPStatus.SERVICE_UNAVAILABLE)
        return self._keys.get(access_key_id)

    async def _read(self) -> None:
        pause = self._begun_at + RETRY_SECONDS - self._clock.monotonic()
        if pause > 0:
            await sleep(self._clock, pause)
        self._begun_at = self._clock.monotonic()
        query = {"fieldSelector": f"type={SECRET_TYPE}"}
        try:
            secrets = [item async for item in self._api.list_pages(SECRETS.list_path(self._namespace), query)]
        except (ApiError, ApiUnreachable) as failure:
            self._problems.report("access keys", str(failure))
            self._failure = failure
        else:
            self._problems.clear("access keys")
            self._failure = None
            self._keys = self._collect(secrets)
            self._read_at = self._begun_at

    def _collect(self, secrets: list[dict[str, Any]]) -> dict[str, AccessKey]:
        found: dict[str, list[StoredKey]] = {}
        troubles: dict[str, str] = {}
        for secret in secrets:
            if secret.get("type") != SECRET_TYPE:
                continue
            try:
                key = StoredKey.from_resource(secret)
            except InvalidKey as invalid:
                troubles[f"Secret {secret['metadata']['name']}"] = str(invalid)
            else:
                found.setdefault(key.id, []).append(key)
        for access_key_id in [each for each, keys in found.items() if len(keys) > 1]:
            # Which of them was meant can't be known; one of them may be of a user with more rights.
            troubles[f"access key {access_key_id}"] = "Several Secrets have it, so it is nobody's."
            del found[access_key_id]
        self._report(troubles)
        return {key.id: AccessKey(Caller(key.id, key.user, key.groups), key.secret) for (key,) in found.values()}

    def _report(self, troubles: dict[str, str]) -> None:
        for subject in self._troubled - set(troubles):
            self._problems.clear(subject)
        for subject, trouble in troubles.items():
            self._problems.report(subject, trouble)
        self._troubled = set(troubles)
