"""The forecast of a move: the order, prices, and why pods are blocked or left; and how it is written."""

import json
from typing import Any

import pytest

from monopod.api.names import PROFILE_LABEL
from monopod.cli import live
from monopod.cli.input.prices import read_prices
from monopod.cli.plan.command import is_read_by_admission
from monopod.cli.plan.forecast import Contents, Fate, Plan, Rates, Step, build_steps
from monopod.cli.plan.output import build_report, write_json, write_text
from monopod.eviction.rules.budgets import Budget
from monopod.rescheduling.rules.pod_verdict import NamespaceContext
from monopod.rescheduling.rules.settings import ReschedulingSettings
from monopod.workloads.rules.replacement import Workload, build_bare_workload
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector
from tests.unit.cli.running import run

RATES = Rates(read_prices("us-east-1", "x86"), "x86")
SMALLEST = 0.0123425
WEB = a_profile("web", a_selector("prod"))
BARE = build_bare_workload("prod")


def a_workload(template: PodBuilder | None = None, kind: str = "Deployment", name: str = "shop") -> Workload:
    return Workload("prod", kind, name, f"{kind}-{name}", 3, (template or a_pod()).build())


def a_live_pod(name: str, minute: int = 0, mark: str = "", phase: str = "Running", **labels: str) -> dict[str, Any]:
    builder = a_pod(name).in_namespace("prod").labelled(labels | ({PROFILE_LABEL: mark} if mark else {}))
    pod = builder.build()
    pod["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": f"2026-01-01T00:{minute:02}:00Z"}
    pod["status"] = {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]}
    return pod


def a_budget(allowed: int, name: str = "keep") -> Budget:
    return Budget.from_resource(
        {
            "metadata": {"name": name, "namespace": "prod"},
            "spec": {"selector": {}},
            "status": {"disruptionsAllowed": allowed, "currentHealthy": 3, "desiredHealthy": 3},
        }
    )


def foretell(*pods: tuple[dict[str, Any], Workload], budgets: tuple[Budget, ...] = (), **terms: Any) -> list[Step]:
    place = NamespaceContext("prod", (WEB,), {"web": ReschedulingSettings("web", **terms)})
    return build_steps([Contents(place, pods, budgets)], RATES)


def test_the_oldest_pods_move_first_whatever_workload_they_are_of() -> None:
    shop, db = a_workload(), a_workload(kind="StatefulSet", name="db")
    steps = foretell((a_live_pod("c", 3), shop), (a_live_pod("a", 1), db), (a_live_pod("b", 2), shop))
    assert [(step.pod.name, step.workload, step.fate) for step in steps] == [
        ("a", "StatefulSet/db", Fate.MOVES),
        ("b", "Deployment/shop", Fate.MOVES),
        ("c", "Deployment/shop", Fate.MOVES),
    ]


def test_a_pod_that_runs_by_the_profile_is_no_step() -> None:
    assert foretell((a_live_pod("a", mark="web"), a_workload())) == []


def test_a_pod_comes_from_the_profile_by_which_it_runs() -> None:
    (step,) = foretell((a_live_pod("a", mark="old"), a_workload()))
    assert (step.origin, step.profile) == ("old", "web")


def test_size_and_price_are_those_of_the_template() -> None:
    template = a_pod().requesting(cpu="1", memory="1Gi")
    (step,) = foretell((a_live_pod("a"), a_workload(template)))
    assert step.size
    assert (step.size.row.cpu_millis, step.size.row.memory_mib) == (1000, 2048)
    assert float(step.hourly or 0) > SMALLEST


def test_a_pod_that_would_run_on_spot_is_foretold_at_spots_price(capsys: pytest.CaptureFixture[str]) -> None:
    place = NamespaceContext(
        "prod", (a_profile("web", a_selector("prod"), spot=True),), {"web": ReschedulingSettings("web")}
    )
    steps = build_steps([Contents(place, [(a_live_pod("a"), a_workload())], ())], RATES)
    plan = Plan((ReschedulingSettings("web"),), steps, RATES)
    (told,) = build_report(plan)["pods"]
    assert told["capacityProvider"] == "FARGATE_SPOT"
    assert 0 < told["hourlyPrice"] < SMALLEST / 2
    write_text(plan)
    assert capsys.readouterr().out.rstrip().endswith("(us-east-1, x86, Spot).")


def test_a_pod_without_a_controller_is_left_unless_the_profile_recreates_it() -> None:
    pod = (a_live_pod("a"), BARE)
    (left,), (moved,) = foretell(pod), foretell(pod, recreates_bare_pods=True)
    assert (left.fate, left.reason, left.hourly) == (Fate.LEFT, "BarePodsLeft", None)
    assert (moved.fate, moved.workload) == (Fate.MOVES, "")


def test_a_running_job_is_left_unless_the_profile_moves_it() -> None:
    pod = (a_live_pod("a"), a_workload(kind="Job", name="report"))
    (left,), (moved,) = foretell(pod), foretell(pod, moves_running_jobs=True)
    assert (left.fate, left.reason) == (Fate.LEFT, "RunningJobsLeft")
    assert moved.fate is Fate.MOVES


def test_a_pod_that_fargate_can_not_run_is_blocked() -> None:
    (step,) = foretell((a_live_pod("a"), a_workload(a_pod().with_spec(hostNetwork=True))))
    assert (step.fate, step.reason) == (Fate.BLOCKED, "PodsUnsupported")
    assert "HostNetwork" in step.message


