"""The operations of EKS that are built: parameters in, what EKS answers out.

Each reads every parameter that it has: `READ` names them, and one that isn't there is refused, so that nothing that a
client says is lost when AWS's model grows.
"""

from collections.abc import Mapping
from typing import Final

from monopod.aws.access.impersonation import ApiFor
from monopod.aws.eks.profiles import Profiles
from monopod.aws.eks.rules.arns import ClusterArn, parse_arn
from monopod.aws.eks.rules.cluster import check_cluster, check_included, describe_cluster
from monopod.aws.eks.rules.description import DELETE_FAILED, DELETING, describe_profile, read_status
from monopod.aws.eks.rules.record import IDEMPOTENCY
from monopod.aws.eks.rules.refusals import (
    miss_profile,
    miss_resource,
    refuse_deletion,
    refuse_tags,
    refuse_unread,
)
from monopod.aws.eks.rules.request import build_profile
from monopod.aws.eks.rules.tags import build_tagging, build_untagging, read_tags
from monopod.aws.options import Account
from monopod.aws.rules.paging import take_page
from monopod.aws.wire.call import Call, Handler, Params, Service, guard_parameters
from monopod.kube.client.api import Json

READ: Final[Mapping[str, frozenset[str]]] = {
    "CreateFargateProfile": frozenset(
        {
            "clusterName",
            "fargateProfileName",
            "podExecutionRoleArn",
            "selectors",
            "subnets",
            "tags",
            IDEMPOTENCY,
        }
    ),
    "DescribeFargateProfile": frozenset({"clusterName", "fargateProfileName"}),
    "ListFargateProfiles": frozenset({"clusterName", "maxResults", "nextToken"}),
    "DeleteFargateProfile": frozenset({"clusterName", "fargateProfileName"}),
    "TagResource": frozenset({"resourceArn", "tags"}),
    "UntagResource": frozenset({"resourceArn", "tagKeys"}),
    "ListTagsForResource": frozenset({"resourceArn"}),
    "DescribeCluster": frozenset({"name"}),
    "ListClusters": frozenset({"maxResults", "nextToken", "include"}),
}
"""The parameters of each operation that is built."""


def build_service(apis: ApiFor, account: Account) -> Service:
    """The service.

    Args:
        apis: the API server in a caller's name.
        account: what stands in ARNs, and the one cluster that there is.
    """
    operations = _Operations(apis, account)
    handlers: dict[str, Handler] = {
        "CreateFargateProfile": operations.create_profile,
        "DescribeFargateProfile": operations.describe_profile,
        "ListFargateProfiles": operations.list_profiles,
        "DeleteFargateProfile": operations.delete_profile,
        "TagResource": operations.tag,
        "UntagResource": operations.untag,
        "ListTagsForResource": operations.list_tags,
        "DescribeCluster": operations.describe_cluster,
        "ListClusters": operations.list_clusters,
    }
    return Service(
        "eks", {name: guard_parameters(READ[name], handler, refuse_unread) for name, handler in handlers.items()}
    )


class _Operations:
    """The handlers. What they raise is `AwsError`."""

    def __init__(self, apis: ApiFor, account: Account) -> None:
        self._apis = apis
        self._account = account

    async def create_profile(self, call: Call) -> Params:
        params = call.params
        check_cluster(self._account, params["clusterName"])
        profile = build_profile(params, self._account.zones)
        created = await self._profiles(call).create(profile, params, params.get(IDEMPOTENCY))
        return self._describe(created)

    async def describe_profile(self, call: Call) -> Params:
        return self._describe(await self._fetch(call))

    async def list_profiles(self, call: Call) -> Params:
        cluster = call.params["clusterName"]
        check_cluster(self._account, cluster)
        names = await self._profiles(call).list_names()
        return _build_page("fargateProfileNames", names, f"{call.operation} {cluster}", call.params)

    async def delete_profile(self, call: Call) -> Params:
        profile = await self._fetch(call)
        status = read_status(profile)
        if status == DELETING:
            raise refuse_deletion()
        if not await self._profiles(call).delete(profile):
            raise miss_profile(call.params["clusterName"], call.params["fargateProfileName"])
        told = self._describe(profile)
        told["fargateProfile"]["status"] = status if status == DELETE_FAILED else DELETING
        return told

    async def tag(self, call: Call) -> Params:
        profile = await self._fetch_tagged(call)
        await self._change_tags(call, profile, build_tagging(profile, call.params["tags"]))
        return {}

    async def untag(self, call: Call) -> Params:
        profile = await self._fetch_tagged(call)
        if patch := build_untagging(profile, call.params["tagKeys"]):
            await self._change_tags(call, profile, patch)
        return {}

    async def list_tags(self, call: Call) -> Params:
        if isinstance(parse_arn(self._account, call.params["resourceArn"]), ClusterArn):
            return {"tags": {}}
        return {"tags": read_tags(await self._fetch_tagged(call))}

    async def describe_cluster(self, call: Call) -> Params:
        check_cluster(self._account, call.params["name"])
        return {"cluster": describe_cluster(self._account, await self._profiles(call).fetch_version())}

    async def list_clusters(self, call: Call) -> Params:
        check_included(call.params.get("include", ()))
        return _build_page("clusters", [self._account.cluster], call.operation, call.params)

    def _profiles(self, call: Call) -> Profiles:
        return Profiles(self._apis(call.caller))

    async def _fetch(self, call: Call) -> Json:
        cluster, name = call.params["clusterName"], call.params["fargateProfileName"]
        check_cluster(self._account, cluster)
        if profile := await self._profiles(call).fetch(name):
            return profile
        raise miss_profile(cluster, name)

    async def _fetch_tagged(self, call: Call) -> Json:
        arn = call.params["resourceArn"]
        named = parse_arn(self._account, arn)
        if isinstance(named, ClusterArn):
            raise refuse_tags("Tags of the cluster itself are not supported by Monopod")
        profile = await self._profiles(call).fetch(named.name)
        if not profile or profile["metadata"]["uid"] != named.uid:
            raise miss_resource(arn)
        return profile

    async def _change_tags(self, call: Call, profile: Json, patch: Json) -> None:
        if not await self._profiles(call).change_tags(profile, patch):
            raise miss_resource(call.params["resourceArn"])

    def _describe(self, profile: Json) -> Params:
        return {"fargateProfile": describe_profile(profile, self._account)}


def _build_page(member: str, names: list[str], asked: str, params: Params) -> Params:
    page = take_page(names, asked, params.get("maxResults"), params.get("nextToken"))
    return {member: page.names, **({"nextToken": page.next_token} if page.next_token else {})}
