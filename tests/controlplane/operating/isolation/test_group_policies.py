"""SecurityGroupPolicy, EKS's kind, is installed and removed while the operator runs, and works at once."""

import json
import zlib
from collections.abc import Iterator

import pytest

from monopod.api.names import GROUP_POLICY_API_VERSION, GROUP_POLICY_GROUP, GROUP_POLICY_PLURAL
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually

CRD = f"{GROUP_POLICY_PLURAL}.{GROUP_POLICY_GROUP}"
DRY_RUNS = 'monopod_dry_runs_total{outcome="sandboxed"}'
SPEC = {"podSelector": {"matchLabels": {"app": "shop"}}, "securityGroups": {"groupIds": ["shop"]}}


@pytest.fixture
def namespace(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the profile `web`; the cluster has EKS's kind again afterwards."""
    definition = lab.get("CustomResourceDefinition", CRD) or {}
    name = f"kinds-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    lab.create_profile("web", name)
    yield name
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0")
    lab.delete("Namespace", name)
    install(lab, definition)


def install(lab: Lab, definition: Json) -> None:
    if lab.get("CustomResourceDefinition", CRD) is None:
        kept = {**definition, "metadata": {"name": CRD}, "status": None}
        lab.kubectl("create", "-f", "-", input=json.dumps(kept))
    lab.kubectl("wait", "--for=condition=Established", f"crd/{CRD}")


def remove(lab: Lab) -> None:
    lab.kubectl("delete", "crd", CRD)
    eventually(lambda: lab.get("CustomResourceDefinition", CRD) is None)


def read_groups(lab: Lab, namespace: str, name: str) -> str:
    pod = lab.get("Pod", name, namespace) or {}
    return str(pod["metadata"]["annotations"]["fargate.amazonaws.com/pod-sg"])


def create_policy(lab: Lab, namespace: str) -> None:
    policy = {"apiVersion": GROUP_POLICY_API_VERSION, "kind": "SecurityGroupPolicy", "spec": SPEC}
    policy |= {"metadata": {"name": "shop", "namespace": namespace}}
    eventually(lambda: lab.create(policy).ok)


def test_the_kind_comes_and_goes_while_the_operator_runs(lab: Lab, operator: OperatorProcess, namespace: str) -> None:
    definition = lab.get("CustomResourceDefinition", CRD) or {}
    lab.becomes_active("web")
    lab.create_pod(namespace, "before", labels={"app": "shop"})
    create_policy(lab, namespace)
    eventually(lambda: read_groups(lab, namespace, "before") == "shop")

    remove(lab)
    eventually(lambda: read_groups(lab, namespace, "before") == "cluster")
    leader = lab.lease_holder()

    install(lab, definition)
    create_policy(lab, namespace)
    eventually(lambda: read_groups(lab, namespace, "before") == "shop")
    annotation = "monopod.dev/security-group-policies"
    eventually(lambda: annotation in (lab.get("Namespace", namespace) or {})["metadata"]["annotations"])
    lab.create_pod(namespace, "after", labels={"app": "shop"})
    eventually(lambda: read_groups(lab, namespace, "after") == "shop")

    assert operator.process.poll() is None
    assert lab.lease_holder() == leader
    eventually(lambda: operator.metric("monopod_leader") == 1)
    assert operator.terminate() == 0


def test_a_watch_that_finds_its_kind_gone_has_the_leader_start_over(
    lab: Lab, start: StartOperator, namespace: str
) -> None:
    """As where the watch breaks before the leader has looked which kinds there are: here it doesn't look again."""
    operator = start(patch="from monopod.manager import process; process.KINDS_SECONDS = 3600.0")
    lab.becomes_active("web")
    lab.create_pod(namespace, "before", labels={"app": "shop"})
    create_policy(lab, namespace)
    eventually(lambda: read_groups(lab, namespace, "before") == "shop")
    leader = lab.lease_holder()

    tried = operator.metric(DRY_RUNS)
    remove(lab)
    # Profiles are tried as after a start; else it would be minutes until the next time.
    eventually(lambda: operator.metric(DRY_RUNS) > tried, 120)
    eventually(lambda: read_groups(lab, namespace, "before") == "cluster")
    assert lab.lease_holder() == leader
    eventually(lambda: operator.metric("monopod_leader") == 1)
    assert operator.terminate() == 0
