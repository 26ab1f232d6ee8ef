"""Pods that were bound without an identity stay closed, and are told of: those from before an upgrade, for instance.

A Binding without the pod's uid leaves a pod just as it was before admission wrote identities.
"""

import zlib
from collections.abc import Iterator

import pytest

from monopod.api.names import TASK_LABEL
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually


@pytest.fixture
def namespace(lab: Lab, operator: OperatorProcess, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace with two pods of the profile `web`: `old` is bound without an identity, `new` as it should be."""
    name = f"identities-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    lab.create_profile("web", name)
    lab.becomes_active("web")
    for pod in ("old", "new"):
        lab.create_pod(name, pod)
        lab.bind_pod(name, pod, by_uid=pod == "new")
    yield name
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0")
    lab.delete("Namespace", name)


def find_reasons(lab: Lab, namespace: str, pod: str) -> list[str]:
    return [event["reason"] for event in lab.events(namespace, pod)]


def read_isolated(lab: Lab) -> Json:
    return lab.condition("web", "Isolated")


def test_a_pod_without_an_identity_says_that_it_must_be_created_again(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    assert TASK_LABEL not in (lab.get("Pod", "old", namespace) or {})["metadata"]["labels"]
    (event,) = eventually(lambda: lab.events(namespace, "old"))
    assert (event["type"], event["reason"]) == ("Warning", "IdentityMissing")
    assert event["message"].endswith("Create it again.")
    eventually(lambda: read_isolated(lab).get("status") == "False")
    condition = read_isolated(lab)
    assert condition["reason"] == "PodsClosed"
    assert condition["message"] == "1 pod is closed for want of an identity: to be created again"
    assert operator.metric('monopod_closed_pods{profile="web"}') == 1
    assert find_reasons(lab, namespace, "new") == []
    operator.passes_happen(3)
    assert find_reasons(lab, namespace, "old") == ["IdentityMissing"]
    lab.kubectl("delete", "pod", "old", "-n", namespace, "--force", "--grace-period=0")
    eventually(lambda: read_isolated(lab)["status"] == "True")


def test_pods_that_share_policies_need_none(lab: Lab, operator: OperatorProcess, namespace: str) -> None:
    eventually(lambda: read_isolated(lab).get("status") == "False")
    lab.patch("FargateProfile", "web", {"spec": {"isolation": "PerGroup"}})
    eventually(lambda: read_isolated(lab)["status"] == "True")
    assert operator.metric('monopod_closed_pods{profile="web"}') == 0
