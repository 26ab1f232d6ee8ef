"""`kubectl fargate lint` and ECS task definitions: recognised, judged, priced, and told apart from manifests."""

import json
from pathlib import Path
from typing import Any

import pytest

from monopod.pods.rules.size import SIZE_TABLE
from monopod.tasks.rules.sizes import ROWS
from tests.project.repository import ROOT
from tests.unit.builders import a_pod, a_profile_resource
from tests.unit.cli.running import run, write_yaml
from tests.unit.tasks.definitions import ROLE, a_container, a_definition, with_container, with_containers

SAMPLES = ROOT / "manifests/samples/tasks"
WEB = a_profile_resource("web", {"namespace": "prod"})
PRIVILEGED = "containerDefinitions[0].privileged: Fargate requires that the 'privileged' setting be 'false'."
DESCRIBED = {
    "taskDefinitionArn": "arn:aws:ecs:us-east-1:012345678901:task-definition/web:7",
    "revision": 7,
    "status": "ACTIVE",
    "requiresAttributes": [{"name": "ecs.capability.task-eni"}],
    "compatibilities": ["EC2", "FARGATE"],
    "registeredAt": "2026-11-28T10:00:00+00:00",
    "registeredBy": "arn:aws:iam::012345678901:user/ann",
}


@pytest.fixture
def lint(tmp_path: Path) -> Any:
    def call(*documents: object, status: int = 0, options: tuple[str, ...] = ()) -> Any:
        path = write_yaml(tmp_path / "documents.yaml", *documents)
        result = run("lint", "-f", path, "-o", "json", *options)
        assert result.exit_code == status, result.output
        return json.loads(result.stdout)

    return call


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(a_definition(), id="as it is registered"),
        pytest.param({"taskDefinition": {**a_definition(), **DESCRIBED}, "tags": []}, id="as it is described"),
        pytest.param({**a_definition(), **DESCRIBED}, id="as a script cuts it out of that"),
        pytest.param({**a_definition(), **DESCRIBED, "tags": []}, id="as the console shows it"),
    ],
)
def test_a_task_definition_is_known_by_its_shape(lint: Any, document: object) -> None:
    (verdict,) = lint(document)["taskDefinitions"]
    assert (verdict["family"], verdict["outcome"], verdict["findings"]) == ("web", "Runs", [])


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"containerDefinitions": [a_container()]}, id="no family"),
        pytest.param({"family": "web", "cpu": "256"}, id="no containers"),
        pytest.param({"containerDefinitions": "[]"}, id="containers as text"),
        pytest.param({"family": None, "containerDefinitions": None}, id="nothing filled in"),
        pytest.param({"taskDefinition": {"family": 3}}, id="no family under a heading"),
    ],
)
def test_what_is_missing_is_a_finding_and_no_reason_not_to_know_it(lint: Any, document: object) -> None:
    (verdict,) = lint(document, status=1)["taskDefinitions"]
    assert verdict["outcome"] == "RefusedByFargate"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"family": "serif", "weight": 400}, id="another family"),
        pytest.param({"taskDefinition": "web:7", "cluster": "prod"}, id="a task to run"),
        pytest.param([a_container()], id="containers alone"),
        pytest.param({"name": "web", "version": "1.0.0"}, id="a package"),
        pytest.param({"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition"}}}, id="a template"),
    ],
)
def test_what_is_no_task_definition_is_no_kubernetes_object_either(lint: Any, document: object) -> None:
    report = lint(document, status=2)
    assert report["taskDefinitions"] == []
    assert "holds something that is no Kubernetes object: it has no kind" in report["problems"][0]


def test_a_kubernetes_object_is_never_taken_for_one(lint: Any) -> None:
    kind = {"apiVersion": "ecs.services.k8s.aws/v1alpha1", "kind": "TaskDefinition", **a_definition()}
    report = lint(kind, {**a_definition(), "kind": "Service"}, status=2)
    assert (report["taskDefinitions"], report["others"]) == ([], {"Service": 1, "TaskDefinition": 1})


