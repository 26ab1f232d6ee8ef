"""The AWS endpoint, as the chart installs it: only if it is wanted, few rights, a restricted pod."""

from typing import Any

import pytest

from chartgen.arguments import read_arguments
from monopod.__main__ import main
from monopod.api.ecs.names import CLUSTER_LABEL, ECS_TASK_LABEL, METADATA_LABEL
from monopod.aws.options import AwsOptions
from monopod.manager.flags import list_sections, read_options
from monopod.tasks.rules.pod.metadata import METADATA_PORT
from tests.chart.rendering import CHART, Refused, Rendered, render_chart, render_manifests
from tests.chart.test_equality import index
from tests.chart.test_options import look_up

OPTIONS = {option.flag: option for _, own in list_sections(AwsOptions) for option in own}
BY_VALUE = {path: flag for flag, path in read_arguments(CHART / "templates" / "aws.yaml").items() if path}
WANTED: dict[str, Any] = {"aws": {"enabled": True, "impersonate": {"users": ["ana"], "groups": ["developers"]}}}


@pytest.fixture(scope="module")
def rendered(default_chart: Rendered) -> Rendered:
    """What the chart adds for the endpoint."""
    chart = render_chart(WANTED)
    return Rendered([item for item in chart.objects if item not in default_chart.objects])


def test_nothing_of_it_is_there_unless_it_is_wanted(default_chart: Rendered) -> None:
    assert not [item for item in default_chart.objects if item["metadata"]["name"].endswith("-aws")]


def test_the_chart_renders_what_the_manifests_hold(default_chart: Rendered) -> None:
    """But for whom keys may stand for, of whom the manifests have one to be replaced."""
    chart = render_chart({"aws": {"enabled": True, "impersonate": {"users": ["nobody"]}}})
    added = Rendered([item for item in chart.objects if item not in default_chart.objects])
    manifests = render_manifests("aws")
    kinds = tuple({item["kind"] for item in manifests.objects})
    assert index(added, kinds) == index(manifests, kinds)
    assert {item["kind"] for item in added.objects} == set(kinds)


def test_the_pod_meets_the_restricted_pod_security_standard(rendered: Rendered) -> None:
    pod = rendered.pod["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert rendered.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_it_may_act_for_those_that_are_named_and_read_its_keys_and_nothing_else(rendered: Rendered) -> None:
    (cluster_role,), (role,) = rendered.of_kind("ClusterRole"), rendered.of_kind("Role")
    assert cluster_role["rules"] == [
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["ana"]},
        {"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["developers"]},
    ]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]
    assert role["metadata"]["namespace"] == "monopod-system"
    for binding in rendered.of_kind("ClusterRoleBinding", "RoleBinding"):
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["name"], subject["namespace"]) == (
            "ServiceAccount",
            "monopod-aws",
            "monopod-system",
        )


def test_without_groups_it_may_act_for_none() -> None:
    """A rule with an empty list of names would be of all of them."""
    chart = render_chart({"aws": {"enabled": True, "impersonate": {"users": ["ana"]}}})
    (role,) = [each for each in chart.of_kind("ClusterRole") if each["metadata"]["name"] == "monopod-aws"]
    assert [rule["resources"] for rule in role["rules"]] == [["users"]]
    assert all(rule["resourceNames"] for rule in role["rules"])


