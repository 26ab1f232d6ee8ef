"""Monopod's marks on pods can't be forged, changed or dropped, on a real API server, whichever way a pod is written."""

import itertools
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    ISOLATION_GATE,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    STORAGE_ANNOTATION,
    TASK_LABEL,
    UNSUPPORTED_ANNOTATION,
    UNSUPPORTED_GATE,
    VOLUMES_GATE,
)
from monopod.kube.objects.resources import PODS
from monopod.pods.rules.support import REPORTED_ANNOTATIONS
from tests.controlplane.reach import OPERATOR, reach
from tests.controlplane.server import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

_numbers = itertools.count(1)


@pytest.fixture
def marked(server: Server) -> Iterator[str]:
    """The path of a stored pod that runs in a sandbox."""
    yield from _stored(server, "fargate", a_pod(f"marked-{next(_numbers)}").requesting(cpu="300m"))


@pytest.fixture
def unmarked(server: Server) -> Iterator[str]:
    """The path of a stored pod that no profile reaches."""
    yield from _stored(server, "plain", a_pod(f"unmarked-{next(_numbers)}"))


@pytest.fixture
def gated(server: Server) -> Iterator[str]:
    """The path of a stored pod that Fargate can't run."""
    yield from _stored(server, "fargate", a_pod(f"gated-{next(_numbers)}").with_spec(hostPID=True))


@pytest.fixture
def claiming(server: Server) -> Iterator[str]:
    """The path of a stored pod that waits for a claim."""
    pod = a_pod(f"claiming-{next(_numbers)}").with_volume("data", persistentVolumeClaim={"claimName": "data"})
    yield from _stored(server, "fargate", pod)


@pytest.fixture(scope="module")
def opened(server: Server) -> str:
    """A namespace that the operator hasn't closed yet."""
    reach(server, "marks-open", [a_profile("web", a_selector("marks-open"))], isolated=False)
    return "marks-open"


@pytest.fixture
def unisolated(server: Server, opened: str) -> Iterator[str]:
    """The path of a stored pod that waits for its namespace to be isolated."""
    yield from _stored(server, opened, a_pod(f"unisolated-{next(_numbers)}"))


def _stored(server: Server, namespace: str, pod: PodBuilder) -> Generator[str]:
    body = server.create_pod(namespace, pod.build(), dry_run=False).expect_ok()
    path = PODS.path(body["metadata"]["name"], namespace)
    yield path
    server.delete(path)


def labels(**changed: str | None) -> Manifest:
    return {"metadata": {"labels": changed}}


def annotations(**changed: str | None) -> Manifest:
    return {"metadata": {"annotations": changed}}


CHANGES = {
    "changing the mark": (labels(**{PROFILE_LABEL: "db"}), PROFILE_LABEL),
    "changing EKS's label": (labels(**{EKS_PROFILE_LABEL: "db"}), EKS_PROFILE_LABEL),
    "changing the size": (annotations(**{CAPACITY_ANNOTATION: "16vCPU 120GB"}), CAPACITY_ANNOTATION),
    "changing the storage": (annotations(**{STORAGE_ANNOTATION: "175Gi"}), STORAGE_ANNOTATION),
    "adding a reason": (annotations(**{UNSUPPORTED_ANNOTATION: "no"}), UNSUPPORTED_ANNOTATION),
    "joining a group": (labels(**{f"{GROUP_LABEL_PREFIX}admin": "true"}), f"{GROUP_LABEL_PREFIX}…"),
    "half leaving a group": (labels(**{f"{GROUP_LABEL_PREFIX}cluster": ""}), f"{GROUP_LABEL_PREFIX}…"),
    "changing the number of groups": (labels(**{GROUP_COUNT_LABEL: "2"}), GROUP_COUNT_LABEL),
    "changing the groups' annotation": (annotations(**{POD_GROUPS_ANNOTATION: "admin"}), POD_GROUPS_ANNOTATION),
    "taking an identity": (labels(**{TASK_LABEL: "0" * 32}), TASK_LABEL),
}
DROPS = {
    "dropping the mark": (labels(**{PROFILE_LABEL: None}), PROFILE_LABEL),
    "dropping EKS's label": (labels(**{EKS_PROFILE_LABEL: None}), EKS_PROFILE_LABEL),
    "dropping the size": (annotations(**{CAPACITY_ANNOTATION: None}), CAPACITY_ANNOTATION),
    "dropping the storage": (annotations(**{STORAGE_ANNOTATION: None}), STORAGE_ANNOTATION),
    "leaving a group": (labels(**{f"{GROUP_LABEL_PREFIX}cluster": None}), f"{GROUP_LABEL_PREFIX}…"),
    "dropping the number of groups": (labels(**{GROUP_COUNT_LABEL: None}), GROUP_COUNT_LABEL),
    "dropping the groups' annotation": (annotations(**{POD_GROUPS_ANNOTATION: None}), POD_GROUPS_ANNOTATION),
    "dropping all labels": ({"metadata": {"labels": None}}, PROFILE_LABEL),
}


