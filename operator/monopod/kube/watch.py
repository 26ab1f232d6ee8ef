"""kopf's part: watch streams that keep themselves alive, and hand over their events.

Only `on.event` handlers: no finalizers, no annotations, no patches; kopf writes nothing on any object. kopf's indexes
aren't used, because they keep objects that were deleted while a stream was interrupted (see `monopod.kube.cache`).
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import kopf
from kubernetes.aio.client.configuration import Configuration

from monopod.kube.client.asynchronous import build_authorization
from monopod.kube.objects.resources import Resource


class KindGone(Exception):
    """The API server doesn't serve a kind any more that is watched."""


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


@dataclass(frozen=True, slots=True)
class Source:
    """Objects to watch, and who is told of their events: type (None in the first list) and object.

    The selectors are the API server's, so that it sends nothing else.
    """

    resource: Resource
    observe: Callable[[str | None, Mapping[str, Any]], None]
    label_selector: str = ""
    field_selector: str = ""


def build_registry(sources: Sequence[Source], configuration: Configuration) -> kopf.OperatorRegistry:
    """The handlers. The registry is our own, so that kopf adds no login methods of its own choice."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return await build_connection(configuration)

    def listen_to(source: Source) -> None:
        group, version, plural = _name(source)

        @kopf.on.event(group, version, plural, id=f"see_{plural}", registry=registry)
        async def observe(event: kopf.RawEvent, **_: Any) -> None:
            source.observe(event["type"], event["object"])

    for source in sources:
        listen_to(source)
    return registry


def build_settings(sources: Sequence[Source]) -> kopf.OperatorSettings:
    """Kopf's settings: what is watched on the server's side, and nothing that writes."""
    settings = kopf.OperatorSettings()
    for source in sources:
        if source.label_selector:
            settings.watching.label_selectors[_name(source)] = source.label_selector
        if source.field_selector:
            settings.watching.field_selectors[_name(source)] = source.field_selector
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


def _name(source: Source) -> tuple[str, str, str]:
    resource = source.resource
    return resource.group, resource.version, resource.plural


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
    """kopf, running next to our own tasks in the same loop."""

    def __init__(self, sources: Sequence[Source], configuration: Configuration) -> None:
        self._registry = build_registry(sources, configuration)
        self._settings = build_settings(sources)

    async def run(self, install_signals: Any) -> None:
        """Watches until cancelled. kopf takes over the signals as it starts; `install_signals` takes them back.

        Raises:
            KindGone: a stream that was opened again found no such kind.
            Exception: whatever else ended a stream that should not end.
        """
        ignored = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(registry=self._registry, settings=self._settings, clusterwide=True)
        install_signals()
        try:
            await kopf.run_tasks(tasks, ignored=ignored)
        except Exception as error:
            if getattr(error, "status", None) == 404:  # kopf's own class is none of its public ones
                raise KindGone(str(error)) from error
            raise
