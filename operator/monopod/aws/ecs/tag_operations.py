"""The operations on tags, of clusters, task definitions and tasks alike."""

from collections.abc import Mapping
from typing import Any, Final

from monopod.aws.access.impersonation import ApiFor
from monopod.aws.ecs.rules.arns import ClusterName, DefinitionName, TaskName, parse_resource
from monopod.aws.ecs.rules.clusters import STOPPED, is_active, read_last_status, read_name
from monopod.aws.ecs.rules.definitions import is_named
from monopod.aws.ecs.rules.refusals import miss_cluster, miss_resource, refuse_parameter
from monopod.aws.ecs.rules.task_description import read_all_tags
from monopod.aws.ecs.tagged import Named, Tagged
from monopod.aws.options import Account
from monopod.aws.wire.call import Call, Handler, Params
from monopod.kube.client.api import Json
from monopod.kube.clock import Clock
from monopod.tasks.rules.running.tags import check_number, read_tags, write_tags

READ: Final[Mapping[str, frozenset[str]]] = {
    "TagResource": frozenset({"resourceArn", "tags"}),
    "UntagResource": frozenset({"resourceArn", "tagKeys"}),
    "ListTagsForResource": frozenset({"resourceArn"}),
}
"""The parameters of each operation that is built."""


def build_handlers(apis: ApiFor, account: Account, clock: Clock) -> dict[str, Handler]:
    """The operations by name."""
    operations = _Operations(apis, account)
    return {
        "TagResource": operations.tag,
        "UntagResource": operations.untag,
        "ListTagsForResource": operations.list_tags,
    }


class _Operations:
    """The handlers. What they raise is `AwsError`, or `Refusal`."""

    def __init__(self, apis: ApiFor, account: Account) -> None:
        self._apis = apis
        self._account = account

    async def tag(self, call: Call) -> Params:
        tags = read_tags(call.params["tags"])
        named, found = await self._fetch(call)
        _check_changeable(named, found)
        check_number({**_get_tags(found), **tags})
        await self._change(call, named, found, tags)
        return {}

    async def untag(self, call: Call) -> Params:
        named, found = await self._fetch(call)
        _check_changeable(named, found)
        had = _get_tags(found).keys() & set(call.params["tagKeys"])
        await self._change(call, named, found, dict.fromkeys(sorted(had)))
        return {}

    async def list_tags(self, call: Call) -> Params:
        named, found = await self._fetch(call)
        return {"tags": write_tags(read_all_tags(found, named.cluster if isinstance(named, TaskName) else ""))}

    async def _fetch(self, call: Call) -> tuple[Named, Json]:
        named = parse_resource(self._account, call.params["resourceArn"])
        found = await self._tagged(call).fetch(named)
        if found is None or not _is_meant(named, found):
            raise _miss(call, named)
        return named, found

    async def _change(self, call: Call, named: Named, found: Json, tags: Mapping[str, str | None]) -> None:
        if tags and not await self._tagged(call).change(named, found, tags):
            raise _miss(call, named)

    def _tagged(self, call: Call) -> Tagged:
        return Tagged(self._apis(call.caller))


def _is_meant(named: Named, found: Json) -> bool:
    """Whether an object is what was named, and not another one whose object has that name."""
    match named:
        case ClusterName(name):
            return read_name(found) == name
        case DefinitionName():
            return is_named(found, named)
        case TaskName():
            return True


def _get_tags(found: Json) -> dict[str, Any]:
    return (found.get("spec") or {}).get("tags") or {}


def _check_changeable(named: Named, found: Json) -> None:
    if isinstance(named, ClusterName) and not is_active(found):
        raise refuse_parameter("The specified cluster is inactive. Specify an active cluster and try again.")
    if isinstance(named, TaskName) and read_last_status(found) == STOPPED:
        raise refuse_parameter("The specified task is stopped. Specify a running task and try again.")


def _miss(call: Call, named: Named) -> Exception:
    if isinstance(named, ClusterName):
        return miss_cluster()
    return miss_resource(call.operation, call.params["resourceArn"])
