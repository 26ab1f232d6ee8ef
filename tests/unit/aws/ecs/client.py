"""A client of ECS without a network."""

from monopod.aws.ecs.operations import build_service
from monopod.aws.options import Account
from monopod.kube.client.api import Api
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from tests.unit.aws.client import ServiceClient
from tests.unit.aws.ecs.builders import ACCOUNT


class EcsClient(ServiceClient):
    def __init__(self, api: Api, account: Account = ACCOUNT, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__("ecs", build_service(lambda caller: api, account, clock).handlers, account.region)
        self.account = account
