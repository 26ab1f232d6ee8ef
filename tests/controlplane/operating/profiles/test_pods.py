"""What the operator does about pods: it counts them and says what Fargate can't run, and writes nothing on them."""

from collections.abc import Iterator

import pytest

from monopod.api.names import COMPUTE_TYPE, ISOLATED_ANNOTATION, TASK_LABEL
from monopod.pods.rules.nodes import REQUIRED
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually

TEXT = "Pod not supported on Fargate: fields not supported: HostNetwork"


def read_pod(lab: Lab, namespace: str, name: str) -> Json:
    return lab.get("Pod", name, namespace) or {}


def await_isolated(lab: Lab, namespace: str) -> None:
    """Waits until the profile `web` is enforced, and no pod gets a gate that would be taken away again."""
    lab.becomes_active("web")
    eventually(
        lambda: (lab.get("Namespace", namespace) or {})["metadata"]["annotations"][ISOLATED_ANNOTATION] == "true"
    )


def test_a_profile_counts_its_pods(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("counted")
    lab.create_profile("web", "counted")
    lab.becomes_active("web")
    for name in ("a", "b", "c"):
        lab.create_pod("counted", name)
    eventually(lambda: lab.status("web")["pods"] == 3)
    lab.delete("Pod", "a", "counted")
    eventually(lambda: lab.status("web")["pods"] == 2)
    eventually(lambda: operator.metric('monopod_profile_pods{profile="web"}') == 2)


@pytest.mark.eks("2.event")
def test_a_pod_that_fargate_cannot_run_gets_one_event_that_says_why(lab: Lab, start: StartOperator) -> None:
    first = start()
    lab.create_namespace("unsupported")
    lab.create_profile("web", "unsupported")
    lab.becomes_active("web")
    lab.create_pod("unsupported", "host", hostNetwork=True)
    events = eventually(lambda: lab.events("unsupported", "host"))
    (event,) = events
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "FailedScheduling", TEXT)
    assert event["involvedObject"]["uid"] == read_pod(lab, "unsupported", "host")["metadata"]["uid"]
    eventually(lambda: first.metric("monopod_unsupported_pods") == 1)
    first.kill()
    start("--no-leader-elect").passes_happen(2)
    assert lab.events("unsupported", "host") == events


NOWHERE = "MatchNodeSelector failed: Fargate profile choosy cannot satisfy pod's node selector/affinity requirements"


@pytest.fixture
def linux_node(lab: Lab) -> Iterator[None]:
    """A node with the label of an operating system and no other."""
    metadata = {"name": "linux", "labels": {"kubernetes.io/os": "linux"}}
    lab.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata}).expect_ok()
    yield
    lab.delete("Node", "linux")


@pytest.mark.eks("2.no-node")
@pytest.mark.usefixtures("linux_node", "operator")
def test_a_pod_that_asks_for_a_node_which_there_is_not_gets_one_event_that_says_so(lab: Lab) -> None:
    lab.create_namespace("choosy")
    lab.create_profile("choosy", "choosy")
    lab.becomes_active("choosy")
    off_fargate = {"key": COMPUTE_TYPE, "operator": "NotIn", "values": ["fargate"]}
    required = {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [off_fargate]}]}}
    lab.create_pod("choosy", "anywhere", nodeSelector={"kubernetes.io/os": "linux", COMPUTE_TYPE: "fargate"})
    lab.create_pod("choosy", "spark", nodeSelector={"workload-type": "spark-driver"})
    lab.create_pod("choosy", "elsewhere", affinity={"nodeAffinity": required})
    for name in ("spark", "elsewhere"):
        (event,) = eventually(lambda name=name: lab.events("choosy", name))  # type: ignore[misc]  # mypy can't infer it
        assert (event["type"], event["reason"], event["message"]) == ("Warning", "FailedScheduling", NOWHERE)
    assert lab.events("choosy", "anywhere") == []


def test_nothing_is_written_on_pods_that_share_a_policy(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("unwritten")
    lab.create_profile("web", "unwritten", isolation="PerGroup")
    await_isolated(lab, "unwritten")
    lab.create_pod("unwritten", "app")
    lab.create_pod("unwritten", "host", hostNetwork=True)
    before = [read_pod(lab, "unwritten", name) for name in ("app", "host")]
    eventually(lambda: lab.status("web")["pods"] == 2)
    eventually(lambda: lab.events("unwritten", "host"))
    operator.passes_happen(2)
    assert [read_pod(lab, "unwritten", name) for name in ("app", "host")] == before


def test_only_its_identity_is_written_on_a_pod_with_a_policy_of_its_own(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("identified")
    lab.create_profile("web", "identified")
    await_isolated(lab, "identified")
    lab.create_pod("identified", "app")
    eventually(lambda: lab.policies("identified"))
    written = read_pod(lab, "identified", "app")
    operator.passes_happen(2)
    assert read_pod(lab, "identified", "app") == written, "and only once"
    managers = {entry["manager"]: entry["fieldsV1"] for entry in written["metadata"]["managedFields"]}
    assert managers["monopod"] == {"f:metadata": {"f:labels": {f"f:{TASK_LABEL}": {}}}}


def test_no_trial_pod_or_namespace_remains(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("tried")
    lab.create_profile("pods", "tried")
    lab.create_profile("namespaces", "tried-*")
    lab.becomes_active("pods")
    lab.becomes_active("namespaces")
    assert lab.list_all("Pod", "tried") == []
    names = [item["metadata"]["name"] for item in lab.list_all("Namespace")]
    assert [name for name in names if name.startswith("tried-")] == []
