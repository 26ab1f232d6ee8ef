"""Whatever a task definition says that nothing is against: the API server takes its pod, at exactly the task's size."""

import pytest

from monopod.cli.input.schema.kubernetes import compute_faults
from monopod.pods.rules.decision import Sandboxed, decide
from monopod.pods.rules.storage import provision_gib
from monopod.tasks.rules.order import Order, Role, compute_order, name_of
from monopod.tasks.rules.pod.names import name_in_pod
from monopod.tasks.rules.pod.pod import build_pod
from monopod.tasks.rules.view import View
from tests.unit.tasks.made import PROFILE, SETTINGS, make_all


@pytest.mark.parametrize("part", range(4))
def test_the_pod_of_any_task_is_taken_and_has_its_size(part: int) -> None:
    definitions = make_all(range(part * 60, (part + 1) * 60))
    assert len(definitions) > 10
    for definition in definitions:
        pod = build_pod(definition, SETTINGS)
        assert compute_faults(pod) == [], definition
        decision = decide(pod, "ecs-prod", [PROFILE])
        assert isinstance(decision, Sandboxed), (definition, decision)
        row = decision.size.row
        assert (row.cpu_millis * 1024 // 1000, row.memory_mib) == (int(definition["cpu"]), int(definition["memory"]))
        assert provision_gib(decision.size.need) == definition.get("ephemeralStorage", {"sizeInGiB": 20})["sizeInGiB"]


def test_whatever_a_container_waits_for_comes_first() -> None:
    """In the pod's own order: init containers one after the other, then the ordinary ones."""
    for definition in make_all(range(300, 450)):
        spec = build_pod(definition, SETTINGS)["spec"]
        place = {
            each["name"]: index for index, each in enumerate([*spec.get("initContainers", []), *spec["containers"]])
        }
        inits = {each["name"]: each for each in spec.get("initContainers", [])}
        assert len(place) == len(definition["containerDefinitions"])
        for container in definition["containerDefinitions"]:
            for dependency in container.get("dependsOn", []):
                target, waiting = name_in_pod(dependency["containerName"]), name_in_pod(container["name"])
                assert place[target] < place[waiting]
                match dependency["condition"]:
                    case "SUCCESS" | "COMPLETE":
                        assert inits[target].get("restartPolicy") is None
                    case "HEALTHY":
                        assert "startupProbe" in inits[target]
                    case _:
                        assert target in inits or waiting not in inits


def test_no_container_is_restarted_that_need_not_be_a_sidecar() -> None:
    for definition in make_all(range(500, 600)):
        root = View(definition)
        order = compute_order(root)
        assert isinstance(order, Order)
        needed = {
            name
            for place in order.places
            if place.role is Role.JOB or place.must_be_healthy
            for name in (*order.before[name_of(place.container)], name_of(place.container))
        }
        assert {name_of(place.container) for place in order.get(Role.SIDECAR, Role.JOB)} == needed
