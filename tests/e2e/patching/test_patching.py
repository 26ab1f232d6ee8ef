"""Two nodes in two zones get another gVisor: pods that run keep theirs, until a patch is dated and they are replaced.

The other one is built from the same source and tells its guests another release. It comes as on any cluster: first the
program on each node, then `kubectl fargate patch`.
"""

import datetime
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

import pytest

from lab.build.toolchain import PATCHED_RELEASE, build_tools
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.provider import find_engine
from monopod.api.names import TOPOLOGY_ZONE
from tests.e2e.live import READY_SECONDS, Live, Object
from tests.e2e.patching.zones import (
    TOLERATION,
    ZONES,
    Change,
    History,
    find_overlaps,
    follow_pods,
    replace_runsc,
    restored_runsc,
    two_zones,
)
from tests.e2e.workloads import SERVE, a_budget, a_deployment, a_profile, probe
from tests.unit.cli.running import run

pytestmark = [
    pytest.mark.skipif(bool(find_engine()), reason="kind's cluster has one node, and its gVisor is kind's"),
    pytest.mark.timeout(1200),
]

CLASS = "gvisor-in-zones"
"""A RuntimeClass of its own: a date on the cluster's would be about the pods of all other tests, too."""
WEB, STUCK = "patched-web", "patched-stuck"
"""Profiles, and their namespaces."""
REPLICAS = 4


@dataclass(frozen=True)
class Patched:
    """Sandboxes whose class has just been patched.

    Attributes:
        zones: of each node by its name.
        before: the pods that ran before, by uid.
        releases: what each of them had seen of its kernel when the nodes had another `runsc` already.
        history: what becomes of the pods of WEB since.
    """

    live: Live
    zones: Mapping[str, str]
    before: Mapping[str, Object]
    releases: Mapping[str, str]
    history: History


def read_release(live: Live, pod: Object) -> str:
    return live.run_in(pod, "uname -r")


def a_spread_deployment(namespace: str, replicas: int) -> Object:
    """Pods that spread over the zones."""
    deployment = a_deployment("app", namespace, {"app": "app"}, {"cpu": "50m"}, SERVE)
    deployment["spec"]["replicas"] = replicas
    pods = deployment["spec"]["template"]["spec"]
    probe(pods)
    spread = {"maxSkew": 1, "topologyKey": TOPOLOGY_ZONE, "whenUnsatisfiable": "DoNotSchedule"}
    pods["topologySpreadConstraints"] = [{**spread, "labelSelector": {"matchLabels": {"app": "app"}}}]
    pods["tolerations"] = [TOLERATION]
    return deployment


def start_workloads(live: Live) -> dict[str, Object]:
    """Starts the pods of both profiles in sandboxes, and returns them by uid."""
    for name in (WEB, STUCK):
        live.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        terms = {"runtimeClassName": CLASS, "patching": {"wait": "0m"}}
        live.apply(a_profile(name, name, {"app": "app"}, **terms))
        live.await_phase(name)
    live.apply(a_spread_deployment(WEB, REPLICAS), a_budget("app", WEB, REPLICAS - 1))
    all_of_them = a_budget("app", STUCK, 0)
    all_of_them["spec"]["minAvailable"] = "100%"
    live.apply(a_spread_deployment(STUCK, 1), all_of_them)
    pods = [*live.await_ready(WEB, REPLICAS), *live.await_ready(STUCK)]
    return {pod["metadata"]["uid"]: pod for pod in pods}


def remove_workloads(live: Live) -> None:
    for name in (WEB, STUCK):
        live.remove_namespace(name)
        live.kubectl("delete", "fargateprofile", name, "--ignore-not-found")
    live.kubectl("delete", "runtimeclass", CLASS)


def date_patch(live: Live, pods: Mapping[str, Object]) -> None:
    """Once the clock shows a later second than when the last pod became Ready: dates are in whole seconds."""
    last = max(one["lastTransitionTime"] for pod in pods.values() for one in pod["status"]["conditions"])
    later = datetime.datetime.fromisoformat(last) + datetime.timedelta(seconds=1)
    live.wait_for(lambda: datetime.datetime.now(datetime.UTC) > later, "a later second")
    done = run("patch", CLASS, "--reason", "another release", "--kubeconfig", str(live.cluster.kubeconfig_path))
    assert done.exit_code == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def patched(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patched]:
    cluster = live.cluster
    assert isinstance(cluster, LabCluster)
    with ExitStack() as stack:
        zones = stack.enter_context(two_zones(live, cluster))
        live.apply({**cluster.runtime_class, "metadata": {"name": CLASS}})
        stack.callback(remove_workloads, live)
        before = start_workloads(live)
        stack.enter_context(restored_runsc(cluster))
        replace_runsc(cluster, build_tools("gvisor-patched")["runsc-patched"])
        releases = {uid: read_release(live, pod) for uid, pod in before.items()}
        history = stack.enter_context(follow_pods(live, WEB, tmp_path_factory.mktemp("patching") / "pods"))
        live.wait_for(lambda: len(history.read()) >= REPLICAS, "the watch")
        date_patch(live, before)
        yield Patched(live, zones, before, releases, history)


