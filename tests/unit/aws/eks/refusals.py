"""The table of refused requests: read for the unit tests, and for those against a real API server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.unit.aws.eks.builders import a_request

CLUSTER = "c1"
ZONES = {"subnet-a1": "a", "subnet-b1": "b"}
OLD, LEAVING = "old", "leaving"
OLD_REQUEST = a_request(
    fargateProfileName=OLD, clientRequestToken="t-old", tags={f"tag-{number}": "" for number in range(49)}
)
LEAVING_REQUEST = a_request(fargateProfileName=LEAVING, selectors=[{"namespace": LEAVING}])

_TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())
SOURCES: dict[str, str] = _TABLE["sources"]


@dataclass(frozen=True)
class Refusal:
    """One row.

    Attributes:
        params: the request's, but for the ARN of the profile `old`, which isn't known beforehand.
        body: a body that no client of AWS's would send, in place of the parameters'.
        judged_by_api_server: `message` is a beginning.
    """

    name: str
    operation: str
    params: dict[str, Any]
    body: dict[str, Any] | None
    judged_by_api_server: bool
    code: str
    message: str
    source: str

    def get_params(self, old_arn: str) -> dict[str, Any]:
        return {key: old_arn if value == "OLD" else value for key, value in self.params.items()}


_ASKED: dict[str, dict[str, Any]] = {
    "CreateFargateProfile": a_request(),
    "DescribeFargateProfile": {"clusterName": CLUSTER, "fargateProfileName": OLD},
    "DeleteFargateProfile": {"clusterName": CLUSTER, "fargateProfileName": OLD},
    "ListFargateProfiles": {"clusterName": CLUSTER},
    "TagResource": {"resourceArn": "OLD", "tags": {"a": "b"}},
    "UntagResource": {"resourceArn": "OLD", "tagKeys": ["tag-1"]},
    "ListTagsForResource": {"resourceArn": "OLD"},
    "DescribeCluster": {"name": CLUSTER},
    "ListClusters": {},
}


def _read(name: str, row: dict[str, Any]) -> Refusal:
    params = {**_ASKED[row["operation"]], **row.get("set", {})}
    params.pop(row.get("without", ""), None)
    by_api_server = row.get("judge") == "api-server"
    said = (row["code"], row["message"], row["source"])
    return Refusal(name, row["operation"], params, row.get("body"), by_api_server, *said)


REFUSALS = [_read(name, row) for name, row in _TABLE["refusals"].items()]
