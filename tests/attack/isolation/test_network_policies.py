"""Nobody touches the NetworkPolicies that isolate pods of profiles: no instant is open, with or without the operator.

The long one, for a minute under load, is for `make test-deep`: MONOPOD_ATTACK_SECONDS=60.
"""

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from monopod.api.names import BASE_POLICY, ISOLATED_ANNOTATION, POLICY_LABEL
from tests.attack.closure import CLOSED, Closure
from tests.attack.people import Person, bind_role
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.server import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, Answer
from tests.resources import RESOURCES

SECONDS = float(os.environ.get("MONOPOD_ATTACK_SECONDS") or 3)
OWN = "app.cluster"
FINALIZER = "example.com/held"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Team:
    """A namespace that a profile reaches, and the people that have rights in it."""

    lab: Lab
    namespace: str
    people: Sequence[Person]

    @property
    def policies(self) -> str:
        return RESOURCES["NetworkPolicy"].list_path(self.namespace)

    def read(self, name: str) -> Json:
        return self.lab.get("NetworkPolicy", name, self.namespace) or {}

    def run_pod(self, name: str) -> None:
        """Creates a pod, and waits until it runs under a policy of its own."""
        self.lab.create_pod(self.namespace, name, tolerations=[{"operator": "Exists"}])
        eventually(lambda: self.read(f"{name}.cluster"))
        eventually(lambda: (self.lab.get("Pod", name, self.namespace) or {})["status"].get("phase") == "Running")


def is_isolated(lab: Lab, namespace: str) -> bool:
    metadata = (lab.get("Namespace", namespace) or {"metadata": {}})["metadata"]
    return bool(metadata.get("annotations", {}).get(ISOLATED_ANNOTATION) == "true")


@pytest.fixture(scope="module")
def team(lab: Lab, operator: OperatorProcess) -> Iterator[Team]:
    """A pod runs in it, and the namespace is closed. Mallory is an admin there; oscar may do whatever there is."""
    name = "guarded"
    lab.create_namespace(name)
    lab.create_profile(name, name)
    people = [bind_role(lab, user, role, name) for user, role in (("mallory", "admin"), ("oscar", "cluster-admin"))]
    team = Team(lab, name, people)
    eventually(lambda: is_isolated(lab, name))
    team.run_pod("app")
    yield team
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0")
    lab.delete_profile(name)
    assert operator.process.poll() is None


def build_policy(name: str, labels: dict[str, str] | None = None, **metadata: Any) -> Json:
    spec = {"podSelector": {"matchLabels": {"no": "pod"}}, "policyTypes": ["Ingress"], "ingress": [{}]}
    metadata = {"name": name, "labels": labels or {}, **metadata}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def merge(patch: Json) -> Callable[[Person, str, Json], Answer]:
    return lambda person, path, _: person.patch(path, patch, MERGE_PATCH)


def edit(*operations: Json) -> Callable[[Person, str, Json], Answer]:
    return lambda person, path, _: person.patch(path, list(operations), JSON_PATCH)


def apply(manager: str, **labels: str) -> Callable[[Person, str, Json], Answer]:
    def send(person: Person, path: str, policy: Json) -> Answer:
        wanted = build_policy(policy["metadata"]["name"], labels)
        return person.patch(f"{path}?fieldManager={manager}&force=true", wanted, APPLY_PATCH)

    return send


def put(**metadata: Any) -> Callable[[Person, str, Json], Answer]:
    def send(person: Person, path: str, policy: Json) -> Answer:
        return person.update(path, {**policy, "metadata": {**policy["metadata"], **metadata}})

    return send


OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": "00000000-0000-0000-0000-000000000000"}
TOUCHES: dict[str, Callable[[Person, str, Json], Answer]] = {
    "deleted": lambda person, path, _: person.delete(path),
    "all deleted": lambda person, path, _: person.delete(path.rpartition("/")[0]),
    "all of the label deleted": lambda person, path, _: person.delete(
        f"{path.rpartition('/')[0]}?labelSelector={POLICY_LABEL}"
    ),
    "selects no pod": merge({"spec": {"podSelector": {"matchLabels": {"no": "pod"}}}}),
    "one direction": merge({"spec": {"policyTypes": ["Ingress"], "egress": None}}),
    "opened inward": merge({"spec": {"ingress": [{}]}}),
    "opened outward": merge({"spec": {"egress": [{}]}}),
    "label taken away": merge({"metadata": {"labels": None}}),
    "another kind": merge({"metadata": {"labels": {POLICY_LABEL: "other"}}}),
    "a label beside": merge({"metadata": {"labels": {"theirs": "true"}}}),
    "annotated": merge({"metadata": {"annotations": {"theirs": "true"}}}),
    "owned": merge({"metadata": {"ownerReferences": [OWNER]}}),
    "held": merge({"metadata": {"finalizers": [FINALIZER]}}),
    "spec replaced": edit({"op": "replace", "path": "/spec", "value": {"podSelector": {}, "policyTypes": ["Ingress"]}}),
    "type removed": edit({"op": "remove", "path": "/spec/policyTypes/1"}),
    "label removed": edit({"op": "remove", "path": "/metadata/labels/monopod.dev~1policy"}),
    "applied": apply("theirs"),
    "applied as Monopod": apply("monopod", **{POLICY_LABEL: "base"}),
    "put without label": put(labels={}),
    "put with owner": put(ownerReferences=[OWNER]),
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES.keys())
def test_nobody_changes_or_deletes_them(team: Team, touch: Callable[[Person, str, Json], Answer]) -> None:
    for person, name in itertools.product(team.people, (BASE_POLICY, OWN)):
        before = team.read(name)
        answer = touch(person, f"{team.policies}/{name}", before)
        assert answer.status == 403, (person.name, name, answer)
        assert "only Monopod writes, changes and deletes them" in answer.message
        assert team.read(name) == before


