"""Pods without a controller are moved: none is lost and none runs twice, whatever happens and whoever interferes."""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from lab.installation import apply_api
from tests.clusters import run_control_plane
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.interceptor import Interceptor, Moment
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.operating.moving import (
    QUICK,
    await_all_moved,
    blockers,
    build_pod_spec,
    create_namespace,
    progress,
    protect,
)
from tests.controlplane.operating.observer import Observer
from tests.documents import STORED_POD, read_blocks, run_block
from tests.unit.cli.running import run, write_yaml

HOLD = "example.com/hold"
"""A finalizer that keeps a pod terminating until the test lets it go."""

STEPS = (
    r"POST .*/storedpods",
    r"PATCH .*/storedpods/[^/]+/status",
    r"POST .*/eviction",
    r"POST .*/pods",
    r"PATCH .*/storedpods/[^/]+/status",
    r"DELETE .*/storedpods/[^/]+",
)
"""What the operator writes to move one pod, in this order."""


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_control_plane("bare", fake_nodes=1) as cluster:
        apply_api(cluster.lab)
        lab = Lab(cluster, tmp_path_factory.mktemp("bare"))
        default = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        eventually(lambda: lab.as_operator("POST", "/api/v1/namespaces", default) == 403)
        yield lab


def run_pod(lab: Lab, namespace: str, name: str = "toolbox", *, hold: bool = False) -> str:
    """A pod that runs; its uid."""
    metadata: Json = {"name": name, "namespace": namespace, "labels": {"app": name}, "annotations": {"mine": "x"}}
    if hold:
        metadata["finalizers"] = [HOLD]
    lab.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": build_pod_spec()}).expect_ok()
    eventually(lambda: find_phase(lab, namespace, name) == "Running")
    return find_uid(lab, namespace, name)


def find_pod(lab: Lab, namespace: str, name: str = "toolbox") -> Json:
    return lab.get("Pod", name, namespace) or {"metadata": {}, "status": {}, "spec": {}}


def find_phase(lab: Lab, namespace: str, name: str = "toolbox") -> str:
    return str(find_pod(lab, namespace, name)["status"].get("phase", ""))


def find_uid(lab: Lab, namespace: str, name: str = "toolbox") -> str:
    return str(find_pod(lab, namespace, name)["metadata"].get("uid", ""))


def find_profile(lab: Lab, namespace: str, name: str = "toolbox") -> str | None:
    labels = find_pod(lab, namespace, name)["metadata"].get("labels", {})
    return str(labels["monopod.dev/profile"]) if "monopod.dev/profile" in labels else None


def find_stored(lab: Lab, namespace: str, name: str = "toolbox") -> str:
    """The phase of a stored pod; "" if there is none."""
    stored = lab.get("StoredPod", name, namespace)
    return str(stored.get("status", {}).get("phase", "Stored")) if stored else ""


def await_phase(lab: Lab, namespace: str, phase: str) -> None:
    eventually(lambda: find_stored(lab, namespace) == phase, 120)


def is_leaving(lab: Lab, namespace: str) -> bool:
    return "deletionTimestamp" in find_pod(lab, namespace)["metadata"]


def let_go(lab: Lab, namespace: str, name: str = "toolbox") -> None:
    lab.patch("Pod", name, {"metadata": {"finalizers": None}}, namespace)


def move(lab: Lab, profile: str, *namespaces: str, **spec: Any) -> None:
    lab.create_profile(profile, *namespaces, barePods="Recreate", **spec)


def is_moved(lab: Lab, namespace: str, profile: str, name: str = "toolbox") -> bool:
    return (
        find_profile(lab, namespace, name) == profile
        and find_phase(lab, namespace, name) == "Running"
        and not find_stored(lab, namespace, name)
    )


def restore(lab: Lab, *arguments: str) -> Result:
    return run("restore", *arguments, "--kubeconfig", str(lab.kubeconfig_path))


def test_a_pod_comes_back_under_its_name_in_the_sandbox(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "plain-move")
    old = run_pod(lab, "plain-move")
    start(*QUICK)
    move(lab, "web", "plain-move")
    eventually(lambda: is_moved(lab, "plain-move", "web"))
    pod = find_pod(lab, "plain-move")
    assert pod["metadata"]["annotations"]["mine"] == "x"
    assert pod["metadata"]["annotations"]["monopod.dev/recreated-from"] == old
    assert pod["spec"]["runtimeClassName"] == "gvisor"
    assert {volume["name"].rpartition("-")[0] for volume in pod["spec"]["volumes"]} == {"kube-api-access"}
    assert [event["reason"] for event in lab.events("plain-move", "toolbox")].count("Recreated") == 1
    await_all_moved(lab, "web")
    assert progress(lab, "web")["moved"] == 1


