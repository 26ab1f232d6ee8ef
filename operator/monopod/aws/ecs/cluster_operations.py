"""The operations on ECS' clusters and capacity providers."""

from collections.abc import Iterable, Mapping
from typing import Final

from monopod.aws.access.impersonation import ApiFor
from monopod.aws.ecs.clusters import Clusters
from monopod.aws.ecs.rules.arns import (
    DEFAULT_CLUSTER,
    build_cluster_arn,
    build_provider_arn,
    read_cluster,
    read_provider,
)
from monopod.aws.ecs.rules.clusters import (
    PROVIDERS,
    TaskCounts,
    build_capacity,
    build_cluster,
    count_tasks,
    describe_cluster,
    has_task,
)
from monopod.aws.ecs.rules.pages import build_answer, take
from monopod.aws.ecs.rules.refusals import refuse_cluster_deletion, refuse_parameter, refuse_removal
from monopod.aws.options import Account
from monopod.aws.wire.call import Call, Handler, Params
from monopod.kube.client.api import Json
from monopod.kube.clock import Clock

READ: Final[Mapping[str, frozenset[str]]] = {
    "CreateCluster": frozenset(
        {"clusterName", "tags", "settings", "capacityProviders", "defaultCapacityProviderStrategy"}
    ),
    "DescribeClusters": frozenset({"clusters", "include"}),
    "ListClusters": frozenset({"maxResults", "nextToken"}),
    "DeleteCluster": frozenset({"cluster"}),
    "PutClusterCapacityProviders": frozenset({"cluster", "capacityProviders", "defaultCapacityProviderStrategy"}),
    "DescribeCapacityProviders": frozenset({"capacityProviders", "cluster", "include", "maxResults", "nextToken"}),
}
"""The parameters of each operation that is built."""

MOST_DESCRIBED: Final = 100
MOST_PROVIDERS: Final = 10
MISSING: Final = "MISSING"


def build_handlers(apis: ApiFor, account: Account, clock: Clock) -> dict[str, Handler]:
    """The operations by name."""
    operations = _Operations(apis, account, clock)
    return {
        "CreateCluster": operations.create,
        "DescribeClusters": operations.describe,
        "ListClusters": operations.list,
        "DeleteCluster": operations.delete,
        "PutClusterCapacityProviders": operations.put_providers,
        "DescribeCapacityProviders": operations.describe_providers,
    }


class _Operations:
    """The handlers. What they raise is `AwsError`."""

    def __init__(self, apis: ApiFor, account: Account, clock: Clock) -> None:
        self._apis = apis
        self._account = account
        self._clock = clock

    async def create(self, call: Call) -> Params:
        name = read_cluster(self._account, call.params.get("clusterName"))
        clusters = self._clusters(call)
        cluster = await clusters.create(build_cluster(name, call.params, self._account))
        return self._answer(await clusters.settle(cluster), TaskCounts(), ("TAGS", "SETTINGS"))

    async def describe(self, call: Call) -> Params:
        names = call.params.get("clusters") or [DEFAULT_CLUSTER]
        if len(names) > MOST_DESCRIBED:
            raise refuse_parameter(f"clusters can have at most {MOST_DESCRIBED} items.")
        clusters, included = self._clusters(call), call.params.get("include", ())
        found: list[Params] = []
        missing: list[str] = []
        for name in dict.fromkeys(read_cluster(self._account, each) for each in names):
            cluster = await clusters.fetch(name)
            if cluster is None:
                missing.append(build_cluster_arn(self._account, name))
            else:
                counts = count_tasks(await clusters.list_tasks(name))
                found.append(describe_cluster(cluster, self._account, counts, included))
        return {"clusters": found, "failures": _build_failures(missing)}

    async def list(self, call: Call) -> Params:
        page = take(await self._clusters(call).list_names(), call.operation, call.params)
        return build_answer("clusterArns", [build_cluster_arn(self._account, each) for each in page.names], page)

    async def delete(self, call: Call) -> Params:
        clusters = self._clusters(call)
        name = read_cluster(self._account, call.params["cluster"])
        cluster = await clusters.fetch_active(name)
        tasks = await clusters.list_tasks(name)
        if has_task(tasks):
            raise refuse_cluster_deletion()
        return self._answer(await clusters.change(cluster, {"active": False}), TaskCounts())

    async def put_providers(self, call: Call) -> Params:
        clusters = self._clusters(call)
        name = read_cluster(self._account, call.params["cluster"])
        capacity = build_capacity(call.params, self._account)
        cluster = await clusters.fetch_active(name)
        tasks = await clusters.list_tasks(name)
        removed = set(cluster["spec"].get("capacityProviders") or ()) - set(capacity["capacityProviders"])
        if removed and any(has_task(tasks, (each,)) for each in removed):
            raise refuse_removal()
        return self._answer(await clusters.change(cluster, capacity), count_tasks(tasks))

    async def describe_providers(self, call: Call) -> Params:
        params = call.params
        associated: Iterable[str] = PROVIDERS
        if cluster := params.get("cluster"):
            found = await self._clusters(call).fetch_active(read_cluster(self._account, cluster))
            associated = found["spec"].get("capacityProviders") or ()
        asked = [read_provider(self._account, each) for each in params.get("capacityProviders") or associated]
        known = [name for name in dict.fromkeys(asked) if name in associated]
        missing = [self._name_provider(name) for name in dict.fromkeys(asked) if name not in associated]
        page = take(known, f"{call.operation} {cluster or ''}", params, largest=MOST_PROVIDERS)
        told = [self._describe_provider(name) for name in page.names]
        return {
            "capacityProviders": told,
            "failures": _build_failures(missing),
            **({"nextToken": page.next_token} if page.next_token else {}),
        }

    def _clusters(self, call: Call) -> Clusters:
        return Clusters(self._apis(call.caller), self._clock)

    def _answer(self, cluster: Json, counts: TaskCounts, included: Iterable[str] = ()) -> Params:
        return {"cluster": describe_cluster(cluster, self._account, counts, included)}

    def _describe_provider(self, name: str) -> Params:
        arn = build_provider_arn(self._account, name)
        return {"capacityProviderArn": arn, "name": name, "status": "ACTIVE", "type": name, "tags": []}

    def _name_provider(self, name: str) -> str:
        return name if name.startswith("arn:") else build_provider_arn(self._account, name)


def _build_failures(arns: Iterable[str]) -> list[Params]:
    return [{"arn": arn, "reason": MISSING} for arn in arns]