@pytest.mark.parametrize(
    "values",
    [
        {"enabled": True},
        {"impersonate": {"users": ["system:admin"]}},
        {"impersonate": {"users": ["system:serviceaccount:kube-system:default"]}},
        {"impersonate": {"groups": ["system:masters"]}},
        {"impersonate": {"users": [""]}},
        {"impersonate": {"users": ["*"]}},
        {"accountID": "1"},
        {"region": "Europe"},
        {"clusterName": "a.b"},
        {"clusterEndpoint": "http://k8s.example.com"},
        {"subnetZones": ["subnet-1"]},
        {"enabled": True, "impersonate": {"users": ["ana"]}, "ingress": {"enabled": True}},
    ],
    ids=str,
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        render_chart({"aws": values})


def test_service_budget_and_policy_select_it_and_the_operators_do_not(
    default_chart: Rendered, rendered: Rendered
) -> None:
    labels = rendered.pod["metadata"]["labels"].items()
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        for chart, is_its in ((rendered, True), (default_chart, False)):
            spec = chart.one(kind)["spec"]
            selector = spec.get("podSelector") or spec["selector"]
            assert (selector.get("matchLabels", selector).items() <= labels) == is_its


def test_clients_of_sessions_stay_at_a_replica_but_where_load_balancers_may_refuse_that(rendered: Rendered) -> None:
    assert rendered.one("Service")["spec"]["sessionAffinity"] == "ClientIP"
    chart = render_chart({"aws": {**WANTED["aws"], "service": {"type": "LoadBalancer"}}})
    (service,) = [
        each for each in chart.objects if each["kind"] == "Service" and each["metadata"]["name"].endswith("-aws")
    ]
    assert "sessionAffinity" not in service["spec"]


def test_what_is_served_is_what_the_service_names(rendered: Rendered) -> None:
    ports = {each["name"]: each["containerPort"] for each in rendered.container["ports"]}
    (port,) = rendered.one("Service")["spec"]["ports"]
    assert port["targetPort"] in ports
    assert ports == {"aws": OPTIONS["--api-port"].field.default, "metrics": 8080}


def test_its_metrics_are_collected_where_the_operators_are(rendered: Rendered) -> None:
    monitored = {
        "metrics": {"serviceMonitor": {"enabled": True}},
        "networkPolicy": {"metricsFrom": [{"podSelector": {}}]},
    }
    chart = render_chart({**WANTED, **monitored})
    (monitor,) = [each for each in chart.of_kind("ServiceMonitor") if each["metadata"]["name"] == "monopod-aws"]
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    selected = [each for each in chart.of_kind("Service") if selector <= each["metadata"]["labels"].items()]
    (port,) = monitor["spec"]["endpoints"]
    (service,) = [each for each in selected if port["port"] in {named["name"] for named in each["spec"]["ports"]}]
    assert service["spec"]["selector"].items() <= rendered.pod["metadata"]["labels"].items()
    assert rendered.one("Service")["spec"]["ports"] == [
        {"name": "aws", "port": 443, "targetPort": "aws", "protocol": "TCP", "appProtocol": "https"}
    ]


@pytest.mark.parametrize("path", BY_VALUE)
def test_a_value_has_the_default_of_its_option(path: str) -> None:
    default = OPTIONS[BY_VALUE[path]].field.default
    assert look_up(path) == (list(default) if isinstance(default, tuple) else default)


def test_the_arguments_say_the_defaults(rendered: Rendered) -> None:
    run, *arguments = rendered.container["args"]
    given = main.commands[run].make_context(run, arguments).params
    options = read_options(AwsOptions, given)
    of_the_pod: Any = {"namespace", "server_name"}
    assert options.model_dump(exclude=of_the_pod) == AwsOptions().model_dump(exclude=of_the_pod)
    assert options.server_name == ("monopod-aws.$(POD_NAMESPACE).svc",)


def test_a_certificate_is_mounted_where_the_arguments_say() -> None:
    chart = render_chart({"aws": {**WANTED["aws"], "tls": {"secretName": "certificate"}}})
    (pod,) = [each for each in chart.of_kind("Deployment") if each["metadata"]["name"] == "monopod-aws"]
    spec = pod["spec"]["template"]["spec"]
    (mount,) = [each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "tls"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "tls"]
    assert f"--tls-certificate={mount['mountPath']}/tls.crt" in spec["containers"][0]["args"]
    assert volume["secret"] == {"secretName": "certificate", "defaultMode": 0o440}


def test_without_ecs_no_task_is_answered(rendered: Rendered) -> None:
    assert "metadata" not in [port["name"] for port in rendered.container["ports"]]
    assert [item["metadata"]["name"] for item in rendered.of_kind("Service")] == ["monopod-aws"]


@pytest.fixture(scope="module")
def with_ecs() -> Rendered:
    """The endpoint beside ECS, with a Service that people outside reach."""
    return render_chart(
        {**WANTED, "aws": {**WANTED["aws"], "service": {"type": "LoadBalancer"}}, "ecs": {"enabled": True}}
    )


def find(chart: Rendered, kind: str, name: str) -> Any:
    (found,) = (item for item in chart.of_kind(kind) if item["metadata"]["name"] == name)
    return found


def test_tasks_ask_about_themselves_at_a_service_of_their_own(with_ecs: Rendered) -> None:
    service = find(with_ecs, "Service", "monopod-aws-metadata")["spec"]
    assert service["type"] == "ClusterIP"
    assert service["ports"][0]["port"] == METADATA_PORT
    pod = find(with_ecs, "Deployment", "monopod-aws")["spec"]["template"]
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
    assert METADATA_LABEL in pod["metadata"]["labels"]
    (container,) = pod["spec"]["containers"]
    assert f"--metadata-port={METADATA_PORT}" in container["args"]
    (operator,) = find(with_ecs, "Deployment", "monopod")["spec"]["template"]["spec"]["containers"]
    url = f"http://monopod-aws-metadata.$(POD_NAMESPACE).svc:{METADATA_PORT}"
    assert f"--ecs-metadata-url={url}" in operator["args"]
    assert [port["name"] for port in find(with_ecs, "Service", "monopod-aws")["spec"]["ports"]] == ["aws"]


def test_only_tasks_reach_it(with_ecs: Rendered) -> None:
    rules = find(with_ecs, "NetworkPolicy", "monopod-aws")["spec"]["ingress"]
    (rule,) = (rule for rule in rules if {"port": "metadata", "protocol": "TCP"} in rule["ports"])
    assert rule["from"] == [
        {
            "namespaceSelector": {"matchExpressions": [{"key": CLUSTER_LABEL, "operator": "Exists"}]},
            "podSelector": {"matchExpressions": [{"key": ECS_TASK_LABEL, "operator": "Exists"}]},
        }
    ]


RECORDS = {
    "apiGroups": ["ecs.monopod.dev"],
    "resources": ["ecsclusters", "ecstaskdefinitions", "ecstasks"],
    "verbs": ["get"],
}


def test_by_itself_it_may_get_single_records_of_ecs_and_nodes_and_list_none(with_ecs: Rendered) -> None:
    rules = find(with_ecs, "ClusterRole", "monopod-aws")["rules"]
    assert [rule for rule in rules if rule["verbs"] != ["impersonate"]] == [
        RECORDS,
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    ]


def test_kubelets_are_shown_tokens_of_an_account_that_may_read_figures_and_nothing_else(with_ecs: Rendered) -> None:
    """And the right to make tokens is one for this account alone."""
    account = find(with_ecs, "ServiceAccount", "monopod-aws-stats")["metadata"]
    (container,) = find(with_ecs, "Deployment", "monopod-aws")["spec"]["template"]["spec"]["containers"]
    assert f"--stats-account={account['name']}" in container["args"]
    assert "--kubelet-insecure-tls" not in container["args"]
    rules = find(with_ecs, "Role", "monopod-aws")["rules"]
    assert [rule for rule in rules if rule["verbs"] == ["create"]] == [
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "verbs": ["create"],
            "resourceNames": [account["name"]],
        }
    ]
    subject = {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    bindings = with_ecs.of_kind("ClusterRoleBinding", "RoleBinding")
    assert [each["roleRef"]["name"] for each in bindings if subject in each["subjects"]] == ["monopod-aws-stats"]
    assert find(with_ecs, "ClusterRole", "monopod-aws-stats")["rules"] == [
        {"apiGroups": [""], "resources": ["nodes/stats"], "verbs": ["get"]}
    ]


def test_without_statistics_there_is_no_right_for_them() -> None:
    chart = render_chart({**WANTED, "aws": {**WANTED["aws"], "taskStats": False}, "ecs": {"enabled": True}})
    assert not [item for item in chart.objects if item["metadata"]["name"].endswith("-stats")]
    assert RECORDS in find(chart, "ClusterRole", "monopod-aws")["rules"]
    for kind in ("ClusterRole", "Role"):
        resources = [each for rule in find(chart, kind, "monopod-aws")["rules"] for each in rule["resources"]]
        assert not set(resources) & {"nodes", "serviceaccounts/token"}
    (container,) = find(chart, "Deployment", "monopod-aws")["spec"]["template"]["spec"]["containers"]
    assert not [each for each in container["args"] if each.startswith("--stats-account")]
