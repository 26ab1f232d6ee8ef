"""Pods without a controller are moved: none is lost and none runs twice, wherever the operator is killed."""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.operating.bare_pods.scene import (
    await_phase,
    find_pod,
    find_stored,
    find_uid,
    forbid,
    is_moved,
    move,
    refuse,
    restore,
    run_pod,
)
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.interceptor import Interceptor, Moment
from tests.controlplane.operating.lab import DEADLINE_SECONDS, ROOT, Lab, eventually
from tests.controlplane.operating.moving import (
    QUICK,
    await_all_moved,
    blockers,
    create_namespace,
    progress,
)
from tests.controlplane.operating.observer import Observer
from tests.controlplane.reach import await_policies
from tests.controlplane.server import Server
from tests.documents import STORED_POD, read_blocks, run_block
from tests.unit.cli.running import write_yaml

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
    with run_lab("bare-pods", tmp_path_factory.mktemp("bare"), fake_nodes=1) as lab:
        yield lab


def test_a_pod_comes_back_under_its_name_in_the_sandbox(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "plain-move")
    tracing = {"capabilities": {"add": ["SYS_PTRACE"]}}
    old = run_pod(lab, "plain-move", containers=[{"name": "app", "image": "app", "securityContext": tracing}])
    start(*QUICK)
    move(lab, "web", "plain-move", allowedCapabilities=["SYS_PTRACE"])
    eventually(lambda: is_moved(lab, "plain-move", "web"))
    pod = find_pod(lab, "plain-move")
    assert pod["metadata"]["annotations"]["mine"] == "x"
    assert pod["metadata"]["annotations"]["monopod.dev/recreated-from"] == old
    assert pod["spec"]["runtimeClassName"] == "gvisor"
    assert pod["spec"]["containers"][0]["securityContext"] == tracing
    assert {volume["name"].rpartition("-")[0] for volume in pod["spec"]["volumes"]} == {"kube-api-access"}
    eventually(lambda: [event["reason"] for event in lab.events("plain-move", "toolbox")].count("Recreated") == 1)
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
        assert interceptor.caught.wait(DEADLINE_SECONDS), interceptor.seen
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
    eventually(lambda: "RecreationRefused" in {event["reason"] for event in lab.events("refused-later", "toolbox")})
    eventually(lambda: operator.metric('monopod_stored_pods{phase="Refused"}') == 1)
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
    eventually(lambda: is_moved(lab, "allowed-later", "web"))


@pytest.fixture
def only_dry_runs(lab: Lab) -> Iterator[None]:
    """The policy of installations that recreate no pods."""
    path = str(ROOT / "manifests/policies/operator-dry-runs.yaml")
    lab.kubectl("apply", "--server-side", "-f", path)
    yield
    lab.kubectl("delete", "-f", path)
    await_policies(Server(lab.kubeconfig_path))  # without this one, which would refuse what later tests create again


@pytest.mark.usefixtures("only_dry_runs")
def test_an_installation_that_does_not_recreate_pods_leaves_them_and_says_so(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "unrecreated")
    before = run_pod(lab, "unrecreated")
    operator = start(*QUICK, "--no-recreate-bare-pods")
    move(lab, "web", "unrecreated")
    eventually(lambda: lab.condition("web", "Rescheduled").get("reason") == "RecreationOff")
    condition = lab.condition("web", "Rescheduled")
    assert condition["status"] == "False"
    assert "set the chart's value barePods.recreate" in condition["message"]
    operator.passes_happen(2)
    assert (find_uid(lab, "unrecreated"), find_stored(lab, "unrecreated")) == (before, "")