@pytest.mark.parametrize("road", ["", "/status", "/ephemeralcontainers", "/resize"])
@pytest.mark.parametrize(("change", "field"), [*CHANGES.values(), *DROPS.values()], ids=[*CHANGES, *DROPS])
def test_a_mark_cannot_change(server: Server, marked: str, change: Manifest, field: str, road: str) -> None:
    """Some subresources keep metadata as it was whatever the request says; then it isn't refused but without effect.

    Neither is an update of the pod itself that lacks a mark: it gets the mark back.
    """
    before = server.get(marked).body["metadata"]
    answer = server.patch(marked + road, change)
    after = server.get(marked).body["metadata"]
    assert (after["labels"], after["annotations"]) == (before["labels"], before["annotations"])
    if road == "" and (change, field) in DROPS.values():
        answer.expect_ok()
    elif road in ("", "/status"):
        assert answer.status == 403
        assert f"[{field}]" in answer.message
        advice = ("create the pod again", "create it again", "change the securitygrouppolicy", "leave it as it is")
        assert any(words in answer.message.lower() for words in advice)


def test_labels_that_are_replaced_as_a_whole_leave_the_marks(server: Server, marked: str) -> None:
    pod = server.get(marked).expect_ok()
    before = dict(pod["metadata"]["labels"])
    pod["metadata"]["labels"] = {"mine": "yes"}
    del pod["metadata"]["annotations"]
    after = server.update(marked, pod).expect_ok()["metadata"]
    assert after["labels"] == {**before, "mine": "yes"}
    assert CAPACITY_ANNOTATION in after["annotations"]


@pytest.mark.parametrize("road", ["", "/status"], ids=["pod", "status"])
@pytest.mark.parametrize("name", ["io.katacontainers.config_path", "dev.gvisor.spec.cgroup-parent"])
def test_nobody_configures_the_sandbox_of_a_pod_afterwards(server: Server, marked: str, name: str, road: str) -> None:
    answer = server.patch(marked + road, annotations(**{name: "/etc/kata.toml"}))
    assert answer.status == 403
    assert "Annotations that configure the sandbox of a pod of a Fargate profile can't be added" in answer.message


@pytest.mark.parametrize("road", ["", "/status"], ids=["pod", "status"])
@pytest.mark.parametrize("name", ["io.kubernetes.cri-o.Devices", "v1.multus-cni.io/default-network", "a.nri.io/pod"])
def test_nobody_asks_the_node_for_something_afterwards(server: Server, marked: str, name: str, road: str) -> None:
    answer = server.patch(marked + road, annotations(**{name: "x"}))
    assert answer.status == 403
    assert "Annotations by which a pod asks something of its node's container runtime" in answer.message


def test_network_plugins_write_what_they_did(server: Server, marked: str) -> None:
    for name in REPORTED_ANNOTATIONS:
        server.patch(marked, annotations(**{name: "10.0.0.1"})).expect_ok()
        server.patch(f"{marked}/status", annotations(**{name: None})).expect_ok()


def test_what_the_profile_allows_may_change_and_be_debugged(server: Server) -> None:
    allowing = a_profile("web", a_selector("allowing-later"), annotations=("k8s.v1.cni.cncf.io/*",), selinux="Allow")
    reach(server, "allowing-later", [a_profile("aaa", a_selector("allowing-later", never="matches")), allowing])
    stored = _stored(server, "allowing-later", a_pod(f"allowing-{next(_numbers)}"))
    path = next(stored)
    server.patch(path, annotations(**{"k8s.v1.cni.cncf.io/networks": "other"})).expect_ok()
    assert server.patch(path, annotations(**{"v1.multus-cni.io/default-network": "other"})).status == 403
    server.patch(f"{path}/ephemeralcontainers", debug_with({"seLinuxOptions": {"type": "spc_t"}})).expect_ok()
    stored.close()


