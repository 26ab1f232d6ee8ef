"""Lets tasks reach the task metadata endpoint: looks up its address, and opens its port in a cluster's namespace."""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

from monopod.api.ecs.names import NAMESPACE_PREFIX
from monopod.api.names import TASKS_POLICY
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.resources import NAMESPACES, NETWORK_POLICIES
from monopod.tasks.caches import Caches
from monopod.tasks.options import TaskOptions
from monopod.tasks.rules.lifecycle.cluster import is_own, read_namespace
from monopod.tasks.rules.pod.metadata import build_metadata_policy


class MetadataAccess:
    """Prepares what a task needs for it before its pod is made. No trouble with that keeps a task from running."""

    def __init__(self, api: Api, caches: Caches, options: TaskOptions, problems: ProblemLog) -> None:
        self._api = api
        self._caches = caches
        self._url = options.ecs_metadata_url
        self._system_namespace = options.namespace
        self._problems = problems
        self._written: set[str] = set()

    async def prepare(self, namespace: str) -> str:
        """The endpoint's URL for tasks of a namespace, open to them; "" if there is no endpoint."""
        if self._url:
            await self._open(namespace)
        return await self._find_url()

    async def _open(self, namespace: str) -> None:
        """Writes the policy where it is missing, and once in this process' life: another release may have made it.

        Only in a cluster's own namespace: another of such a name is someone else's, and nothing is opened there.
        """
        if namespace in self._written and self._caches.network_policies.find(namespace, TASKS_POLICY):
            return
        subject = f"NetworkPolicy {TASKS_POLICY} of namespace {namespace}"
        policy = build_metadata_policy(namespace, self._system_namespace)
        try:
            if not await self._is_clusters(namespace):
                return
            await self._api.apply(NETWORK_POLICIES.path(TASKS_POLICY, namespace), policy)
        except (ApiError, ApiUnreachable) as error:
            WRITES.labels("networkpolicies", "failed").inc()
            self._problems.report(subject, str(error))
            return
        WRITES.labels("networkpolicies", "ok").inc()
        self._problems.clear(subject)
        self._written.add(namespace)

    async def _is_clusters(self, name: str) -> bool:
        cluster = self._caches.ecs_clusters.find("", name.removeprefix(NAMESPACE_PREFIX))
        return cluster is not None and is_own(read_namespace(await self._api.get(NAMESPACES.path(name))), cluster)

    async def _find_url(self) -> str:
        """With an address instead of a name, which only pods could look up whose security groups open DNS."""
        parts = urlsplit(self._url)
        if not parts.hostname:
            return ""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
        except OSError as error:
            self._problems.report("metadata endpoint", f"{parts.hostname}: {error}")
            return self._url
        self._problems.clear("metadata endpoint")
        address = ipaddress.ip_address(str(found[0][4][0]))
        host = f"[{address}]" if address.version == 6 else str(address)
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
