from pathlib import Path

import pytest
from rich.console import Console

from monopod.api.names import COMPUTE_TYPE, EKS_PROFILE_LABEL
from monopod.cli.explain.as_text import describe_admitted
from monopod.cli.explain.live_pod import Admitted
from monopod.cli.output.terminal import build_grid
from tests.unit.builders import PodBuilder, a_pod, a_profile_resource
from tests.unit.cli.running import explain

WEB = a_profile_resource("web", {"namespace": "test"}, {"namespace": "prod-*", "labels": {"tier": "web"}})
ZETA = a_profile_resource("zeta", {"namespace": "*"}, runtimeClassName="gvisor", unsupportedPods="Reject")


def lines_of(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_first_line_is_the_answer(tmp_path: Path) -> None:
    pod = a_pod("web-1").labelled(tier="web").in_namespace("prod-a").requesting(cpu="2", memory="2Gi").build()
    first = explain(tmp_path, [WEB, ZETA], pod, options=("--sandbox", "kata")).splitlines()[0]
    assert first == "Pod/web-1 in namespace prod-a: sandboxed by profile web: 2vCPU 4GB, RuntimeClass kata."


@pytest.mark.parametrize(
    ("pod", "answer"),
    [
        pytest.param(a_pod(), "sandboxed by profile zeta: 0.25vCPU 0.5GB, RuntimeClass gvisor.", id="own sandbox"),
        pytest.param(
            a_pod().in_namespace("test"), "sandboxed by profile web: 0.25vCPU 0.5GB, the default sandbox.", id="default"
        ),
        pytest.param(
            a_pod().in_namespace("kube-system"),
            "not on Fargate: no profile matches. It runs as an ordinary pod.",
            id="unmatched",
        ),
        pytest.param(
            a_pod().with_spec(nodeName="n"),
            "not on Fargate, though profile zeta matches. The pod names its node in spec.nodeName.",
            id="skipped",
        ),
        pytest.param(
            a_pod().in_namespace("test").with_spec(hostPID=True),
            "taken by profile web, and it stays Pending. Pod not supported on Fargate: fields not supported: HostPID.",
            id="pends",
        ),
        pytest.param(
            a_pod().with_spec(hostPID=True),
            "taken by profile zeta, and its creation is refused. "
            "Pod not supported on Fargate: fields not supported: HostPID.",
            id="rejected",
        ),
    ],
)
def test_the_answers(tmp_path: Path, pod: PodBuilder, answer: str) -> None:
    assert explain(tmp_path, [WEB, ZETA], pod.build()).splitlines()[0].split(": ", 1)[1] == answer


def test_every_profile_says_why_it_won_or_lost(tmp_path: Path) -> None:
    batch = a_profile_resource("batch", {"namespace": "jobs"})
    pod = a_pod().labelled(tier="web").in_namespace("prod-a").build()
    lines = lines_of(explain(tmp_path, [ZETA, WEB, batch], pod))
    start = lines.index("Profiles")
    assert lines[start + 1 : start + 8] == [
        "batch doesn't match",
        "selector 1: jobs the namespace is prod-a, not jobs",
        "web wins: the first by name of those that match",
        "selector 1: test the namespace is prod-a, not test",
        "selector 2: prod-*{tier=web} matches",
        "zeta matches too, but web comes first by name",
        "selector 1: * matches",
    ]


@pytest.mark.parametrize(
    ("selector", "fact"),
    [
        ({"namespace": "jobs"}, "the namespace is prod, not jobs"),
        ({"namespace": "jobs-*"}, "the namespace is prod, which doesn't match jobs-*"),
        ({"namespace": "prod", "labels": {"app": "x"}}, "the label app is missing (wanted: app=x)"),
        ({"namespace": "prod", "labels": {"a*": "x"}}, "no label's key matches a* (wanted: a*=x)"),
        ({"namespace": "prod", "labels": {"tier": "db"}}, "the label tier is 'web', not db"),
        ({"namespace": "prod", "labels": {"tier": ""}}, "the label tier is 'web', not ''"),
        ({"namespace": "prod", "labels": {"tier": "d*"}}, "the label tier is 'web', which doesn't match d*"),
        (
            {"namespace": "prod", "labels": {"t*": "db"}},
            "the label team is 'a' and tier is 'web', not db",
        ),
        (
            {"namespace": "jobs", "labels": {"app": "x"}},
            "the namespace is prod, not jobs; the label app is missing (wanted: app=x)",
        ),
    ],
)
def test_a_selector_names_the_facts_that_failed(tmp_path: Path, selector: dict[str, object], fact: str) -> None:
    pod = a_pod().labelled(tier="web", team="a").in_namespace("prod").build()
    text = explain(tmp_path, [a_profile_resource("p", selector)], pod)
    assert any(line.endswith(fact) and line.startswith("selector 1: ") for line in lines_of(text)), text


def test_a_wildcard_that_stops_at_kube_system_says_so(tmp_path: Path) -> None:
    text = explain(tmp_path, [ZETA], a_pod().in_namespace("kube-system").build())
    assert "the namespace kube-system is reached only by its exact name, never by a wildcard" in text


def test_the_only_match_says_so(tmp_path: Path) -> None:
    assert "zeta wins: no other matches" in lines_of(explain(tmp_path, [WEB, ZETA], a_pod().build()))


def test_a_pin_is_given_as_the_reason(tmp_path: Path) -> None:
    pod = a_pod().in_namespace("test").labelled({EKS_PROFILE_LABEL: "zeta"}).build()
    lines = lines_of(explain(tmp_path, [WEB, ZETA], pod))
    assert f"zeta wins: the pod's label {EKS_PROFILE_LABEL} names it" in lines
    assert f"web matches too, but the pod's label {EKS_PROFILE_LABEL} names zeta" in lines


@pytest.mark.parametrize(("pin", "why"), [("web", "doesn't match"), ("nowhere", "doesn't exist")])
def test_a_pin_without_effect_is_pointed_out(tmp_path: Path, pin: str, why: str) -> None:
    text = explain(tmp_path, [WEB, ZETA], a_pod().labelled({EKS_PROFILE_LABEL: pin}).build())
    assert f"Its label {EKS_PROFILE_LABEL} names profile '{pin}', which {why}, so the label has no say." in text


def test_the_size_is_reckoned_up(tmp_path: Path) -> None:
    pod = (
        a_pod().requesting(cpu="500m", memory="1Gi", ephemeral_storage="5Gi")
        .with_sidecar("mesh", cpu="100m", memory="64Mi").with_init("migrate", cpu="1", memory="64Mi")
    )  # fmt: skip
    lines = lines_of(explain(tmp_path, [ZETA], pod.build()))
    assert lines[lines.index("Size") + 1 :] == [
        "CPU memory storage",
        "app 500m 1024Mi 5120Mi",
        "mesh (sidecar) 100m 64Mi",
        "migrate (init container) 1000m 64Mi",
        "all that keep running 600m 1088Mi 5120Mi",
        "migrate and the sidecars before it 1100m 128Mi",
        "needed: the largest of each 1100m 1088Mi 5120Mi",
        "with 256 MiB for Kubernetes 1100m 1344Mi",
        "The smallest of Fargate's sizes that holds this is 2vCPU 4GB (2000m, 4096Mi).",
        "Its ephemeral storage is 20 GiB.",
        "",
        "Security groups",
        "cluster: the default, as nothing names others.",
        "NetworkPolicies of its namespace that select it decide alone in the directions that they are about.",
    ]


def test_storage_beyond_the_default_is_shown_as_it_is_provisioned(tmp_path: Path) -> None:
    pod = a_pod().requesting(ephemeral_storage="100Gi").build()
    assert "Its ephemeral storage is 115 GiB." in lines_of(explain(tmp_path, [ZETA], pod))


def test_zones_and_claims_have_sections_of_their_own(tmp_path: Path) -> None:
    profile = a_profile_resource("p", {"namespace": "*"}, subnets=["zone-a", "zone-b"])
    pod = a_pod().with_volume("v", persistentVolumeClaim={"claimName": "data"})
    lines = lines_of(explain(tmp_path, [profile], pod.build()))
    assert lines[lines.index("Zones") + 1] == "It runs on nodes in zone-a or zone-b."
    at = lines.index("Persistent volume claims")
    assert lines[at + 1] == "It waits until they are bound to file systems that Fargate mounts: data."


def test_what_a_pod_asks_of_its_nodes_is_said_but_for_fargate_itself(tmp_path: Path) -> None:
    pod = a_pod().with_spec(nodeSelector={"kubernetes.io/os": "linux", COMPUTE_TYPE: "fargate"})
    lines = lines_of(explain(tmp_path, [ZETA], pod.build()))
    assert lines[lines.index("Nodes") + 1] == "It runs only on nodes with the labels kubernetes.io/os=linux."


OFF_FARGATE = {
    "a nodeSelector": a_pod().with_spec(nodeSelector={COMPUTE_TYPE: "ec2"}),
    "node affinity": a_pod().requiring_nodes(
        {"matchExpressions": [{"key": COMPUTE_TYPE, "operator": "NotIn", "values": ["fargate"]}]}
    ),
}


@pytest.mark.parametrize("pod", OFF_FARGATE.values(), ids=OFF_FARGATE)
def test_a_pod_that_asks_for_other_nodes_than_fargates_stays_pending(tmp_path: Path, pod: PodBuilder) -> None:
    assert explain(tmp_path, [ZETA], pod.build()).startswith(
        "Pod/pod in namespace default: taken by profile zeta, and it stays Pending. MatchNodeSelector failed: Fargate "
        "profile zeta cannot satisfy pod's node selector/affinity requirements.\n"
    )


def test_a_pod_without_zones_and_claims_has_no_such_sections(tmp_path: Path) -> None:
    assert not {"Zones", "Nodes", "Persistent volume claims"} & set(
        lines_of(explain(tmp_path, [ZETA], a_pod().build()))
    )


def test_a_sandbox_that_the_profiles_status_tells_is_named(tmp_path: Path) -> None:
    told = {**a_profile_resource("p", {"namespace": "*"}), "status": {"runtimeClassName": "gvisor"}}
    assert explain(tmp_path, [told], a_pod().build()).splitlines()[0].endswith("RuntimeClass gvisor.")
    named = explain(tmp_path, [told], a_pod().build(), options=("--sandbox", "kata"))
    assert named.splitlines()[0].endswith("RuntimeClass kata.")


def test_a_pod_that_still_waits_for_its_claims_says_so() -> None:
    admitted = Admitted("web", "1vCPU 2GB", "kata", "", "20Gi", ("data", "logs"))
    wanted = "sandboxed by profile web: 1vCPU 2GB, RuntimeClass kata. It waits for its claims: data, logs."
    assert describe_admitted(admitted) == wanted


def test_a_pod_that_waits_for_its_isolation_says_so_and_names_the_gate() -> None:
    admitted = Admitted("web", "1vCPU 2GB", "kata", "", "20Gi", (), ("db", "web"), waits_for_isolation=True)
    assert describe_admitted(admitted) == (
        "sandboxed by profile web: 1vCPU 2GB, RuntimeClass kata. Its security groups: db, web. "
        "It waits behind the gate monopod.dev/isolation until its namespace is isolated; see its events."
    )


def test_pod_level_resources_are_shown_beside_the_containers(tmp_path: Path) -> None:
    pod = a_pod().requesting(memory="1Gi").with_pod_level(requests={"cpu": "3"}).build()
    lines = lines_of(explain(tmp_path, [ZETA], pod))
    assert "the pod as a whole (spec.resources) 3000m" in lines
    assert "needed: the largest of each 3000m 1024Mi" in lines


def test_what_fargate_cannot_run_is_listed(tmp_path: Path) -> None:
    pod = a_pod().with_spec(hostIPC=True).requesting(cpu="17").build()
    lines = lines_of(explain(tmp_path, [ZETA], pod))
    assert "No size of Fargate's holds this." in lines
    assert lines[lines.index("What Fargate can't run") + 1 :] == [
        "fields not supported: HostIPC",
        "requests exceed the largest size: 16vCPU 120GB",
    ]


def test_pods_off_fargate_have_no_size(tmp_path: Path) -> None:
    lines = lines_of(explain(tmp_path, [WEB], a_pod().build()))
    assert "Size" not in lines


def test_text_for_a_pipe_has_whole_lines_without_trailing_blanks(tmp_path: Path) -> None:
    selector = {"namespace": "x" * 60, "labels": {"l" * 60: "v" * 60}}
    text = explain(tmp_path, [a_profile_resource("p", selector)], a_pod().build())
    assert all(line == line.rstrip() for line in text.splitlines())
    assert any("x" * 60 in line and "the namespace is default" in line for line in text.splitlines())


def test_brackets_are_no_markup(tmp_path: Path) -> None:
    profile = a_profile_resource("p", {"namespace": "default"})
    volume = {"name": "[bold]", "hostPath": {"path": "/"}}
    assert "[bold] is of an unsupported" in explain(tmp_path, [profile], a_pod().with_spec(volumes=[volume]).build())


def test_several_pods_come_one_after_the_other(tmp_path: Path) -> None:
    lines = explain(tmp_path, [WEB], a_pod("a").build(), a_pod("b").build()).splitlines()
    assert [line.split()[0] for line in lines if line.startswith("Pod/")] == ["Pod/a", "Pod/b"]


def test_without_a_terminal_lines_are_whole_however_long(tmp_path: Path) -> None:
    name = "n" * 63
    text = explain(tmp_path, [a_profile_resource(name, {"namespace": "*"})], a_pod("x").build())
    assert f"Pod/x in namespace default: sandboxed by profile {name}: 0.25vCPU 0.5GB, the default sandbox." in text
    assert f"{name} wins: no other matches" in lines_of(text)
    assert max(len(line) for line in text.splitlines()) > 120


def test_on_a_narrow_terminal_words_are_broken_and_nothing_is_left_out() -> None:
    console = Console(width=10)
    table = build_grid(2)
    table.add_row("deployment/checkout", "runs")
    with console.capture() as capture:
        console.print(table)
    assert "deployment/checkout" in "".join(line.split()[0] for line in capture.get().splitlines())
