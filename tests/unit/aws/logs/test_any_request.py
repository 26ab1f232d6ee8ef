"""Whatever AWS's model allows is answered, or refused by a code that clients know."""

import random
from typing import Any

import pytest

from monopod.aws.logs.operations import READ
from monopod.aws.wire.call import AwsError
from tests.unit.aws.logs.client import LOGS, LogsClient, millis
from tests.unit.aws.logs.kubelet import GROUP, NOON, SECOND, Kubelets, a_task, stream_name
from tests.unit.aws.wire.draws import Draw

ARN = f"arn:aws:logs:eu-central-1:111122223333:log-group:{GROUP}"
ORDINARY: dict[str, list[Any]] = {
    "logGroupName": [GROUP],
    "logGroupIdentifier": [GROUP, ARN],
    "logGroupIdentifiers": [[GROUP], [ARN]],
    "logStreamName": [stream_name(1), stream_name(2)],
    "logStreamNames": [[stream_name(1)], [stream_name(2), stream_name(1)]],
    "logStreamNamePrefix": ["web", stream_name(1)],
    "startTime": [millis(), millis(1), 0],
    "endTime": [millis(1), millis(5), 2**62],
    "nextToken": [f"f/{NOON:020}{1:08}/s", f"b/{NOON + SECOND:020}{0:08}/s", "WyJ4IiwxXQ=="],
    "filterPattern": ["line", "-line", '?a ?"b c"', "%x%", "{ $.a = 1 }"],
}


def draw(operation: str, seed: int) -> dict[str, Any]:
    """Members at random, and for many of them what there is."""
    chance = random.Random(seed)
    found = Draw(seed, fullness=0.4).draw_members(LOGS.operations[operation].input)
    found = {key: value for key, value in found.items() if key in READ[operation] or chance.random() < 0.1}
    for key in found.keys() & ORDINARY.keys():
        if chance.random() < 0.9:
            found[key] = chance.choice(ORDINARY[key])
    if "logGroupName" in READ[operation] and not found.keys() & {"logGroupName", "logGroupIdentifier"}:
        found["logGroupName"] = GROUP
    return found


@pytest.mark.parametrize("operation", READ)
async def test_it_is_answered_or_refused_by_a_code_that_its_clients_know(operation: str) -> None:
    api = Kubelets(a_task(1), a_task(2, stopped=NOON))
    for number in (1, 2):
        api.write(number, ((NOON + index * SECOND // 3, f"line {index}") for index in range(20)))
    client, refusals, answers = LogsClient(api), list[AwsError](), 0
    for seed in range(400):
        try:
            await client.call(operation, **draw(operation, seed))
        except AwsError as error:
            refusals.append(error)
        else:
            answers += 1
    assert {each.code for each in refusals} <= {"InvalidParameterException", "ResourceNotFoundException"}
    assert all(each.message for each in refusals)
    assert answers > 40