def test_a_folder_may_hold_manifests_profiles_and_task_definitions(tmp_path: Path) -> None:
    pod = a_pod("shell").in_namespace("prod").build()
    write_yaml(tmp_path / "pod.yaml", pod)
    write_yaml(tmp_path / "profile.yaml", WEB)
    (tmp_path / "task.json").write_text(json.dumps(a_definition()))
    result = run("lint", "-f", str(tmp_path), "--profiles", str(tmp_path), "-o", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0, result.stderr
    assert [each["source"] for each in report["workloads"]] == ["Pod/shell"]
    assert [each["file"] for each in report["taskDefinitions"]] == [str(tmp_path / "task.json")]
    assert report["others"] == {"FargateProfile": 1}


def test_pods_need_profiles_and_task_definitions_do_not(lint: Any) -> None:
    report = lint(a_definition(), a_pod().build(), a_pod("other").build(), status=2)
    assert [each["outcome"] for each in report["taskDefinitions"]] == ["Runs"]
    assert report["problems"] == [
        "There are pods among the files: give --profiles FILE|DIR, by which it is decided where they run."
    ]


def test_explain_says_who_judges_task_definitions(tmp_path: Path) -> None:
    path, profiles = write_yaml(tmp_path / "task.yaml", a_definition()), write_yaml(tmp_path / "profiles.yaml", WEB)
    result = run("explain", "-f", path, "--profiles", profiles)
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: {path} holds no pod and no workload with a pod template. It holds ECS task definitions: "
        f"kubectl fargate lint -f {path} judges them.\n",
    )


def test_tags_beside_a_description_are_judged(lint: Any) -> None:
    report = lint({"taskDefinition": a_definition(), "tags": [{"key": "aws:x", "value": "y"}]}, status=1)
    assert [each["path"] for each in report["taskDefinitions"][0]["findings"]] == ["tags[0].key"]


@pytest.mark.parametrize(
    ("document", "outcome", "status"),
    [
        pytest.param(a_definition(), "Runs", 0, id="runs"),
        pytest.param(a_definition(taskRoleArn=ROLE), "Runs", 0, id="something to know"),
        pytest.param(with_container(user="www"), "UnavailableOnMonopod", 1, id="not on Monopod"),
        pytest.param(with_container(user="www", privileged=True), "RefusedByFargate", 1, id="both"),
    ],
)
def test_a_pipeline_fails_where_one_of_both_would_not_take_it(
    lint: Any, document: object, outcome: str, status: int
) -> None:
    assert lint(document, status=status)["taskDefinitions"][0]["outcome"] == outcome


def test_the_json_has_all_that_a_finding_is(lint: Any) -> None:
    (verdict,) = lint(with_container(privileged=True), status=1)["taskDefinitions"]
    assert verdict["findings"] == [
        {
            "path": "containerDefinitions[0].privileged",
            "rule": "PrivilegedUnsupported",
            "effect": "RefusedByFargate",
            "words": "AWS",
            "code": "ClientException",
            "message": "Fargate requires that the 'privileged' setting be 'false'.",
            "advice": "Leave privileged out: a task has a kernel of its own, and no rights on its host.",
        }
    ]


@pytest.mark.parametrize(
    ("fields", "capacity", "monthly"),
    [
        # 730 × (0.25 × 0.04048 + 0.5 × 0.004445)
        pytest.param({}, "0.25vCPU 0.5GB", 9.01, id="the smallest"),
        pytest.param({"cpu": "1 vCPU", "memory": "2GB"}, "1vCPU 2GB", 36.04, id="words"),
        pytest.param({"ephemeralStorage": {"sizeInGiB": 120}}, "0.25vCPU 0.5GB", 17.11, id="storage"),
        pytest.param({"runtimePlatform": {"cpuArchitecture": "ARM64"}}, "0.25vCPU 0.5GB", 7.2, id="ARM"),
        pytest.param({"cpu": "1024", "memory": "1024"}, None, None, id="no size"),
    ],
)
def test_a_task_costs_what_its_size_costs(
    tmp_path: Path, fields: dict[str, Any], capacity: str | None, monthly: float | None
) -> None:
    path = write_yaml(tmp_path / "task.yaml", a_definition(**fields))
    (verdict,) = json.loads(run("lint", "-f", path, "-o", "json").stdout)["taskDefinitions"]
    assert (verdict["capacity"], verdict["monthlyPrice"]) == (capacity, monthly)


def test_windows_and_architectures_without_a_price_have_none(lint: Any) -> None:
    windows = {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}
    report = lint(a_definition(cpu="1024", memory="2048", runtimePlatform=windows), status=1)
    assert report["taskDefinitions"][0]["monthlyPrice"] is None
    report = lint(a_definition(runtimePlatform={"cpuArchitecture": "ARM64"}), options=("--region", "eu-central-1"))
    assert report["taskDefinitions"][0]["monthlyPrice"] is None