@pytest.mark.parametrize("kind", ["base", "pod", "groups", ""])
def test_nobody_makes_any(team: Team, kind: str) -> None:
    for person in team.people:
        theirs = f"theirs-{next(_numbers)}"
        assert person.create(team.policies, build_policy(theirs, {POLICY_LABEL: kind})).status == 403
        person.create(team.policies, build_policy(theirs)).expect_ok()
        labelled = person.patch(f"{team.policies}/{theirs}", {"metadata": {"labels": {POLICY_LABEL: kind}}})
        assert labelled.status == 403
        person.delete(f"{team.policies}/{theirs}").expect_ok()


def test_there_is_no_other_way_to_them(team: Team) -> None:
    oscar, path = team.people[1], f"{team.policies}/{BASE_POLICY}"
    for other in (f"{path}/status", f"{path}/scale", path.replace("/v1/", "/v1beta1/"), path.replace("/v1/", "/v2/")):
        answers = (oscar.patch(other, {"spec": {"policyTypes": ["Ingress"]}}), oscar.delete(other))
        assert {answer.status for answer in answers} <= {403, 404, 405}
    assert team.read(BASE_POLICY)["spec"] == CLOSED


def test_a_quota_that_refuses_new_ones_gains_nothing(team: Team) -> None:
    mallory, oscar = team.people
    spec = {"hard": {"count/networkpolicies.networking.k8s.io": "0"}}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": spec}
    with Closure(team.lab, team.namespace):
        oscar.create(RESOURCES["ResourceQuota"].list_path(team.namespace), quota).expect_ok()
        eventually(lambda: mallory.create(team.policies, build_policy("counted")).status == 403)
        for person in team.people:
            assert person.delete(team.policies).status == 403
    oscar.delete(RESOURCES["ResourceQuota"].path("none", team.namespace)).expect_ok()
    mallory.delete(f"{team.policies}/counted")
    # The API server goes by the quota for a moment longer, and other tests create policies here.
    eventually(lambda: mallory.create(f"{team.policies}?dryRun=All", build_policy("counted")).ok)


def test_a_stopped_operator_leaves_nothing_open(team: Team, operator: OperatorProcess) -> None:
    """Stopped for less than its Lease lasts, which the fixture makes long."""
    with Closure(team.lab, team.namespace) as closure:
        operator.process.send_signal(signal.SIGSTOP)
        try:
            for person in team.people:
                assert person.delete(team.policies).status == 403
            team.lab.create_pod(team.namespace, "meanwhile", tolerations=[{"operator": "Exists"}])
            assert team.people[0].delete(f"{team.policies}/{BASE_POLICY}").status == 403
        finally:
            operator.process.send_signal(signal.SIGCONT)
        eventually(lambda: team.read("meanwhile.cluster"))
    assert closure.instants > 0
    team.lab.delete("Pod", "meanwhile", team.namespace)


def test_an_open_instant_would_be_seen(team: Team) -> None:
    """The control of the tests around it. With the operator's token a policy can be deleted, and is back at once."""
    closure = Closure(team.lab, team.namespace)
    with closure:
        team.lab.damage_policy(team.namespace, BASE_POLICY, None)
        eventually(lambda: team.read(BASE_POLICY))
        closure.vouch = False
    assert any("running ['app'], isolated True" in opened for opened in closure.opened)


