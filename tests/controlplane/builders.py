"""FargateProfiles for the tests of their kind, and a reader of the API server's refusals."""

import json
import re
from typing import Any

ROLE = "arn:aws:iam::111122223333:role/fargate"


def a_profile(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "monopod.dev/v1beta1",
        "kind": "FargateProfile",
        "metadata": {"name": name},
        "spec": {"selectors": [{"namespace": "prod"}], **spec},
    }


def selecting(namespace: Any = "prod", **labels: Any) -> dict[str, Any]:
    """A profile with one selector."""
    return a_profile(selectors=[{"namespace": namespace, "labels": labels}])


def labelled(labels: dict[str, Any]) -> dict[str, Any]:
    return selecting("prod", **labels)


def many(count: int) -> dict[str, str]:
    return {f"key{number}": "x" for number in range(count)}


def refusals(stderr: str) -> list[str]:
    """The reasons in kubectl's report of an invalid object: one on its first line, or a list with a bullet each."""
    match = re.fullmatch(r'The \w+ "[^"]*" is invalid: ?(.*)', stderr.strip(), re.DOTALL)
    assert match, stderr
    return [line.strip().removeprefix("* ") for line in match.group(1).splitlines() if line.strip()]


def create(cluster: Any, profile: dict[str, Any], *arguments: str) -> Any:
    return cluster.kubectl("create", "-f", "-", *arguments, input=json.dumps(profile), check=False)
