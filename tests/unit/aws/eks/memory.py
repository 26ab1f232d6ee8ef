"""An API server that knows FargateProfiles only: enough to see which requests follow from which.

What Kubernetes itself decides (the kind's rules, merge patches of another uid) is tested against a real API server.
"""

import copy
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

from monopod.kube.client.api import ApiError, Json
from monopod.kube.objects.resources import PROFILES
from tests.unit.aws.eks.builders import stored
from tests.unit.aws.unasked import UnaskedApi

NOT_FOUND = ApiError(404, "NotFound", "not found")
EXISTS = ApiError(409, "AlreadyExists", "already exists")
FORBIDDEN = ApiError(403, "Forbidden", "forbidden")


class MemoryApi(UnaskedApi):
    """`failures` are answers by verb, before anything else is looked at."""

    def __init__(self, *profiles: Json) -> None:
        self.profiles: dict[str, Json] = {each["metadata"]["name"]: each for each in profiles}
        self.failures: dict[str, Exception] = {}
        self.verbs: list[str] = []
        self._uids = map("00000000-0000-4000-8000-{:012}".format, itertools.count(1))

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        self._note("get")
        if path == "/version":
            return {"major": "1", "minor": "36+"}
        return copy.deepcopy(self._find(path))

    async def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        self._note("create")
        name = body["metadata"]["name"]
        if name in self.profiles:
            raise EXISTS
        self.profiles[name] = stored(copy.deepcopy(body), next(self._uids))
        return copy.deepcopy(self.profiles[name])

    async def merge(self, path: str, patch: Json) -> Json:
        self._note("patch")
        profile = self._find(path)
        tags = profile["spec"].setdefault("tags", {})
        for key, value in patch["spec"]["tags"].items():
            tags.pop(key, None)
            if value is not None:
                tags[key] = value
        return copy.deepcopy(profile)

    async def delete(self, path: str, uid: str, version: str = "") -> None:
        self._note("delete")
        self._find(path)["metadata"]["deletionTimestamp"] = "2026-11-29T06:00:00Z"

    async def list_pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        self._note("list")
        label, _, value = (query or {}).get("labelSelector", "").partition("=")
        for each in list(self.profiles.values()):
            if not label or (each["metadata"].get("labels") or {}).get(label) == value:
                yield {"metadata": copy.deepcopy(each["metadata"])} if metadata_only else copy.deepcopy(each)

    def _note(self, verb: str) -> None:
        self.verbs.append(verb)
        if failure := self.failures.get(verb):
            raise failure

    def _find(self, path: str) -> dict[str, Any]:
        name = path.removeprefix(f"{PROFILES.list_path()}/")
        if name not in self.profiles:
            raise NOT_FOUND
        return self.profiles[name]
