"""Two runs of Kubernetes' conformance tests are compared spec by spec."""

import json
import re
from pathlib import Path

import pytest

from lab.conformance.ginkgo import read_report
from lab.conformance.report import SpecClass, compare, read_expectations, render_comparison

HOST = SpecClass("host", "Fargate runs no pod with hostNetwork.", ("hostNetwork", "^Etc hosts"))


def test_a_spec_that_fails_with_a_profile_only_is_unexpected() -> None:
    found = compare({"a": "", "b": ""}, {"a": "", "b": "timed out\nmore"}, [HOST])
    assert (found.specs, found.passed_without, found.passed_with) == (2, 2, 1)
    assert found.unexpected == {"b": "timed out\nmore"}
    assert not found.as_expected
    assert "UNEXPECTED: 1 fail only with a profile.\n  b\n    timed out\n" in render_comparison(found)


def test_a_class_expects_its_specs_to_fail_with_a_profile() -> None:
    found = compare(
        {"Etc hosts": "", "pods with hostNetwork": ""}, {"Etc hosts": "x", "pods with hostNetwork": "x"}, [HOST]
    )
    assert found.expected == {HOST: ["Etc hosts", "pods with hostNetwork"]}
    assert found.as_expected
    assert "host (2). Fargate runs no pod with hostNetwork." in render_comparison(found)


@pytest.mark.parametrize(
    ("without", "ours"),
    [
        pytest.param({"a": "failed"}, {"a": "failed"}, id="fails both times"),
        pytest.param({"a": "failed"}, {"a": ""}, id="fails without a profile only"),
    ],
)
def test_what_fails_without_a_profile_is_no_difference(without: dict[str, str], ours: dict[str, str]) -> None:
    assert compare(without, ours, []).as_expected


def test_runs_of_nothing_and_of_different_specs_show_nothing() -> None:
    assert not compare({}, {}, []).as_expected
    assert not compare({"a": ""}, {"a": "", "b": ""}, []).as_expected


def test_a_report_tells_failures_and_what_was_skipped(tmp_path: Path) -> None:
    def spec(name: str, state: str, **more: object) -> dict[str, object]:
        texts = ["[sig-node] Pods", "[Serial]"]
        return {"ContainerHierarchyTexts": texts, "LeafNodeText": name, "LeafNodeType": "It", "State": state, **more}

    specs = [
        spec("run [NodeConformance] [Conformance]", "passed"),
        spec("stop", "failed", Failure={"Message": "no"}),
        spec("hang", "timedout"),
        spec("rest", "skipped"),
        {"LeafNodeType": "BeforeSuite"},
    ]
    report = tmp_path / "report.json"
    report.write_text(json.dumps([{"SpecReports": specs}]))
    names = {"[sig-node] Pods run": "", "[sig-node] Pods stop": "no", "[sig-node] Pods hang": "timedout"}
    assert read_report(report) == names


def test_each_expected_class_has_a_reason_and_valid_expressions() -> None:
    expected = read_expectations()
    for each in (*expected.differences, *expected.not_run):
        assert each.reason.endswith(".")
        assert each.specs
        assert all(re.compile(pattern) for pattern in each.specs)