def test_pods_stay_where_the_profile_does_not_say_otherwise(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "left")
    old = run_pod(lab, "left")
    operator = start(*QUICK)
    lab.create_profile("web", "left")
    eventually(lambda: progress(lab, "web").get("left") == 1)
    operator.passes_happen(2)
    assert find_uid(lab, "left") == old


@pytest.mark.parametrize(
    ("number", "moment"),
    list(itertools.product(range(len(STEPS)), ("before", "after"))),
    ids=lambda value: str(value),
)
def test_an_operator_killed_at_any_step_loses_no_pod_and_makes_no_double(
    lab: Lab, start: StartOperator, number: int, moment: Moment
) -> None:
    namespace = f"killed-{number}-{moment}"
    create_namespace(lab, namespace)
    old = run_pod(lab, namespace)

    def is_step(method: str, path: str) -> bool:
        text = f"{method} {path.partition('?')[0]}"
        real = "dryRun" not in path and f"/namespaces/{namespace}/" in path
        return real and any(re.fullmatch(step, text) for step in STEPS)

    with Interceptor(lab.server, lab.tls, is_step) as interceptor:
        interceptor.stop_at(number, moment)
        first = start(*QUICK, kubeconfig=lab.write_kubeconfig(interceptor.url))
        move(lab, "web", namespace)
        assert interceptor.caught.wait(60), interceptor.seen
        first.kill()
        assert all(re.fullmatch(*pair) for pair in zip(STEPS, interceptor.seen, strict=False)), interceptor.seen
    with Observer(lab, namespace) as observer:
        second = start(*QUICK)
        eventually(lambda: is_moved(lab, namespace, "web"))
        second.passes_happen(1)
    assert len(observer.uids - {old}) == 1, observer.uids
    assert find_pod(lab, namespace)["metadata"]["annotations"]["monopod.dev/recreated-from"] == old


def test_a_pod_that_admission_would_refuse_is_not_touched_and_holds_up_no_other(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "full")
    old = run_pod(lab, "full", "a-first")
    run_pod(lab, "full", "toolbox")
    wish = {"metadata": {"labels": {"example.com/forbidden": "yes"}}}
    lab.patch("Pod", "a-first", wish, "full")
    forbid(lab, "full")
    start(*QUICK)
    move(lab, "web", "full")
    eventually(lambda: is_moved(lab, "full", "web"))
    eventually(lambda: "BarePodNotRecreatable" in blockers(lab, "web"))
    assert "forbidden here" in blockers(lab, "web")["BarePodNotRecreatable"]["message"]
    assert (find_uid(lab, "full", "a-first"), find_stored(lab, "full", "a-first")) == (old, "")


def forbid(lab: Lab, namespace: str, *, dry_runs: bool = True) -> None:
    """From now on new pods with a label are refused in the namespace."""
    concerned = "true" if dry_runs else "!request.?dryRun.orValue(false)"
    forbidden = "'example.com/forbidden' in object.metadata.?labels.orValue({})"
    refuse(lab, namespace, f"forbid-{namespace}", f"!({concerned} && {forbidden})", "forbidden here")


def refuse(lab: Lab, namespace: str, name: str, rule: str, message: str) -> None:
    """Has pods refused that break a rule, as someone's webhook would; returns when that is in effect."""
    meta: Json = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    matches = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    rules = {"matchConstraints": matches, "validations": [{"expression": rule, "message": message}]}
    lab.create({**meta, "kind": "ValidatingAdmissionPolicy", "spec": rules}).expect_ok()
    binding = {"policyName": name, "validationActions": ["Deny"]}
    lab.create({**meta, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding}).expect_ok()
    probe: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": namespace, "labels": {"example.com/forbidden": "yes"}},
        "spec": {"containers": [{"name": "app", "image": "app"}], "schedulingGates": [{"name": "example.com/never"}]},
    }

    def is_refused() -> bool:
        lab.delete("Pod", "probe", namespace)
        return message in lab.create(probe).message

    eventually(is_refused)


