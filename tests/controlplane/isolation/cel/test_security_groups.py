"""Security groups in use stay, and nobody passes a NetworkPolicy off as Monopod's, on a real API server."""

import itertools
import json
from collections.abc import Iterator

import pytest

from monopod.admission.render import optional_policies
from monopod.api.names import POLICY_LABEL, PROFILE_LABEL
from monopod.kube.objects.resources import SECURITY_GROUPS
from tests.clusters import ControlPlane
from tests.controlplane.reach import OPERATOR, poll
from tests.controlplane.server import Manifest, Server

GROUPS = SECURITY_GROUPS.list_path()
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"

_numbers = itertools.count(1)


@pytest.fixture
def group(server: Server) -> Iterator[str]:
    """The path of a security group that nothing uses."""
    name = f"group-{next(_numbers)}"
    manifest = {"apiVersion": "monopod.dev/v1beta1", "kind": "SecurityGroup", "metadata": {"name": name}, "spec": {}}
    server.create(GROUPS, manifest).expect_ok()
    yield f"{GROUPS}/{name}"
    use(server, f"{GROUPS}/{name}", users=[], pods=0)
    server.delete(f"{GROUPS}/{name}")


def use(server: Server, path: str, users: list[str], pods: int) -> None:
    server.patch(f"{path}/status", {"status": {"usedBy": users, "pods": pods}})


def test_a_group_that_nothing_uses_may_go(server: Server, group: str) -> None:
    server.delete(group).expect_ok()


MANY = [f"FargateProfile/p{number}" for number in range(5)]
IN_USE = {
    "one user": (["FargateProfile/web"], 0, "is in use by FargateProfile/web: its pods would be cut off"),
    "many users": (MANY, 9, "is in use by FargateProfile/p0, FargateProfile/p1, FargateProfile/p2 and 2 more"),
    "pods alone": ([], 2, "is in use by 2 pods: its pods would be cut off"),
    "one pod alone": ([], 1, "is in use by 1 pod:"),
}


@pytest.mark.parametrize(("users", "pods", "words"), IN_USE.values(), ids=IN_USE)
def test_a_group_in_use_stays(server: Server, group: str, users: list[str], pods: int, words: str) -> None:
    use(server, group, users, pods)
    answer = poll(lambda: server.delete(group), lambda answer: not answer.ok)
    assert answer.status == 403
    assert words in answer.message
    assert "Name other groups there first" in answer.message


def test_nor_does_it_go_with_all_others(server: Server, group: str) -> None:
    use(server, group, ["FargateProfile/web"], 1)
    server.delete(GROUPS)
    server.get(group).expect_ok()


def a_network_policy(labels: Manifest | None = None, **spec: object) -> Manifest:
    return {
        "metadata": {"name": f"policy-{next(_numbers)}", "labels": labels or {}},
        "spec": {"podSelector": {}, **spec},
    }


OURS = {POLICY_LABEL: "pod"}
FARGATE = {"matchExpressions": [{"key": PROFILE_LABEL, "operator": "Exists"}]}


POD_OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "gone", "uid": "gone"}
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
NAMESPACES = "system:serviceaccount:kube-system:namespace-controller"
SHARED = "system:kube-controller-manager"


@pytest.fixture
def owned(server: Server) -> Iterator[str]:
    """The path of a NetworkPolicy of Monopod's that belongs to a pod, as that of a pod does."""
    policy = a_network_policy(OURS, podSelector=FARGATE)
    policy["metadata"]["ownerReferences"] = [POD_OWNER]
    path = POLICIES.format("fargate")
    name = server.create(path, policy, user=OPERATOR).expect_ok()["metadata"]["name"]
    yield f"{path}/{name}"
    server.delete(f"{path}/{name}", user=OPERATOR)


@pytest.fixture
def unowned(server: Server) -> Iterator[str]:
    """The path of one that belongs to nobody, as a namespace's does."""
    path = POLICIES.format("plain")
    name = server.create(path, a_network_policy(OURS, podSelector=FARGATE), user=OPERATOR).expect_ok()["metadata"][
        "name"
    ]
    yield f"{path}/{name}"
    server.delete(f"{path}/{name}", user=OPERATOR)


CHANGES: dict[str, Manifest] = {
    "spec": {"spec": {"podSelector": {"matchLabels": {"no": "pod"}}}},
    "label": {"metadata": {"labels": {POLICY_LABEL: None}}},
    "another kind": {"metadata": {"labels": {POLICY_LABEL: "base"}}},
    "a label beside": {"metadata": {"labels": {"a": "b"}}},
    "annotations": {"metadata": {"annotations": {"a": "b"}}},
}
LINKS: dict[str, Manifest] = {
    "owners": {"metadata": {"ownerReferences": None}},
    "finalizers": {"metadata": {"finalizers": ["example.com/held"]}},
}


def test_nobody_else_creates_policies_of_monopods(server: Server) -> None:
    for user in ("somebody", COLLECTOR, NAMESPACES, SHARED):
        answer = server.create(POLICIES.format("plain"), a_network_policy(OURS), user=user)
        assert answer.status == 403
        assert "Leave the label out of your own." in answer.message


@pytest.mark.parametrize("change", [*CHANGES.values(), *LINKS.values()], ids=[*CHANGES, *LINKS])
def test_nobody_else_changes_policies_of_monopods(server: Server, owned: str, change: Manifest) -> None:
    for user in ("somebody", NAMESPACES):
        assert server.patch(owned, change, user=user).status == 403
    assert server.patch(owned, change, user=OPERATOR).ok is (change != CHANGES["label"])  # that one stays in any case


