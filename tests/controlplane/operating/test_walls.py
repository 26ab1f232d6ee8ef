"""The orders that must hold whatever else changes: each is a wall between a crash, or a race, and harm done.

- The finalizer is on a profile before any namespace carries its selectors, also where the API server refuses it at
  first: or the profile could be gone while its pods run on.
- Nothing moves for a profile any more once its selectors are being withdrawn: or replacements land outside.
- The base policy is there before the namespace's mark, and stays for seconds after it: or pods run unclosed.
- The beginning is on record before the first eviction: or a loop of evictions would never be noticed.
- A pod's new NetworkPolicy is there before its old one goes: or its connections break.
- There is one bound on evictions, whatever they are for: or several purposes add up to a storm.
- Nothing is written once the Lease is released: or two replicas write at once.

The operator is a real process; what counts is what the API server is asked, and when it has answered.
"""

import re
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from monopod.api.names import BASE_POLICY, ISOLATED_ANNOTATION, PROFILE_FINALIZER, SELECTORS_ANNOTATION
from monopod.kube.objects.resources import NAMESPACES, NETWORK_POLICIES, PROFILES
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.interceptor import Interceptor, Write
from tests.controlplane.operating.lab import DEADLINE_SECONDS, Json, Lab, eventually
from tests.controlplane.operating.relay import Relay

DISTANCE_SECONDS = 0.5
BOUNDED = ("--no-leader-elect", "--evictions-per-minute", str(round(60 / DISTANCE_SECONDS)))


@pytest.fixture
def asked(lab: Lab) -> Iterator[Interceptor]:
    """What stands between the operator and the API server."""
    with Interceptor(lab.server, lab.tls, is_lease_write) as interceptor:
        yield interceptor


@pytest.fixture
def _node(lab: Lab) -> Iterator[None]:
    """A node that could take replacements, without which nothing would be moved."""
    room = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "wall"}}
    lab.create({**node, "status": {"capacity": room, "allocatable": room}}).expect_ok()
    # Admission gives each new node the taint that it isn't ready.
    lab.patch("Node", "wall", {"spec": {"taints": None}})
    yield
    lab.delete("Node", "wall")


def is_lease_write(method: str, path: str) -> bool:
    return method == "PUT" and path.partition("?")[0].endswith("/leases/monopod")


def carries(annotation: str) -> Callable[[Json], bool]:
    """Whether a patch of a namespace puts a value there."""
    return lambda body: bool(body["metadata"].get("annotations", {}).get(annotation))


def lacks(annotation: str) -> Callable[[Json], bool]:
    return lambda body: not carries(annotation)(body)


def has_begun(what: str) -> Callable[[Json], bool]:
    """Whether a status says since when pods are evicted."""
    return lambda body: bool((body["status"].get(what) or {}).get("startedAt"))


def find_evictions(asked: Interceptor, namespace: str = "[^/]+") -> list[Write]:
    return asked.find(f"POST .*/namespaces/{namespace}/pods/[^/]+/eviction")


def answered_before(first: list[Write], then: list[Write]) -> bool:
    """Whether the first of some had been answered, with success, when the first of others was asked for."""
    done = [write.ended for write in first if write.succeeded]
    assert done, first
    assert then
    return min(done) < min(write.began for write in then)


def create_pods(lab: Lab, namespace: str, count: int) -> None:
    """Pods of owners that no one knows, one each, so that none of them waits for another."""
    for number in range(count):
        owner = {"apiVersion": "example.com/v1", "kind": "Owner", "name": f"owner-{number}", "uid": f"{number}"}
        name = f"pod-{number}"
        metadata = {"name": name, "namespace": namespace, "ownerReferences": [{**owner, "controller": True}]}
        spec = {"containers": [{"name": "app", "image": "app"}]}
        lab.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).expect_ok()


def test_the_finalizer_is_there_before_any_selectors(lab: Lab, start: StartOperator, asked: Interceptor) -> None:
    lab.create_namespace("wall-selectors")
    start("--no-leader-elect", kubeconfig=lab.write_kubeconfig(asked.url))
    lab.create_profile("web", "wall-selectors")
    lab.becomes_active("web")
    held = asked.find(f"PATCH {PROFILES.path('web')}", lambda body: PROFILE_FINALIZER in body["metadata"]["finalizers"])
    assert answered_before(held, asked.find("PATCH /api/v1/namespaces/wall-selectors", carries(SELECTORS_ANNOTATION)))
    patterns = "PATCH /api/v1/namespaces/monopod-system/configmaps/monopod-namespaces"
    assert answered_before(held, asked.find(patterns, lambda body: "wall-selectors" in str(body)))


