"""The operations of ECS on tasks."""

from collections.abc import Awaitable, Iterable, Mapping
from http import HTTPStatus
from typing import Final, TypeVar

from monopod.aws.access.failures import DENIED
from monopod.aws.access.impersonation import ApiFor
from monopod.aws.ecs.clusters import Clusters
from monopod.aws.ecs.definitions import Definitions
from monopod.aws.ecs.launcher import Launcher
from monopod.aws.ecs.rules.arns import DefinitionName, build_task_arn, read_cluster, read_task
from monopod.aws.ecs.rules.clusters import STOPPED
from monopod.aws.ecs.rules.pages import build_answer, take
from monopod.aws.ecs.rules.refusals import miss_cluster, miss_task, refuse_parameter
from monopod.aws.ecs.rules.task_description import describe_task, read_desired_status
from monopod.aws.ecs.rules.task_filters import check_filters, is_meant
from monopod.aws.ecs.rules.task_record import build_stop
from monopod.aws.ecs.rules.times import format_time
from monopod.aws.ecs.tasks import Tasks
from monopod.aws.options import Account
from monopod.aws.wire.call import AwsError, Call, Handler, Params
from monopod.kube.client.api import Json
from monopod.kube.clock import Clock
from monopod.kube.concurrency import gather_some
from monopod.tasks.rules.lifecycle.begin import begin
from monopod.tasks.rules.running.request import READ as READ_TO_RUN

Result = TypeVar("Result")

READ: Final[Mapping[str, frozenset[str]]] = {
    "RunTask": READ_TO_RUN,
    "DescribeTasks": frozenset({"cluster", "include", "tasks"}),
    "ListTasks": frozenset(
        (
            *("cluster", "containerInstance", "daemonName", "desiredStatus", "family", "launchType", "maxResults"),
            *("nextToken", "serviceName", "startedBy"),
        )
    ),
    "StopTask": frozenset({"cluster", "reason", "task"}),
}
"""The parameters of each operation that is built."""

MOST_DESCRIBED: Final = 100
LONGEST_REASON: Final = 1024
MISSING: Final = "MISSING"
_ATTEMPTS: Final = 3
_UNSETTLED: Final = HTTPStatus.INTERNAL_SERVER_ERROR
_FILTERS: Final = ("desiredStatus", "family", "launchType", "startedBy")


def build_handlers(apis: ApiFor, account: Account, clock: Clock) -> dict[str, Handler]:
    """The operations by name."""
    operations = _Operations(apis, account, clock)
    return {
        "RunTask": operations.run,
        "DescribeTasks": operations.describe,
        "ListTasks": operations.list_tasks,
        "StopTask": operations.stop,
    }


