"""The chart gvisor-node: every value is used, misspelt ones are refused, and only its DaemonSet is privileged."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chartgen.values_table import read_values
from gvisor_node.__main__ import build_agent
from image.gvisor_node_image import CONFIG, PROGRAMS_FOLDER
from lab.build.pins import read_pins
from tests.chart.rendering import ROOT, Object, Refused, Rendered, nest, read_objects, run_tool

CHART = ROOT / "charts/gvisor-node"


def render(values: dict[str, Any] | None = None) -> Rendered:
    command = ("template", "gvisor-node", CHART, "--namespace", "nodes", "--values", "-")
    return read_objects(run_tool("helm", *command, text=json.dumps(values or {})))


@pytest.fixture(scope="module")
def chart() -> Rendered:
    return render()


def pod_of(chart: Rendered, kind: str = "DaemonSet") -> Object:
    spec: Object = chart.one(kind)["spec"]["template"]["spec"]
    return spec


def container_of(chart: Rendered, kind: str = "DaemonSet") -> Object:
    (only,) = pod_of(chart, kind)["containers"]
    return dict(only)


def settings_of(chart: Rendered, kind: str = "DaemonSet") -> Object:
    found: Object = json.loads(next(e["value"] for e in container_of(chart, kind)["env"] if e["name"] == "GVISOR_NODE"))
    return found


def setting(*path: str) -> Callable[[Rendered], Any]:
    def look(chart: Rendered) -> Any:
        found: Any = settings_of(chart)
        for name in path:
            found = found[name]
        return found

    return look


def class_of(*path: str) -> Callable[[Rendered], Any]:
    def look(chart: Rendered) -> Any:
        found: Any = chart.one("RuntimeClass")
        for name in path:
            found = found[name]
        return found

    return look


DIGEST = "sha256:" + "ab" * 32
CHANGES: list[tuple[str, Any, Callable[[Rendered], Any], Any]] = [
    ("handler", "runsc-kvm", lambda c: (class_of("handler")(c), setting("handler")(c)), ("runsc-kvm", "runsc-kvm")),
    ("runtimeClass.create", False, lambda c: c.of_kind("RuntimeClass"), []),
    ("runtimeClass.name", "g", lambda c: (class_of("metadata", "name")(c), setting("runtimeClass")(c)), ("g", "g")),
    (
        "runtimeClass.overhead",
        {"cpu": "1m", "memory": "1Mi"},
        class_of("overhead", "podFixed"),
        {"cpu": "1m", "memory": "1Mi"},
    ),
    (
        "node.label",
        "a/b",
        lambda c: (class_of("scheduling", "nodeSelector")(c)["a/b"], setting("node", "label")(c)),
        ("true", "a/b"),
    ),
    ("node.startupTaint", "a/c", setting("node", "startupTaint"), "a/c"),
    ("installDir", "/srv/gvisor", setting("installDir"), "/srv/gvisor"),
    ("runscConfig", {"platform": "kvm"}, setting("runscConfig"), {"platform": "kvm"}),
    ("containerd.config", "/srv/c.toml", setting("containerd", "config"), "/srv/c.toml"),
    ("containerd.units", ["c"], setting("containerd", "units"), ["c"]),
    ("containerd.restart", "none", setting("containerd", "restart"), "none"),
    ("image.repository", "r", lambda c: container_of(c)["image"], "r:0.1.0"),
    ("image.tag", "t", lambda c: container_of(c, "Job")["image"], "monopod.local/gvisor-node:t"),
    ("image.digest", DIGEST, lambda c: container_of(c)["image"], f"monopod.local/gvisor-node@{DIGEST}"),
    ("image.pullPolicy", "Never", lambda c: container_of(c)["imagePullPolicy"], "Never"),
    ("image.pullSecrets", [{"name": "s"}], lambda c: pod_of(c)["imagePullSecrets"], [{"name": "s"}]),
    ("nodeSelector", {"a": "b"}, lambda c: pod_of(c)["nodeSelector"]["a"], "b"),
    ("tolerations", [{"key": "x"}], lambda c: pod_of(c)["tolerations"], [{"key": "x"}]),
    (
        "maxUnavailable",
        "10%",
        lambda c: c.one("DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"],
        "10%",
    ),
    ("priorityClassName", "p", lambda c: pod_of(c)["priorityClassName"], "p"),
    ("resources", {"limits": {"memory": "1Gi"}}, lambda c: container_of(c)["resources"]["limits"], {"memory": "1Gi"}),
]


@pytest.mark.parametrize(("path", "value", "look", "expected"), CHANGES, ids=[path for path, *_ in CHANGES])
def test_every_value_does_what_its_comment_says(
    chart: Rendered, path: str, value: Any, look: Callable[[Rendered], Any], expected: Any
) -> None:
    changed = render(nest(tuple(path.split(".")), value))
    assert look(changed) == expected
    assert changed.objects != chart.objects


def test_no_value_is_without_a_test() -> None:
    assert {".".join(value.path) for value in read_values(CHART / "values.yaml")} == {path for path, *_ in CHANGES}


REFUSED: list[tuple[str, Any]] = [
    ("handlers", "runsc"),
    ("handler", "Runsc"),
    ("handler", 'x"]'),
    ("installDir", "/"),
    ("installDir", "/opt/../etc"),
    ("installDir", "opt"),
    ("node.label", "a b"),
    ("runscConfig", {"debug": True}),
    ("containerd.restart", "kill"),
    ("containerd.config", "config.toml"),
    ("maxUnavailable", 0),
    ("image.tag", "a tag"),
]


@pytest.mark.parametrize(("path", "value"), REFUSED, ids=str)
def test_values_that_make_no_sense_are_refused(path: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"/{path.split('.')[0]}|additional properties"):
        render(nest(tuple(path.split(".")), value))


def test_only_the_daemon_set_is_privileged_and_only_reads_its_image(chart: Rendered) -> None:
    assert container_of(chart)["securityContext"] == {"privileged": True, "readOnlyRootFilesystem": True}
    job = container_of(chart, "Job")["securityContext"]
    assert (job["allowPrivilegeEscalation"], job["capabilities"]) == (False, {"drop": ["ALL"]})
    assert not pod_of(chart, "Job").keys() & {"hostPID", "hostNetwork", "volumes"}


def test_its_rights_are_named_one_by_one(chart: Rendered) -> None:
    rules = [rule for role in chart.of_kind("ClusterRole", "Role") for rule in role["rules"]]
    found = {(tuple(rule["resources"]), tuple(rule["verbs"])) for rule in rules}
    assert found == {(("nodes",), ("get", "patch")), (("pods",), ("list",)), (("daemonsets",), ("get", "delete"))}


def test_the_program_reads_the_settings_that_the_chart_writes(chart: Rendered) -> None:
    settings = settings_of(chart)
    assert settings == settings_of(chart, "Job")
    agent = build_agent(settings, None, "node-1", None)  # type: ignore[arg-type]  # neither is asked here
    assert (agent.installation.handler, agent.installation.folder) == ("runsc", "/opt/gvisor-node")
    assert (agent.restarts, agent.units, agent.node.name) == (True, (), "node-1")
    meta = chart.one("DaemonSet")["metadata"]
    assert agent.daemon_set == f"/apis/apps/v1/namespaces/{meta['namespace']}/daemonsets/{meta['name']}"


def test_the_dockerfile_makes_what_the_other_image_is() -> None:
    text = (ROOT / "gvisor-node/Dockerfile").read_text()
    assert f"ARG GO={read_pins()['go']}\n" in text
    assert f"ENTRYPOINT {json.dumps(CONFIG['Entrypoint'])}" in text
    assert f"/programs /{PROGRAMS_FOLDER}\n" in text
    assert next(entry for entry in CONFIG["Env"] if entry.startswith("PYTHONPATH")) in text
