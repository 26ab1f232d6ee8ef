"""What kubelets tell of themselves through the API server (`get` on `nodes/proxy`), for all checks that ask them.

Each is asked for itself and can hang, so several checks share what one answers: its configuration is read once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from monopod.cli.failure import describe_refusal
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError, ApiUnreachable, ServerTrouble
from monopod.kube.objects.resources import NODES

MOST_NODES: Final = 10
"""Nodes of one kind are mostly alike, so a check doesn't ask the kubelets of all."""

Json = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What a check learnt from kubelets.

    Attributes:
        told: what each told, by node.
        problems: why others couldn't be read, by node.
    """

    told: Mapping[str, T]
    problems: Mapping[str, str]


class Kubelets:
    """The kubelets of a cluster. What one answered of its configuration, a refusal included, is remembered."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._configurations: dict[str, Json | ApiError | ServerTrouble | ApiUnreachable] = {}

    def read_configuration(self, node: str) -> Json:
        """The kubelet's configuration.

        Raises:
            ApiError: it may not be read.
            ServerTrouble: the kubelet, or the API server, is in trouble.
            ApiUnreachable: it doesn't answer.
        """
        if node not in self._configurations:
            try:
                self._configurations[node] = self._cluster.get(_path(node, "configz")).get("kubeletconfig") or {}
            except (ApiError, ServerTrouble, ApiUnreachable) as error:
                self._configurations[node] = error
        known = self._configurations[node]
        if isinstance(known, Exception):
            raise known
        return known

    def read_metrics(self, node: str) -> str:
        """The kubelet's metrics. Raises as `read_configuration` does."""
        return self._cluster.get_text(_path(node, "metrics"))

    def ask(self, nodes: Iterable[Json], read: Callable[[Json], T]) -> Answers[T]:
        """What `read` makes of the first nodes; it may raise as the methods above do.

        It ends with the first that may not be read, because the others may not either, and with the first that hangs:
        the API server waits longer for a kubelet than one waits for the API server, so it may hang at each.
        """
        told: dict[str, T] = {}
        problems: dict[str, str] = {}
        for node in islice(nodes, MOST_NODES):
            name = node["metadata"]["name"]
            try:
                told[name] = read(node)
            except (ApiError, ServerTrouble) as error:
                problems[name] = describe_refusal(error)
                if error.status == HTTPStatus.FORBIDDEN:
                    break
            except ApiUnreachable:
                problems[name] = "The kubelet doesn't answer."
                break
        return Answers(told, problems)


def _path(node: str, what: str) -> str:
    return f"{NODES.path(node, subresource='proxy')}/{what}"
