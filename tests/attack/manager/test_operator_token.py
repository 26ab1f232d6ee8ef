"""What the operator's token is worth to whoever gets hold of it: each right of its RBAC, and the worst that it can do.

The table of docs/concepts/operator.md says the same; tests/project holds the two together.
"""

import pytest

from tests.attack.people import OPERATOR_USER, Person, as_operator
from tests.attack.token_attempt import GONE, Attempt
from tests.attack.token_scene import NEVER, OUTSIDE, PROFILE, REACHED, Scene, a_policy, set_the_scene
from tests.attack.token_walk import FARGATE, STRATEGIC, find_attempts
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess
from tests.controlplane.server import Answer, Server
from tests.resources import RESOURCES
from tests.rights import Right, read_rights


@pytest.fixture(scope="module")
def scene(lab: Lab, operator: OperatorProcess) -> Scene:
    return set_the_scene(lab)


@pytest.fixture
def thief(lab: Lab) -> Person:
    return as_operator(lab)


@pytest.mark.parametrize("right", read_rights(), ids=str)
def test_a_right_is_worth_what_the_operator_does_with_it(scene: Scene, thief: Person, right: Right) -> None:
    answers = [(attempt, attempt.make(thief)) for attempt in find_attempts(right, scene)]
    assert [
        f"{attempt.what}: {answer.status} {answer.message}"
        for attempt, answer in answers
        if not (is_allowed(attempt, answer) if attempt.allowed else answer.status == 403)
    ] == []


def is_allowed(attempt: Attempt, answer: Answer) -> bool:
    return answer.ok or (attempt.method == "GET" and answer.status == 404)


DEBUGGER = {"spec": {"ephemeralContainers": [{"name": "e", "image": "e"}]}}
SUBRESOURCES = {
    "a container added": ("PATCH", "ephemeralcontainers", DEBUGGER),
    "its status": ("PATCH", "status", {"status": {"phase": "Failed"}}),
    "a node of its choice": (
        "POST",
        "binding",
        {"metadata": {"name": "bare"}, "target": {"kind": "Node", "name": "n"}},
    ),
}


@pytest.mark.parametrize(("method", "road", "body"), SUBRESOURCES.values(), ids=SUBRESOURCES)
def test_more_rights_give_a_thief_no_other_way_to_a_pod(scene: Scene, method: str, road: str, body: Json) -> None:
    """As if someone had bound a further role to the operator."""
    answer = send_with_all_rights(scene, method, f"{scene.bare}/{road}", body)
    assert answer.status == 403
    assert "Of a pod's subresources Monopod's operator may only use eviction" in answer.message


@pytest.mark.parametrize("road", ["status", "finalize"])
def test_nor_one_to_a_namespace(scene: Scene, road: str) -> None:
    namespace = scene.lab.get("Namespace", OUTSIDE) or {}
    namespace["metadata"]["labels"]["team"] = "mine"
    answer = send_with_all_rights(scene, "PUT", f"{RESOURCES['Namespace'].list_path()}/{OUTSIDE}/{road}", namespace)
    assert answer.status == 403
    assert "Monopod's operator may change nothing of a namespace but the label" in answer.message


def send_with_all_rights(scene: Scene, method: str, path: str, body: Json) -> Answer:
    server = Server(scene.lab.kubeconfig_path)
    match method:
        case "POST":
            return server.create(path, body, user=OPERATOR_USER)
        case "PUT":
            return server.update(path, body, user=OPERATOR_USER)
        case _:
            return server.patch(path, body, user=OPERATOR_USER, kind=STRATEGIC)


def test_the_status_of_a_profile_is_all_that_goes_by_its_own_way(scene: Scene, thief: Person) -> None:
    path = RESOURCES["FargateProfile"].path(PROFILE)
    patch = {"metadata": {"labels": {"team": "mine"}, "ownerReferences": [GONE]}, "spec": {"paused": True}}
    thief.patch(f"{path}/status", patch).expect_ok()
    profile = scene.lab.get("FargateProfile", PROFILE) or {}
    assert profile["spec"]["paused"] is False
    assert not {"labels", "ownerReferences"} & profile["metadata"].keys()


def test_a_policy_that_has_a_name_of_monopods_is_taken_over(scene: Scene, thief: Person) -> None:
    for name, status in (("monopod-base", 200), ("web-1.cluster", 200), ("anybodys", 403)):
        scene.lab.create({**a_policy(name), "metadata": {"name": name, "namespace": OUTSIDE}}).expect_ok()
        path = f"{RESOURCES['NetworkPolicy'].list_path(OUTSIDE)}/{name}?dryRun=All"
        taken = {"metadata": {"labels": {"monopod.dev/policy": "base"}}, "spec": {"podSelector": FARGATE}}
        assert thief.patch(path, taken).status == status, name


FULL = {
    "one long annotation": {"annotations": {"fill": "x" * 262_000}},
    "many annotations": {"annotations": {f"k{number}": "x" * 120 for number in range(2_000)}},
    "many labels": {"labels": {f"k{number}": "" for number in range(2_000)}},
}


@pytest.mark.parametrize("fill", FULL.values(), ids=FULL)
def test_a_namespace_is_written_however_much_it_carries(scene: Scene, fill: Json, thief: Person) -> None:
    metadata = {"generateName": "full-", **fill}
    created = scene.lab.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}).expect_ok()
    path = f"{RESOURCES['Namespace'].list_path()}/{created['metadata']['name']}?dryRun=All"
    mark = {"labels": {"monopod.dev/fargate": "true"}, "annotations": {"monopod.dev/isolated": "true"}}
    thief.patch(path, {"metadata": mark}).expect_ok()
    assert thief.patch(path, {"metadata": {"labels": {**mark["labels"], "team": "mine"}}}).status == 403


def test_a_pod_with_many_labels_gets_other_groups(scene: Scene, thief: Person) -> None:
    labels = {f"k{number}": "" for number in range(90)}
    scene.lab.create_pod(REACHED, "many-labels", labels=labels, schedulingGates=NEVER)
    patch = {"metadata": {"labels": {"sg.monopod.dev/quarantine": "true"}}}
    thief.patch(f"{RESOURCES['Pod'].list_path(REACHED)}/many-labels?dryRun=All", patch).expect_ok()
