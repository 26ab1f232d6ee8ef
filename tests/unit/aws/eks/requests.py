"""Requests of EKS, drawn at random from AWS's model."""

import random
from typing import Any

from monopod.aws.wire.models import load_model
from tests.unit.aws.eks.builders import ROLE, a_profile
from tests.unit.aws.wire.draws import Draw

EKS = load_model("eks")
ARN = f"arn:aws:eks:eu-central-1:111122223333:fargateprofile/c1/web/{a_profile()['metadata']['uid']}"
FITTING: dict[str, list[Any]] = {
    "clusterName": ["c1"],
    "name": ["c1"],
    "fargateProfileName": ["web", "Web_1", "new", "ü" * 100],
    "podExecutionRoleArn": [ROLE],
    "subnets": [["subnet-b1", "subnet-a1", "subnet-b1"], [], ["zone"]],
    "selectors": [[{"namespace": "web", "labels": {"a": ""}}, {"namespace": "b*", "labels": {}}]],
    "resourceArn": [ARN],
    "include": [["all"]],
    "tags": [{"Team Größe": "a b"}, {"a": "", "k8s.io/b": "_.:/=+-@"}],
}
"""What lets a random request through to the next check."""


def draw_request(operation: str, seed: int) -> dict[str, Any]:
    draw = random.Random(seed)
    params = Draw(seed).draw_members(EKS.operations[operation].input)
    fitting = draw.choice([0.0, 0.7, 1.0])
    return {
        name: draw.choice(FITTING[name]) if name in FITTING and draw.random() < fitting else value
        for name, value in params.items()
    }
