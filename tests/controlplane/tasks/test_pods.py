"""The API server and the admission policies take the pod of a task as it is, at exactly the task's size."""

import json
from dataclasses import replace
from typing import Any

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, PROFILE_LABEL, STORAGE_ANNOTATION, UNSUPPORTED_ANNOTATION
from monopod.pods.rules.size import SIZE_TABLE
from monopod.tasks.rules.pod.pod import build_pod
from tests.controlplane.reach import reach
from tests.controlplane.server import Manifest, Server
from tests.project.repository import ROOT
from tests.unit.tasks.definitions import a_definition, with_container
from tests.unit.tasks.made import PROFILE, SETTINGS, make_all

SAMPLE = json.loads((ROOT / "manifests/samples/tasks/web.json").read_text())
NAMESPACE = "ecs-admitted"
IN_CLUSTER = replace(SETTINGS, namespace=NAMESPACE)


@pytest.fixture(scope="module", autouse=True)
def cluster(server: Server) -> None:
    reach(server, NAMESPACE, [PROFILE])


def admit(server: Server, definition: Any) -> Manifest:
    """The pod as the API server would store it."""
    admitted = server.create_pod(NAMESPACE, build_pod(definition, IN_CLUSTER)).expect_ok()
    assert PROFILE_LABEL in admitted["metadata"]["labels"]
    assert UNSUPPORTED_ANNOTATION not in admitted["metadata"]["annotations"]
    return admitted


def get_size(pod: Manifest) -> tuple[str, str]:
    annotations = pod["metadata"]["annotations"]
    return annotations[CAPACITY_ANNOTATION], annotations[STORAGE_ANNOTATION]


def test_the_sample_has_its_size(server: Server) -> None:
    pod = admit(server, SAMPLE)
    assert get_size(pod) == ("0.5vCPU 2GB", "20Gi")
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["migrate"]


@pytest.mark.parametrize("row", SIZE_TABLE, ids=str)
def test_every_size_is_what_is_provisioned(server: Server, row: Any) -> None:
    definition = a_definition(cpu=str(row.cpu_millis * 1024 // 1000), memory=str(row.memory_mib))
    assert get_size(admit(server, definition)) == (str(row), "20Gi")


@pytest.mark.parametrize("gib", [21, 22, 100, 197, 198])
def test_ephemeral_storage_is_what_is_provisioned(server: Server, gib: int) -> None:
    assert get_size(admit(server, a_definition(ephemeralStorage={"sizeInGiB": gib})))[1] == f"{gib}Gi"


def test_restarts_by_exit_code_are_stored(server: Server) -> None:
    restarts = {"enabled": True, "ignoredExitCodes": [0, 7]}
    (container,) = admit(server, with_container(restartPolicy=restarts))["spec"]["containers"]
    assert container["restartPolicyRules"] == [
        {"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [0, 7]}}
    ]


def test_the_pods_of_any_tasks_are_taken_and_keep_what_they_say(server: Server) -> None:
    definitions = make_all(range(1000, 1150))
    assert len(definitions) > 30
    for definition in definitions:
        sent, stored = build_pod(definition, IN_CLUSTER), admit(server, definition)
        gib = definition.get("ephemeralStorage", {"sizeInGiB": 20})["sizeInGiB"]
        cpu, memory = int(definition["cpu"]) / 1024, int(definition["memory"]) / 1024
        assert get_size(stored) == (f"{cpu:.10g}vCPU {memory:.10g}GB", f"{gib}Gi")
        for field in ("initContainers", "containers"):
            for ours, theirs in zip(sent["spec"].get(field, []), stored["spec"].get(field, []), strict=True):
                assert {key: theirs.get(key) for key in ours if key not in ("resources", "ports")} == {
                    key: value if key not in ("readinessProbe", "startupProbe") else theirs[key] | value
                    for key, value in ours.items()
                    if key not in ("resources", "ports")
                }
