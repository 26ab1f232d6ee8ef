"""The caches that profiles' controllers read, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Any, Protocol

from monopod.deletion import caches as deletion_caches
from monopod.kube.cache import Kind
from monopod.kube.objects.views import RuntimeClassView
from monopod.rescheduling import caches as rescheduling_caches


class Caches(deletion_caches.Caches, rescheduling_caches.Caches, Protocol):
    """Copies of what the cluster has."""

    patterns: Kind[dict[str, str]]
    runtime_classes: Kind[RuntimeClassView]

    def kinds(self) -> tuple[Kind[Any], ...]:
        """All caches, for what is measured of them."""
        ...