def read_patching(live: Live, profile: str) -> Object:
    found: Object = live.get("fargateprofile", profile).get("status", {}).get("patching", {})
    return found


def find_terminations(live: Live) -> list[Object]:
    return [event for event in live.find("events", STUCK) if event["reason"] == "ScheduledTermination"]


def compute_fewest(history: list[Change]) -> int:
    """The fewest pods that served at any moment, since all did."""
    serving: set[str] = set()
    counts = []
    for change in history:
        (serving.add if change.serves else serving.discard)(change.uid)
        counts.append(len(serving))
    return min(counts[counts.index(REPLICAS) :])


@pytest.mark.eks("6.zones")
def test_pods_get_the_nodes_new_sandbox_zone_after_zone_within_their_budget(patched: Patched) -> None:
    live = patched.live
    assert set(patched.releases.values()) == {"4.19.0-gvisor"}, "what runs keeps its kernel, whatever the nodes have"
    live.wait_for(lambda: read_patching(live, WEB).get("phase") == "Done", "the end of the round", READY_SECONDS)
    after = live.await_ready(WEB, REPLICAS)
    assert {read_release(live, pod) for pod in after} == {PATCHED_RELEASE}
    assert sorted(patched.zones[pod["spec"]["nodeName"]] for pod in after) == sorted([*ZONES, *ZONES])
    uids = {pod["metadata"]["uid"] for pod in after}
    live.wait_for(lambda: {one.uid for one in patched.history.read() if one.serves} >= uids, "the watch")
    history, mine = patched.history.read(), {uid for uid, pod in patched.before.items() if is_of(pod, WEB)}
    gone = list(dict.fromkeys(change.uid for change in history if change.is_going))
    assert set(gone) == mine, "each pod went once, and no replacement did"
    order = [patched.zones[patched.before[uid]["spec"]["nodeName"]] for uid in gone]
    assert [zone for zone, _ in groupby(order)] == list(ZONES)
    assert find_overlaps(history, patched.zones, mine) == []
    assert compute_fewest(history) == REPLICAS - 1
    assert read_patching(live, WEB).items() >= {"progress": f"{REPLICAS}/{REPLICAS}", "stale": 0, "left": 0}.items()


def is_of(pod: Object, namespace: str) -> bool:
    return str(pod["metadata"]["namespace"]) == namespace


def put_back_termination(live: Live) -> bool:
    """Has the refusal on record be four days old: no one can wait for three, and what is on record counts.

    Returns whether it is overdue: the operator may have written its own once more meanwhile.
    """
    patching = read_patching(live, STUCK)
    (told,) = patching["terminations"]
    if datetime.datetime.fromisoformat(told["scheduledTerminationTime"]) > datetime.datetime.now(datetime.UTC):
        for field in ("refusedAt", "scheduledTerminationTime"):
            earlier = datetime.datetime.fromisoformat(told[field]) - datetime.timedelta(days=4)
            told[field] = earlier.isoformat().replace("+00:00", "Z")
        patch = [{"op": "replace", "path": "/status/patching/terminations/0", "value": told}]
        live.kubectl("patch", "fargateprofile", STUCK, "--subresource=status", "--type=json", "-p", json.dumps(patch))
    return bool(patching["phase"] == "Overdue")


@pytest.mark.eks("6.one-event", "6.one-more-try")
def test_a_pod_that_its_budget_holds_has_one_event_and_stays_in_its_old_sandbox_until_it_may_be_deleted(
    patched: Patched,
) -> None:
    live = patched.live
    (uid,) = (uid for uid, pod in patched.before.items() if is_of(pod, STUCK))
    live.wait_for(
        lambda: [each for each in read_patching(live, STUCK).get("terminations", ()) if each.get("announced")],
        "a scheduled termination on record",
    )
    (event,) = find_terminations(live)
    (told,) = read_patching(live, STUCK)["terminations"]
    assert (event["involvedObject"]["uid"], told["uid"]) == (uid, uid)
    assert f"scheduledTerminationTime {told['scheduledTerminationTime']}[UTC]" in event["message"]
    live.wait_for(lambda: put_back_termination(live), "a termination that is overdue")
    (still,) = live.await_ready(STUCK)
    assert still["metadata"]["uid"] == uid
    assert read_release(live, still) == patched.releases[uid] == "4.19.0-gvisor"
    patch = '{"spec": {"patching": {"overdue": "Delete"}}}'
    live.kubectl("patch", "fargateprofile", STUCK, "--type=merge", "-p", patch)
    live.wait_for(lambda: read_patching(live, STUCK)["phase"] == "Done", "the end of the round", READY_SECONDS)
    (after,) = live.await_ready(STUCK)
    assert after["metadata"]["uid"] != uid
    assert read_release(live, after) == PATCHED_RELEASE
    assert [(one["metadata"]["uid"], one.get("count", 1)) for one in find_terminations(live)] == [
        (event["metadata"]["uid"], 1)
    ]
