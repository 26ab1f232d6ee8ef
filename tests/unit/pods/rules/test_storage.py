from typing import Any

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, PROFILE_LABEL, STORAGE_ANNOTATION
from monopod.pods.rules.size import MAX_STORAGE_GIB, measure_need
from monopod.pods.rules.storage import LimitChange, StoragePlan, plan_storage
from tests.unit.builders import PodBuilder, a_pod

KEEP, SET, REMOVE = LimitChange.KEEP, LimitChange.SET, LimitChange.REMOVE


def plan(pod: PodBuilder) -> StoragePlan:
    manifest = pod.build()
    return plan_storage(manifest, measure_need(manifest))


@pytest.mark.parametrize(
    ("requested", "gib"),
    [
        ("0", 20),
        ("13Gi", 20),
        ("14Gi", 21),
        ("20Gi", 27),
        ("21Gi", 29),
        ("100Gi", 115),
        ("100.1Gi", 116),
        ("175Gi", 198),
    ],
)
def test_what_is_given_for_a_request(requested: str, gib: int) -> None:
    assert plan(a_pod().requesting(ephemeral_storage=requested)).gib == gib


def test_no_pod_that_can_run_is_given_more_than_the_200_gib_that_fargates_platform_offers() -> None:
    assert max(plan(a_pod().requesting(ephemeral_storage=f"{gib}Gi")).gib for gib in range(MAX_STORAGE_GIB + 1)) <= 200


def test_requests_add_up_as_kubernetes_adds_them() -> None:
    pod = a_pod().requesting(ephemeral_storage="40Gi").with_sidecar("s", ephemeral_storage="60Gi")
    assert plan(pod.with_init("i", ephemeral_storage="10Gi")).gib == 115


def limit(amount: str, request: str = "1Mi") -> dict[str, Any]:
    return {"limits": {"ephemeral-storage": amount}, "requests": {"ephemeral-storage": request}}


def containers(*resources: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": f"c{n}", "image": "c", "resources": each} for n, each in enumerate(resources)]


PLANS = {
    "no limits": (a_pod().with_container("b").with_sidecar("s").with_init("i"), (SET, KEEP), (KEEP, KEEP)),
    "a limit on each": (a_pod().with_spec(containers=containers(limit("5Gi"), limit("15Gi"))), (KEEP, KEEP), ()),
    "limits of more than there is": (
        a_pod().with_spec(containers=containers(limit("5Gi"), limit("15361Mi"))),
        (SET, REMOVE),
        (),
    ),
    "a first limit of all that there is": (
        a_pod().with_spec(containers=containers(limit("20480Mi"), limit("0"))),
        (SET, REMOVE),
        (),
    ),
    "a large limit": (a_pod().with_spec(containers=containers(limit("21Gi"))), (SET,), ()),
    "a limit on some": (a_pod().with_spec(containers=containers({}, limit("5Gi"))), (SET, REMOVE), ()),
    "a sidecar without a limit": (a_pod().limited_to(ephemeral_storage="1Gi").with_sidecar("s"), (SET,), (KEEP,)),
    "an init container without a limit": (
        a_pod().limited_to(ephemeral_storage="1Gi").with_init("i"),
        (KEEP,),
        (KEEP,),
    ),
    "an init container with a large limit": (
        a_pod().limited_to(ephemeral_storage="1Gi").with_spec(initContainers=containers(limit("21Gi"), limit("20Gi"))),
        (SET,),
        (SET, KEEP),
    ),
    "a sidecar with a limit beside a container without": (
        a_pod().with_spec(initContainers=[{**containers(limit("1Gi"))[0], "restartPolicy": "Always"}]),
        (SET,),
        (REMOVE,),
    ),
}


@pytest.mark.parametrize(("pod", "ordinary", "inits"), PLANS.values(), ids=PLANS)
def test_the_first_container_carries_the_bound_unless_each_has_one(
    pod: PodBuilder, ordinary: tuple[LimitChange, ...], inits: tuple[LimitChange, ...]
) -> None:
    assert plan(pod) == StoragePlan(20, ordinary, inits)


@pytest.mark.parametrize(
    ("annotation", "expected"), [("100Gi", (SET, REMOVE)), ("115Gi", (KEEP, KEEP)), ("x", (KEEP, KEEP))]
)
def test_a_limit_that_admission_wrote_is_no_wish_of_the_manifests(
    annotation: str, expected: tuple[LimitChange, ...]
) -> None:
    """A container that was added since must not be held to what the first one leaves."""
    pod = a_pod().with_spec(containers=containers(limit("100Gi", "90Gi"), limit("5Gi", "5Gi")))
    admitted = pod.labelled({PROFILE_LABEL: "web"}).annotated({CAPACITY_ANNOTATION: "", STORAGE_ANNOTATION: annotation})
    assert plan(admitted) == StoragePlan(110, expected, ())
