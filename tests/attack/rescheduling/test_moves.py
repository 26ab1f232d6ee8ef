"""One tenant's trouble keeps nobody else's pods, profiles or deletions waiting."""

from collections.abc import Callable

import pytest

from tests.attack.conftest import CreateProfile
from tests.attack.people import Person
from tests.attack.selectors.test_namespaces import fill
from tests.controlplane.operating.bare_pods.scene import HOLD, find_pod, let_go, run_pod
from tests.controlplane.operating.lab import Lab, eventually
from tests.controlplane.operating.moving import marks, protect, rescheduled, run_workload, uids

Trouble = Callable[[Lab, Person, Person, str], None]


def refuse_policies(lab: Lab, nina: Person, oscar: Person, namespace: str) -> None:
    """A quota that allows no NetworkPolicy, by which the default-deny policy can't be written."""
    hard = {"count/networkpolicies.networking.k8s.io": "0"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "np"}, "spec": {"hard": hard}}
    oscar.create(f"/api/v1/namespaces/{namespace}/resourcequotas", quota).expect_ok()
    eventually(lambda: (lab.get("ResourceQuota", "np", namespace) or {}).get("status", {}).get("used"))


def leave_no_room(lab: Lab, nina: Person, oscar: Person, namespace: str) -> None:
    """Annotations that leave no room for the profiles."""
    fill(nina, lab, namespace)


TROUBLES: dict[str, Trouble] = {"a quota": refuse_policies, "annotations": leave_no_room}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_the_trouble_of_a_namespace_stops_no_move_elsewhere(
    lab: Lab, nina: Person, oscar: Person, namespace: str, profiles: CreateProfile, trouble: Trouble
) -> None:
    other = f"{namespace}-other"
    lab.create_namespace(other)
    for name in (namespace, other):
        run_workload(lab, "Deployment", name, 2)
    before = uids(lab, namespace)
    trouble(lab, nina, oscar, namespace)
    profile = profiles(f"moves-{namespace}", namespace, other)
    eventually(lambda: marks(lab, other) == {profile})
    eventually(lambda: rescheduled(lab, profile) == "Blocked")
    held = f"nothing is moved in namespace {namespace}"
    eventually(lambda: held in lab.condition(profile, "Rescheduled")["message"])
    eventually(lambda: lab.condition(profile, "Ready").get("status") == "True")
    eventually(lambda: lab.condition(profile, "Published").get("reason") == "PublishFailed")
    assert uids(lab, namespace) == before
    late = profiles(f"late-{namespace}", f"{namespace}-late")
    lab.becomes_active(late)
    for name in (namespace, other):
        lab.delete("Deployment", "web", name)


def test_a_deletion_that_a_tenant_holds_keeps_no_profile_waiting_that_has_nothing_to_do_with_it(
    lab: Lab, namespace: str, profiles: CreateProfile
) -> None:
    held = f"held-{namespace}"
    lab.create_profile(held, namespace)
    lab.becomes_active(held)
    run_pod(lab, namespace, "toolbox", hold=True)
    protect(lab, namespace, 1, app="toolbox")
    lab.delete("FargateProfile", held)
    eventually(lambda: lab.phase(held) == "DELETING")
    overlapping = profiles(f"overlaps-{namespace}", f"{namespace}*")
    other = profiles(f"apart-{namespace}", f"apart-{namespace}")
    lab.becomes_active(other)
    # Else its pods would be evicted into a profile that is new.
    eventually(lambda: lab.reason(overlapping) == "WaitsForDeletion")
    assert lab.phase(held) == "DELETING"

    lab.delete("PodDisruptionBudget", "keep", namespace)
    eventually(lambda: "deletionTimestamp" in find_pod(lab, namespace)["metadata"])
    assert find_pod(lab, namespace)["metadata"]["finalizers"] == [HOLD]
    let_go(lab, namespace)
    eventually(lambda: lab.is_gone(held))
    lab.becomes_active(overlapping)
