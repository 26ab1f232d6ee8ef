"""A client of EKS without a network: what botocore sends, through AWS's protocol to the handlers, and back."""

import json
import uuid
from dataclasses import replace
from typing import Any

from monopod.aws.eks.operations import build_service
from monopod.aws.options import Account
from monopod.aws.wire.call import AwsError, Call, Caller
from monopod.aws.wire.codec.codec import read_params, write_answer, write_error
from monopod.aws.wire.models import load_model
from monopod.kube.client.api import Api
from tests.unit.aws.eks.builders import ACCOUNT
from tests.unit.aws.wire.clients import build_request, read, send

CALLER = Caller("AKIAEXAMPLE", "alice")
EKS = load_model("eks")


class Refused(Exception):
    """The error that a client sees."""

    def __init__(self, code: str, message: str, status: int, fields: dict[str, Any]) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


class EksClient:
    def __init__(self, api: Api, account: Account = ACCOUNT) -> None:
        self._handlers = build_service(lambda caller: api, account).handlers
        self.account = account

    async def call(self, operation: str, **params: Any) -> dict[str, Any]:
        return await self.call_with(operation, params)

    async def call_with(
        self, operation: str, params: dict[str, Any], body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Asks, if need be with a body that no client of AWS's would send."""
        known = EKS.operations[operation]
        request = send(build_request("eks", operation, params))
        if body is not None:
            request = replace(request, body=json.dumps(body).encode())
        try:
            told = read_params(EKS, known, request)
            call = Call("eks", operation, told, CALLER, self.account.region, str(uuid.UUID(int=1)))
            answer = write_answer(EKS, known, await self._handlers[operation](call), call.request_id)
        except AwsError as error:
            answer = write_error(EKS, error, "r")
        found = read("eks", operation, answer)
        found.pop("ResponseMetadata")
        if told_error := found.pop("Error", None):
            fields = json.loads(answer.body)
            raise Refused(told_error["Code"], told_error["Message"], answer.status, fields)
        return found

    async def create(self, **params: Any) -> dict[str, Any]:
        profile: dict[str, Any] = (await self.call("CreateFargateProfile", **params))["fargateProfile"]
        return profile

    async def describe(self, name: str) -> dict[str, Any]:
        params = {"clusterName": self.account.cluster, "fargateProfileName": name}
        profile: dict[str, Any] = (await self.call("DescribeFargateProfile", **params))["fargateProfile"]
        return profile

    async def list_names(self, **params: Any) -> list[str]:
        names: list[str] = []
        token: dict[str, Any] = {}
        while True:
            page = await self.call("ListFargateProfiles", clusterName=self.account.cluster, **params, **token)
            names += page["fargateProfileNames"]
            if "nextToken" not in page:
                return names
            token = {"nextToken": page["nextToken"]}