def test_an_instruction_to_the_sandbox_may_stay_and_go_but_not_change(server: Server) -> None:
    pod = a_pod(f"configured-{next(_numbers)}").annotated({"io.katacontainers.config_path": "/etc/kata.toml"})
    stored = _stored(server, "fargate", pod)
    path = next(stored)
    server.patch(path, labels(app="shop")).expect_ok()
    assert server.patch(path, annotations(**{"io.katacontainers.config_path": "/etc/other"})).status == 403
    server.patch(path, annotations(**{"io.katacontainers.config_path": None})).expect_ok()
    stored.close()


def test_a_pod_outside_may_be_configured(server: Server, unmarked: str) -> None:
    server.patch(unmarked, annotations(**{"io.katacontainers.config_path": "/etc/kata.toml"})).expect_ok()


def test_a_json_patch_does_not_drop_a_mark(server: Server, marked: str) -> None:
    before, drop = server.get(marked).expect_ok()["metadata"]["labels"], {"op": "remove", "path": "/metadata/labels"}
    assert server.patch(marked, [drop], kind=JSON_PATCH).expect_ok()["metadata"]["labels"] == before


@pytest.mark.parametrize("field", [PROFILE_LABEL, TASK_LABEL, GROUP_COUNT_LABEL, f"{GROUP_LABEL_PREFIX}admin"])
def test_server_side_apply_does_not_take_over_a_mark(server: Server, marked: str, field: str) -> None:
    applied = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {field: "db"}}}
    answer = server.patch(marked, applied, kind=APPLY_PATCH)
    assert answer.status == 403


@pytest.mark.eks("2.create-only")
@pytest.mark.parametrize("road", ["", "/status"], ids=["pod", "status"])
def test_an_existing_pod_cannot_be_marked(server: Server, unmarked: str, road: str) -> None:
    answer = server.patch(unmarked + road, labels(**{PROFILE_LABEL: "web"}))
    assert answer.status == 403
    assert f"[{PROFILE_LABEL}]" in answer.message
    assert PROFILE_LABEL not in server.get(unmarked).body["metadata"].get("labels", {})


def test_a_pod_outside_may_carry_and_change_eks_own_marks(server: Server, unmarked: str) -> None:
    """Manifests that were exported from EKS have them; without Monopod's mark they mean nothing."""
    server.patch(unmarked, labels(**{EKS_PROFILE_LABEL: "web"})).expect_ok()
    server.patch(unmarked, annotations(**{CAPACITY_ANNOTATION: "1vCPU 2GB"})).expect_ok()
    server.patch(unmarked, labels(**{EKS_PROFILE_LABEL: None})).expect_ok()


@pytest.mark.parametrize("user", ["", "system:kube-scheduler", OPERATOR], ids=["admin", "scheduler", "operator"])
def test_nobody_may_change_a_mark(server: Server, marked: str, user: str) -> None:
    assert server.patch(marked, labels(**{PROFILE_LABEL: "db"}), user=user).status == 403
    before = server.get(marked).expect_ok()["metadata"]["labels"]
    server.patch(marked, labels(**{PROFILE_LABEL: None}), user=user)
    assert server.get(marked).expect_ok()["metadata"]["labels"] == before


def test_the_gate_stays(server: Server, gated: str) -> None:
    answer = server.patch(gated, {"spec": {"schedulingGates": None}})
    assert answer.status == 403
    assert f"The scheduling gate {UNSUPPORTED_GATE} keeps a pod from running that Fargate can't run" in answer.message


def test_the_reason_stays(server: Server, gated: str) -> None:
    answer = server.patch(gated, annotations(**{UNSUPPORTED_ANNOTATION: "something else"}))
    assert answer.status == 403
    assert f"[{UNSUPPORTED_ANNOTATION}]" in answer.message
    kept = server.patch(gated, annotations(**{UNSUPPORTED_ANNOTATION: None})).expect_ok()
    assert kept["metadata"]["annotations"][UNSUPPORTED_ANNOTATION]


def test_not_even_the_operator_releases_the_gate(server: Server, gated: str) -> None:
    assert server.patch(gated, {"spec": {"schedulingGates": None}}, user=OPERATOR).status == 403


