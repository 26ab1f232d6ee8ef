"""The ledger, as the chart and the manifests install it: the same objects, few rights, a restricted pod."""

from typing import Any

import pytest

from chartgen.arguments import read_arguments
from monopod.__main__ import main
from monopod.ledger.options import LedgerOptions
from monopod.manager.flags import list_sections, read_options
from monopod.manager.options import OperatorOptions
from monopod.usage.ledger_identity import AUDIENCE
from tests.chart.rendering import CHART, Refused, Rendered, render_chart, render_manifests
from tests.chart.test_equality import index
from tests.chart.test_options import find_schema, look_up

OPTIONS = {option.flag: option for _, own in list_sections(LedgerOptions) for option in own}
ARGUMENTS = read_arguments(CHART / "templates" / "ledger.yaml")
MODEL = LedgerOptions.model_json_schema()
BY_VALUE = {path: flag for flag, path in ARGUMENTS.items() if path in ("metrics.port", "log.level", "log.format")} | {
    path: flag for flag, path in ARGUMENTS.items() if path.startswith(("billing.", "prices.book"))
}


@pytest.fixture(scope="module", params=["chart", "manifests"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    found: Rendered = request.getfixturevalue(f"ledger_{request.param}")
    return found


def test_the_chart_renders_what_the_manifests_hold(ledger_chart: Rendered, ledger_manifests: Rendered) -> None:
    kinds = tuple({item["kind"] for item in ledger_manifests.objects})
    assert index(ledger_chart, kinds) == index(ledger_manifests, kinds)
    assert {item["kind"] for item in ledger_chart.objects} == set(kinds)


def test_nothing_of_it_is_there_unless_it_is_wanted(default_chart: Rendered) -> None:
    assert not [item for item in default_chart.objects if "ledger" in item["metadata"]["name"]]
    assert default_chart.find_argument("ledger") is None
    assert "volumes" not in default_chart.pod["spec"]


def test_chart_and_manifests_have_the_operator_ask_it(default_chart: Rendered, ledger_chart: Rendered) -> None:
    chart, manifests = render_chart({"ledger": {"enabled": True}}), render_manifests("with-ledger")
    kinds = tuple({item["kind"] for item in chart.objects})
    assert index(chart, kinds) == index(manifests, kinds)
    assert chart.find_argument("ledger") == ledger_chart.one("Service")["metadata"]["name"]


def test_the_operator_shows_it_a_token_that_is_worth_nothing_elsewhere() -> None:
    chart = render_chart({"ledger": {"enabled": True}}, release="other", namespace="other-system")
    assert chart.find_argument("ledger") == chart.one("StatefulSet")["spec"]["serviceName"] == "other-monopod-ledger"
    assert chart.find_argument("ledger-account") == chart.ledger["spec"]["serviceAccountName"]
    (volume,) = chart.pod["spec"]["volumes"]
    (source,) = volume["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == AUDIENCE
    (mount,) = chart.container["volumeMounts"]
    default = OperatorOptions.model_fields["ledger_token"].default
    assert f"{mount['mountPath']}/{source['serviceAccountToken']['path']}" == str(default)


def test_the_operator_reaches_the_port_that_it_asks(rendered: Rendered, default_chart: Rendered) -> None:
    ports = {each["name"]: each["containerPort"] for each in rendered.ledger_container["ports"]}
    assert ports["peers"] == OperatorOptions.model_fields["ledger_port"].default
    (rule,) = rendered.one("NetworkPolicy")["spec"]["ingress"]
    allowed = [each["podSelector"]["matchLabels"] for each in rule["from"]]
    assert default_chart.one("Deployment")["spec"]["selector"]["matchLabels"] in allowed
    assert rule["ports"] == [{"port": "peers", "protocol": "TCP"}]


def test_an_operator_by_another_name_may_see_what_profiles_cost() -> None:
    values = {"ledger": {"enabled": True}, "serviceAccount": {"name": "account"}}
    chart = render_chart(values, release="other", namespace="other-system")
    (binding,) = [
        each
        for each in chart.of_kind("ClusterRoleBinding")
        if each["roleRef"]["name"] == "other-monopod-usage-of-profiles"
    ]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "account", "namespace": "other-system"}]


def test_the_pod_meets_the_restricted_pod_security_standard(rendered: Rendered) -> None:
    pod = rendered.ledger["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert all(volume.keys() & {"emptyDir", "projected", "configMap"} for volume in pod["volumes"])
    own = rendered.ledger_container["securityContext"]
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_it_may_read_pods_and_their_events_and_ask_who_somebody_is_and_nothing_else(rendered: Rendered) -> None:
    bound = {
        (binding["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])
        for binding in rendered.of_kind("ClusterRoleBinding", "RoleBinding")
    }
    assert bound == {
        ("ClusterRoleBinding", None, "monopod-ledger"),
        ("ClusterRoleBinding", None, "monopod-usage-of-profiles"),
        ("RoleBinding", "kube-node-lease", "monopod-ledger"),
        ("RoleBinding", "kube-system", "monopod-ledger"),
        ("RoleBinding", "monopod-system", "monopod-ledger"),
    }
    roles = [each for each in rendered.of_kind("ClusterRole", "Role") if each["metadata"]["name"] == "monopod-ledger"]
    rights = {
        (verb, resource, *rule.get("resourceNames", []))
        for role in roles
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert rights == {
        ("list", "pods"),
        ("watch", "pods"),
        ("list", "events"),
        ("list", "leases"),
        ("watch", "leases"),
        ("get", "namespaces", "kube-system"),
        ("get", "configmaps", "extension-apiserver-authentication"),
        ("create", "serviceaccounts/token", "monopod-ledger"),
        ("create", "tokenreviews"),
        ("create", "subjectaccessreviews"),
    }


def test_every_role_is_bound_to_its_own_account_only(rendered: Rendered) -> None:
    for binding in rendered.of_kind("ClusterRoleBinding", "RoleBinding"):
        subjects = [(each["kind"], each["namespace"], each["name"]) for each in binding["subjects"]]
        is_for_operator = binding["roleRef"]["name"] == "monopod-usage-of-profiles"
        account = "monopod" if is_for_operator else "monopod-ledger"
        assert subjects == [("ServiceAccount", "monopod-system", account)]


def test_the_operator_may_see_all_usage_and_ask_who_the_ledger_is(rendered: Rendered) -> None:
    name = "monopod-usage-of-profiles"
    (role,) = [each for each in rendered.of_kind("ClusterRole") if each["metadata"]["name"] == name]
    assert role["rules"] == [
        {"apiGroups": ["monopod.dev"], "resources": ["usages"], "verbs": ["get"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    ]


def test_whoever_may_view_a_namespace_may_see_what_it_costs(rendered: Rendered) -> None:
    (role,) = [each for each in rendered.of_kind("ClusterRole") if each["metadata"]["name"] == "monopod-usage-viewer"]
    assert role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert role["rules"] == [
        {"apiGroups": ["monopod.dev"], "resources": ["usages"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["usages.monopod.dev"], "verbs": ["get"]},  # for `kubectl auth can-i`
    ]


def test_who_is_bound_to_it_reaches_the_ledgers_port_and_nothing_else(rendered: Rendered) -> None:
    (role,) = [each for each in rendered.of_kind("Role") if each["metadata"]["name"] == "monopod-usage-reader"]
    pods = [f"monopod-ledger-{number}" for number in range(rendered.one("StatefulSet")["spec"]["replicas"])]
    assert role["metadata"]["namespace"] == "monopod-system"
    assert {tuple(rule["resources"]) for rule in role["rules"]} == {("pods",), ("pods/portforward",)}
    assert [rule["resourceNames"] for rule in role["rules"]] == [pods, pods]


def test_only_what_people_ask_is_on_the_loopback_where_port_forward_ends(rendered: Rendered) -> None:
    arguments = rendered.ledger_container["args"]
    assert {"--listen=$(POD_IP)", "--peers-listen=$(POD_IP)"} <= {*arguments}


def test_the_operators_service_budget_and_policy_do_not_select_it(default_chart: Rendered, rendered: Rendered) -> None:
    labels = rendered.ledger["metadata"]["labels"].items()
    selectors = [default_chart.one("Deployment")["spec"]["selector"]["matchLabels"]]
    selectors.append(default_chart.one("Service")["spec"]["selector"])
    selectors.append(default_chart.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"])
    selectors.append(default_chart.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"])
    assert not [selector for selector in selectors if selector.items() <= labels]
    own = rendered.one("StatefulSet")["spec"]["selector"]["matchLabels"]
    assert own.items() <= labels
    assert rendered.one("Service")["spec"]["selector"] == own
    assert rendered.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == own
    assert rendered.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == own


def test_peers_know_each_other_by_a_token_that_is_worth_nothing_elsewhere(rendered: Rendered) -> None:
    (source,) = next(
        volume["projected"]["sources"] for volume in rendered.ledger["spec"]["volumes"] if "projected" in volume
    )
    assert source["serviceAccountToken"]["audience"] == AUDIENCE
    mounts = {each["name"]: each["mountPath"] for each in rendered.ledger_container["volumeMounts"]}
    default = LedgerOptions.model_fields["peer_token"].default
    assert f"{mounts['peers-token']}/{source['serviceAccountToken']['path']}" == str(default)


def test_the_right_to_make_tokens_is_for_its_own_account_and_restrained() -> None:
    chart = render_chart({"ledger": {"enabled": True}}, release="other")
    account = chart.one("StatefulSet")["spec"]["template"]["spec"]["serviceAccountName"]
    rules = [rule for role in chart.of_kind("Role") for rule in role["rules"]]
    rights = [rule for rule in rules if "serviceaccounts/token" in rule["resources"]]
    policies = {item["metadata"]["name"]: item for item in chart.of_kind("ValidatingAdmissionPolicy")}
    (constraint,) = policies["other-monopod-ledger-tokens"]["spec"]["matchConstraints"]["resourceRules"]
    assert [rule["resourceNames"] for rule in (*rights, constraint)] == [[account], [account]]
    bound = {item["spec"]["policyName"] for item in chart.of_kind("ValidatingAdmissionPolicyBinding")}
    assert "other-monopod-ledger-tokens" in bound


def test_what_it_writes_is_on_volumes(rendered: Rendered) -> None:
    mounts = {each["mountPath"] for each in rendered.ledger_container["volumeMounts"]}
    fields = LedgerOptions.model_fields
    assert str(fields["spool"].default) in mounts
    assert fields["database"].default.removeprefix("sqlite:///").rpartition("/")[0] in mounts


def test_each_replica_knows_the_name_of_every_other() -> None:
    chart = render_chart({"ledger": {"enabled": True, "replicas": 3}}, release="other")
    peers = [each.partition("=")[2] for each in chart.ledger_container["args"] if each.startswith("--peer=")]
    assert peers == [f"other-monopod-ledger-{number}.other-monopod-ledger" for number in range(3)]
    assert chart.one("StatefulSet")["spec"]["serviceName"] == "other-monopod-ledger"


def test_replicas_that_share_a_database_need_no_volumes_and_no_peers() -> None:
    chart = render_chart({"ledger": {"enabled": True, "database": {"secretName": "db"}}})
    assert "volumeClaimTemplates" not in chart.one("StatefulSet")["spec"]
    assert not [each for each in chart.ledger_container["args"] if each.startswith("--peer=")]
    assert "data" not in {each["name"] for each in chart.ledger_container["volumeMounts"]}


@pytest.mark.parametrize("path", BY_VALUE)
def test_a_value_has_the_default_of_its_option(path: str) -> None:
    assert look_up(path) == OPTIONS[BY_VALUE[path]].field.default


@pytest.mark.parametrize("path", [path for path in BY_VALUE if path.startswith("billing.")])
def test_a_value_has_the_choices_of_its_option(path: str) -> None:
    assert tuple(find_schema(path)["enum"]) == OPTIONS[BY_VALUE[path]].choices


def test_the_arguments_say_the_defaults(rendered: Rendered) -> None:
    run, *arguments = rendered.ledger_container["args"]
    given = main.commands[run].make_context(run, arguments).params
    options = read_options(LedgerOptions, given)
    of_the_pod: Any = {"namespace", "name", "peer", "listen", "peers_listen"}
    assert options.model_dump(exclude=of_the_pod) == LedgerOptions().model_dump(exclude=of_the_pod)
    ports = {each["name"]: each["containerPort"] for each in rendered.ledger_container["ports"]}
    assert ports == {"metrics": options.metrics_port, "peers": options.peers_port}


def test_a_price_book_of_ones_own_is_mounted() -> None:
    chart = render_chart({"ledger": {"enabled": True}, "prices": {"book": "mine", "books": {"mine": {"name": "mine"}}}})
    mounts = {each["name"]: each["mountPath"] for each in chart.ledger_container["volumeMounts"]}
    assert f"--price-folder={mounts['price-books']}" in chart.ledger_container["args"]


@pytest.mark.parametrize(
    "values",
    [
        {"billing": {"until": "Never"}},
        {"ledger": {"replicas": 0}},
        {"ledger": {"storage": {"size": "much"}}},
        {"prices": {"books": {"My Book": {}}}},
    ],
    ids=str,
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        render_chart(values)
