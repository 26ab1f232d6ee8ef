"""Each namespace that a profile reaches is closed by a base policy, then marked as isolated, and stays closed.

Its first pods wait until that is so.
"""

import json
import zlib
from collections.abc import Iterator

import pytest

from monopod.api.names import (
    BASE_POLICY,
    GROUP_POLICY_API_VERSION,
    ISOLATED_ANNOTATION,
    ISOLATION_GATE,
    POLICY_LABEL,
    PROFILE_LABEL,
)
from monopod.selectors.publication import Content, Publish, build_namespace_patch
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually


@pytest.fixture
def namespace(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of its own that the profile `web` reaches."""
    name = f"closed-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    lab.create_profile("web", name)
    yield name
    lab.delete("Namespace", name)


def read_base(lab: Lab, namespace: str) -> Json | None:
    return lab.get("NetworkPolicy", BASE_POLICY, namespace)


def is_isolated(lab: Lab, namespace: str) -> bool:
    found = lab.get("Namespace", namespace) or {}
    return bool(found["metadata"].get("annotations", {}).get(ISOLATED_ANNOTATION) == "true")


@pytest.mark.usefixtures("operator")
def test_a_reached_namespace_is_closed_and_marked(lab: Lab, namespace: str) -> None:
    eventually(lambda: is_isolated(lab, namespace))
    base = read_base(lab, namespace) or {}
    assert base["metadata"]["labels"] == {POLICY_LABEL: "base"}
    assert base["spec"] == {
        "podSelector": {"matchExpressions": [{"key": "monopod.dev/profile", "operator": "Exists"}]},
        "policyTypes": ["Ingress", "Egress"],
    }


@pytest.mark.usefixtures("operator")
def test_a_namespace_that_no_profile_reaches_gets_no_policy(lab: Lab, namespace: str) -> None:
    eventually(lambda: is_isolated(lab, namespace))
    policies = lab.list_all("NetworkPolicy", "default")
    assert policies == []
    assert not is_isolated(lab, "default")


@pytest.mark.usefixtures("operator")
def test_a_namespace_that_is_no_longer_reached_is_unmarked_and_opened_when_its_last_pod_is_gone(
    lab: Lab, namespace: str
) -> None:
    lab.becomes_active("web")
    eventually(lambda: is_isolated(lab, namespace))
    lab.create_pod(namespace, "app")
    # It may be evicted before the finalizers of the profiles are gone.
    lab.patch("Pod", "app", {"metadata": {"finalizers": ["example.com/held"]}}, namespace)
    lab.delete_profiles()
    eventually(lambda: lab.namespace_marks(namespace) == (None, None))
    assert not is_isolated(lab, namespace)
    assert read_base(lab, namespace)
    lab.delete("Pod", "app", namespace)
    lab.patch("Pod", "app", {"metadata": {"finalizers": None}}, namespace)
    eventually(lambda: read_base(lab, namespace) is None)


DAMAGE: dict[str, Json] = {
    "ingress opened": {"spec": {"ingress": [{}]}},
    "one direction left out": {"spec": {"policyTypes": ["Ingress"]}},
    "selects fewer": {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
    "owned": {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}]}},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_base_policy_that_someone_edits_is_put_right_and_reported(
    lab: Lab, operator: OperatorProcess, namespace: str, damage: Json
) -> None:
    eventually(lambda: is_isolated(lab, namespace))
    before = read_base(lab, namespace) or {}
    lab.damage_policy(namespace, BASE_POLICY, damage)

    def is_put_right() -> bool:
        after = read_base(lab, namespace) or {}
        kept = ("labels", "ownerReferences")
        same = all(after["metadata"].get(key) == before["metadata"].get(key) for key in kept)
        return same and after["spec"] == before["spec"]

    eventually(is_put_right)
    events = eventually(lambda: lab.events("default", namespace))
    assert [(event["type"], event["reason"]) for event in events] == [("Warning", "PolicyRestored")]
    eventually(lambda: operator.metric('monopod_isolation_policies_total{action="restored"}') == 1)


def test_a_base_policy_that_someone_deletes_is_back_at_once(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    eventually(lambda: is_isolated(lab, namespace))
    lab.damage_policy(namespace, BASE_POLICY, None)
    eventually(lambda: read_base(lab, namespace))
    eventually(lambda: lab.events("default", namespace))
    eventually(lambda: operator.metric('monopod_isolation_policies_total{action="restored"}') == 1)


def test_a_base_policy_that_was_deleted_while_the_operator_was_away_comes_back(
    lab: Lab, start: StartOperator, namespace: str
) -> None:
    first = start()
    eventually(lambda: is_isolated(lab, namespace))
    first.kill()
    lab.damage_policy(namespace, BASE_POLICY, None)
    start("--no-leader-elect")
    eventually(lambda: read_base(lab, namespace))
    assert is_isolated(lab, namespace)


def test_nothing_is_written_twice(lab: Lab, operator: OperatorProcess, namespace: str) -> None:
    lab.becomes_active("web")
    eventually(lambda: is_isolated(lab, namespace))
    operator.becomes_quiet()
    before = operator.count_writes()
    version = (read_base(lab, namespace) or {})["metadata"]["resourceVersion"]
    operator.passes_happen(3)
    assert operator.count_writes() == before
    assert (read_base(lab, namespace) or {})["metadata"]["resourceVersion"] == version


def find_gates(lab: Lab, namespace: str, name: str = "app") -> list[str]:
    pod = lab.get("Pod", name, namespace) or {}
    return [gate["name"] for gate in pod["spec"].get("schedulingGates", ())]


def try_gates(lab: Lab, namespace: str, **fields: str) -> list[str] | None:
    """The gates that a pod would have if it were created now; None if no profile would take it."""
    spec = {"containers": [{"name": "app", "image": "app"}], **fields}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial", "namespace": namespace}, "spec": spec}
    admitted = lab.create(pod, dry_run=True).expect_ok()
    if PROFILE_LABEL not in admitted["metadata"].get("labels", {}):
        return None
    return [gate["name"] for gate in admitted["spec"].get("schedulingGates", ())]


def create_account(lab: Lab, namespace: str, name: str, **labels: str) -> None:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    lab.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}).expect_ok()


def test_the_first_pods_of_a_namespace_wait_for_an_operator_that_is_away(
    lab: Lab, start: StartOperator, namespace: str
) -> None:
    first = start()
    late = f"{namespace}-late"
    lab.create_profile("late", f"{namespace}-*")
    lab.becomes_active("late")
    first.kill()
    lab.create_namespace(late)
    lab.create_pod(late, "app")
    assert find_gates(lab, late) == [ISOLATION_GATE]
    assert read_base(lab, late) is None
    assert "SchedulingGated" in lab.kubectl("get", "pod", "app", "-n", late).stdout
    start("--no-leader-elect")
    eventually(lambda: find_gates(lab, late) == [])
    assert read_base(lab, late)
    lab.create_pod(late, "next")
    assert find_gates(lab, late, "next") == []
    lab.kubectl("delete", "pods", "--all", "-n", late, "--force", "--grace-period=0")
    lab.delete("Namespace", late)


@pytest.mark.usefixtures("operator")
def test_a_namespace_and_its_pods_in_one_apply_come_up_closed(lab: Lab, namespace: str) -> None:
    late = f"{namespace}-late"
    lab.create_profile("late", f"{namespace}-*")
    lab.becomes_active("late")
    spec = {"containers": [{"name": "app", "image": "app"}]}
    names = [f"app-{number}" for number in range(5)]
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": late}},
        *(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": late}, "spec": spec}
            for name in names
        ),
    ]
    lab.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    eventually(lambda: [find_gates(lab, late, name) for name in names] == [[]] * 5)
    assert read_base(lab, late)
    eventually(lambda: len(lab.policies(late)) == 5)
    lab.kubectl("delete", "pods", "--all", "-n", late, "--force", "--grace-period=0")
    lab.delete("Namespace", late)


def test_what_was_seen_of_a_namespace_is_not_written_on_its_namesake(lab: Lab, namespace: str) -> None:
    found = lab.get("Namespace", namespace) or {}
    content = Content("web|kata|Pend||", is_isolated=True)
    statuses = {
        uid: lab.as_operator(
            "PATCH",
            f"/api/v1/namespaces/{namespace}?dryRun=All",
            build_namespace_patch(Publish(namespace, content), uid),
            "application/merge-patch+json",
        )
        for uid in (found["metadata"]["uid"], "another")
    }
    assert statuses == {found["metadata"]["uid"]: 200, "another": 422}


@pytest.mark.usefixtures("operator")
def test_pods_wait_as_long_as_their_namespace_cannot_be_closed_and_say_so(lab: Lab, namespace: str) -> None:
    late = f"{namespace}-late"
    lab.create_namespace(late)
    lab.allow_no_policies(late)
    lab.create_profile("late", late)
    eventually(lambda: try_gates(lab, late) == [ISOLATION_GATE])
    lab.create_pod(late, "app")
    # That its own policy is refused, too, is another event.
    events = eventually(lambda: [each for each in lab.events(late, "app") if each["reason"] == "WaitsForIsolation"])
    (event,) = events
    assert event["type"] == "Warning"
    assert f"Waits until namespace {late} has the NetworkPolicy monopod-base" in event["message"]
    assert "quota" in event["message"]
    assert find_gates(lab, late) == [ISOLATION_GATE]
    assert not is_isolated(lab, late)
    lab.delete("ResourceQuota", "none", late)
    eventually(lambda: find_gates(lab, late) == [])
    assert read_base(lab, late)
    lab.delete("Namespace", late)


@pytest.mark.usefixtures("operator")
def test_a_pod_whose_groups_depend_on_its_service_account_waits_until_that_exists(lab: Lab, namespace: str) -> None:
    lab.create(
        {
            "apiVersion": GROUP_POLICY_API_VERSION,
            "kind": "SecurityGroupPolicy",
            "metadata": {"name": "deploy", "namespace": namespace},
            "spec": {
                "serviceAccountSelector": {"matchLabels": {"team": "ci"}},
                "securityGroups": {"groupIds": ["build"]},
            },
        }
    ).expect_ok()
    create_account(lab, namespace, "default")
    # The operator has closed the namespace, and knows all accounts but one.
    eventually(lambda: try_gates(lab, namespace) == [])
    eventually(lambda: try_gates(lab, namespace, serviceAccountName="new") == [ISOLATION_GATE])
    lab.create_pod(namespace, "app", serviceAccountName="new")
    (event,) = eventually(lambda: lab.events(namespace, "app"))
    assert (event["reason"], find_gates(lab, namespace)) == ("WaitsForIsolation", [ISOLATION_GATE])
    assert "Waits for ServiceAccount new" in event["message"]
    create_account(lab, namespace, "new", team="ci")
    eventually(lambda: find_gates(lab, namespace) == [])
    pod = lab.get("Pod", "app", namespace) or {}
    assert pod["metadata"]["annotations"]["fargate.amazonaws.com/pod-sg"] == "build"