def test_the_gate_of_a_pod_with_claims_stays_until_the_operator_lifts_it(server: Server, claiming: str) -> None:
    answer = server.patch(claiming, {"spec": {"schedulingGates": None}})
    assert answer.status == 403
    assert f"The scheduling gate {VOLUMES_GATE} keeps a pod from running until Fargate can mount" in answer.message
    lift = [
        {"op": "test", "path": "/spec/schedulingGates/0/name", "value": VOLUMES_GATE},
        {"op": "remove", "path": "/spec/schedulingGates/0"},
    ]
    server.patch(claiming, lift, user=OPERATOR, kind=JSON_PATCH).expect_ok()
    assert "schedulingGates" not in server.get(claiming).body["spec"]


GATES_REMOVED: dict[str, tuple[str, Any, str]] = {
    "an update": ("", {"spec": {"schedulingGates": None}}, MERGE_PATCH),
    "a JSON patch": ("", [{"op": "remove", "path": "/spec/schedulingGates"}], JSON_PATCH),
    "another gate's name": (
        "",
        [{"op": "replace", "path": "/spec/schedulingGates/0/name", "value": "a.io/b"}],
        JSON_PATCH,
    ),
    "status": ("/status", {"spec": {"schedulingGates": None}}, MERGE_PATCH),
    "ephemeralcontainers": ("/ephemeralcontainers", {"spec": {"schedulingGates": None}}, MERGE_PATCH),
    "resize": ("/resize", {"spec": {"schedulingGates": None}}, MERGE_PATCH),
}


@pytest.mark.parametrize("user", ["", "system:kube-scheduler"], ids=["admin", "scheduler"])
@pytest.mark.parametrize(("road", "change", "kind"), GATES_REMOVED.values(), ids=GATES_REMOVED)
def test_nobody_lets_a_pod_out_before_its_namespace_is_isolated(
    server: Server, unisolated: str, road: str, change: Any, kind: str, user: str
) -> None:
    answer = server.patch(unisolated + road, change, user=user, kind=kind)
    assert server.get(unisolated).body["spec"]["schedulingGates"] == [{"name": ISOLATION_GATE}]
    if road == "" and kind == MERGE_PATCH:
        assert answer.status == 403
        assert f"The scheduling gate {ISOLATION_GATE} keeps a pod from running until its namespace" in answer.message


def test_the_operator_lets_it_out(server: Server, unisolated: str) -> None:
    server.patch(unisolated, {"spec": {"schedulingGates": None}}, user=OPERATOR).expect_ok()
    assert "schedulingGates" not in server.get(unisolated).body["spec"]


GROUPS_CHANGED = {
    "metadata": {
        "labels": {
            f"{GROUP_LABEL_PREFIX}cluster": None,
            f"{GROUP_LABEL_PREFIX}db": "true",
            f"{GROUP_LABEL_PREFIX}web": "true",
            GROUP_COUNT_LABEL: "2",
        },
        "annotations": {POD_GROUPS_ANNOTATION: "db,web"},
    }
}


def test_the_operator_changes_a_pods_groups_and_nobody_else_does(server: Server, marked: str) -> None:
    assert server.patch(marked, GROUPS_CHANGED, user="somebody").status == 403
    changed = server.patch(marked, GROUPS_CHANGED, user=OPERATOR).expect_ok()
    assert changed["metadata"]["annotations"][POD_GROUPS_ANNOTATION] == "db,web"
    assert f"{GROUP_LABEL_PREFIX}cluster" not in changed["metadata"]["labels"]


def test_the_operator_does_so_on_the_pod_itself_only(server: Server, marked: str) -> None:
    assert server.patch(f"{marked}/status", GROUPS_CHANGED, user=OPERATOR).status == 403


BEYOND_GATES: dict[str, Manifest] = {
    "a label": labels(app="shop"),
    "an annotation": annotations(a="b"),
    "a finalizer": {"metadata": {"finalizers": ["a.io/b"]}},
    "an owner": {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}]}},
    "an image": {"spec": {"containers": [{"name": "app", "image": "other"}]}},
    "a toleration": {"spec": {"tolerations": [{"key": "a", "operator": "Exists"}]}},
    "a deadline": {"spec": {"activeDeadlineSeconds": 10}},
    "a node selector": {"spec": {"nodeSelector": {"a": "b"}}},
    "an affinity": a_pod().requiring_nodes({"matchExpressions": [{"key": "a", "operator": "Exists"}]}).build(),
    "another gate": {"spec": {"schedulingGates": [{"name": VOLUMES_GATE}, {"name": "a.io/b", "$patch": "delete"}]}},
}


