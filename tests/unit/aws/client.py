"""A client of AWS's without a network: what botocore sends, through AWS's protocol to the handlers, and back."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from monopod.aws.wire.call import AwsError, Call, Caller, Handler
from monopod.aws.wire.codec.codec import read_params, write_answer, write_error
from monopod.aws.wire.models import load_model
from tests.unit.aws.wire.clients import build_request, read, send

CALLER = Caller("AKIAEXAMPLE", "alice")


class Refused(Exception):
    """The error that a client sees."""

    def __init__(self, code: str, message: str, status: int, fields: dict[str, Any]) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


class ServiceClient:
    def __init__(self, service: str, handlers: Mapping[str, Handler], region: str) -> None:
        self._model = load_model(service)
        self._handlers = handlers
        self._region = region

    async def call(self, operation: str, **params: Any) -> dict[str, Any]:
        return await self.call_with(operation, params)

    async def call_with(
        self, operation: str, params: dict[str, Any], body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Asks, if need be with a body that no client of AWS's would send."""
        model, known = self._model, self._model.operations[operation]
        request = send(build_request(model.name, operation, params))
        if body is not None:
            request = replace(request, body=json.dumps(body).encode())
        try:
            told = read_params(model, known, request)
            call = Call(model.name, operation, told, CALLER, self._region, str(uuid.UUID(int=1)))
            answer = write_answer(model, known, await self._handlers[operation](call), call.request_id)
        except AwsError as error:
            answer = write_error(model, error, "r")
        found = read(model.name, operation, answer)
        found.pop("ResponseMetadata")
        if told_error := found.pop("Error", None):
            fields = json.loads(answer.body)
            raise Refused(told_error["Code"], told_error["Message"], answer.status, fields)
        return found