def test_a_manifest_that_admission_refuses_is_kept_and_reported_and_restored(
    lab: Lab, start: StartOperator, tmp_path: Path
) -> None:
    create_namespace(lab, "refused-later")
    old = run_pod(lab, "refused-later")
    lab.patch("Pod", "toolbox", {"metadata": {"labels": {"example.com/forbidden": "yes"}}}, "refused-later")
    forbid(lab, "refused-later", dry_runs=False)
    operator = start(*QUICK)
    move(lab, "web", "refused-later")
    eventually(lambda: find_stored(lab, "refused-later") == "Refused")
    eventually(lambda: "RecreationRefused" in blockers(lab, "web"))
    stored = lab.get("StoredPod", "toolbox", "refused-later") or {}
    assert "forbidden here" in stored["status"]["message"]
    assert "forbidden here" in blockers(lab, "web")["RecreationRefused"]["message"]
    assert "RecreationRefused" in {event["reason"] for event in lab.events("refused-later", "toolbox")}
    assert operator.metric('monopod_stored_pods{phase="Refused"}') == 1
    assert "Refused" in restore(lab, "-n", "refused-later").stdout

    refused = restore(lab, "toolbox", "-n", "refused-later")
    assert (refused.exit_code, find_stored(lab, "refused-later")) == (1, "Refused")
    assert "forbidden here" in refused.stderr
    edited = stored["spec"]["manifest"]
    del edited["metadata"]["labels"]["example.com/forbidden"]
    path = write_yaml(tmp_path / "toolbox.yaml", edited)
    tried = restore(lab, "toolbox", "-n", "refused-later", "-f", path, "--dry-run")
    assert (tried.exit_code, find_stored(lab, "refused-later")) == (0, "Refused")
    assert restore(lab, "toolbox", "-n", "refused-later", "-f", path).exit_code == 0
    eventually(lambda: is_moved(lab, "refused-later", "web"))
    assert find_uid(lab, "refused-later") != old


def test_the_commands_of_the_document_bring_a_pod_back(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "prod")
    run_pod(lab, "prod")
    rule = "request.?dryRun.orValue(false) || object.spec.containers.all(one, one.image.startsWith('registry.'))"
    refuse(lab, "prod", "images", rule, "images come from registry.example.com")
    start(*QUICK)
    move(lab, "web", "prod")
    await_phase(lab, "prod", "Refused")
    environment = {
        "KUBECONFIG": str(lab.kubeconfig_path),
        "PATH": f"{lab.kubectl_path.parent}:{os.environ['PATH']}",
    }
    blocks = [block for block in read_blocks(Path("docs/how-to/restore.md")) if block.setting == STORED_POD]
    for block in blocks:
        run_block(block, environment)
    assert len(blocks) == 2
    eventually(lambda: is_moved(lab, "prod", "web"))
    assert find_pod(lab, "prod")["spec"]["containers"][0]["image"] == "registry.example.com/app"


def test_a_manifest_is_tried_again_when_the_reason_has_gone(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "allowed-later")
    run_pod(lab, "allowed-later")
    lab.patch("Pod", "toolbox", {"metadata": {"labels": {"example.com/forbidden": "yes"}}}, "allowed-later")
    forbid(lab, "allowed-later", dry_runs=False)
    start(*QUICK)
    move(lab, "web", "allowed-later")
    eventually(lambda: find_stored(lab, "allowed-later") == "Refused")
    lab.kubectl("delete", "validatingadmissionpolicybinding", "forbid-allowed-later")
    eventually(lambda: is_moved(lab, "allowed-later", "web"), 120)


def test_a_name_that_someone_else_took_is_left_to_a_person(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "taken")
    run_pod(lab, "taken", hold=True)
    first = start(*QUICK)
    move(lab, "web", "taken")
    eventually(lambda: is_leaving(lab, "taken"))
    first.kill()
    let_go(lab, "taken")
    eventually(lambda: not find_uid(lab, "taken"))
    stranger = run_pod(lab, "taken")
    second = start(*QUICK)
    eventually(lambda: find_stored(lab, "taken") == "NameTaken")
    eventually(lambda: "NameTaken" in blockers(lab, "web"))
    assert restore(lab, "toolbox", "-n", "taken").exit_code == 1
    lab.delete("Pod", "toolbox", "taken")
    eventually(lambda: not find_uid(lab, "taken"))
    second.passes_happen(2)
    assert (find_uid(lab, "taken"), find_stored(lab, "taken")) == ("", "NameTaken")
    assert restore(lab, "--all", "-n", "taken").exit_code == 0
    assert find_uid(lab, "taken") != stranger
    eventually(lambda: not find_stored(lab, "taken"))
    let_go(lab, "taken")


def test_a_pod_that_its_owner_deletes_while_it_is_stored_stays_deleted(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "deleted")
    run_pod(lab, "deleted", hold=True)
    protect(lab, "deleted", 1, app="toolbox")
    operator = start(*QUICK)
    move(lab, "web", "deleted")
    eventually(lambda: find_stored(lab, "deleted") == "Evicting")
    lab.delete("Pod", "toolbox", "deleted")
    eventually(lambda: not find_stored(lab, "deleted"))
    let_go(lab, "deleted")
    operator.passes_happen(2)
    assert (find_uid(lab, "deleted"), find_stored(lab, "deleted")) == ("", "")


