import json
from pathlib import Path
from typing import Any

import pytest

from monopod.cli.failure import UnreadableInput
from monopod.cli.input.documents import read_documents
from monopod.cli.input.manifests import Subject, find_subjects, sort_documents
from monopod.pods.rules.exemptions import Skip, compute_skip
from tests.unit.builders import a_pod, a_profile_resource
from tests.unit.cli.running import explain_json, run, write_yaml

TEMPLATE: dict[str, Any] = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "app"}]}}


METADATA = {"name": "web", "namespace": "prod"}
SELECTOR: dict[str, Any] = {"matchLabels": {"app": "x"}}
ENDING = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
CRON_SPEC = {"schedule": "@daily", "jobTemplate": {"spec": {"template": ENDING}}}


def workload(kind: str, spec: object, name: str = "web", version: str = "apps/v1") -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {**METADATA, "name": name}, "spec": spec}


def an_apps_workload(kind: str) -> dict[str, Any]:
    named = {"serviceName": "web"} if kind == "StatefulSet" else {}
    return workload(kind, {"selector": SELECTOR, "template": TEMPLATE, **named})


def subjects_in(*documents: object) -> list[Subject]:
    return find_subjects(documents, "file")


@pytest.mark.parametrize(
    ("document", "source"),
    [
        (an_apps_workload("Deployment"), "Deployment/web"),
        (an_apps_workload("ReplicaSet"), "ReplicaSet/web"),
        (an_apps_workload("StatefulSet"), "StatefulSet/web"),
        (an_apps_workload("DaemonSet"), "DaemonSet/web"),
        (workload("Job", {"template": ENDING}, version="batch/v1"), "Job/web"),
        (workload("ReplicationController", {"template": TEMPLATE}, version="v1"), "ReplicationController/web"),
        (workload("CronJob", CRON_SPEC, version="batch/v1"), "CronJob/web"),
        ({"apiVersion": "v1", "kind": "PodTemplate", "metadata": METADATA, "template": TEMPLATE}, "PodTemplate/web"),
        (
            {
                **workload("Pod", TEMPLATE["spec"], version="v1"),
                "metadata": {"generateName": "web-", "namespace": "prod"},
            },
            "Pod/web-",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_pods_are_found_in_every_workload(document: dict[str, Any], source: str) -> None:
    (subject,) = subjects_in(document)
    assert (subject.source, subject.namespace) == (source, "prod")
    assert subject.pod["spec"]["containers"] == TEMPLATE["spec"]["containers"]
    assert source.startswith("Pod/") or subject.pod["metadata"]["labels"]["app"] == "x"


def test_pods_of_a_daemon_set_belong_to_it() -> None:
    (subject,) = subjects_in(an_apps_workload("DaemonSet"))
    assert compute_skip(subject.pod, subject.creator) == Skip.DAEMON_SET


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet"])
def test_pods_of_other_workloads_are_not_exempt(kind: str) -> None:
    (subject,) = subjects_in(an_apps_workload(kind))
    assert compute_skip(subject.pod, subject.creator) is None


def test_a_pod_that_names_a_daemon_set_as_its_owner_is_not_exempt() -> None:
    (subject,) = subjects_in(a_pod().owned_by("DaemonSet").build())
    assert compute_skip(subject.pod, subject.creator) is None


@pytest.mark.parametrize(
    ("document", "label"),
    [
        (an_apps_workload("Deployment"), "pod-template-hash"),
        (an_apps_workload("StatefulSet"), "statefulset.kubernetes.io/pod-name"),
        (workload("Job", {"template": ENDING}, version="batch/v1"), "batch.kubernetes.io/job-name"),
        (workload("CronJob", CRON_SPEC, version="batch/v1"), "job-name"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_pods_carry_the_labels_that_their_controller_adds(tmp_path: Path, document: dict[str, Any], label: str) -> None:
    profile = a_profile_resource("p", {"namespace": "*", "labels": {label: "*"}})
    assert explain_json(tmp_path, [profile], document)["decision"] == "Sandboxed"
    assert explain_json(tmp_path, [profile], a_pod().build())["decision"] == "Unmatched"


def test_objects_that_are_no_pods_are_passed_over(tmp_path: Path) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    path = write_yaml(tmp_path / "all.yaml", service, a_pod("a").build(), None, a_pod("b").build())
    assert [subject.source for subject in find_subjects(read_documents(path), path)] == ["Pod/a", "Pod/b"]


def test_kinds_of_others_are_no_pods_whatever_they_are_named(tmp_path: Path) -> None:
    volcano = {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "metadata": {"name": "x"}, "spec": {}}
    path = write_yaml(tmp_path / "all.yaml", volcano, volcano, a_pod("a").build())
    found = sort_documents(read_documents(path), path)
    assert [subject.source for subject in found.subjects] == ["Pod/a"]
    assert found.others == {"Job.batch.volcano.sh": 2}


def test_lists_are_unfolded(tmp_path: Path) -> None:
    nameless = {key: value for key, value in a_pod("b").build().items() if key not in ("kind", "apiVersion")}
    inner = {"kind": "PodList", "apiVersion": "v1", "items": [nameless]}
    path = write_yaml(
        tmp_path / "list.yaml", {"kind": "List", "apiVersion": "v1", "items": [a_pod("a").build(), inner]}
    )
    assert [subject.source for subject in find_subjects(read_documents(path), path)] == ["Pod/a", "Pod/b"]


def test_json_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "pod.json"
    path.write_text(json.dumps(a_pod("a").build(), indent="\t"))
    assert find_subjects(read_documents(str(path)), "file")[0].source == "Pod/a"


def test_dates_stay_strings_as_in_kubectl(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(
        "{apiVersion: v1, kind: Pod, metadata: {name: x, labels: {since: 2024-01-01}}, spec: {containers: [{name: a}]}}"
    )
    assert find_subjects(read_documents(str(path)), "file")[0].pod["metadata"]["labels"] == {"since": "2024-01-01"}


def test_a_dash_reads_stdin(tmp_path: Path) -> None:
    profiles = write_yaml(tmp_path / "p.yaml", a_profile_resource("p", {"namespace": "*"}))
    result = run("explain", "-f", "-", "--profiles", profiles, stdin=json.dumps(a_pod("piped").build()))
    assert result.exit_code == 0
    assert result.stdout.startswith("Pod/piped in namespace default: sandboxed by profile p")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not valid YAML: "),
        ("a: b: c", "is not valid YAML: mapping values are not allowed in this context in line 1"),
        ("- a\n- b\n", "holds something that is no Kubernetes object: it has no kind."),
        ("hello", "holds something that is no Kubernetes object: it has no kind."),
        ("", "holds no pod and no workload with a pod template."),
        ("kind: Service", "holds no pod and no workload with a pod template."),
        ("{kind: Deployment, metadata: {name: x}}", "Deployment/x: spec.template is missing."),
        ("{kind: Deployment, metadata: {name: x}, spec: []}", "Deployment/x: spec: must be a mapping, not a list"),
        ("{kind: Pod, metadata: []}", "Pod: metadata must be a mapping."),
        ("{kind: Pod, metadata: {name: 5}}", "Pod: metadata.name: must be a string, not a number"),
        ("{kind: Pod, metadata: {namespace: []}}", "Pod: metadata.namespace: must be a string, not a list"),
        ("{kind: Pod, metadata: {name: x}}", "Pod/x: spec.containers is missing."),
        ("{kind: Pod, spec: {containers: []}}", "Pod: spec.containers is missing."),
        ("{kind: PodTemplate, template: {spec: {}}}", "PodTemplate: template.spec.containers is missing."),
        ("{kind: Job, spec: {template: {spec: {}}}}", "Job: spec.template.spec.containers is missing."),
        (
            "{kind: CronJob, spec: {jobTemplate: {spec: {template: 1}}}}",
            "CronJob: spec.jobTemplate.spec.template: must be a mapping, not a number",
        ),
        (
            "{kind: ReplicaSet, spec: {replicas: -1, template: {spec: {containers: [{}]}}}}",
            "ReplicaSet: spec.replicas: must be from 0 to 2147483647",
        ),
        ("{kind: List, items: {}}", "List: items must be a list of objects."),
        ("&a {kind: List, items: [*a]}", "List: items must be a list of objects."),
        ("{kind: List, items: [1]}", "holds something that is no Kubernetes object: it has no kind."),
        ("kind: Pod\n---\n" + "[" * 100_000, "can't be read: it is nested more than 200 levels deep."),
    ],
    ids=lambda value: value[:50] or "empty",
)
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(UnreadableInput) as refusal:
        find_subjects(read_documents(str(path)), str(path))
    assert message in refusal.value.message
    assert refusal.value.message.startswith(str(path))
    assert "\n" not in refusal.value.message
