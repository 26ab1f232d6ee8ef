"""A client of CloudWatch Logs without a network: what botocore sends, through AWS's protocol to the handlers."""

import json
from collections.abc import Mapping
from typing import Any

from monopod.aws.logs.operations import build_service
from monopod.aws.options import Account
from monopod.aws.wire.call import AwsError, Call, Caller, Handler
from monopod.aws.wire.codec.codec import read_params, write_answer
from monopod.aws.wire.models import load_model
from monopod.kube.client.api import TextApi
from tests.unit.aws.logs.kubelet import GROUP, NOON, SECOND
from tests.unit.aws.wire.clients import build_request, send
from tests.unit.fake_clock import FakeClock

ACCOUNT = Account("111122223333", "eu-central-1", "c1")
LOGS = load_model("logs")
CALLER = Caller("AKIAEXAMPLE", "ana")
LONG_AFTER = 86_400
"""In seconds, after all that tests write."""


def a_clock(seconds: float) -> FakeClock:
    """A clock, so many seconds after noon."""
    clock = FakeClock()
    clock.step(NOON // SECOND + seconds - clock.now().timestamp())
    return clock


class LogsClient:
    def __init__(
        self,
        api: TextApi,
        caller: Caller = CALLER,
        handlers: Mapping[str, Handler] | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        clock = clock or a_clock(LONG_AFTER)
        self.handlers = handlers or build_service(lambda caller: api, ACCOUNT, clock).handlers
        self._caller = caller

    async def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """What a client reads.

        Raises:
            AwsError: it is refused.
        """
        known = LOGS.operations[operation]
        told = read_params(LOGS, known, send(build_request("logs", operation, params)))
        call = Call("logs", operation, told, self._caller, ACCOUNT.region, "r")
        found: dict[str, Any] = json.loads(write_answer(LOGS, known, await self.handlers[operation](call), "r").body)
        return found

    async def get(self, stream: str, **params: Any) -> dict[str, Any]:
        return await self.call("GetLogEvents", logGroupName=GROUP, logStreamName=stream, **params)

    async def filter(self, **params: Any) -> dict[str, Any]:
        return await self.call("FilterLogEvents", **({"logGroupName": GROUP} | params))

    async def filter_all(self, **params: Any) -> list[dict[str, Any]]:
        """All pages, as a paginator reads them."""
        events: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = await self.filter(**params, **token)
            events += page["events"]
            if "nextToken" not in page:
                return events
            token = {"nextToken": page["nextToken"]}


async def refused(client: LogsClient, operation: str, **params: Any) -> tuple[str, str]:
    """How a request is refused: the code and the message."""
    try:
        await client.call(operation, **params)
    except AwsError as error:
        return error.code, error.message
    raise AssertionError("It was answered.")


def messages(answer: dict[str, Any]) -> list[str]:
    return [each["message"] for each in answer["events"]]


def millis(seconds: float = 0) -> int:
    """So many seconds after noon, as AWS has times."""
    return NOON // 1_000_000 + int(seconds * 1000)