@pytest.mark.parametrize(
    ("budgets", "fate", "reason"),
    [
        ((a_budget(1),), Fate.MOVES, None),
        ((a_budget(0),), Fate.BLOCKED, "BudgetExhausted"),
        ((a_budget(1), a_budget(1, "too")), Fate.BLOCKED, "SeveralBudgets"),
    ],
    ids=["allows-one", "allows-none", "several"],
)
def test_budgets_block_as_the_eviction_api_would(budgets: tuple[Budget, ...], fate: Fate, reason: str | None) -> None:
    (step,) = foretell((a_live_pod("a"), a_workload()), budgets=budgets)
    assert (step.fate, step.reason) == (fate, reason)


def everything() -> Plan:
    impossible = a_workload(a_pod().with_spec(hostPID=True), kind="ReplicaSet", name="agent")
    pods = ((a_live_pod("b", 2), a_workload()), (a_live_pod("bare", 1), BARE), (a_live_pod("agent", 0), impossible))
    return Plan((ReschedulingSettings("web"),), foretell(*pods), RATES)


def test_the_table_has_those_that_move_first_and_explains_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    write_text(everything())
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line]
    assert lines == [
        "pod workload from to size per hour",
        "1 prod/b Deployment/shop outside web 0.25vCPU 0.5GB 0.01234",
        "– prod/agent ReplicaSet/agent outside web Blocked: PodsUnsupported",
        "– prod/bare none outside web Left: BarePodsLeft",
        "PodsUnsupported prod/agent would stay Pending: Pod not supported on Fargate: fields not supported: HostPID",
        "BarePodsLeft Nothing would replace these pods, and the profile leaves them (`barePods: Leave`).",
        "1 pod of 1 workload would move, the oldest first, as budgets allow (maxUnavailable: 10%); 1 blocked, "
        "1 left alone.",
        "USD 0.01234 per hour once they have moved (us-east-1, x86, on demand).",
    ]


def test_a_workload_a_little_above_a_size_is_told_once_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    above = a_pod().requesting(cpu="1", memory="7948Mi")
    shop, alone = a_workload(above), a_live_pod("alone") | {"spec": above.build()["spec"]}
    steps = foretell((a_live_pod("a"), shop), (a_live_pod("b"), shop), (alone, BARE), recreates_bare_pods=True)
    plan = Plan((ReschedulingSettings("web"),), steps, RATES)
    write_text(plan)
    told = "12 MiB over 1vCPU 8GB: −$32.79 a month{}, if it asks for at most 7936Mi of memory."
    assert [line for line in capsys.readouterr().out.splitlines() if " over " in line] == [
        f"Deployment/shop in namespace prod: {told.format(' per replica')}",
        f"Pod/alone in namespace prod: {told.format('')}",
    ]
    assert {pod["cliff"]["monthlySaving"] for pod in build_report(plan)["pods"]} == {32.79}


def test_nothing_to_move_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    write_text(Plan((ReschedulingSettings("web"),), [], RATES))
    assert capsys.readouterr().out == "Nothing to move: no pod that would run by web runs elsewhere.\n"


def test_the_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    write_json(everything())
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads(json.dumps(build_report(everything())))
    assert report["summary"] == {"moves": 1, "blocked": 1, "left": 1, "hourlyPrice": SMALLEST}
    assert report["pods"][0] == {
        "namespace": "prod",
        "pod": "b",
        "workload": "Deployment/shop",
        "from": None,
        "to": "web",
        "fate": "Moves",
        "reason": None,
        "message": None,
        "capacity": "0.25vCPU 0.5GB",
        "size": {"cpuMillis": 250, "memoryMiB": 512},
        "hourlyPrice": SMALLEST,
        "capacityProvider": "FARGATE",
        "cliff": None,
    }
    assert report["profiles"] == [{"name": "web", "moves": True, "paused": False, "maxUnavailable": "10%"}]


@pytest.mark.parametrize("arguments", [[], ["web", "-f", "profile.yaml"]])
def test_a_profile_or_a_file_must_be_given(arguments: list[str]) -> None:
    result = run("plan", *arguments)
    assert (result.exit_code, "Give either PROFILE or -f FILE." in result.stderr) == (2, True)


def test_without_a_usable_kubeconfig_the_status_is_1() -> None:
    assert run("plan", "web", "--kubeconfig", "/nowhere/at/all").exit_code == 1


@pytest.mark.parametrize(
    ("metadata", "spec", "message"),
    [
        (None, {"selectors": [{"namespace": "prod"}]}, "FargateProfile without a name: metadata.name: is required"),
        ({"name": 5}, {}, "FargateProfile 5: metadata.name: must be a string, not a number"),
        ({"name": "web"}, {}, "FargateProfile web: spec.selectors: Fargate Profile requires at least one selector."),
        ({"name": "web"}, {"paused": "no"}, "FargateProfile web: spec.paused: must be true or false, not a string"),
    ],
    ids=str,
)
def test_a_malformed_profile_in_a_file_ends_with_status_2(
    monkeypatch: pytest.MonkeyPatch, metadata: object, spec: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: None)
    profile = {"apiVersion": "monopod.dev/v1beta1", "kind": "FargateProfile", "metadata": metadata, "spec": spec}
    result = run("plan", "-f", "-", stdin=json.dumps(profile))
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, False),
        ({"published": False, "conditions": [{"type": "Ready", "status": "False"}]}, False),
        ({"published": True, "conditions": [{"type": "Ready", "status": "False"}]}, True),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, True),
    ],
    ids=["new", "held back", "published and not ready", "of an operator before this one"],
)
def test_where_admission_reads_a_profile_its_own_answer_counts(status: dict[str, Any], expected: bool) -> None:
    assert is_read_by_admission({"status": status}) is expected
