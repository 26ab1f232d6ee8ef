"""`kubectl fargate nodes`: reads the pods of profiles and tells where they run."""

from datetime import UTC, datetime

from monopod.api.names import PROFILE_LABEL
from monopod.cli.live import Cluster
from monopod.cli.nodes.listing import SandboxedPod, list_sandboxed_pods
from monopod.kube.objects.resources import PODS
from monopod.usage.rules.price import PriceList


def fetch_sandboxed_pods(cluster: Cluster, namespace: str | None, prices: PriceList) -> list[SandboxedPod]:
    """The pods of profiles, in one namespace or in all.

    Raises:
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
    """
    pods = cluster.list_items(PODS.list_path(namespace or ""), {"labelSelector": PROFILE_LABEL})
    return list_sandboxed_pods(pods, prices, datetime.now(UTC))
