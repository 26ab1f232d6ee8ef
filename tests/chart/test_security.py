"""The operator runs under restricted Pod Security and with named rights only."""

from typing import Any

import pytest

from tests.chart.rendering import Rendered


@pytest.fixture(scope="module", params=["chart", "manifests"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    found: Rendered = request.getfixturevalue(f"default_{request.param}")
    return found


def find_rules(rendered: Rendered) -> list[dict[str, Any]]:
    return [rule for role in rendered.of_kind("ClusterRole", "Role") for rule in role["rules"]]


def test_the_pod_meets_the_restricted_pod_security_standard(rendered: Rendered) -> None:
    pod = rendered.pod["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "volumes"}
    own = rendered.container["securityContext"]
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert "privileged" not in own


def test_the_root_file_system_is_read_only(rendered: Rendered) -> None:
    assert rendered.container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_kubelet_asks_whether_the_operator_lives_and_is_ready(rendered: Rendered) -> None:
    container = rendered.container
    ports = {port["name"] for port in container["ports"]}
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports


def test_the_operator_has_requests_and_a_memory_limit(rendered: Rendered) -> None:
    resources = rendered.container["resources"]
    assert {"cpu", "memory"} <= resources["requests"].keys()
    assert "memory" in resources["limits"]


def test_no_right_is_a_wildcard(rendered: Rendered) -> None:
    rules = find_rules(rendered)
    assert rules
    for rule in rules:
        for key in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
            assert not any("*" in word for word in rule.get(key, [])), rule


def test_the_operator_is_no_cluster_admin_and_can_not_become_one(rendered: Rendered) -> None:
    roles = {role["metadata"]["name"] for role in rendered.of_kind("ClusterRole", "Role")}
    for binding in rendered.of_kind("ClusterRoleBinding", "RoleBinding"):
        assert binding["roleRef"]["name"] in roles, "a role that Monopod doesn't bring itself"
    verbs = {verb for rule in find_rules(rendered) for verb in rule["verbs"]}
    assert not verbs & {"escalate", "bind", "impersonate"}


def test_the_operator_reads_no_secrets(rendered: Rendered) -> None:
    assert not [rule for rule in find_rules(rendered) if "secrets" in rule.get("resources", [])]


def test_every_role_is_bound_to_the_operators_account_only(rendered: Rendered) -> None:
    for binding in rendered.of_kind("ClusterRoleBinding", "RoleBinding"):
        subjects = [(subject["kind"], subject["namespace"], subject["name"]) for subject in binding["subjects"]]
        assert subjects == [("ServiceAccount", "monopod-system", "monopod")]


def test_the_namespace_of_the_manifests_enforces_restricted_pod_security(default_manifests: Rendered) -> None:
    labels = default_manifests.one("Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