def test_a_pod_is_evicted_only_as_its_budget_allows_and_as_it_is_then(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "budget")
    old = run_pod(lab, "budget")
    protect(lab, "budget", 1, app="toolbox")
    operator = start(*QUICK)
    move(lab, "web", "budget")
    eventually(lambda: find_stored(lab, "budget") == "Evicting")
    eventually(lambda: "BudgetExhausted" in blockers(lab, "web"))
    lab.patch("Pod", "toolbox", {"metadata": {"labels": {"late": "yes"}}}, "budget")
    operator.passes_happen(2)
    assert find_uid(lab, "budget") == old
    lab.delete("PodDisruptionBudget", "keep", "budget")
    eventually(lambda: is_moved(lab, "budget", "web"))
    assert find_pod(lab, "budget")["metadata"]["labels"]["late"] == "yes"


def test_what_is_not_evicted_yet_is_let_go_of_when_the_profile_is_paused_or_deleted(
    lab: Lab, start: StartOperator
) -> None:
    before = {}
    for name in ("paused", "dropped"):
        create_namespace(lab, name)
        before[name] = run_pod(lab, name)
        protect(lab, name, 1, app="toolbox")
    start(*QUICK)
    for name in before:
        move(lab, name, name)
    for name in before:
        await_phase(lab, name, "Evicting")
    lab.patch("FargateProfile", "paused", {"spec": {"paused": True}})
    lab.delete("FargateProfile", "dropped")
    for name in before:
        await_phase(lab, name, "Withdrawn")
        lab.delete("PodDisruptionBudget", "keep", name)
    for name in before:
        await_phase(lab, name, "")
    assert {name: find_uid(lab, name) for name in before} == before
    lab.patch("FargateProfile", "paused", {"spec": {"paused": False}})
    eventually(lambda: is_moved(lab, "paused", "paused"))


def test_what_is_evicted_comes_back_although_its_profile_is_gone(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "orphaned")
    old = run_pod(lab, "orphaned", hold=True)
    start(*QUICK)
    move(lab, "web", "orphaned")
    eventually(lambda: is_leaving(lab, "orphaned"))
    lab.delete_profile("web")
    let_go(lab, "orphaned")
    eventually(lambda: find_phase(lab, "orphaned") == "Running" and not find_stored(lab, "orphaned"))
    assert find_uid(lab, "orphaned") != old
    assert find_profile(lab, "orphaned") is None
    let_go(lab, "orphaned")


def test_a_namespace_that_is_deleted_meanwhile_takes_everything_with_it(lab: Lab, start: StartOperator) -> None:
    for name in ("doomed", "living"):
        create_namespace(lab, name)
    run_pod(lab, "doomed", hold=True)
    run_pod(lab, "living")
    operator = start(*QUICK)
    move(lab, "web", "doomed", "living")
    eventually(lambda: is_leaving(lab, "doomed"))
    lab.kubectl("delete", "namespace", "doomed", "--wait=false")
    eventually(lambda: "deletionTimestamp" in (lab.get("Namespace", "doomed") or {"metadata": {}})["metadata"])
    let_go(lab, "doomed")
    eventually(lambda: lab.get("Namespace", "doomed") is None)
    eventually(lambda: is_moved(lab, "living", "web"))
    operator.passes_happen(1)


def test_many_pods_are_moved_a_few_at_a_time(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "many")
    names = [f"pod-{number}" for number in range(12)]
    for name in names:
        run_pod(lab, "many", name)
    start(*QUICK)
    move(lab, "web", "many", maxUnavailable=3)
    fewest = len(names)

    def all_moved() -> bool:
        nonlocal fewest
        running = [pod for pod in lab.list_all("Pod", "many") if pod["status"].get("phase") == "Running"]
        fewest = min(fewest, len(running))
        return all(is_moved(lab, "many", "web", name) for name in names)

    eventually(all_moved, 180)
    assert fewest >= len(names) - 3


def test_only_the_operator_writes_stored_pods(lab: Lab, operator: OperatorProcess) -> None:
    del operator
    create_namespace(lab, "guarded")
    manifest: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}
    stored: Json = {
        "apiVersion": "monopod.dev/v1beta1",
        "kind": "StoredPod",
        "metadata": {"name": "p", "namespace": "guarded"},
        "spec": {"profile": "web", "podUID": "1", "manifest": manifest},
    }
    answer = lab.create(stored)
    assert answer.status == 403
    assert "Only Monopod's operator creates and changes StoredPods" in answer.message