@pytest.mark.timeout(SECONDS + 300)
def test_deleting_them_in_a_loop_opens_no_instant(team: Team) -> None:
    """While pods come and go, whose own policies the garbage collector deletes."""

    def attack(person: Person, path: str) -> set[int]:
        statuses = set[int]()
        while not statuses or time.monotonic() < ends:
            statuses.add(person.delete(path).status)
            statuses.add(person.patch(f"{team.policies}/{BASE_POLICY}", {"spec": {"egress": [{}]}}).status)
        return statuses

    def churn(name: str) -> int:
        pods = 0
        while not pods or time.monotonic() < ends:
            team.run_pod(f"{name}-{pods}")
            team.lab.kubectl("delete", "pod", f"{name}-{pods}", "-n", team.namespace, "--force", "--grace-period=0")
            pods += 1
        return pods

    with Closure(team.lab, team.namespace) as closure, ThreadPoolExecutor() as threads:
        ends = time.monotonic() + SECONDS
        paths = (team.policies, f"{team.policies}/{BASE_POLICY}")
        attacks = [threads.submit(attack, *pair) for pair in itertools.product(team.people, paths)]
        churns = [threads.submit(churn, name) for name in ("one", "two")]
        assert {status for done in attacks for status in done.result()} == {403}
        assert all(done.result() for done in churns)
    assert closure.instants > 0


def test_a_pods_policy_goes_with_the_pod_whatever_someone_put_there_before(team: Team) -> None:
    """Its name can be known beforehand."""
    mallory = team.people[0]
    mallory.create(team.policies, build_policy("known.cluster", finalizers=[FINALIZER])).expect_ok()
    mallory.create(
        team.policies, build_policy("going.cluster", ownerReferences=[OWNER], finalizers=[FINALIZER])
    ).expect_ok()
    mallory.delete(f"{team.policies}/going.cluster").expect_ok()
    for name in ("known", "going"):
        team.lab.create_pod(team.namespace, name)

        def is_its_own(name: str = name) -> bool:
            uid = (team.lab.get("Pod", name, team.namespace) or {})["metadata"]["uid"]
            metadata = team.read(f"{name}.cluster").get("metadata", {})
            owners = [owner["uid"] for owner in metadata.get("ownerReferences", ())]
            return owners == [uid] and not {"finalizers", "deletionTimestamp"} & metadata.keys()

        eventually(is_its_own)
        team.lab.delete("Pod", name, team.namespace)
        eventually(lambda name=name: not team.read(f"{name}.cluster"))  # type: ignore[misc]  # mypy can't infer it


def test_a_namespace_counts_as_isolated_only_by_a_policy_that_is_wholly_monopods(
    lab: Lab, operator: OperatorProcess
) -> None:
    """Whoever made one of that name before, and whatever should take it away later."""
    team = {name: bind(lab, f"prepared-{name}") for name in ("plain", "held", "going", "owned", "applied")}
    accounts = {name: RESOURCES["ConfigMap"].list_path(namespace) for name, (namespace, _) in team.items()}
    for name, (namespace, mallory) in team.items():
        path = RESOURCES["NetworkPolicy"].list_path(namespace)
        theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}}
        uid = mallory.create(accounts[name], theirs).expect_ok()["metadata"]["uid"]
        owners: Json = {"ownerReferences": [{**OWNER, "uid": uid}]}
        held = {"finalizers": [FINALIZER]}
        if name == "applied":
            applied = f"{path}/{BASE_POLICY}?fieldManager=theirs"
            mallory.patch(applied, build_policy(BASE_POLICY, {"theirs": "true"}, **owners), APPLY_PATCH).expect_ok()
            continue
        metadata: Json = {"plain": {}, "held": held, "going": {**held, **owners}, "owned": owners}[name]
        mallory.create(path, build_policy(BASE_POLICY, **metadata)).expect_ok()
        if name == "going":
            mallory.delete(f"{path}/{BASE_POLICY}").expect_ok()
    with Closure(lab, *(namespace for namespace, _ in team.values())) as closure:
        lab.create_profile("prepared", "prepared-*")
        eventually(lambda: all(is_isolated(lab, namespace) for namespace, _ in team.values()))
        for name, (namespace, mallory) in team.items():
            # What else it owns shows that the garbage collector has been here.
            owner = mallory.get(f"{accounts[name]}/theirs").expect_ok()
            owners = {"ownerReferences": [{**OWNER, "uid": owner["metadata"]["uid"]}]}
            control = build_policy("control", **owners)
            mallory.create(RESOURCES["NetworkPolicy"].list_path(namespace), control).expect_ok()
            mallory.delete(f"{accounts[name]}/theirs").expect_ok()
        for namespace, _ in team.values():
            eventually(lambda namespace=namespace: not lab.get("NetworkPolicy", "control", namespace))  # type: ignore[misc]  # the same
    assert closure.instants > 0
    lab.delete_profile("prepared")
    for namespace, _ in team.values():
        lab.delete("Namespace", namespace)


def bind(lab: Lab, namespace: str) -> tuple[str, Person]:
    lab.create_namespace(namespace)
    return namespace, bind_role(lab, "mallory", "admin", namespace)


def test_a_namespace_ends_with_its_policies(team: Team) -> None:
    namespace = "guarded-ends"
    team.lab.create_namespace(namespace)
    team.lab.create_profile(namespace, namespace)
    eventually(lambda: is_isolated(team.lab, namespace))
    team.lab.delete("Namespace", namespace)
    eventually(lambda: team.lab.get("Namespace", namespace) is None)
    team.lab.delete_profile(namespace)
