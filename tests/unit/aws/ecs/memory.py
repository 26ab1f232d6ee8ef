"""An API server in memory: enough to see which requests follow from which.

What Kubernetes itself decides (the kinds' rules, defaults, admission) is tested against a real API server.
"""

import copy
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

from monopod.kube.client.api import ApiError, Cause, Json
from monopod.kube.objects.resources import ECS_CLUSTERS
from tests.unit.aws.unasked import UnaskedApi

EXISTS = ApiError(409, "AlreadyExists", "already exists")
CHANGED = ApiError(409, "Conflict", "the object has been modified")
FORBIDDEN = ApiError(403, "Forbidden", "forbidden")
ANOTHER = ApiError(422, "Invalid", "invalid", (Cause("FieldValueInvalid", "immutable", "metadata.uid"),))
CREATED = "2026-11-29T05:00:00Z"


class MemoryApi(UnaskedApi):
    """`failures` are answers by verb and collection's name, before anything else is looked at.

    Attributes:
        phase: what becomes of a new cluster at once, as by the operator.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.failures: dict[tuple[str, str], Exception] = {}
        self.requests: list[tuple[str, str]] = []
        self.phase = "ACTIVE"
        self._numbers = itertools.count(1)

    def put(self, path: str, body: Json) -> Json:
        """Has an object be there."""
        number = next(self._numbers)
        metadata = {"uid": f"uid-{number}", "creationTimestamp": CREATED, **body["metadata"]}
        self.objects[path] = {**body, "metadata": {**metadata, "resourceVersion": str(number)}}
        return self.objects[path]

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        self._note("get", path)
        return copy.deepcopy(self._find(path))

    async def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        self._note("create", path)
        place = f"{path}/{body['metadata']['name']}"
        if place in self.objects:
            raise EXISTS
        if path == ECS_CLUSTERS.list_path() and self.phase:
            body = {**body, "status": {"phase": self.phase}}
        return copy.deepcopy(self.put(place, copy.deepcopy(body)))

    async def merge(self, path: str, patch: Json) -> Json:
        self._note("merge", path)
        found, asked = self._find(path), patch.get("metadata") or {}
        if asked.get("resourceVersion", found["metadata"]["resourceVersion"]) != found["metadata"]["resourceVersion"]:
            raise CHANGED
        if asked.get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            raise ANOTHER
        return copy.deepcopy(self.put(path, _merge(found, {**patch, "metadata": {}})))

    async def delete(self, path: str, uid: str, version: str = "") -> None:
        self._note("delete", path)
        self.objects.pop(path, None)

    async def list_pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        self._note("list", path)
        wanted = [each.partition("=")[::2] for each in (query or {}).get("fieldSelector", "").split(",") if each]
        for place, each in sorted(self.objects.items()):
            if place.rpartition("/")[0] == path and all(_read(each, field) == value for field, value in wanted):
                yield {"metadata": copy.deepcopy(each["metadata"])} if metadata_only else copy.deepcopy(each)

    def _note(self, verb: str, path: str) -> None:
        self.requests.append((verb, path))
        for (failing, plural), failure in self.failures.items():
            if verb == failing and f"/{plural}" in path:
                raise failure

    def _find(self, path: str) -> Json:
        if path not in self.objects:
            raise ApiError(404, "NotFound", "not found")
        return self.objects[path]


def _merge(old: Any, new: Any) -> Any:
    if not isinstance(new, dict):
        return new
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        merged.pop(key, None) if value is None else merged.__setitem__(key, _merge(merged.get(key), value))
    return merged


def _read(found: Any, field: str) -> str:
    for key in field.split("."):
        found = found.get(key, "")
    return str(found).lower() if isinstance(found, bool) else str(found)
