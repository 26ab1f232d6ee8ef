"""STS' one operation that needs no roles: whom does my key stand for?"""

from monopod.aws.options import Account
from monopod.aws.rules.arns import build_user_arn
from monopod.aws.wire.call import Call, Params, Service


def build_service(account: Account) -> Service:
    """The service.

    Args:
        account: what stands in ARNs.
    """

    async def get_caller_identity(call: Call) -> Params:
        return {
            "UserId": call.caller.user,
            "Account": account.id,
            "Arn": build_user_arn(account, call.caller.user),
        }

    return Service("sts", {"GetCallerIdentity": get_caller_identity})