def test_nothing_is_published_while_the_finalizer_is_refused(
    lab: Lab, start: StartOperator, asked: Interceptor
) -> None:
    lab.create_namespace("wall-refused")
    start("--no-leader-elect", kubeconfig=lab.write_kubeconfig(asked.url))
    profile = PROFILES.path("web")
    with asked.refusing(lambda method, path: (method, path.partition("?")[0]) == ("PATCH", profile)):
        lab.create_profile("web", "wall-refused")
        eventually(lambda: len(asked.find(f"PATCH {profile}")) > 1)
    lab.becomes_active("web")
    held = asked.find(f"PATCH {profile}", lambda body: PROFILE_FINALIZER in body["metadata"]["finalizers"])
    assert not held[0].succeeded
    assert answered_before(held, asked.find("PATCH /api/v1/namespaces/wall-refused", carries(SELECTORS_ANNOTATION)))


@pytest.mark.usefixtures("_node")
def test_nothing_moves_for_a_profile_whose_selectors_are_being_withdrawn(
    lab: Lab, start: StartOperator, asked: Interceptor
) -> None:
    lab.create_namespace("wall-moves")
    create_pods(lab, "wall-moves", 40)
    start(*BOUNDED, kubeconfig=lab.write_kubeconfig(asked.url))
    lab.create_profile("web", "wall-moves")
    eventually(lambda: len(find_evictions(asked, "wall-moves")) >= 3)
    namespace = NAMESPACES.path("wall-moves")
    with asked.holding(lambda method, path: (method, path.partition("?")[0]) == ("PATCH", namespace)):
        lab.delete("FargateProfile", "web")
        withdrawal = eventually(lambda: asked.find(f"PATCH {namespace}", lacks(SELECTORS_ANNOTATION)))[0]
        eventually(lambda: time.monotonic() > withdrawal.began + 6 * DISTANCE_SECONDS)
    eventually(lambda: lab.is_gone("web"))
    # One that was sent before the withdrawal may be noted a moment after it, but none of those that would follow.
    after = withdrawal.began + DISTANCE_SECONDS / 2
    assert [each for each in find_evictions(asked) if each.began > after] == []
    assert len(lab.list_all("Pod", "wall-moves")) > 10, "there was more to move"


STAYS_SECONDS = 2
"""As admission reads namespaces from a cache, a pod may still be let in by a mark that is gone."""


def test_the_base_policy_is_there_before_the_mark_and_stays_for_seconds_after_it(
    lab: Lab, start: StartOperator, asked: Interceptor
) -> None:
    lab.create_namespace("wall-mark")
    start("--no-leader-elect", kubeconfig=lab.write_kubeconfig(asked.url))
    lab.create_profile("web", "wall-mark")
    lab.becomes_active("web")
    policy, namespace = NETWORK_POLICIES.path(BASE_POLICY, "wall-mark"), "PATCH /api/v1/namespaces/wall-mark"
    marks = eventually(lambda: asked.find(namespace, carries(ISOLATED_ANNOTATION)))
    assert answered_before(asked.find(f"PATCH {policy}"), marks)
    lab.delete_profile("web")
    (deletion,) = eventually(lambda: asked.find(f"DELETE {policy}"))
    unmarked = [write for write in asked.find(namespace, lacks(ISOLATED_ANNOTATION)) if write.began > marks[-1].ended]
    assert answered_before(unmarked, [deletion])
    assert deletion.began - unmarked[0].began > STAYS_SECONDS


@pytest.mark.usefixtures("_node")
@pytest.mark.parametrize("what", ["rescheduling", "deletion"])
def test_the_beginning_is_on_record_before_the_first_eviction(
    lab: Lab, start: StartOperator, asked: Interceptor, what: str
) -> None:
    """Also if it can't be recorded for a while."""
    namespace = f"wall-{what}"
    lab.create_namespace(namespace)
    with Relay(asked.url, lab.tls) as relay:
        operator = start(*BOUNDED, kubeconfig=lab.write_kubeconfig(relay.url))
        if what == "rescheduling":
            create_pods(lab, namespace, 2)
        lab.create_profile("web", namespace, existingPods="Keep")
        lab.becomes_active("web")
        if what == "deletion":
            create_pods(lab, namespace, 2)
        with relay.troubled(500, PROFILES.path("web", subresource="status")):
            if what == "deletion":
                lab.delete("FargateProfile", "web")
            else:
                lab.patch("FargateProfile", "web", {"spec": {"existingPods": "Reschedule"}})
            eventually(lambda: relay.refused >= 3)
            assert find_evictions(asked) == []
        eventually(lambda: len(find_evictions(asked, namespace)) >= 2)
        operator.kill()
    assert answered_before(
        asked.find(f"PATCH {PROFILES.path('web', subresource='status')}", has_begun(what)), find_evictions(asked)
    )


