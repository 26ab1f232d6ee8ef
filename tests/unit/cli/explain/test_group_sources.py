"""What `explain` and `lint` say of a pod's security groups, and what decides on them."""

import json
from pathlib import Path
from typing import Any

import pytest

from monopod.api.names import GROUP_POLICY_API_VERSION, GROUPS_ANNOTATION
from tests.unit.builders import PodBuilder, a_pod, a_profile_resource
from tests.unit.cli.running import explain, explain_json, run, write_yaml

ANY = {"namespace": "*"}
PLAIN = a_profile_resource("web", ANY)
OWN = a_profile_resource("web", ANY, securityGroups=["own", "db"], podSecurityGroups="Allow")
CI = {"matchLabels": {"team": "ci"}}


def a_policy(name: str, *groups: str, namespace: str = "", **selectors: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    spec = {"securityGroups": {"groupIds": list(groups)}, **(selectors or {"podSelector": {}})}
    return {"apiVersion": GROUP_POLICY_API_VERSION, "kind": "SecurityGroupPolicy", "metadata": metadata, "spec": spec}


def an_account(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "labels": labels}}


def asking(groups: str) -> PodBuilder:
    return a_pod().annotated({GROUPS_ANNOTATION: groups})


BY_ACCOUNT = a_policy("deploy", "build", serviceAccountSelector=CI)
THE_DEFAULT = [
    "cluster: the default, as nothing names others.",
    "NetworkPolicies of its namespace that select it decide alone in the directions that they are about.",
]
UNKNOWN = (
    "SecurityGroupPolicies ask for the labels of its ServiceAccount builder, which isn't known: "
    "it would wait until it is."
)

CASES: dict[str, tuple[dict[str, Any], list[Any], list[str]]] = {
    "the default": (PLAIN, [a_pod()], THE_DEFAULT),
    "the profile": (OWN, [a_pod()], ["db, own: by profile web."]),
    "the annotation": (OWN, [asking("web,x")], [f"web, x: by its annotation {GROUPS_ANNOTATION}."]),
    "an annotation without a say": (PLAIN, [asking("web")], THE_DEFAULT),
    "a malformed annotation": (
        OWN,
        [asking("Web")],
        [
            f"Its creation is refused: metadata.annotations[{GROUPS_ANNOTATION}]: must name 1 to 5 security groups, "
            "separated by commas, as in 'web,db': lower-case letters, digits and '-', at most 63 characters each."
        ],
    ),
    "a policy": (OWN, [asking("Web"), a_policy("p", "b", "a")], ["a, b: by SecurityGroupPolicy p."]),
    "two policies": (OWN, [a_pod(), a_policy("q", "b"), a_policy("p", "a")], ["a, b: by SecurityGroupPolicies p, q."]),
    "a policy of another namespace": (
        OWN,
        [a_pod(), a_policy("p", "a", namespace="prod")],
        ["db, own: by profile web."],
    ),
    "a ServiceAccount": (
        OWN,
        [a_pod().with_spec(serviceAccountName="builder"), BY_ACCOUNT, an_account("builder", team="ci")],
        ["build: by SecurityGroupPolicy deploy."],
    ),
    "an unknown ServiceAccount": (
        OWN,
        [a_pod().with_spec(serviceAccountName="builder"), BY_ACCOUNT],
        ["db, own: by profile web.", UNKNOWN],
    ),
}


def build(documents: list[Any]) -> list[Any]:
    return [each.build() if isinstance(each, PodBuilder) else each for each in documents]


@pytest.mark.parametrize(("profile", "documents", "lines"), CASES.values(), ids=CASES)
def test_the_groups_and_what_decides_on_them(
    tmp_path: Path, profile: dict[str, Any], documents: list[Any], lines: list[str]
) -> None:
    text = explain(tmp_path, [profile], *build(documents)).splitlines()
    at = text.index("Security groups")
    assert [line.strip() for line in text[at + 1 : at + 1 + len(lines)]] == lines


def test_policies_beside_the_profiles_count_too(tmp_path: Path) -> None:
    text = explain(tmp_path, [PLAIN, a_policy("p", "a")], a_pod().build())
    assert "a: by SecurityGroupPolicy p." in text


def test_a_policy_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    path = write_yaml(tmp_path / "pod.yaml", a_pod().build(), a_policy("p"))
    result = run("explain", "-f", path, "--profiles", write_yaml(tmp_path / "profiles.yaml", PLAIN))
    assert result.exit_code == 2
    assert result.stderr == "Error: SecurityGroupPolicy p: spec.securityGroups.groupIds: is required\n"


def test_a_pod_outside_fargate_has_no_groups(tmp_path: Path) -> None:
    profile = a_profile_resource("web", {"namespace": "prod"})
    assert "Security groups" not in explain(tmp_path, [profile], a_pod().build())


def test_the_groups_for_a_script(tmp_path: Path) -> None:
    report = explain_json(tmp_path, [OWN], a_pod().build(), a_policy("p", "b", "a"))
    wanted = {"names": ["a", "b"], "source": "SecurityGroupPolicy", "policies": ["p"]}
    assert report["securityGroups"] == {**wanted, "unknownServiceAccount": None, "refusal": None}
    refused = explain_json(tmp_path, [OWN], asking("Web").build())["securityGroups"]
    assert (refused["names"], refused["source"], refused["policies"]) == (None, None, [])
    assert "must name 1 to 5 security groups" in refused["refusal"]


def lint(tmp_path: Path, *documents: Any) -> tuple[int, dict[str, Any]]:
    """Exit status and report of documents in a file each."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    for number, document in enumerate(build(list(documents))):
        write_yaml(folder / f"{number}.yaml", document)
    profiles = write_yaml(tmp_path / "profiles.yaml", OWN)
    result = run("lint", "-f", str(folder), "--profiles", profiles, "-o", "json")
    return result.exit_code, json.loads(result.stdout)


def test_lint_knows_the_policies_of_all_files(tmp_path: Path) -> None:
    status, report = lint(tmp_path, a_pod(), a_policy("p", "a"))
    assert status == 0
    assert report["workloads"][0]["securityGroups"]["names"] == ["a"]


def test_lint_says_of_a_pod_that_would_be_refused_for_its_groups_that_it_would_not_run(tmp_path: Path) -> None:
    status, report = lint(tmp_path, asking("Web"))
    assert status == 1
    assert report["summary"] == {"onFargate": 0, "outside": 0, "unsupported": 1, "wasteful": 0, "hourlyPrice": 0.0}
    assert report["workloads"][0]["hourlyPrice"] is None


def test_lint_says_once_that_a_policy_cannot_be_read(tmp_path: Path) -> None:
    status, report = lint(tmp_path, a_pod("a"), a_pod("b"), a_policy("p"))
    assert (status, report["problems"]) == (2, ["SecurityGroupPolicy p: spec.securityGroups.groupIds: is required"])
