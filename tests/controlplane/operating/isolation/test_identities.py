"""Which pods have an identity: those with a NetworkPolicy of their own, and no others.

Network plugins such as Cilium have an identity for each set of labels, and only so many of them.
"""

import zlib
from collections.abc import Iterator

import pytest

from monopod.api.names import TASK_LABEL
from tests.controlplane.operating.lab import Lab, OperatorProcess, eventually


@pytest.fixture
def namespace(lab: Lab, operator: OperatorProcess, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that the profile `web` reaches, which takes only the pods of the application `web`."""
    name = f"identities-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    yield name
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0")
    lab.delete("Namespace", name)


def build_task_id(lab: Lab, namespace: str, pod: str) -> str | None:
    found = lab.get("Pod", pod, namespace)
    assert found is not None
    task: str | None = found["metadata"].get("labels", {}).get(TASK_LABEL)
    assert task in (None, found["metadata"]["uid"].replace("-", ""))
    return task


def test_only_pods_with_policies_of_their_own_have_an_identity(lab: Lab, namespace: str) -> None:
    lab.create_profile("web", namespace, labels={"app": "web"})
    lab.becomes_active("web")
    lab.create_pod(namespace, "mine", labels={"app": "web"})
    lab.create_pod(namespace, "other", labels={"app": "other"})
    for pod in ("mine", "other"):
        lab.bind_pod(namespace, pod, by_uid=pod == "other")
    # It was bound without its uid, as by schedulers of others.
    eventually(lambda: build_task_id(lab, namespace, "mine"))
    assert build_task_id(lab, namespace, "other") is None


def test_pods_that_shared_their_policy_get_an_identity_when_they_need_it(lab: Lab, namespace: str) -> None:
    lab.create_profile("web", namespace, isolation="PerGroup")
    lab.becomes_active("web")
    lab.create_pod(namespace, "mine")
    lab.bind_pod(namespace, "mine")
    eventually(lambda: "monopod-groups.cluster" in lab.policies(namespace))
    assert build_task_id(lab, namespace, "mine") is None
    lab.patch("FargateProfile", "web", {"spec": {"isolation": "PerPod"}})
    eventually(lambda: build_task_id(lab, namespace, "mine"))
    eventually(lambda: lab.policies(namespace).keys() == {"mine.cluster"})
