"""Every value of the chart does what its comment says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from chartgen.values_table import read_values
from tests.chart.rendering import CHART, Rendered, nest, render_chart

DIGEST = "sha256:" + "ab" * 32
SPREAD = [{"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]
TOLERATION = {"key": "dedicated", "operator": "Exists"}
AFFINITY = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}}


@dataclass(frozen=True)
class Change:
    """One value set to something, and what the rendered objects then say at the place that it is for."""

    path: str
    value: Any
    look: Callable[[Rendered], Any]
    expected: Any
    beside: dict[str, Any] | None = None


def names_of(kind: str) -> Callable[[Rendered], list[str]]:
    return lambda chart: [item["metadata"]["name"] for item in chart.of_kind(kind)]


def metadata_of(kind: str, key: str) -> Callable[[Rendered], Any]:
    return lambda chart: chart.one(kind)["metadata"].get(key)


def crd_policies(chart: Rendered) -> Any:
    crds = chart.of_kind("CustomResourceDefinition")
    return {crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy") for crd in crds}


def pod_spec(key: str) -> Callable[[Rendered], Any]:
    return lambda chart: chart.pod["spec"].get(key)


def endpoint(key: str) -> Callable[[Rendered], Any]:
    return lambda chart: chart.one("ServiceMonitor")["spec"]["endpoints"][0].get(key)


def claim(read: Callable[[Any], Any]) -> Callable[[Rendered], Any]:
    return lambda chart: read(chart.one("StatefulSet")["spec"]["volumeClaimTemplates"][0]["spec"])


def database(key: str) -> Callable[[Rendered], Any]:
    """Where the ledger's database is named, if it isn't a file on a volume."""

    def read(chart: Rendered) -> Any:
        variables = {each["name"]: each for each in chart.ledger_container["env"]}
        return variables.get("MONOPOD_LEDGER_DATABASE", {}).get("valueFrom", {}).get("secretKeyRef", {}).get(key)

    return read


def ledger_argument(name: str) -> Callable[[Rendered], Any]:
    def read(chart: Rendered) -> Any:
        arguments = chart.ledger_container["args"]
        return next(each.partition("=")[2] for each in arguments if each.startswith(f"--{name}="))

    return read


def of_aws(kind: str, read: Callable[[Any], Any]) -> Callable[[Rendered], Any]:
    """Something of the AWS endpoint's object of a kind."""
    return lambda chart: next(read(each) for each in chart.of_kind(kind) if each["metadata"]["name"] == "monopod-aws")


def aws_container(read: Callable[[Any], Any]) -> Callable[[Rendered], Any]:
    return of_aws("Deployment", lambda each: read(each["spec"]["template"]["spec"]["containers"][0]))


def aws_argument(argument: str) -> Callable[[Rendered], Any]:
    return aws_container(lambda container: argument in container["args"])


def impersonated(resource: str) -> Callable[[Rendered], Any]:
    return of_aws(
        "ClusterRole",
        lambda role: [rule["resourceNames"] for rule in role["rules"] if rule["resources"] == [resource]],
    )


def price_books(chart: Rendered) -> Any:
    maps = [each for each in chart.of_kind("ConfigMap") if each["metadata"]["name"] == "monopod-ledger-price-books"]
    return {name: yaml.safe_load(text) for each in maps for name, text in each["data"].items()}


