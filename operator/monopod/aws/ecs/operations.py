"""The operations of ECS that are built: parameters in, what ECS answers out.

Each module of operations names by `READ` the parameters of each that it has; one that isn't there is refused, so that
nothing that a client says is lost when AWS's model grows.
"""

from collections.abc import Mapping
from typing import Final

from monopod.aws.access.impersonation import ApiFor
from monopod.aws.ecs import cluster_operations, definition_operations, tag_operations, task_operations
from monopod.aws.ecs.rules.refusals import refuse_unread
from monopod.aws.options import Account
from monopod.aws.wire.call import AwsError, Call, Handler, Params, Service, guard_parameters
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.tasks.rules.running.refusal import Refusal

_MODULES: Final = (cluster_operations, definition_operations, tag_operations, task_operations)

READ: Final[Mapping[str, frozenset[str]]] = {
    name: members for module in _MODULES for name, members in module.READ.items()
}
"""The parameters of each operation that is built."""


def build_service(
    apis: ApiFor, account: Account, clock: Clock = SYSTEM_CLOCK, further: Mapping[str, Handler] | None = None
) -> Service:
    """The service.

    Args:
        apis: the API server in a caller's name.
        account: what stands in ARNs.
        clock: tells the time.
        further: operations that need more than that, guarded already.
    """
    handlers = {
        name: guard(READ[name], handler)
        for module in _MODULES
        for name, handler in module.build_handlers(apis, account, clock).items()
    }
    return Service("ecs", {**handlers, **(further or {})})


def guard(read: frozenset[str], handler: Handler) -> Handler:
    """The handler, which refuses parameters that it doesn't read, and raises `AwsError` alone."""

    async def answer(call: Call) -> Params:
        try:
            return await handler(call)
        except Refusal as refusal:
            raise AwsError(refusal.code, refusal.message) from None

    return guard_parameters(read, answer, refuse_unread)
