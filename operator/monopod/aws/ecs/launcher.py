"""RunTask: from a request to ECSTasks.

    token ──► the first task of the same request is there? ──yes──► all are: answered as they are by now
      │                                                     └─────► some are missing: only these are created
      └─no──► cluster, task definition ──► specs (pure) ──► security groups ──► one ECSTask after the other's id

A request that is repeated asks for the same ids, so nothing runs twice, whichever replica answers, and whenever the
first answer was lost.
"""

import dataclasses
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from monopod.aws.access.failures import DENIED
from monopod.aws.ecs.clusters import Clusters
from monopod.aws.ecs.definitions import Definitions
from monopod.aws.ecs.rules.arns import build_task_arn, read_cluster, read_definition
from monopod.aws.ecs.rules.clusters import FAILED, is_active, read_status
from monopod.aws.ecs.rules.refusals import miss_cluster, refuse_client, refuse_inactive, refuse_parameter
from monopod.aws.ecs.rules.task_record import build_record
from monopod.aws.ecs.tasks import Exists, NoNamespace, Refused, Tasks
from monopod.aws.options import Account
from monopod.aws.wire.call import AwsError, Params
from monopod.kube.client.api import Api, Json
from monopod.kube.clock import Clock
from monopod.kube.concurrency import gather_some
from monopod.tasks.rules.names import compute_namespace
from monopod.tasks.rules.running.identity import compute_task_id, hash_request, read_token
from monopod.tasks.rules.running.network import refuse_group
from monopod.tasks.rules.running.request import build_tasks

LIMIT_REACHED: Final = "You've reached the limit on the number of tasks you can run concurrently"


@dataclass(frozen=True, slots=True)
class Launched:
    """What came of a request.

    Attributes:
        cluster: the cluster's name on ECS.
        tasks: those that exist.
        failures: of those that don't, as ECS tells of them.
        definition: the task definition that they run, if it was looked at.
    """

    cluster: str
    tasks: list[Json]
    failures: list[Params]
    definition: Json | None = None


class Launcher:
    """Runs tasks in one caller's name.

    Args:
        api: the API server in this name.
        account: what stands in ARNs.
        clock: tells the time.
    """

    def __init__(self, api: Api, account: Account, clock: Clock) -> None:
        self._clusters = Clusters(api, clock)
        self._definitions = Definitions(api)
        self._tasks = Tasks(api)
        self._account = account

    async def run(self, params: Params) -> Launched:
        """Runs what a request asks for.

        Raises:
            AwsError: it is refused.
            Refusal: the same.
        """
        cluster = read_cluster(self._account, params.get("cluster"))
        named = read_definition(self._account, params["taskDefinition"])
        token = read_token(params)
        if token and (before := await self._find_repeated(cluster, token, params)):
            return before
        definition = await self._definitions.find(named)
        found = await self._fetch_cluster(cluster)
        if definition is None:
            raise refuse_client("TaskDefinition not found.")
        if not definition["spec"].get("active", True):
            raise refuse_parameter("TaskDefinition is inactive")
        specs = build_tasks(params, definition["spec"], found["spec"], self._account.zones)
        for unknown in await self._tasks.list_unknown_groups(specs[0]["network"]["securityGroups"]):
            raise refuse_group(unknown)
        launched = await self._create(cluster, token, params, specs)
        return dataclasses.replace(launched, definition=definition)

    async def _fetch_cluster(self, name: str) -> Json:
        found = await self._clusters.fetch(name)
        if found is None:
            raise miss_cluster()
        if not is_active(found):
            raise refuse_inactive()
        # Who has just created it runs tasks right away.
        found = await self._clusters.settle(found)
        if read_status(found) == FAILED:
            message = (found.get("status") or {}).get("message") or ""
            raise refuse_client(f"The cluster {name} can't run tasks: {message}")
        return found

    async def _find_repeated(self, cluster: str, token: str, params: Params) -> Launched | None:
        """What came of the same request before, if all of it is there."""
        try:
            first = await self._tasks.fetch(cluster, self._build_ids(cluster, token, 1)[0])
        except AwsError as error:
            # Who may run tasks and not see them is told of a repetition by the task's creation.
            if error.code != DENIED:
                raise
            first = None
        if first is None:
            return None
        self._check_repeated(cluster, params, [first])
        others = await self._tasks.fetch_all(cluster, self._build_ids(cluster, token, params.get("count", 1))[1:])
        found = [first, *(each for each in others if each is not None)]
        return Launched(cluster, found, []) if len(found) == 1 + len(others) else None

    def _build_ids(self, cluster: str, token: str, count: int) -> list[str]:
        if not token:
            return [uuid.uuid4().hex for _ in range(count)]
        namespace = compute_namespace(cluster)
        return [compute_task_id(self._account.id, namespace, token, index) for index in range(count)]

    def _check_repeated(self, cluster: str, params: Params, found: Iterable[Json]) -> None:
        """Refuses a token that another request had."""
        wanted = hash_request(params)
        others = [each["metadata"]["name"] for each in found if each["spec"].get("requestHash") != wanted]
        if others:
            arns = [build_task_arn(self._account, cluster, each) for each in others]
            message = "The clientToken was used in another request, with other parameters."
            raise AwsError("ConflictException", message, {"resourceIds": arns})

    async def _create(self, cluster: str, token: str, params: Params, specs: list[Json]) -> Launched:
        namespace = compute_namespace(cluster)
        is_managed = bool(params.get("enableECSManagedTags"))
        ids = self._build_ids(cluster, token, len(specs))
        records = [
            build_record(each, namespace, spec, has_managed_tags=is_managed)
            for each, spec in zip(ids, specs, strict=True)
        ]
        results = await gather_some([self._create_one(cluster, params, record) for record in records])
        return Launched(
            cluster,
            [each for each in results if not isinstance(each, Refused)],
            [{"reason": LIMIT_REACHED, "detail": each.message} for each in results if isinstance(each, Refused)],
        )

    async def _create_one(self, cluster: str, params: Params, record: Json) -> Json | Refused:
        try:
            return await self._tasks.create(record)
        except Exists:
            found = await self._tasks.fetch(cluster, record["metadata"]["name"])
        except NoNamespace:
            found = None
        if found is None:
            message = f"The cluster {cluster} isn't ready yet."
            raise AwsError("ServerException", message, status=HTTPStatus.INTERNAL_SERVER_ERROR)
        self._check_repeated(cluster, params, [found])
        return found
