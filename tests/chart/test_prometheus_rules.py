"""The rules for Prometheus are right although two replicas tell the same: judged by Prometheus' own promtool."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.build.apt import install_packages
from tests.chart.rendering import CHART, render_chart

RULES = CHART / "rules" / "ledger.yaml"
LABELS = 'namespace="web",profile="web",capacity="FARGATE",architecture="x86"'
ONE, OTHER = ('pod="monopod-ledger-0",instance="10.0.0.1:8080"', 'pod="monopod-ledger-1",instance="10.0.0.2:8080"')


@pytest.fixture(scope="module")
def promtool() -> str:
    install_packages({"promtool": "prometheus"})
    found = shutil.which("promtool")
    assert found
    return found


def series(metric: str, values: str, *labels: str) -> dict[str, str]:
    return {"series": f"{metric}{{{','.join(labels)}}}", "values": values}


def recorded(expression: str, at: str, *samples: tuple[str, float]) -> dict[str, Any]:
    """What a question finds; one of the samples has the recorded name."""
    expected = [{"labels": f"{expression}{{{labels}}}", "value": value} for labels, value in samples]
    return {"expr": expression, "eval_time": at, "exp_samples": expected}


def firing(name: str, at: str, *labels: dict[str, str]) -> dict[str, Any]:
    summaries = {rule["alert"]: rule for group in read_rules() for rule in group["rules"] if "alert" in rule}
    rule = summaries[name]
    alerts = [
        {"exp_labels": {**rule["labels"], **each}, "exp_annotations": _fill(rule["annotations"], each)}
        for each in labels
    ]
    return {"eval_time": at, "alertname": name, "exp_alerts": alerts}


def _fill(annotations: dict[str, str], labels: dict[str, str]) -> dict[str, str]:
    return {key: text.replace("{{ $labels.node }}", labels.get("node", "")) for key, text in annotations.items()}


def read_rules() -> Any:
    return yaml.safe_load(RULES.read_text())["groups"]


def judge(promtool: str, folder: Path, *, inputs: list[Any], **tests: list[Any]) -> None:
    """Has promtool evaluate the rules over series of a sample a minute."""
    test = {"interval": "1m", "input_series": inputs, **tests}
    path = folder / "test.yaml"
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_replicas_that_tell_the_same_count_once(promtool: str, tmp_path: Path) -> None:
    metric = "monopod_ledger_vcpu_seconds_total"
    inputs = [series(metric, "1000+60x20", LABELS, ONE), series(metric, "1000+60x20", LABELS, OTHER)]
    name = "monopod:ledger_vcpus:rate5m"
    judge(promtool, tmp_path, inputs=inputs, promql_expr_test=[recorded(name, "10m", (LABELS, 1))])


def test_one_replica_is_enough_and_its_restart_is_no_peak(promtool: str, tmp_path: Path) -> None:
    metric = "monopod_ledger_cost_total"
    labels = 'namespace="web",profile="web",capacity="FARGATE",currency="USD"'
    inputs = [
        series(metric, "5+0.01x9 _x3 5.13+0.01x10", labels, ONE),  # away for a while; its totals go on
        series(metric, "5+0.01x30", labels, OTHER),
    ]
    expected = [
        {
            "expr": "round(monopod:ledger_cost_per_hour:rate5m, 0.000001)",
            "eval_time": at,
            "exp_samples": [{"labels": f"{{{labels}}}", "value": 0.6}],
        }
        for at in ("9m", "12m", "15m", "20m")
    ]
    judge(promtool, tmp_path, inputs=inputs, promql_expr_test=expected)


def test_what_a_profile_costs_is_summed_over_its_namespaces_once(promtool: str, tmp_path: Path) -> None:
    metric, rest = "monopod_ledger_cost_total", 'capacity="FARGATE",currency="USD"'
    shop = f'namespace="shop",profile="web",{rest}'
    inputs = [
        series(metric, "5+0.01x30", shop, ONE),
        series(metric, "5+0.01x30", shop, OTHER),
        series(metric, "1+0.02x30", f'namespace="data",profile="web",{rest}', ONE),
        series(metric, "1+0.03x30", f'namespace="data",profile="batch",{rest}', OTHER),
    ]
    name = "monopod:ledger_profile_cost_per_hour:rate5m"
    expected = [
        {
            "expr": f"round({name}, 0.000001)",
            "eval_time": "20m",
            "exp_samples": [
                {"labels": '{profile="web",currency="USD"}', "value": 1.8},
                {"labels": '{profile="batch",currency="USD"}', "value": 1.8},
            ],
        }
    ]
    judge(promtool, tmp_path, inputs=inputs, promql_expr_test=expected)


def test_nobody_watching_is_critical_and_one_of_two_is_a_warning(promtool: str, tmp_path: Path) -> None:
    metric = "monopod_ledger_lag_seconds"
    inputs = [series(metric, "5x10 400+60x20", ONE), series(metric, "5x25 400+60x5", OTHER)]
    judge(
        promtool,
        tmp_path,
        inputs=inputs,
        alert_rule_test=[
            firing("MonopodLedgerBlind", "20m"),
            firing("MonopodLedgerReplicaBehind", "22m", {"pod": "monopod-ledger-0", "instance": "10.0.0.1:8080"}),
            firing("MonopodLedgerBlind", "29m", {}),
        ],
    )


def test_no_replica_at_all_is_noticed(promtool: str, tmp_path: Path) -> None:
    inputs = [series("up", "1x10")]
    judge(promtool, tmp_path, inputs=inputs, alert_rule_test=[firing("MonopodLedgerBlind", "5m", {})])


def test_the_best_coverage_counts_and_a_skewed_node_is_named_once(promtool: str, tmp_path: Path) -> None:
    coverage, skew = "monopod_ledger_coverage_ratio", "monopod_ledger_node_clock_skew_seconds"
    inputs = [
        series(coverage, "0.9x5 0.9x10", ONE),
        series(coverage, "1x5 0.99x10", OTHER),
        series(skew, "-3x15", 'node="n1"', ONE),
        series(skew, "-3.1x15", 'node="n1"', OTHER),
        series(skew, "0.2x15", 'node="n2"', ONE),
    ]
    judge(
        promtool,
        tmp_path,
        inputs=inputs,
        alert_rule_test=[
            firing("MonopodLedgerGap", "4m"),
            firing("MonopodLedgerGap", "8m", {}),
            firing("MonopodNodeClockSkew", "8m", {"node": "n1"}),
        ],
    )


def test_prometheus_operator_gets_the_same_rules() -> None:
    rule = render_chart({"ledger": {"enabled": True, "prometheusRule": {"enabled": True}}}).one("PrometheusRule")
    assert rule["spec"]["groups"] == read_rules()