class _Operations:
    """The handlers. What they raise is `AwsError`, or `Refusal`."""

    def __init__(self, apis: ApiFor, account: Account, clock: Clock) -> None:
        self._apis = apis
        self._account = account
        self._clock = clock

    async def run(self, call: Call) -> Params:
        launched = await Launcher(self._apis(call.caller), self._account, self._clock).run(call.params)
        told = await self._describe(
            call, launched.cluster, launched.tasks, has_tags=True, definition=launched.definition
        )
        return {"tasks": told, "failures": launched.failures}

    async def describe(self, call: Call) -> Params:
        cluster, named = read_cluster(self._account, call.params.get("cluster")), call.params["tasks"]
        if not named:
            raise refuse_parameter("Tasks cannot be empty.")
        if len(named) > MOST_DESCRIBED:
            raise refuse_parameter(f"tasks can have at most {MOST_DESCRIBED} items.")
        ids = list(dict.fromkeys(read_task(self._account, cluster, each) for each in named))
        found = await self._ask(call, cluster, self._tasks(call).fetch_all(cluster, ids))
        tasks = [each for each in found if each is not None]
        if len(tasks) < len(ids):
            await self._check_cluster(call, cluster)
        missing = [each for each, task in zip(ids, found, strict=True) if task is None]
        has_tags = "TAGS" in call.params.get("include", ())
        return {
            "tasks": await self._describe(call, cluster, tasks, has_tags=has_tags),
            "failures": [{"arn": build_task_arn(self._account, cluster, each), "reason": MISSING} for each in missing],
        }

    async def list_tasks(self, call: Call) -> Params:
        params, cluster = call.params, read_cluster(self._account, call.params.get("cluster"))
        tasks = await self._ask(call, cluster, self._tasks(call).list_all(cluster))
        if not tasks:
            await self._check_cluster(call, cluster)
        check_filters(params)
        ids = [each["metadata"]["name"] for each in tasks if is_meant(each, params)]
        asked = " ".join((call.operation, cluster, *(f"{name}={params.get(name, '')}" for name in _FILTERS)))
        page = take(ids, asked, params)
        return build_answer("taskArns", [build_task_arn(self._account, cluster, each) for each in page.names], page)

    async def stop(self, call: Call) -> Params:
        cluster, reason = read_cluster(self._account, call.params.get("cluster")), call.params.get("reason") or ""
        named = read_task(self._account, cluster, call.params["task"])
        if len(reason) > LONGEST_REASON:
            raise refuse_parameter(f"reason longer than {LONGEST_REASON}.")
        task = await self._ask(call, cluster, self._stop(self._tasks(call), cluster, named, reason))
        if task is None:
            await self._check_cluster(call, cluster)
            raise miss_task()
        (told,) = await self._describe(call, cluster, [task], has_tags=True)
        return {"task": told}

    async def _stop(self, tasks: Tasks, cluster: str, named: str, reason: str) -> Json | None:
        """The task, told to stop by us or by someone else; None if there is none."""
        for _ in range(_ATTEMPTS):
            task = await tasks.fetch(cluster, named)
            if task is None or read_desired_status(task) == STOPPED:
                return task
            patch = build_stop(task, reason, format_time(self._clock.now()))
            if stopped := await tasks.stop(task, patch):
                return stopped
        raise AwsError("ServerException", f"The task {named} changes all the time.", status=_UNSETTLED)

    def _tasks(self, call: Call) -> Tasks:
        return Tasks(self._apis(call.caller))

    async def _ask(self, call: Call, cluster: str, asked: Awaitable[Result]) -> Result:
        """The answer about a cluster's tasks. Of a denial, a cluster that doesn't exist is the better reason."""
        try:
            return await asked
        except AwsError as error:
            if error.code == DENIED:
                await self._check_cluster(call, cluster)
            raise

    async def _check_cluster(self, call: Call, cluster: str) -> None:
        """Refuses a cluster that doesn't exist.

        Whoever may see tasks in one namespace needn't be allowed to see clusters; then nothing is refused.
        """
        try:
            found = await Clusters(self._apis(call.caller), self._clock).fetch(cluster)
        except AwsError as error:
            if error.code == DENIED:
                return
            raise
        if found is None:
            raise miss_cluster()

    async def _describe(
        self, call: Call, cluster: str, tasks: Iterable[Json], *, has_tags: bool, definition: Json | None = None
    ) -> list[Params]:
        known = await self._begin(call, tasks, definition)
        return [describe_task(each, self._account, cluster, has_tags=has_tags) for each in known]

    async def _begin(self, call: Call, tasks: Iterable[Json], definition: Json | None) -> list[Json]:
        """The tasks; those that the operator hasn't seen yet have the status that it will write first.

        Args:
            call: who asks.
            tasks: the objects.
            definition: a task definition that is known already.
        """
        tasks = list(tasks)
        known = {_get_name(definition): definition["spec"]["definition"]} if definition else {}
        references = {_get_reference(each) for each in tasks if not each.get("status")} - known.keys()
        definitions = Definitions(self._apis(call.caller))

        async def find(named: DefinitionName) -> tuple[DefinitionName, Json | None]:
            try:
                found = await definitions.find(named)
            except AwsError as error:
                if error.code != DENIED:
                    raise
                found = None
            return named, found["spec"]["definition"] if found else None

        known |= dict(await gather_some([find(each) for each in sorted(references, key=str)]))
        now = self._clock.now()
        return [
            each if each.get("status") else {**each, "status": begin(each, known[_get_reference(each)], now)}
            for each in tasks
        ]


def _get_name(definition: Json) -> DefinitionName:
    return DefinitionName(definition["spec"]["family"], definition["spec"]["revision"])


def _get_reference(task: Json) -> DefinitionName:
    reference = task["spec"]["taskDefinition"]
    return DefinitionName(reference["family"], reference["revision"])