def test_memory_that_no_container_can_use_is_told(lint: Any) -> None:
    report = lint(with_containers(a_container(memory=512), a_container("b", memory=256)) | {"memory": "2048"})
    assert report["taskDefinitions"][0]["smaller"] == {"capacity": "0.25vCPU 1GB", "monthlySaving": 3.24}
    open_ended = with_containers(a_container(memory=512), a_container("b")) | {"memory": "2048"}
    assert lint(open_ended)["taskDefinitions"][0]["smaller"] is None
    assert lint(with_container(memory=512))["taskDefinitions"][0]["smaller"] is None


@pytest.mark.parametrize("row", SIZE_TABLE, ids=str)
def test_every_size_of_fargates_is_taken_in_units_and_in_words(lint: Any, row: Any) -> None:
    units, gib = row.cpu_millis * 1024 // 1000, row.memory_mib / 1024
    in_words = a_definition(cpu=f"{row.cpu_millis / 1000:g} vCPU", memory=f"{gib:g} GB")
    for definition in (a_definition(cpu=str(units), memory=str(row.memory_mib)), in_words):
        (verdict,) = lint(definition)["taskDefinitions"]
        assert (verdict["capacity"], verdict["findings"]) == (str(row), [])
        assert verdict["size"] == {"cpuUnits": units, "memoryMiB": row.memory_mib}


def test_there_are_as_many_sizes_as_fargate_has() -> None:
    assert sum(map(len, ROWS.values())) == len(SIZE_TABLE) + 3


def test_the_samples_are_judged_as_the_how_to_says() -> None:
    result = run("lint", "-f", str(SAMPLES), "-o", "json")
    agent, web = json.loads(result.stdout)["taskDefinitions"]
    assert result.exit_code == 1
    assert (web["outcome"], web["findings"], web["capacity"]) == ("Runs", [], "0.5vCPU 2GB")
    counts = {
        effect: sum(each["effect"] == effect for each in agent["findings"])
        for effect in ("RefusedByFargate", "UnavailableOnMonopod", "Note")
    }
    assert (agent["outcome"], counts) == (
        "RefusedByFargate",
        {"RefusedByFargate": 7, "UnavailableOnMonopod": 1, "Note": 2},
    )


def test_the_text_tells_fargates_findings_from_monopods(tmp_path: Path) -> None:
    definition = with_container(user="www", privileged=True) | {"taskRoleArn": ROLE}
    path = write_yaml(tmp_path / "t.yaml", definition, a_definition(family="other"))
    result = run("lint", "-f", path)
    assert result.exit_code == 1
    assert [" ".join(line.split()) for line in result.stdout.splitlines()] == [
        "task definition size per month",
        "web 0.25vCPU 0.5GB 9.01 Fargate refuses it: 1 finding, and 1 that Monopod can't do",
        "other 0.25vCPU 0.5GB 9.01 would run",
        "",
        "web, Fargate refuses it:",
        f"{PRIVILEGED} (ClientException)",
        "Leave privileged out: a task has a kernel of its own, and no rights on its host.",
        "",
        "web, Fargate takes it, and Monopod can't run it:",
        "containerDefinitions[0].user: Kubernetes knows users by number only, up to 2147483647: 'www' is none.",
        'Write "user": "UID" or "UID:GID".',
        "",
        "web, to know:",
        "taskRoleArn: The task gets no credentials of its role: Monopod doesn't talk to AWS.",
        "What calls AWS needs keys from a secret.",
        "",
        "2 task definitions: 1 would run, 1 refused by Fargate, 0 only by Monopod.",
        "USD for one task in a month of 730 hours (us-east-1, on demand).",
    ]


def test_workloads_and_task_definitions_are_told_one_after_the_other(tmp_path: Path) -> None:
    path = write_yaml(tmp_path / "all.yaml", a_pod("shell").in_namespace("prod").build(), a_definition())
    result = run("lint", "-f", path, "--profiles", write_yaml(tmp_path / "profiles.yaml", WEB))
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "1 workload: 1 on Fargate, 0 outside, 0 would not run." in lines
    assert lines.index("1 task definition: 1 would run, 0 refused by Fargate, 0 only by Monopod.") > lines.index(
        "1 workload: 1 on Fargate, 0 outside, 0 would not run."
    )
