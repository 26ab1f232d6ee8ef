"""A client of EKS without a network."""

from typing import Any

from monopod.aws.eks.operations import build_service
from monopod.aws.options import Account
from monopod.aws.wire.models import load_model
from monopod.kube.client.api import Api
from tests.unit.aws.client import CALLER, Refused, ServiceClient
from tests.unit.aws.eks.builders import ACCOUNT

__all__ = ["CALLER", "EKS", "EksClient", "Refused"]

EKS = load_model("eks")


class EksClient(ServiceClient):
    def __init__(self, api: Api, account: Account = ACCOUNT) -> None:
        super().__init__("eks", build_service(lambda caller: api, account).handlers, account.region)
        self.account = account

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
