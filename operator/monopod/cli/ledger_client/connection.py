"""Finds a ledger in the cluster that a kubeconfig names, and connects to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from monopod.api.names import SYSTEM_NAMESPACE
from monopod.cli.failure import ApiFailure, Missing
from monopod.cli.ledger_client.client import LedgerClient
from monopod.cli.ledger_client.port_forward import forward_port
from monopod.cli.ledger_client.versions import LedgerVersion
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError
from monopod.kube.objects.resources import PODS

POD_NAMES: Final = ("monopod-ledger-0", "monopod-ledger-1")
"""A StatefulSet's, and so known beforehand: whoever may forward ports to the ledger needn't list pods."""
_SELECTOR: Final = {"labelSelector": "app.kubernetes.io/name=monopod-ledger"}
"""For a release of the chart of another name, whose pods have others."""
LEDGER_PORT: Final = 8443


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster is asked.

    Attributes:
        kubeconfig: its file; None: as kubectl finds it.
        context: its context; None: the current one.
        monopod_namespace: where Monopod is installed; None: as the cluster says.
        version: of the ledger that answered, once one has.
    """

    kubeconfig: str | None = None
    context: str | None = None
    monopod_namespace: str | None = None
    version: LedgerVersion = field(default_factory=LedgerVersion, compare=False)

    @property
    def kubectl_arguments(self) -> list[str]:
        """The same as kubectl's options."""
        named = (("kubeconfig", self.kubeconfig), ("context", self.context))
        return [f"--{name}={value}" for name, value in named if value]


@contextmanager
def open_ledger(target: Target) -> Iterator[LedgerClient]:
    """Connects to a ledger until the block is left.

    Raises:
        ApiFailure: there is none, or no way to it.
        ApiError: the API server refused to show its pods.
        ApiUnreachable: there is no API server.
        Unconfigured: there is no kubeconfig.
    """
    cluster = Cluster.connect(target.kubeconfig, target.context)
    namespace = target.monopod_namespace or cluster.fetch_monopod_namespace() or SYSTEM_NAMESPACE
    pod = _choose_pod(cluster, namespace)
    with forward_port(namespace, pod, LEDGER_PORT, target.kubectl_arguments) as forward:
        client = LedgerClient(forward, cluster.get_credentials(), target.version)
        try:
            yield client
        finally:
            client.close()


def _choose_pod(cluster: Cluster, namespace: str) -> str:
    """The name of a pod that is ready."""
    found = dict[str, dict[str, Any]]()
    for name in POD_NAMES:
        try:
            found[name] = cluster.get(PODS.path(name, namespace))
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                raise ApiFailure(
                    f"You may not get the pods of the ledger in namespace {namespace}, through which costs are read. "
                    "Ask for the Role monopod-usage-reader there."
                ) from None
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            continue
        if _is_ready(found[name]):
            return name
    if not found:
        found = _list_pods(cluster, namespace)
        ready = sorted(name for name, pod in found.items() if _is_ready(pod))
        if ready:
            return ready[0]
    if not found:
        raise Missing(
            f"There is no ledger in namespace {namespace}: Monopod's chart installs it with ledger.enabled, and "
            "--monopod-namespace names another namespace."
        )
    raise ApiFailure(f"No pod of the ledger is ready: see `kubectl get pods -n {namespace} {' '.join(found)}`.")


def _list_pods(cluster: Cluster, namespace: str) -> dict[str, dict[str, Any]]:
    try:
        items = cluster.list_items(PODS.list_path(namespace), _SELECTOR)
    except ApiError:
        return {}
    return {item["metadata"]["name"]: item for item in items}


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
