"""Of what AWS's own clients send nothing is lost, and what is answered they read again: for every operation."""

from typing import Any

import pytest

from monopod.aws.wire.codec.codec import read_params, write_answer
from monopod.aws.wire.models import SERVICES, Operation, load_model
from tests.unit.aws.wire.clients import build_request, read, send
from tests.unit.aws.wire.draws import Draw, list_operations

EACH = 12
"""Requests of each operation: there are 288."""

FULLNESS = (0.0, 0.3, 0.6, 0.9)
STREAMS = {"GetLogObject", "StartLiveTail"}
"""What they answer is no single value; they are never built."""


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("service", SERVICES)
def test_what_clients_send_is_understood_in_full(service: str, part: int) -> None:
    model = load_model(service)
    for number, operation in enumerate(list_operations(model)[part::4]):
        for seed in range(EACH):
            draw = Draw(seed * 1000 + number, FULLNESS[seed % 4], has_empty=service != "sts")
            params = _remove_unsayable(operation, draw.draw_members(operation.input))
            request = send(build_request(service, operation.name, params))
            assert read_params(model, operation, request) == params, operation.name


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("service", SERVICES)
def test_what_is_answered_clients_read_in_full(service: str, part: int) -> None:
    model = load_model(service)
    for number, operation in enumerate(list_operations(model)[part::4]):
        if operation.name in STREAMS:
            continue
        for seed in range(EACH):
            params = Draw(seed * 1000 + number, FULLNESS[seed % 4]).draw_members(operation.output)
            told = read(service, operation.name, write_answer(model, operation, params, "the-request"))
            metadata = told.pop("ResponseMetadata")
            assert metadata["HTTPStatusCode"] == 200
            assert told == params, operation.name


def _remove_unsayable(operation: Operation, params: dict[str, Any]) -> dict[str, Any]:
    """Leaves out empty lists of the query string, which nobody can send."""
    return {
        name: value
        for name, value in params.items()
        if value != [] or operation.input.members[name].serialization.get("location") != "querystring"
    }
