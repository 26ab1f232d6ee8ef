"""Pods on Spot give way, by the real scheduler and controllers; no operator runs.

The node is an object without a kubelet: pods are bound to it and never start, and those that are evicted stay, with
their grace period, until the test lets them go.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.cluster.installation import apply_api
from monopod.api.names import BALLOON_PRIORITY_CLASS, SYSTEM_NAMESPACE
from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE
from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.warm.objects import build_balloons
from monopod.capacity.rules.warm.wish import Chunk, Wish
from monopod.kube.objects.resources import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    RUNTIME_CLASSES,
    SERVICE_ACCOUNTS,
)
from monopod.pods.rules.size import PodSize
from tests.clusters import ControlPlane, run_control_plane
from tests.controlplane.conftest import PRIORITY_CLASSES
from tests.controlplane.operating.lab import SANDBOX, eventually
from tests.controlplane.reach import OPERATOR, reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector
from tests.unit.cli.running import run

NAMESPACES = ("spot", "kept", "demand", "default", SYSTEM_NAMESPACE)
LABEL = "kind=spot"
STATES = ("not-ready", "unreachable")
TOLERATIONS = [{"key": f"node.kubernetes.io/{state}", "operator": "Exists"} for state in STATES]
SIZE = {"cpu": "66", "memory": "256Gi", "pods": "100", "ephemeral-storage": "10Ti"}
IGNORING = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    with run_control_plane("spot", fake_nodes=1) as cluster:
        apply_api(cluster.lab)
        yield cluster


@pytest.fixture(scope="module")
def server(cluster: ControlPlane) -> Server:
    server = Server(cluster.kubeconfig_path)
    node = {"metadata": {"name": "node"}, "status": {"allocatable": SIZE, "capacity": SIZE}}
    server.create(NODES.list_path(), node).expect_ok()
    # That of the profile by which `reach` sees that its work is in effect.
    server.create(RUNTIME_CLASSES.list_path(), {"metadata": {"name": "kata"}, "handler": "runsc"}).expect_ok()
    reach(server, "spot", [a_profile("spot", a_selector("spot"), sandbox=SANDBOX, spot=True)])
    kept = a_profile("kept", a_selector("kept"), sandbox=SANDBOX, spot=True, spot_nodes=LABEL, spot_reclaim="None")
    reach(server, "kept", [kept])
    reach(server, "demand", [a_profile("demand", a_selector("demand"), sandbox=SANDBOX)])
    paths = [SERVICE_ACCOUNTS.path("default", namespace) for namespace in NAMESPACES]
    eventually(lambda: all(server.get(path).ok for path in paths))
    return server


@pytest.fixture(autouse=True)
def room(cluster: ControlPlane, server: Server) -> Iterator[None]:
    """Leaves the node empty for the next test."""
    yield

    def is_empty() -> bool:
        for namespace in NAMESPACES:
            cluster.kubectl("delete", "pods", "--all", "-n", namespace, "--force", "--grace-period=0")
        # What makes pods may yet be there for a moment, until the garbage collector comes to it.
        left = (each.list_path(namespace) for each in (PODS, REPLICA_SETS, JOBS) for namespace in NAMESPACES)
        return not any(server.get(path).expect_ok()["items"] for path in left)

    for namespace in NAMESPACES:
        cluster.kubectl("delete", "deployments,jobs,poddisruptionbudgets", "--all", "-n", namespace, "--wait=false")
    eventually(is_empty)


def large(name: str, **labels: str) -> PodBuilder:
    """A quarter of the node, slow to end."""
    pod = a_pod(name).labelled(labels).requesting(cpu="15900m")
    return pod.with_spec(tolerations=TOLERATIONS, terminationGracePeriodSeconds=600)


def place(server: Server, namespace: str, pod: PodBuilder) -> None:
    """Creates a pod, and waits until it has a node."""
    built = pod.build()
    server.create_pod(namespace, built, dry_run=False).expect_ok()
    eventually(lambda: read(server, namespace, built["metadata"]["name"])["spec"].get("nodeName"))


def read(server: Server, namespace: str, name: str) -> Manifest:
    return server.get(PODS.path(name, namespace)).body


def find_leaving(server: Server, namespace: str) -> dict[str, Manifest]:
    pods = server.get(PODS.list_path(namespace)).expect_ok()["items"]
    return {pod["metadata"]["name"]: pod for pod in pods if "deletionTimestamp" in pod["metadata"]}


def let_go(cluster: ControlPlane, namespace: str) -> None:
    """As the kubelet does when the containers have ended."""
    for name in find_leaving(Server(cluster.kubeconfig_path), namespace):
        cluster.kubectl("delete", "pod", name, "-n", namespace, "--force", "--grace-period=0")


def keep_room(cluster: ControlPlane, server: Server) -> None:
    """Has a balloon of a quarter of the node, as the operator makes it, and waits until it has a node."""
    sandbox = Sandbox.from_resource({**cluster.lab.runtime_class, "scheduling": {"tolerations": TOLERATIONS}})
    wish = Wish("spot", 1, 1, Chunk(PodSize(16_000, 32_768), sandbox), grows=False)
    owner = server.get(f"{PRIORITY_CLASSES}/{BALLOON_PRIORITY_CLASS}").expect_ok()["metadata"]["uid"]
    balloons = build_balloons(wish, PAUSE_IMAGE, SYSTEM_NAMESPACE, owner)
    server.create(DEPLOYMENTS.list_path(SYSTEM_NAMESPACE), balloons, user=OPERATOR).expect_ok()
    eventually(lambda: [one for one in find_balloons(server) if one["spec"].get("nodeName")])


def find_balloons(server: Server) -> list[Manifest]:
    return list(server.get(PODS.list_path(SYSTEM_NAMESPACE)).expect_ok()["items"])


def find_preempted(server: Server, namespace: str) -> list[str]:
    """The pods whose place the scheduler gave to others; one without a grace period is gone at once."""
    path = f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3DPreempted"
    return [event["involvedObject"]["name"] for event in server.get(path).expect_ok()["items"]]


def find_disruption(pod: Manifest) -> Any:
    return next((one for one in pod["status"]["conditions"] if one["type"] == "DisruptionTarget"), None)


def test_warm_room_goes_first_then_spot_within_budgets_then_spot_beyond_them(
    cluster: ControlPlane, server: Server
) -> None:
    for number in range(3):
        place(server, "spot", large(f"spot-{number}", app="free" if number == 1 else "kept"))
    budget = {"minAvailable": 2, "selector": {"matchLabels": {"app": "kept"}}}
    server.create(DISRUPTION_BUDGETS.list_path("spot"), {"metadata": {"name": "kept"}, "spec": budget}).expect_ok()
    eventually(lambda: server.get(DISRUPTION_BUDGETS.path("kept", "spot")).body["status"].get("expectedPods") == 2)
    keep_room(cluster, server)

    def demand(name: str) -> None:
        server.create_pod("demand", large(name).build(), dry_run=False).expect_ok()

    demand("first")
    eventually(lambda: read(server, "demand", "first")["spec"].get("nodeName"))
    assert all(name.startswith("warm-spot-") for name in eventually(lambda: find_preempted(server, SYSTEM_NAMESPACE)))
    assert not find_preempted(server, "spot")
    assert not find_leaving(server, "spot")
    assert not [one for one in find_balloons(server) if one["spec"].get("nodeName")], "the next one waits"

    demand("second")
    eventually(lambda: find_leaving(server, "spot"))
    leaving = find_leaving(server, "spot")
    assert list(leaving) == ["spot-1"], "the one without a budget"
    assert leaving["spot-1"]["metadata"]["deletionGracePeriodSeconds"] == 120, "of 600"
    assert find_disruption(leaving["spot-1"])["reason"] == "PreemptionByScheduler"
    assert not read(server, "demand", "second")["spec"].get("nodeName"), "it waits until the other has gone"
    let_go(cluster, "spot")
    eventually(lambda: read(server, "demand", "second")["spec"].get("nodeName"))

    demand("third")
    eventually(lambda: find_leaving(server, "spot"))
    [last] = find_leaving(server, "spot")
    assert last in ("spot-0", "spot-2"), "beyond the budget, as there is no other way"
    assert not find_leaving(server, "demand")


def test_where_spot_does_not_give_way_nobody_of_ordinary_priority_takes_its_room(
    cluster: ControlPlane, server: Server
) -> None:
    path = NODES.path("node")
    server.patch(path, {"metadata": {"labels": {"kind": "spot"}}}).expect_ok()
    try:
        for number in range(4):
            place(server, "kept", large(f"kept-{number}"))
        server.create_pod("default", large("ordinary").requesting(cpu="16").build(), dry_run=False).expect_ok()

        def find_told() -> str:
            conditions = read(server, "default", "ordinary").get("status", {}).get("conditions", [])
            return next((one.get("message", "") for one in conditions if one["type"] == "PodScheduled"), "")

        eventually(lambda: "No preemption victims found for incoming pod" in find_told())
        assert not find_leaving(server, "kept")
        assert not read(server, "default", "ordinary")["status"].get("nominatedNodeName")
    finally:
        server.patch(path, {"metadata": {"labels": {"kind": None}}}).expect_ok()


def test_nobody_deletes_a_pod_on_spot_with_a_longer_grace_period(cluster: ControlPlane, server: Server) -> None:
    """The scheduler takes no further notice of a pod that is on its way out, for however long."""
    place(server, "spot", large("spot"))
    place(server, "demand", large("demand"))

    def delete(namespace: str, *what: str, seconds: int) -> str:
        flags = ("-n", namespace, f"--grace-period={seconds}", "--wait=false")
        return cluster.kubectl("delete", *what, *flags, check=False).stderr

    said = "A pod on Spot ends within 120 seconds, so gracePeriodSeconds may be 120 at most"
    assert said in delete("spot", "pod", "spot", seconds=31_536_000)
    assert said in delete("spot", "pods", "-l", "!never", seconds=121)
    assert not find_leaving(server, "spot")
    delete("demand", "pod", "demand", seconds=700)
    assert find_leaving(server, "demand")["demand"]["metadata"]["deletionGracePeriodSeconds"] == 700
    delete("spot", "pod", "spot", seconds=120)
    assert find_leaving(server, "spot")["spot"]["metadata"]["deletionGracePeriodSeconds"] == 120


def build_template(app: str, **spec: Any) -> Manifest:
    template = a_pod().labelled(app=app).with_spec(tolerations=TOLERATIONS, **spec).build()
    return {"metadata": {"labels": template["metadata"]["labels"]}, "spec": template["spec"]}


def interrupt(cluster: ControlPlane, *arguments: str, status: int = 0) -> list[Manifest]:
    result = run("interrupt", *arguments, "-o", "json", "--kubeconfig", str(cluster.kubeconfig_path))
    assert result.exit_code == status, result.stdout + result.stderr
    pods: list[Manifest] = json.loads(result.stdout)["pods"]
    return pods


def is_placed(pod: Manifest) -> bool:
    return bool(pod["spec"].get("nodeName")) and "deletionTimestamp" not in pod["metadata"]


def find_pods(server: Server, app: str) -> dict[str, Manifest]:
    pods = server.get(f"{PODS.list_path('spot')}?labelSelector=app%3D{app}").expect_ok()["items"]
    return {pod["metadata"]["name"]: pod for pod in pods if is_placed(pod)}


def test_a_job_that_ignores_disruptions_survives_a_drill(cluster: ControlPlane, server: Server) -> None:
    template = build_template("job", restartPolicy="Never", terminationGracePeriodSeconds=600)
    spec = {"backoffLimit": 0, "podFailurePolicy": IGNORING, "template": template}
    server.create(JOBS.list_path("spot"), {"metadata": {"name": "job"}, "spec": spec}).expect_ok()
    [name] = eventually(lambda: find_pods(server, "job"))
    [told] = interrupt(cluster, name, "-n", "spot")
    assert (told["outcome"], told["graceSeconds"]) == ("Interrupted", 120)
    pod = read(server, "spot", name)
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 120
    assert find_disruption(pod)["message"] == "Your Spot Task was interrupted."
    # As the kubelet says of containers that SIGTERM has ended.
    server.patch(f"{PODS.path(name, 'spot')}/status", {"status": {"phase": "Failed"}}).expect_ok()
    eventually(lambda: set(find_pods(server, "job")) - {name})
    status = server.get(JOBS.path("job", "spot")).expect_ok()["status"]
    assert not [one for one in status.get("conditions", []) if one["type"] in ("Failed", "FailureTarget")]


def test_a_deployment_loses_the_pods_that_a_dry_run_said_and_has_new_ones(
    cluster: ControlPlane, server: Server
) -> None:
    spec = {"replicas": 20, "selector": {"matchLabels": {"app": "web"}}, "template": build_template("web")}
    server.create(DEPLOYMENTS.list_path("spot"), {"metadata": {"name": "web"}, "spec": spec}).expect_ok()
    eventually(lambda: len(find_pods(server, "web")) == 20)
    before = set(find_pods(server, "web"))
    chosen = ("--profile", "spot", "-n", "spot", "--percent", "25", "--seed", "7")
    said = [interrupt(cluster, *chosen, "--dry-run") for _ in range(2)]
    assert said[0] == said[1]
    names = {pod["pod"] for pod in said[0]}
    assert (len(names), names <= before) == (5, True)
    budget = {"minAvailable": "100%", "selector": {"matchLabels": {"app": "web"}}}
    server.create(DISRUPTION_BUDGETS.list_path("spot"), {"metadata": {"name": "all"}, "spec": budget}).expect_ok()
    eventually(lambda: server.get(DISRUPTION_BUDGETS.path("all", "spot")).body["status"].get("expectedPods") == 20)
    for name in names:  # no budget keeps a pod that has never run
        server.patch(f"{PODS.path(name, 'spot')}/status", {"status": {"phase": "Running"}}).expect_ok()
    blocked = interrupt(cluster, *chosen, "--respect-budgets", status=1)
    assert {(pod["pod"], pod["outcome"]) for pod in blocked} == {(name, "Blocked") for name in names}
    assert not find_leaving(server, "spot")
    assert {pod["pod"] for pod in interrupt(cluster, *chosen)} == names, "beyond the budget, as Spot goes"
    eventually(lambda: len(set(find_pods(server, "web")) - names) == 20)
    assert before - set(find_pods(server, "web")) == names