LEDGER = {"ledger": {"enabled": True}}
AWS: dict[str, Any] = {"aws": {"enabled": True, "impersonate": {"users": ["ana"]}}}
TASKS: dict[str, Any] = {**AWS, "ecs": {"enabled": True}}
INGRESS: dict[str, Any] = {"aws": {**AWS["aws"], "ingress": {"enabled": True, "host": "aws.example.com"}}}
ECS: dict[str, Any] = {"ecs": {"enabled": True}}
HOOK = "https://hooks.example.com/monopod"
EFS = "fs-0abc=nfs.example.com:/exports/a"
MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
MONITORED = {"metrics": {"serviceMonitor": {"enabled": True}}, "networkPolicy": {"metricsFrom": [MONITORING]}}
CHANGES = [
    Change("sandbox", "gvisor", lambda chart: chart.find_argument("sandbox"), "gvisor"),
    Change("sandboxHandlers", ["kata-qemu"], lambda chart: chart.find_argument("sandbox-handler"), "kata-qemu"),
    Change("spot.nodeLabel", "kind=spot", lambda chart: chart.find_argument("spot-node-label"), "kind=spot"),
    Change(
        "spot.reclaim",
        "None",
        lambda chart: chart.find_argument("spot-reclaim"),
        "None",
        {"spot": {"nodeLabel": "kind=spot"}},
    ),
    Change("pauseImage", "mirror/pause:1", lambda chart: chart.find_argument("pause-image"), "mirror/pause:1"),
    Change("warm.bound", 7, lambda chart: chart.find_argument("warm-bound"), "7"),
    Change("events.webhook.url", HOOK, lambda chart: chart.find_argument("webhook-url"), HOOK),
    Change("events.webhook.format", "EventBridge", lambda chart: chart.find_argument("webhook-format"), "EventBridge"),
    Change(
        "events.webhook.secretName",
        "hook",
        lambda chart: (chart.find_argument("webhook-secrets"), chart.pod["spec"].get("volumes")),
        ("/var/run/secrets/monopod.dev/webhook", [{"name": "webhook", "secret": {"secretName": "hook"}}]),
    ),
    Change("evictionsPerMinute", 5, lambda chart: chart.find_argument("evictions-per-minute"), "5"),
    Change("deletionTimeoutSeconds", 60, lambda chart: chart.find_argument("deletion-timeout-seconds"), "60"),
    Change("replacementTimeoutSeconds", 30, lambda chart: chart.find_argument("replacement-timeout-seconds"), "30"),
    Change("profileQuota", 1_000_000, lambda chart: chart.find_argument("profile-quota"), "1000000"),
    Change("ecs.enabled", True, lambda chart: "--ecs" in chart.container["args"], True),
    Change("ecs.capacitySeconds", 60, lambda chart: chart.find_argument("ecs-capacity-seconds"), "60", ECS),
    Change("ecs.fileSystems", [EFS], lambda chart: chart.find_argument("ecs-file-system"), EFS, ECS),
    Change("barePods.recreate", True, lambda chart: "--recreate-bare-pods" in chart.container["args"], True),
    Change("isolation.nodeCIDRs", ["10.0.0.0/16"], lambda chart: chart.find_argument("node-cidr"), "10.0.0.0/16"),
    Change(
        "isolation.metadataAddresses",
        ["192.0.2.9/32"],
        lambda chart: [each for each in chart.container["args"] if "metadata-address" in each],
        ["--metadata-address=192.0.2.9/32"],
    ),
    Change(
        "isolation.allowMetadataService",
        True,
        lambda chart: "--allow-metadata-service" in chart.container["args"],
        True,
    ),
    Change("replicas", 3, lambda chart: chart.one("Deployment")["spec"]["replicas"], 3),
    Change("image.repository", "example.com/m", lambda chart: chart.container["image"], "example.com/m:0.1.0"),
    Change("image.tag", "9", lambda chart: chart.container["image"], "monopod.local/operator:9"),
    Change("image.digest", DIGEST, lambda chart: chart.container["image"], f"monopod.local/operator@{DIGEST}"),
    Change("image.pullPolicy", "Always", lambda chart: chart.container["imagePullPolicy"], "Always"),
    Change("image.pullSecrets", [{"name": "key"}], pod_spec("imagePullSecrets"), [{"name": "key"}]),
    Change("nameOverride", "pods", names_of("Deployment"), ["monopod-pods"]),
    Change("fullnameOverride", "pods", names_of("Deployment"), ["pods"]),
    Change(
        "serviceAccount.create",
        False,
        names_of("ServiceAccount"),
        ["monopod-warm-images"],
        {"serviceAccount": {"name": "theirs"}},
    ),
    Change("serviceAccount.name", "theirs", pod_spec("serviceAccountName"), "theirs"),
    Change(
        "serviceAccount.annotations",
        {"a": "b"},
        lambda chart: [each["metadata"].get("annotations") for each in chart.of_kind("ServiceAccount")],
        [{"a": "b"}, None],
    ),
    Change("crds.install", False, names_of("CustomResourceDefinition"), []),
    Change(
        "crds.securityGroupPolicy",
        False,
        names_of("CustomResourceDefinition"),
        [
            "ecsclusters.ecs.monopod.dev",
            "ecstaskdefinitions.ecs.monopod.dev",
            "ecstaskfamilies.ecs.monopod.dev",
            "ecstasks.ecs.monopod.dev",
            "fargateprofiles.monopod.dev",
            "securitygroups.monopod.dev",
            "storedpods.monopod.dev",
        ],
    ),
    Change("crds.keep", False, crd_policies, {None}),
    Change("log.level", "debug", lambda chart: chart.find_argument("log-level"), "debug"),
    Change("log.format", "console", lambda chart: chart.find_argument("log-format"), "console"),
    Change(
        "leaderElection.enabled",
        False,
        lambda chart: "--no-leader-elect" in chart.container["args"],
        True,
        {"replicas": 1},
    ),
    Change("leaderElection.leaseDurationSeconds", 30, lambda chart: chart.find_argument("lease-seconds"), "30"),
    Change("metrics.port", 9090, lambda chart: chart.find_argument("metrics-port"), "9090"),
    Change("metrics.service.enabled", False, names_of("Service"), []),
    Change("metrics.service.annotations", {"a": "b"}, metadata_of("Service", "annotations"), {"a": "b"}),
    Change(
        "metrics.serviceMonitor.enabled",
        True,
        names_of("ServiceMonitor"),
        ["monopod"],
        {"networkPolicy": MONITORED["networkPolicy"]},
    ),
    Change("metrics.serviceMonitor.interval", "30s", endpoint("interval"), "30s", MONITORED),
    Change(
        "metrics.serviceMonitor.labels",
        {"team": "a"},
        lambda chart: chart.one("ServiceMonitor")["metadata"]["labels"].get("team"),
        "a",
        MONITORED,
    ),
    Change("networkPolicy.enabled", False, names_of("NetworkPolicy"), []),
    Change(
        "networkPolicy.metricsFrom",
        [MONITORING],
        lambda chart: chart.one("NetworkPolicy")["spec"].get("ingress"),
        [{"from": [MONITORING], "ports": [{"port": "metrics", "protocol": "TCP"}]}],
    ),
    Change("flowSchema.enabled", False, names_of("FlowSchema"), []),
    Change("podDisruptionBudget.enabled", False, names_of("PodDisruptionBudget"), []),
    Change(
        "podDisruptionBudget.maxUnavailable",
        "50%",
        lambda chart: chart.one("PodDisruptionBudget")["spec"]["maxUnavailable"],
        "50%",
    ),
    Change("resources", {"limits": {"cpu": "2"}}, lambda chart: chart.container["resources"]["limits"].get("cpu"), "2"),
    Change("nodeSelector", {"a": "b"}, pod_spec("nodeSelector"), {"a": "b"}),
    Change("tolerations", [TOLERATION], pod_spec("tolerations"), [TOLERATION]),
    Change("affinity", AFFINITY, pod_spec("affinity"), AFFINITY),
    Change("topologySpreadConstraints", SPREAD, pod_spec("topologySpreadConstraints"), SPREAD),
    Change("priorityClassName", "urgent", pod_spec("priorityClassName"), "urgent"),
    Change(
        "isolation.refuseForeignPolicies",
        True,
        lambda chart: [
            item["kind"]
            for item in chart.of_kind("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
            if item["metadata"]["name"] == "monopod-foreign-policies"
        ],
        ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
    ),
    Change(
        "aws.enabled",
        True,
        names_of("Deployment"),
        ["monopod-aws", "monopod"],
        {"aws": AWS["aws"] | {"enabled": False}},
    ),
    Change("aws.replicas", 3, of_aws("Deployment", lambda each: each["spec"]["replicas"]), 3, AWS),
    Change("aws.accountID", "111122223333", aws_argument("--account-id=111122223333"), True, AWS),
    Change("aws.region", "eu-west-1", aws_argument("--region=eu-west-1"), True, AWS),
    Change("aws.clusterName", "prod", aws_argument("--cluster=prod"), True, AWS),
    Change(
        "aws.clusterEndpoint",
        "https://k8s.example.com",
        aws_argument("--cluster-endpoint=https://k8s.example.com"),
        True,
        AWS,
    ),
    Change("aws.subnetZones", ["subnet-1=a"], aws_argument("--subnet-zone=subnet-1=a"), True, AWS),
    Change("aws.taskStats", False, aws_argument("--stats-account=monopod-aws-stats"), False, TASKS),
    Change("aws.kubeletInsecureTLS", True, aws_argument("--kubelet-insecure-tls"), True, TASKS),
    Change("aws.impersonate.users", ["ana", "ci"], impersonated("users"), [["ana", "ci"]], AWS),
    Change("aws.impersonate.groups", ["developers"], impersonated("groups"), [["developers"]], AWS),
    Change("aws.tls.secretName", "certificate", aws_argument("--tls-key=/etc/monopod/tls/tls.key"), True, AWS),
    Change(
        "aws.from",
        [MONITORING],
        of_aws("NetworkPolicy", lambda each: each["spec"]["ingress"][0].get("from")),
        [MONITORING],
        AWS,
    ),
    Change(
        "aws.service.type", "LoadBalancer", of_aws("Service", lambda each: each["spec"]["type"]), "LoadBalancer", AWS
    ),
    Change(
        "aws.service.annotations",
        {"a": "b"},
        of_aws("Service", lambda each: each["metadata"].get("annotations")),
        {"a": "b"},
        AWS,
    ),
    Change(
        "aws.ingress.enabled",
        True,
        names_of("Ingress"),
        ["monopod-aws"],
        {"aws": AWS["aws"] | {"ingress": {"host": "aws.example.com"}}},
    ),
    Change(
        "aws.ingress.host",
        "a.example.com",
        of_aws("Ingress", lambda each: each["spec"]["rules"][0]["host"]),
        "a.example.com",
        INGRESS,
    ),
    Change(
        "aws.ingress.className",
        "nginx",
        of_aws("Ingress", lambda each: each["spec"].get("ingressClassName")),
        "nginx",
        INGRESS,
    ),
    Change(
        "aws.ingress.tlsSecretName",
        "shown",
        of_aws("Ingress", lambda each: each["spec"].get("tls")),
        [{"hosts": ["aws.example.com"], "secretName": "shown"}],
        INGRESS,
    ),
    Change(
        "aws.ingress.annotations",
        {"a": "b"},
        of_aws("Ingress", lambda each: each["metadata"].get("annotations")),
        {"a": "b"},
        INGRESS,
    ),
    Change(
        "aws.resources",
        {"limits": {"cpu": "2"}},
        aws_container(lambda container: container["resources"]["limits"].get("cpu")),
        "2",
        AWS,
    ),
    Change("ledger.enabled", True, names_of("StatefulSet"), ["monopod-ledger"]),
    Change("ledger.replicas", 3, lambda chart: chart.one("StatefulSet")["spec"]["replicas"], 3, LEDGER),
    Change("ledger.clusterName", "east", ledger_argument("cluster-name"), "east", LEDGER),
    Change("ledger.storage.size", "1Gi", claim(lambda spec: spec["resources"]["requests"]["storage"]), "1Gi", LEDGER),
    Change("ledger.storage.className", "fast", claim(lambda spec: spec.get("storageClassName")), "fast", LEDGER),
    Change("ledger.database.secretName", "db", database("name"), "db", LEDGER),
    Change(
        "ledger.database.secretKey",
        "uri",
        database("key"),
        "uri",
        {"ledger": {"enabled": True, "database": {"secretName": "db"}}},
    ),
    Change(
        "ledger.resources",
        {"limits": {"cpu": "2"}},
        lambda chart: chart.ledger_container["resources"]["limits"].get("cpu"),
        "2",
        LEDGER,
    ),
    Change("ledger.prometheusRule.enabled", True, names_of("PrometheusRule"), ["monopod-ledger"], LEDGER),
    Change("billing.until", "PodTerminated", ledger_argument("billed-until"), "PodTerminated", LEDGER),
    Change("billing.unknownEnd", "Middle", ledger_argument("unknown-end"), "Middle", LEDGER),
    Change("billing.lostNode", "Stop", ledger_argument("lost-node"), "Stop", LEDGER),
    Change("prices.book", "eu-west-1", ledger_argument("price-book"), "eu-west-1", LEDGER),
    Change("prices.books", {"mine": {"name": "mine"}}, price_books, {"mine.yaml": {"name": "mine"}}, LEDGER),
    Change("podLabels", {"team": "a"}, lambda chart: chart.pod["metadata"]["labels"].get("team"), "a"),
    Change("podAnnotations", {"a": "b"}, lambda chart: chart.pod["metadata"].get("annotations"), {"a": "b"}),
]


def merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """The right one's values over the left one's, below each name."""
    both = dict(left)
    for key, value in right.items():
        deeper = isinstance(value, dict) and isinstance(both.get(key), dict)
        both[key] = merge(both[key], value) if deeper else value
    return both


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.path)
def test_a_value_reaches_the_place_that_it_is_for(change: Change) -> None:
    beside = change.beside or {}
    before = render_chart(beside)
    after = render_chart(merge(beside, nest(tuple(change.path.split(".")), change.value)))
    assert change.look(after) == change.expected
    if change.path != "metrics.serviceMonitor.enabled":
        assert change.look(before) != change.expected, "the value is the default: the test would not see it ignored"


def test_every_value_is_in_the_table_above() -> None:
    documented = {".".join(value.path) for value in read_values(CHART / "values.yaml")}
    assert {change.path for change in CHANGES} == documented


def test_a_port_is_the_same_everywhere() -> None:
    chart = render_chart({"metrics": {"port": 9090}})
    assert [port["containerPort"] for port in chart.container["ports"] if port["name"] == "metrics"] == [9090]
    assert [port["port"] for port in chart.one("Service")["spec"]["ports"]] == [9090]


def test_an_empty_list_turns_the_topology_spread_off() -> None:
    assert "topologySpreadConstraints" not in render_chart({"topologySpreadConstraints": []}).pod["spec"]


def test_labels_for_pods_can_not_replace_those_that_the_deployment_selects_by() -> None:
    chart = render_chart({"podLabels": {"app.kubernetes.io/name": "other"}})
    selected = chart.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert selected.items() <= chart.pod["metadata"]["labels"].items()