@pytest.mark.parametrize("change", BEYOND_GATES.values(), ids=BEYOND_GATES)
def test_the_operator_changes_nothing_of_a_pod_but_its_gates(server: Server, change: Manifest) -> None:
    pod = a_pod(f"claiming-{next(_numbers)}").with_volume("data", persistentVolumeClaim={"claimName": "data"})
    pod.with_spec(schedulingGates=[{"name": "a.io/b"}])
    stored = _stored(server, "fargate", pod)
    path = next(stored)
    change = {key: value for key, value in change.items() if key not in ("apiVersion", "kind")}
    change.get("metadata", {}).pop("name", None)
    kind = "application/strategic-merge-patch+json"
    answer = server.patch(path, change, user=OPERATOR, kind=kind)
    assert answer.status == 403
    assert "may change nothing of a pod but remove the scheduling gates" in answer.message
    server.patch(path, change, user="somebody", kind=kind).expect_ok()
    stored.close()


def test_other_gates_may_go(server: Server) -> None:
    pod = a_pod(f"gates-{next(_numbers)}").with_spec(hostPID=True, schedulingGates=[{"name": "a.io/b"}])
    stored = _stored(server, "fargate", pod)
    path = next(stored)
    server.patch(path, {"spec": {"schedulingGates": [{"name": UNSUPPORTED_GATE}]}}).expect_ok()
    stored.close()


def test_a_marked_pod_cannot_be_resized(server: Server, marked: str) -> None:
    resources = {"requests": {"cpu": "301m"}}
    change = {"spec": {"containers": [{"name": "app", "resources": resources}]}}
    answer = server.patch(f"{marked}/resize", change, kind="application/strategic-merge-patch+json")
    assert answer.status == 403
    assert "A pod of a Fargate profile can't be resized in place" in answer.message


PRIVILEGES: dict[str, tuple[dict[str, Any], str]] = {
    "privileged": ({"privileged": True}, "Privileged"),
    "allowPrivilegeEscalation": ({"allowPrivilegeEscalation": True}, "AllowPrivilegeEscalation"),
    "capabilities": ({"capabilities": {"add": ["SYS_PTRACE", "CHOWN"]}}, "Capabilities added: SYS_PTRACE"),
    "an SELinux label": ({"seLinuxOptions": {"type": "spc_t"}}, "SELinuxOptions"),
}


def debug_with(context: dict[str, Any]) -> Manifest:
    return {"spec": {"ephemeralContainers": [{"name": "debug", "image": "debug", "securityContext": context}]}}


@pytest.mark.parametrize(("context", "words"), PRIVILEGES.values(), ids=PRIVILEGES)
def test_a_marked_pod_is_not_debugged_with_privileges(
    server: Server, marked: str, context: dict[str, Any], words: str
) -> None:
    answer = server.patch(f"{marked}/ephemeralcontainers", debug_with(context))
    assert answer.status == 403
    assert f"invalid SecurityContext fields: {words} in spec.ephemeralContainers" in answer.message


def test_a_marked_pod_may_be_debugged_otherwise(server: Server, marked: str) -> None:
    server.patch(f"{marked}/ephemeralcontainers", debug_with({"capabilities": {"add": ["CHOWN"]}})).expect_ok()


def test_other_pods_may_be_debugged_at_will(server: Server, unmarked: str) -> None:
    server.patch(f"{unmarked}/ephemeralcontainers", debug_with({"privileged": True})).expect_ok()


def test_kubelets_and_controllers_go_on_as_ever(server: Server, marked: str) -> None:
    server.patch(f"{marked}/status", {"status": {"phase": "Running"}}, user="kubelet").expect_ok()
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "1", "controller": True}
    server.patch(marked, {"metadata": {"ownerReferences": [owner]}}, user="replicaset-controller").expect_ok()
    server.patch(marked, labels(app="shop"), user="somebody").expect_ok()
    server.patch(marked, annotations(note="x"), user="somebody").expect_ok()
    server.patch(marked, {"metadata": {"finalizers": ["a.io/b"]}}).expect_ok()
    server.patch(marked, {"metadata": {"finalizers": None}}).expect_ok()
    server.patch(marked, {"spec": {"activeDeadlineSeconds": 10}}).expect_ok()
    image = {"spec": {"containers": [{"name": "app", "image": "app:2"}]}}
    server.patch(marked, image, kind="application/strategic-merge-patch+json").expect_ok()