@pytest.mark.parametrize("user", [COLLECTOR, SHARED])
def test_the_garbage_collector_changes_owners_and_finalizers_alone(server: Server, owned: str, user: str) -> None:
    for change in CHANGES.values():
        assert server.patch(owned, change, user=user).status == 403
    for change in LINKS.values():
        server.patch(owned, change, user=user).expect_ok()


def test_a_write_that_changes_nothing_is_nobodys_concern(server: Server, owned: str) -> None:
    """So storage can be migrated."""
    server.update(owned, server.get(owned).expect_ok(), user="somebody").expect_ok()


def test_nobody_else_deletes_policies_of_monopods(server: Server, owned: str, unowned: str) -> None:
    # Of whole collections those of other tests aren't meant.
    every = [f"{POLICIES.format(namespace)}?labelSelector={POLICY_LABEL}" for namespace in ("fargate", "plain")]
    for path in (owned, unowned, *every):
        answer = server.delete(path, user="somebody")
        assert answer.status == 403
        assert "only Monopod writes, changes and deletes them" in answer.message


def test_the_garbage_collector_deletes_what_had_an_owner(server: Server, owned: str, unowned: str) -> None:
    assert server.delete(unowned, user=COLLECTOR).status == 403
    server.delete(owned, user=COLLECTOR).expect_ok()


@pytest.mark.parametrize("user", [NAMESPACES, SHARED])
def test_the_namespace_controller_deletes_all(server: Server, owned: str, unowned: str, user: str) -> None:
    for path in (owned, unowned):
        every = f"{path.rpartition('/')[0]}?labelSelector={POLICY_LABEL}"  # other tests' stay
        server.delete(every, user=user).expect_ok()
        assert server.get(path).status == 404


def test_an_existing_policy_does_not_become_monopods(server: Server) -> None:
    path = POLICIES.format("fargate")
    name = server.create(path, a_network_policy()).expect_ok()["metadata"]["name"]
    assert server.patch(f"{path}/{name}", {"metadata": {"labels": OURS}}).status == 403
    server.delete(f"{path}/{name}")


ANYTHING: Manifest = {"ingress": [{}], "policyTypes": ["Ingress"]}
OUTWARD: Manifest = {"egress": [{}], "policyTypes": ["Egress"]}
SPARING = {"matchExpressions": [{"key": PROFILE_LABEL, "operator": "DoesNotExist"}]}

OPENING = {
    "all pods, inward": a_network_policy(**ANYTHING),
    "all pods, outward": a_network_policy(**OUTWARD),
    "pods with a label": a_network_policy(podSelector={"matchLabels": {"app": "shop"}}, **ANYTHING),
    "Fargate pods": a_network_policy(podSelector=FARGATE, **ANYTHING),
}
HARMLESS = {
    "no rules": a_network_policy(policyTypes=["Ingress", "Egress"]),
    "other pods": a_network_policy(podSelector=SPARING, **ANYTHING),
    "other pods with a label": a_network_policy(podSelector={**SPARING, "matchLabels": {"app": "a"}}, **OUTWARD),
}


@pytest.fixture(scope="module")
def refusing(server: Server, installed: ControlPlane) -> Iterator[Server]:
    """The API server with the policy that only some installations have."""
    documents = [document for each in optional_policies().values() for document in each]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    existing = server.create(POLICIES.format("fargate"), a_network_policy(**ANYTHING)).expect_ok()["metadata"]["name"]
    installed.kubectl("apply", "--server-side", "-f", "-", input=text)
    path = f"{POLICIES.format('fargate')}?dryRun=All"
    poll(lambda: server.create(path, a_network_policy(**ANYTHING)), lambda answer: not answer.ok)
    yield server
    installed.kubectl("delete", "-f", "-", input=text)
    poll(lambda: server.create(path, a_network_policy(**ANYTHING)), lambda answer: answer.ok)
    server.delete(f"{POLICIES.format('fargate')}/{existing}")


def create(server: Server, policy: Manifest, namespace: str = "fargate", user: str = "somebody") -> tuple[int, str]:
    answer = server.create(f"{POLICIES.format(namespace)}", policy, user=user, dry_run=True)
    return answer.status, answer.message


@pytest.mark.parametrize("policy", OPENING.values(), ids=OPENING)
def test_policies_that_could_open_fargate_pods_can_be_refused(refusing: Server, policy: Manifest) -> None:
    status, message = create(refusing, policy)
    assert status == 403
    assert "Leave them out with {key: monopod.dev/profile, operator: DoesNotExist}" in message
    ours = {"metadata": {**policy["metadata"], "labels": OURS}, "spec": {**policy["spec"], "podSelector": FARGATE}}
    assert create(refusing, ours, user=OPERATOR)[0] == 201
    assert create(refusing, policy, namespace="plain")[0] == 201


@pytest.mark.parametrize("policy", HARMLESS.values(), ids=HARMLESS)
def test_policies_that_cannot_are_not(refusing: Server, policy: Manifest) -> None:
    assert create(refusing, policy) == (201, "")


def test_policies_from_before_may_be_touched_but_not_widened(refusing: Server) -> None:
    path = POLICIES.format("fargate")
    [existing] = [
        f"{path}/{item['metadata']['name']}"
        for item in refusing.get(path).body["items"]
        if item["spec"].get("ingress") == [{}]
    ]
    refusing.patch(existing, {"metadata": {"labels": {"a": "b"}}}).expect_ok()
    assert refusing.patch(existing, {"spec": {"egress": [{}], "policyTypes": ["Ingress", "Egress"]}}).status == 403
