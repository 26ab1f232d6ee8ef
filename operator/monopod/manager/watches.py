"""kopf's part: watch streams that keep themselves alive, and handlers that take in events and mark work.

Only `on.event` handlers: no finalizers, no annotations, no patches; kopf writes nothing on any object. kopf's indexes
aren't used, because they keep objects that were deleted while a stream was interrupted (see `monopod.kube.cache`).
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import kopf
from kubernetes.aio.client.configuration import Configuration

from monopod.api.names import (
    GROUP,
    GROUP_POLICY_GROUP,
    GROUP_POLICY_VERSION,
    PROFILE_LABEL,
    PROFILE_PLURAL,
    VERSION,
)
from monopod.kube.cache import API_SERVER_SLICE, Kind, Mirror, select_patterns
from monopod.kube.client import build_authorization
from monopod.profiles.controller import COALESCE_SECONDS, POD_COUNT_SECONDS, Reconciler


class EndlessBackoff:
    """Seconds between attempts: growing to half a minute, and never at an end. kopf would exit where they end."""

    def __iter__(self) -> Iterator[float]:
        delay = 1.0
        while True:
            yield delay
            delay = min(delay * 2, 30.0)


class NothingHandled(kopf.DiffBaseStorage):
    """Has kopf compare nothing with what it handled before.

    It would copy each object twice at each of its events, for handlers of changes, of which there are none here: an
    eighth of the CPU time in a burst of pods.
    """

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        """Nothing of the object."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Nothing was handled before."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Writes nothing."""


def build_registry(mirror: Mirror, reconciler: Reconciler, configuration: Configuration) -> kopf.OperatorRegistry:
    """The handlers. The registry is our own, so that kopf adds no login methods of its own choice."""
    registry = kopf.OperatorRegistry()

    def take_in(kind: Kind[Any], event: kopf.RawEvent, delay: float = COALESCE_SECONDS) -> None:
        if kind.observe(event["type"], event["object"]):
            reconciler.mark(delay)

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return await build_connection(configuration)

    @kopf.on.event(GROUP, VERSION, PROFILE_PLURAL, registry=registry)
    async def see_profile(event: kopf.RawEvent, **_: Any) -> None:
        take_in(mirror.profiles, event)

    @kopf.on.event("", "v1", "namespaces", registry=registry)
    async def see_namespace(event: kopf.RawEvent, **_: Any) -> None:
        take_in(mirror.namespaces, event)

    @kopf.on.event("node.k8s.io", "v1", "runtimeclasses", registry=registry)
    async def see_runtime_class(event: kopf.RawEvent, **_: Any) -> None:
        take_in(mirror.runtime_classes, event)

    @kopf.on.event("", "v1", "configmaps", registry=registry)
    async def see_patterns(event: kopf.RawEvent, **_: Any) -> None:
        take_in(mirror.patterns, event)

    def listen_to(kind: Kind[Any], group: str, version: str) -> None:
        """Of these kinds the mirror's listeners know what follows."""

        @kopf.on.event(group, version, kind.resource, id=f"see_{kind.resource}", registry=registry)
        async def see(event: kopf.RawEvent, **_: Any) -> None:
            kind.observe(event["type"], event["object"])

    listen_to(mirror.network_policies, "networking.k8s.io", "v1")
    listen_to(mirror.groups, GROUP, VERSION)
    listen_to(mirror.nodes, "", "v1")
    listen_to(mirror.endpoints, "discovery.k8s.io", "v1")
    if mirror.has_group_policies:
        listen_to(mirror.group_policies, GROUP_POLICY_GROUP, GROUP_POLICY_VERSION)
        listen_to(mirror.accounts, "", "v1")

    @kopf.on.event("", "v1", "pods", registry=registry)
    async def see_pod(event: kopf.RawEvent, **_: Any) -> None:
        take_in(mirror.pods, event, POD_COUNT_SECONDS)

    return registry


def build_settings(system_namespace: str) -> kopf.OperatorSettings:
    """Kopf's settings: what is watched on the server's side, and nothing that writes."""
    settings = kopf.OperatorSettings()
    settings.watching.label_selectors["", "v1", "pods"] = PROFILE_LABEL
    settings.watching.field_selectors["", "v1", "configmaps"] = select_patterns(system_namespace)
    settings.watching.field_selectors["discovery.k8s.io", "v1", "endpointslices"] = API_SERVER_SLICE
    settings.watching.chunk_size = 500
    settings.networking.error_backoffs = EndlessBackoff()
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.persistence.diffbase_storage = NothingHandled()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # Watching CRDs would need rights on all of them, and the kinds that we watch don't change.
    settings.scanning.disabled = True
    return settings


async def build_connection(configuration: Configuration) -> kopf.ConnectionInfo:
    """The same API server and credentials that our own client uses; called again when they are refused."""
    scheme, _, token = (await build_authorization(configuration)).get("Authorization", "").partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        ca_data=configuration.ca_cert_data,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        scheme=scheme or None,
        token=token or None,
        proxy_url=configuration.proxy,
    )


class Watching:
    """kopf, running beside our own tasks in the same loop."""

    def __init__(self, mirror: Mirror, reconciler: Reconciler, configuration: Configuration, namespace: str) -> None:
        self._registry = build_registry(mirror, reconciler, configuration)
        self._settings = build_settings(namespace)
        self._stop = asyncio.Event()

    async def run(self, install_signals: Any) -> None:
        """Watches until `stop`. kopf takes over the signals as it starts; `install_signals` takes them back.

        Raises:
            Exception: whatever ended a stream that should not end.
        """
        ignored = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=self._registry, settings=self._settings, clusterwide=True, stop_flag=self._stop
        )
        install_signals()
        await kopf.run_tasks(tasks, ignored=ignored)

    def stop(self) -> None:
        """Lets `run` return."""
        self._stop.set()
