"""`kubectl fargate lint`: verdicts, prices, exit statuses, and input that can't be read."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from monopod.api.names import COMPUTE_TYPE, EKS_PROFILE_LABEL
from tests.unit.builders import PodBuilder, a_pod, a_profile_resource
from tests.unit.cli.running import run, write_yaml

WEB = a_profile_resource("web", {"namespace": "prod*", "labels": {"tier": "web"}})
SMALLEST = 0.0123425
VERSIONS = {"Job": "batch/v1", "CronJob": "batch/v1", "PodTemplate": "v1", "ReplicationController": "v1"}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}


@pytest.fixture
def profiles(tmp_path: Path) -> str:
    return write_yaml(tmp_path / "profiles.yaml", WEB)


def a_workload(kind: str, pod: PodBuilder | None = None, **spec: object) -> dict[str, Any]:
    template = (pod or a_pod().labelled(tier="web")).build()
    labels = template["metadata"].setdefault("labels", {"app": "x"})
    metadata = {key: value for key, value in template["metadata"].items() if key != "name"}
    body: dict[str, Any] = {"template": {"metadata": metadata, "spec": {**template["spec"]}}, **spec}
    version = VERSIONS.get(kind, "apps/v1")
    if version == "batch/v1":
        body["template"]["spec"]["restartPolicy"] = "Never"
    if version == "apps/v1":
        body["selector"] = {"matchLabels": labels}
    if kind == "StatefulSet":
        body["serviceName"] = "x"
    if kind == "CronJob":
        body = {"schedule": "@daily", "jobTemplate": {"spec": body}}
    top = {"template": body["template"]} if kind == "PodTemplate" else {"spec": body}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "prod"}, **top}


def lint(tmp_path: Path, profiles: str, *documents: object, status: int = 0) -> Any:
    path = write_yaml(tmp_path / "manifests.yaml", *documents)
    result = run("lint", "-f", path, "--profiles", profiles, "-o", "json")
    assert result.exit_code == status, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("workload", "replicas", "total"),
    [
        pytest.param(a_workload("Deployment"), 1, SMALLEST, id="Deployment without replicas"),
        pytest.param(a_workload("Deployment", replicas=3), 3, 3 * SMALLEST, id="Deployment"),
        pytest.param(a_workload("Deployment", replicas=0), 0, 0, id="Deployment of none"),
        pytest.param(a_workload("StatefulSet", replicas=2), 2, 2 * SMALLEST, id="StatefulSet"),
        pytest.param(a_workload("ReplicaSet", replicas=2), 2, 2 * SMALLEST, id="ReplicaSet"),
        pytest.param(a_workload("ReplicationController", replicas=2), 2, 2 * SMALLEST, id="ReplicationController"),
        pytest.param(a_workload("Job", parallelism=4), 4, 4 * SMALLEST, id="Job"),
        pytest.param(a_workload("Job", parallelism=4, completions=2), 2, 2 * SMALLEST, id="Job with fewer to do"),
        pytest.param(a_workload("Job", completions=5), 1, SMALLEST, id="Job one by one"),
        pytest.param(a_workload("CronJob", parallelism=2), 2, 2 * SMALLEST, id="CronJob"),
        pytest.param(a_workload("PodTemplate"), None, None, id="PodTemplate"),
        pytest.param(a_pod("x").labelled(tier="web").in_namespace("prod").build(), 1, SMALLEST, id="Pod"),
    ],
)
def test_every_kind_is_counted_and_priced(
    tmp_path: Path, profiles: str, workload: dict[str, Any], replicas: int | None, total: float | None
) -> None:
    (verdict,) = lint(tmp_path, profiles, workload)["workloads"]
    assert (verdict["source"], verdict["decision"]) == (f"{workload['kind']}/x", "Sandboxed")
    assert (verdict["capacity"], verdict["replicas"]) == ("0.25vCPU 0.5GB", replicas)
    assert verdict["hourlyPrice"]["each"] == SMALLEST
    assert verdict["hourlyPrice"]["total"] == (None if total is None else pytest.approx(total))


def test_storage_beyond_the_free_part_costs_more(tmp_path: Path, profiles: str) -> None:
    pod = a_pod().labelled(tier="web").requesting(ephemeral_storage="30Gi")
    (verdict,) = lint(tmp_path, profiles, a_workload("Deployment", pod))["workloads"]
    # 38 GiB are provisioned for 30 requested; 20 are free.
    assert verdict["hourlyPrice"]["each"] == pytest.approx(SMALLEST + 18 * 0.000111)


def test_a_daemon_set_is_outside_and_fails_nothing(tmp_path: Path, profiles: str) -> None:
    report = lint(tmp_path, profiles, a_workload("DaemonSet"))
    (verdict,) = report["workloads"]
    assert (verdict["decision"], verdict["reason"], verdict["hourlyPrice"]) == ("Skipped", "DaemonSetPod", None)
    assert report["summary"] == {"onFargate": 0, "outside": 1, "unsupported": 0, "wasteful": 0, "hourlyPrice": 0}


def test_pods_that_no_profile_takes_are_outside_and_fail_nothing(tmp_path: Path, profiles: str) -> None:
    report = lint(tmp_path, profiles, a_workload("Deployment", a_pod().with_spec(hostNetwork=True)))
    assert [verdict["decision"] for verdict in report["workloads"]] == ["Unmatched"]


def test_what_fargate_cannot_run_ends_with_status_1(tmp_path: Path, profiles: str) -> None:
    pod = a_pod().labelled(tier="web").with_spec(hostNetwork=True)
    report = lint(tmp_path, profiles, a_workload("Deployment", pod), a_workload("Deployment"), status=1)
    assert report["workloads"][0]["unsupported"] == ["fields not supported: HostNetwork"]
    assert report["workloads"][0]["hourlyPrice"] is None
    summary = {"onFargate": 1, "outside": 0, "unsupported": 1, "wasteful": 0, "hourlyPrice": SMALLEST}
    assert report["summary"] == summary


def test_a_capability_is_fine_where_the_profile_of_the_file_allows_it(tmp_path: Path, profiles: str) -> None:
    workload = a_workload("Deployment", a_pod().labelled(tier="web").adding_capabilities("IPC_LOCK"))
    (verdict,) = lint(tmp_path, profiles, workload, status=1)["workloads"]
    assert verdict["unsupported"] == ["invalid SecurityContext fields: Capabilities added: IPC_LOCK"]
    allowing = {**WEB, "spec": {**WEB["spec"], "allowedCapabilities": ["IPC_LOCK"]}}
    (verdict,) = lint(tmp_path, write_yaml(tmp_path / "allowing.yaml", allowing), workload)["workloads"]
    assert verdict["decision"] == "Sandboxed"


def test_volumes_of_claim_templates_are_supported_and_replace_those_of_the_template(
    tmp_path: Path, profiles: str
) -> None:
    pod = a_pod().labelled(tier="web").with_volume("data", hostPath={"path": "/"}).with_volume("tmp", emptyDir={})
    claims = [{"metadata": {"name": "data"}, "spec": {}}]
    (verdict,) = lint(tmp_path, profiles, a_workload("StatefulSet", pod, volumeClaimTemplates=claims))["workloads"]
    assert verdict["decision"] == "Sandboxed"


def test_other_kinds_are_counted(tmp_path: Path, profiles: str) -> None:
    rollout = {**a_workload("Deployment"), "kind": "Rollout"}
    report = lint(tmp_path, profiles, SERVICE, a_workload("Deployment"), SERVICE, rollout, None)
    assert report["others"] == {"Rollout": 1, "Service": 2}


def test_lists_and_several_documents_are_unfolded(tmp_path: Path, profiles: str) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [a_workload("Deployment"), a_workload("Job"), SERVICE]}
    report = lint(tmp_path, profiles, listed, a_workload("CronJob"))
    assert [verdict["source"] for verdict in report["workloads"]] == ["Deployment/x", "Job/x", "CronJob/x"]


def test_a_folder_is_read_with_all_below_it(tmp_path: Path, profiles: str) -> None:
    folder = tmp_path / "deploy"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    write_yaml(folder / "b.yml", a_workload("Deployment"))
    write_yaml(folder / "sub/a.yaml", a_workload("Job"))
    (folder / "c.json").write_text(json.dumps(SERVICE))
    for passed_over in ("kustomization.yaml", ".git/d.yaml", "README.md", ".hidden.yaml"):
        (folder / passed_over).write_text("resources: []")
    result = run("lint", "-f", str(folder), "--profiles", profiles)
    assert result.exit_code == 0, result.stderr
    head, first, second = (line.split() for line in result.stdout.splitlines()[:3])
    assert head[-1] == "file"
    assert (first[0], first[-1]) == ("Deployment/x", f"{folder}/b.yml")
    assert (second[0], second[-1]) == ("Job/x", f"{folder}/sub/a.yaml")


def test_profiles_may_be_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    write_yaml(folder / "namespace.yaml", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}})
    write_yaml(folder / "web.yaml", WEB)
    assert lint(tmp_path, str(folder), a_workload("Job"))["workloads"][0]["profile"] == "web"


def test_the_namespace_option_is_for_objects_that_name_none(tmp_path: Path, profiles: str) -> None:
    first, second = a_pod("x").labelled(tier="web"), a_pod("y").labelled(tier="web").in_namespace("other")
    path = write_yaml(tmp_path / "pods.yaml", first.build(), second.build())
    result = run("lint", "-f", path, "--profiles", profiles, "-n", "prod", "-o", "json")
    found = [(verdict["namespace"], verdict["decision"]) for verdict in json.loads(result.stdout)["workloads"]]
    assert found == [("prod", "Sandboxed"), ("other", "Unmatched")]


def test_the_text_has_a_line_per_workload_and_a_summary(tmp_path: Path, profiles: str) -> None:
    path = write_yaml(
        tmp_path / "m.yaml",
        a_workload("Deployment", replicas=2),
        a_workload("Job", a_pod().labelled(tier="web").requesting(cpu="17")),
        a_workload("DaemonSet"),
        SERVICE,
    )
    result = run("lint", "-f", path, "--profiles", profiles, "--arch", "arm")
    assert result.exit_code == 1
    assert [" ".join(line.split()) for line in result.stdout.splitlines()] == [
        "workload namespace pods profile size per hour",
        "Deployment/x prod 2 web 0.25vCPU 0.5GB 0.01975 runs on Fargate",
        "Job/x prod 1 web would stay Pending: Pod not supported on Fargate: "
        "requests exceed the largest size: 16vCPU 120GB",
        "DaemonSet/x prod – web outside Fargate: The pod belongs to a DaemonSet, and DaemonSets don't run on Fargate",
        "",
        "3 workloads: 1 on Fargate, 1 outside, 1 would not run.",
        "USD 0.01975 per hour while all of these pods run (us-east-1, arm, on demand).",
        "Passed over, as they hold no pods that are known here: 1 Service.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "stdin: there is nothing in it: no Kubernetes object at all.", id="empty"),
        pytest.param("# nothing\n---\n---\n", "stdin: there is nothing in it: no Kubernetes object at all.", id="rem"),
        pytest.param("a: [", "stdin is not valid YAML: did not find expected node content in line 2", id="bad YAML"),
        pytest.param("{{ .Values.x }}: 1", "stdin is not valid YAML: ", id="a template"),
        pytest.param("just text", "stdin holds something that is no Kubernetes object: it has no kind.", id="text"),
        pytest.param(
            "{kind: Service}\n---\n{kind: Role}\n---\n{kind: Role}",
            "stdin: no pod and no workload in it, only other kinds: 2 Role, 1 Service.",
            id="other kinds alone",
        ),
        pytest.param("{kind: Deployment}", "stdin: Deployment: spec.template is missing.", id="no template"),
        pytest.param(
            "{kind: Deployment, spec: {replicas: two, template: {spec: {}}}}",
            "stdin: Deployment: spec.replicas: must be a whole number, not a string",
            id="no number",
        ),
        pytest.param(
            "{apiVersion: v1, kind: Pod, metadata: {namespace: prod, name: x}, spec: 1}",
            "stdin: Pod/x: spec: must be a mapping, not a number",
            id="no pod",
        ),
        pytest.param(
            "{kind: StatefulSet, spec: {template: {spec: {}}, volumeClaimTemplates: 1}}",
            "stdin: StatefulSet: spec.volumeClaimTemplates: must be a list, not a number",
            id="no claims",
        ),
    ],
)
def test_what_cannot_be_read_ends_with_status_2_and_says_why(profiles: str, text: str, message: str) -> None:
    result = run("lint", "-f", "-", "--profiles", profiles, stdin=text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {message}")


def test_a_file_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path, profiles: str) -> None:
    good = write_yaml(
        tmp_path / "good.yaml", a_workload("Deployment", a_pod().labelled(tier="web").secured(privileged=True))
    )
    result = run("lint", "-f", str(tmp_path / "nowhere.yaml"), "-f", good, "--profiles", profiles)
    assert result.exit_code == 2
    assert "would stay Pending" in result.stdout
    assert result.stderr == f"Error: {tmp_path}/nowhere.yaml: No such file or directory\n"


def test_an_object_that_cannot_be_read_does_not_hide_the_others_of_its_file(tmp_path: Path, profiles: str) -> None:
    bad = a_workload("Deployment", replicas="two")
    report = lint(tmp_path, profiles, bad, a_workload("Job"), {"a": 1}, a_workload("ReplicaSet"), status=2)
    assert [verdict["source"] for verdict in report["workloads"]] == ["Job/x", "ReplicaSet/x"]
    assert [problem.partition("manifests.yaml")[2] for problem in report["problems"]] == [
        ": Deployment/x: spec.replicas: must be a whole number, not a string",
        " holds something that is no Kubernetes object: it has no kind.",
    ]


def test_a_folder_without_manifests_ends_with_status_2(tmp_path: Path, profiles: str) -> None:
    (tmp_path / "empty").mkdir()
    result = run("lint", "-f", str(tmp_path / "empty"), "--profiles", profiles)
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: {tmp_path}/empty holds no file named *.yaml, *.yml or *.json.\n",
    )


def test_a_field_is_named_by_its_path_in_the_object(tmp_path: Path, profiles: str) -> None:
    document = a_workload("CronJob", a_pod().labelled(tier="web"))
    document["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]["n"] = 1
    (problem,) = lint(tmp_path, profiles, document, status=2)["problems"]
    path = "spec.jobTemplate.spec.template.metadata.labels.n"
    assert problem.endswith(f": CronJob/x: {path}: must be a string, not a number")


def test_a_file_counts_once_even_where_its_folder_is_named_too(tmp_path: Path, profiles: str) -> None:
    (tmp_path / "deploy").mkdir()
    path = write_yaml(tmp_path / "deploy" / "web.yaml", a_workload("Deployment"))
    result = run("lint", "-f", path, "-f", str(tmp_path / "deploy"), "-f", path, "--profiles", profiles, "-o", "json")
    assert json.loads(result.stdout)["summary"]["onFargate"] == 1


@pytest.mark.parametrize("command", ["lint", "explain"])
def test_profiles_from_a_pipe_bring_their_group_policies_along(tmp_path: Path, command: str) -> None:
    policy = {
        "apiVersion": "vpcresources.k8s.aws/v1beta1",
        "kind": "SecurityGroupPolicy",
        "metadata": {"name": "db", "namespace": "prod"},
        "spec": {"podSelector": {}, "securityGroups": {"groupIds": ["db"]}},
    }
    path = write_yaml(tmp_path / "pods.yaml", a_workload("Deployment"))
    piped = yaml.safe_dump_all([WEB, policy])
    result = run(command, "-f", path, "--profiles", "-", "-o", "json", stdin=piped)
    (verdict,) = next(iter(json.loads(result.stdout).values()))
    assert verdict["securityGroups"]["names"] == ["db"]


@pytest.mark.parametrize("command", ["lint", "explain"])
def test_stdin_is_either_the_manifests_or_the_profiles(command: str) -> None:
    result = run(command, "-f", "-", "--profiles", "-", stdin="")
    assert result.exit_code == 2
    assert "stdin can be read once" in result.stderr


@pytest.mark.parametrize("command", ["lint", "explain"])
def test_the_name_of_a_file_that_a_script_leaves_empty_is_no_folder(profiles: str, command: str) -> None:
    result = run(command, "-f", "", "--profiles", profiles)
    assert result.exit_code == 2
    assert "Invalid value for '-f' / '--filename': The name is empty." in result.stderr


def test_two_profiles_of_one_name_end_with_status_2(tmp_path: Path) -> None:
    result = run("lint", "-f", "-", "--profiles", write_yaml(tmp_path / "p.yaml", WEB, WEB), stdin="")
    assert (result.exit_code, result.stderr) == (2, "Error: FargateProfile web is there 2 times.\n")


def test_an_unknown_region_ends_with_status_2(profiles: str) -> None:
    result = run("lint", "-f", "-", "--profiles", profiles, "--region", "mars-1", stdin="")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: There is no price book 'mars-1', only ap-northeast-1, ")


def test_an_architecture_without_a_price_ends_with_status_2(profiles: str) -> None:
    result = run("lint", "-f", "-", "--profiles", profiles, "--region", "eu-central-1", "--arch", "arm", stdin="")
    assert (result.exit_code, result.stderr) == (2, "Error: The price book eu-central-1 has no price for arm.\n")


@pytest.mark.parametrize("arguments", [["-f", "-"], ["--profiles", "x"]])
def test_manifests_and_profiles_must_be_given(arguments: list[str]) -> None:
    assert run("lint", *arguments).exit_code == 2


def test_profiles_that_never_win_are_noted(tmp_path: Path) -> None:
    path = write_yaml(
        tmp_path / "p.yaml", WEB, a_profile_resource("zeta", {"namespace": "prod", "labels": {"tier": "web"}})
    )
    result = run("lint", "-f", "-", "--profiles", path, stdin=json.dumps(a_workload("Job")))
    assert result.exit_code == 0
    assert result.stderr.startswith("Note: profile zeta: profile web comes first by name and matches every pod")


def test_a_pod_that_opts_out_in_vain_would_be_refused(tmp_path: Path) -> None:
    profiles = write_yaml(tmp_path / "strict.yaml", {**WEB, "spec": {**WEB["spec"], "optOut": "Refuse"}})
    pod = a_pod().labelled(tier="web").with_spec(schedulerName="volcano")
    path = write_yaml(tmp_path / "manifests.yaml", a_workload("Deployment", pod))
    result = run("lint", "-f", path, "--profiles", profiles)
    assert result.exit_code == 1
    assert "would be refused: Pods of Fargate profile web must not opt out of it (optOut: Refuse)" in result.stdout


def test_a_profile_that_selects_by_the_label_of_its_own_name_is_no_profile(tmp_path: Path) -> None:
    selector = {"namespace": "prod", "labels": {EKS_PROFILE_LABEL: "web"}}
    profiles = write_yaml(tmp_path / "pinned.yaml", a_profile_resource("web", selector))
    path = write_yaml(tmp_path / "manifests.yaml", a_workload("Deployment"))
    for command in (["lint", "-f", path], ["explain", "-f", path]):
        result = run(*command, "--profiles", profiles)
        assert result.exit_code == 2
        assert f"no pod would match: selectors don't see the label {EKS_PROFILE_LABEL}" in result.stderr


def test_a_pod_that_rules_fargate_out_would_stay_pending(tmp_path: Path, profiles: str) -> None:
    pod = a_pod().labelled(tier="web").with_spec(nodeSelector={COMPUTE_TYPE: "ec2"})
    path = write_yaml(tmp_path / "manifests.yaml", a_workload("Deployment", pod))
    result = run("lint", "-f", path, "--profiles", profiles)
    assert result.exit_code == 1
    assert "would stay Pending: MatchNodeSelector failed: Fargate profile web cannot satisfy" in result.stdout


def test_a_pod_beyond_the_bounds_would_be_refused_and_explain_says_the_same(tmp_path: Path, profiles: str) -> None:
    pod = a_pod("large").in_namespace("prod").annotated({f"note-{number}": "x" for number in range(101)})
    path = write_yaml(tmp_path / "manifests.yaml", pod.build())
    words = "metadata.annotations has 101 annotations; a pod may have at most 100 in a namespace that a Fargate profile"
    result = run("lint", "-f", path, "--profiles", profiles)
    assert result.exit_code == 1
    assert f"would be refused: {words} reaches." in result.stdout
    assert f"refused. {words} reaches." in run("explain", "-f", path, "--profiles", profiles).stdout


def test_pod_level_resources_below_the_containers_are_an_error_where_no_profile_writes_over_them(
    tmp_path: Path, profiles: str
) -> None:
    def a_small_pod(**labels: str) -> dict[str, Any]:
        pod = a_pod("small").in_namespace("prod").labelled(labels).requesting(cpu="1")
        return pod.with_pod_level(requests={"cpu": "500m"}).build()

    lint(tmp_path, profiles, a_small_pod(tier="web"))
    path = write_yaml(tmp_path / "manifests.yaml", a_small_pod())
    result = run("lint", "-f", path, "--profiles", profiles)
    assert (result.exit_code, result.stderr) == (
        2,
        f'Error: {path}: Pod/small: spec.resources.requests[cpu]: Invalid value: "500m": must be greater than or equal '
        "to aggregate container requests\n",
    )