CHANGES: dict[str, tuple[Json, Json, str, str]] = {
    "other groups": ({"securityGroups": ["web"]}, {"securityGroups": ["db", "web"]}, r"\1.db.web", r"pod-\d+.web"),
    "a policy that all share": (
        {"securityGroups": ["web"]},
        {"isolation": "PerGroup"},
        "monopod-groups.web",
        r"pod-\d+.web",
    ),
    "policies of their own": (
        {"securityGroups": ["web"], "isolation": "PerGroup"},
        {"isolation": "PerPod"},
        r"pod-\d+.web",
        "monopod-groups.web",
    ),
}
"""A profile before and after, and the NetworkPolicies that this means: the new ones, and the old ones."""

PODS = 5


@pytest.fixture
def _groups(lab: Lab) -> Iterator[None]:
    for name, port in {"web": 8080, "db": 5432}.items():
        lab.create_group(name, ingress=[{"protocol": "TCP", "port": port, "from": [{"cidr": "10.1.0.0/16"}]}])
    yield
    lab.delete_profiles()
    lab.delete_groups()


@pytest.mark.usefixtures("_groups")
@pytest.mark.parametrize("change", ["other groups", "a policy that all share", "policies of their own"])
def test_a_new_policy_is_there_before_the_old_one_goes(
    lab: Lab, start: StartOperator, asked: Interceptor, change: str
) -> None:
    before, after, new, old = CHANGES[change]
    namespace = f"wall-{change.replace(' ', '-')}"
    lab.create_namespace(namespace)
    start("--no-leader-elect", kubeconfig=lab.write_kubeconfig(asked.url))
    lab.create_profile("web", namespace, existingPods="Keep", **before)
    lab.becomes_active("web")
    create_pods(lab, namespace, PODS)
    shared = "isolation" in before
    count = 1 if shared else PODS
    eventually(lambda: len([name for name in lab.policies(namespace) if re.fullmatch(old, name)]) == count)
    lab.patch("FargateProfile", "web", {"spec": after})
    collection = NETWORK_POLICIES.list_path(namespace)
    deletions = eventually(lambda: _all_of(asked.find(f"DELETE {collection}/{old}"), count))
    for deletion in deletions:
        which = re.search(r"(pod-\d+)\.web$", deletion.request)
        names = new.replace(r"\1", which[1] if which else "")
        answered = [write for write in asked.find(f"PATCH {collection}/{names}") if write.ended < deletion.began]
        assert len({write.request for write in answered if write.succeeded}) == (PODS if shared else 1)


def _all_of(writes: list[Write], count: int) -> list[Write]:
    return writes if len(writes) == count else []


@pytest.mark.usefixtures("_node")
def test_one_bound_holds_for_evictions_of_all_purposes(lab: Lab, start: StartOperator, asked: Interceptor) -> None:
    for namespace in ("wall-old", "wall-new"):
        lab.create_namespace(namespace)
    start(*BOUNDED, kubeconfig=lab.write_kubeconfig(asked.url))
    lab.create_profile("old", "wall-old")
    lab.becomes_active("old")
    create_pods(lab, "wall-old", 6)
    create_pods(lab, "wall-new", 6)
    lab.create_pod("wall-new", "bare")
    lab.create_profile("new", "wall-new", barePods="Recreate", paused=True)
    eventually(lambda: lab.status("new").get("rescheduling", {}).get("waiting") == 7)
    lab.delete("FargateProfile", "old")
    lab.patch("FargateProfile", "new", {"spec": {"paused": False}})
    evictions = eventually(lambda: _all_of([each for each in find_evictions(asked) if each.succeeded], 13))
    assert any(each.request.endswith("/bare/eviction") for each in evictions)
    gaps = [after.began - before.ended for before, after in pairwise(sorted(evictions, key=lambda each: each.began))]
    assert min(gaps) >= DISTANCE_SECONDS


def test_nothing_is_written_once_the_lease_is_released(lab: Lab, start: StartOperator, asked: Interceptor) -> None:
    """The operator is stopped in the middle of its work; the answer to its last request keeps it waiting."""
    lab.create_namespace("wall-lease")
    operator = start("--lease-seconds", "3600", kubeconfig=lab.write_kubeconfig(asked.url))
    lab.create_profile("web", "wall-lease")
    lab.becomes_active("web")
    policies = NETWORK_POLICIES.list_path("wall-lease")
    with asked.holding(lambda _, path: path.startswith(f"{policies}/pod-")):
        create_pods(lab, "wall-lease", 60)
        eventually(lambda: len(asked.find(f"PATCH {policies}/pod-.*")) >= 16)
        asked.stop_at(len(asked.seen), "after")
        operator.process.send_signal(signal.SIGTERM)
        assert asked.caught.wait(DEADLINE_SECONDS)
    assert operator.process.wait(timeout=60) == 0
    release, *again = asked.find("PUT .*/leases/monopod", lambda body: not body["spec"]["holderIdentity"])
    after = asked.writes[asked.writes.index(release) + 1 :]
    assert [write.request for write in after if write not in again] == []
    assert lab.lease_holder() == ""
