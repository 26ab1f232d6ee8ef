"""The operations on ECS' task definitions."""

from collections.abc import Mapping
from typing import Final

from monopod.aws.access.impersonation import ApiFor
from monopod.aws.ecs.definitions import Definitions
from monopod.aws.ecs.rules.arns import build_definition_arn, read_definition
from monopod.aws.ecs.rules.definitions import ACTIVE, INACTIVE, check_definition, describe_definition
from monopod.aws.ecs.rules.pages import build_answer, take
from monopod.aws.ecs.rules.refusals import miss_deregistered, miss_revision, refuse_family
from monopod.aws.options import Account
from monopod.aws.wire.call import Call, Handler, Params
from monopod.kube.client.api import Json
from monopod.kube.clock import Clock
from monopod.tasks.rules.form.shapes import TASK_DEFINITION
from monopod.tasks.rules.running.tags import write_tags
from monopod.tasks.rules.task import NAME

READ: Final[Mapping[str, frozenset[str]]] = {
    "RegisterTaskDefinition": frozenset(TASK_DEFINITION.members),
    "DescribeTaskDefinition": frozenset({"taskDefinition", "include"}),
    "ListTaskDefinitions": frozenset({"familyPrefix", "status", "sort", "maxResults", "nextToken"}),
    "ListTaskDefinitionFamilies": frozenset({"familyPrefix", "status", "maxResults", "nextToken"}),
    "DeregisterTaskDefinition": frozenset({"taskDefinition"}),
}
"""The parameters of each operation that is built."""

_DIGITS: Final = 10
ALL: Final = "ALL"


def build_handlers(apis: ApiFor, account: Account, clock: Clock) -> dict[str, Handler]:
    """The operations by name."""
    operations = _Operations(apis, account, clock)
    return {
        "RegisterTaskDefinition": operations.register,
        "DescribeTaskDefinition": operations.describe,
        "ListTaskDefinitions": operations.list,
        "ListTaskDefinitionFamilies": operations.list_families,
        "DeregisterTaskDefinition": operations.deregister,
    }


class _Operations:
    """The handlers. What they raise is `AwsError`."""

    def __init__(self, apis: ApiFor, account: Account, clock: Clock) -> None:
        self._apis = apis
        self._account = account
        self._clock = clock

    async def register(self, call: Call) -> Params:
        definition, tags = check_definition(call.params)
        found = await self._definitions(call).register(definition, tags, call.caller.user, self._clock.now())
        return self._answer(found, with_tags=True)

    async def describe(self, call: Call) -> Params:
        named = read_definition(self._account, call.params["taskDefinition"])
        found = await self._definitions(call).fetch(named)
        return self._answer(found, with_tags="TAGS" in call.params.get("include", ()))

    async def list(self, call: Call) -> Params:
        params = call.params
        family, status = params.get("familyPrefix") or "", params.get("status", ACTIVE)
        _check_family(family)
        found = []
        if status in (ACTIVE, INACTIVE):  # none is about to be deleted
            found = await self._definitions(call).list_revisions(family, is_active=status == ACTIVE)
        # A blank comes before all that a family's name may have, so that families and not their names' beginnings
        # are kept together.
        keys = {f"{name} {number:0{_DIGITS}}": (name, number) for name, number in found}
        page = take(keys, f"{call.operation} {family} {status}", params, descending=params.get("sort", "ASC") == "DESC")
        arns = [build_definition_arn(self._account, *keys[key]) for key in page.names]
        return build_answer("taskDefinitionArns", arns, page)

    async def list_families(self, call: Call) -> Params:
        params, definitions = call.params, self._definitions(call)
        prefix, status = params.get("familyPrefix") or "", params.get("status", ALL)
        active = {family for family, _ in await definitions.list_revisions()}
        families = active
        if status != ACTIVE:
            inactive = {family for family, _ in await definitions.list_revisions(is_active=False)} - active
            families = inactive | (active if status == ALL else set())
        page = take(
            [each for each in families if each.startswith(prefix)], f"{call.operation} {prefix} {status}", params
        )
        return build_answer("families", page.names, page)

    async def deregister(self, call: Call) -> Params:
        named = read_definition(self._account, call.params["taskDefinition"])
        if named.revision is None:
            raise miss_revision()
        definitions = self._definitions(call)
        found = await definitions.find(named)
        if found is None:
            raise miss_deregistered()
        return self._answer(await definitions.deregister(found, self._clock.now()))

    def _definitions(self, call: Call) -> Definitions:
        return Definitions(self._apis(call.caller))

    def _answer(self, definition: Json, *, with_tags: bool = False) -> Params:
        tags = {"tags": write_tags(definition["spec"].get("tags") or {})} if with_tags else {}
        return {"taskDefinition": describe_definition(definition, self._account), **tags}


def _check_family(family: str) -> None:
    if family and not NAME.fullmatch(family):
        raise refuse_family(family)
