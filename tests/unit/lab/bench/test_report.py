from pathlib import Path

import pytest

from lab.bench.admission import AdmissionFigures, read_histograms
from lab.bench.figures import Figures
from lab.bench.isolation import IsolationFigures, count_writes
from lab.bench.launches import LaunchFigures
from lab.bench.ledger.recorder import LedgerFigures, ProcessFigures, compute_lags
from lab.bench.moves import MoveFigures, count_requests
from lab.bench.pods import PodFigures
from lab.bench.profiles import ProfileFigures
from lab.bench.report import Machine, Measured, build_details, build_summary, mark, write_documents
from lab.bench.scale.measure import Ramp, ScaleFigures
from lab.bench.starts.measure import Spread, StartFigures
from lab.bench.startup import StartupFigures

MACHINE = Machine("2026-11-01", 2, "a processor", "6.1", "1.36.3", "0.0.0-20260905035102-160fafc42237", 0.5)
METRICS = """
apiserver_request_duration_seconds_sum{group="",resource="pods",scope="resource",verb="POST",version="v1"} 2.5
apiserver_request_duration_seconds_sum{group="",resource="pods",scope="resource",verb="GET",version="v1"} 100
apiserver_request_duration_seconds_sum{group="",resource="namespaces",scope="resource",verb="POST",version="v1"} 100
apiserver_admission_controller_admission_duration_seconds_sum{name="MutatingAdmissionPolicy",operation="CREATE",rejected="false",type="admit"} 0.5
apiserver_admission_controller_admission_duration_seconds_sum{name="ValidatingAdmissionPolicy",operation="CREATE",rejected="false",type="validate"} 0.25
apiserver_admission_controller_admission_duration_seconds_sum{name="ValidatingAdmissionPolicy",operation="UPDATE",rejected="false",type="validate"} 100
apiserver_admission_controller_admission_duration_seconds_sum{name="LimitRanger",operation="CREATE",rejected="false",type="admit"} 100
"""  # noqa: E501 as the API server writes them


REQUESTS = """
apiserver_request_total{code="201",component="apiserver",dry_run="",group="networking.k8s.io",resource="networkpolicies",scope="resource",subresource="",verb="APPLY",version="v1"} 7
apiserver_request_total{code="409",component="apiserver",dry_run="",group="networking.k8s.io",resource="networkpolicies",scope="resource",subresource="",verb="APPLY",version="v1"} 100
apiserver_request_total{code="200",component="apiserver",dry_run="",group="networking.k8s.io",resource="networkpolicies",scope="cluster",subresource="",verb="WATCH",version="v1"} 100
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="status",verb="PATCH",version="v1"} 100
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="PATCH",version="v1"} 3
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 100
"""  # noqa: E501 as the API server writes them


def some(median: float) -> Figures:
    return Figures(20, median, median * 2, median * 3)


def spread(bound: float, ready: float) -> Spread:
    return Spread(some(bound), some(ready), (ready - 0.25, ready + 0.25))


def everything() -> Measured:
    admission = (
        AdmissionFigures("no policies", None, False, some(0.004), 0.003, 0.0),
        AdmissionFigures("policies, 10 profiles", 10, True, some(0.009), 0.008, 0.005),
    )
    return Measured(
        MACHINE,
        PodFigures(some(1.0), some(1.5), some(2.0)),
        admission,
        ProfileFigures(1000, 1000, 300, 5.0, 45.0, 0.5, 20.0, 0.5, 160 * 2**20),
        (
            IsolationFigures("PerPod", 10_000, 100, 40, some(0.05), 1.01, 0, 0.004, 200 * 2**20),
            IsolationFigures("PerGroup", 10_000, 100, 60, some(0.0), 0, 0, 0.002, 150 * 2**20),
        ),
        MoveFigures(1000, 50, 400, 6.5, 0.01, 200 * 2**20),
        StartupFigures(some(0.02), some(0.1)),
        ledger=LedgerFigures(
            10_000,
            6_000,
            100,
            80,
            some(0.5),
            ProcessFigures(6.0, 0.02, 0.004, 120 * 2**20),
            ProcessFigures(4.0, 0.01, 0.001, 60 * 2**20),
        ),
        launches=LaunchFigures(pod=some(2.0), simple=some(1.5), task=some(3.0)),
        starts=StartFigures(
            32, neither=spread(0.1, 2.0), image=spread(0.1, 1.0), balloon=spread(0.5, 2.5), both=spread(0.5, 1.5)
        ),
        scale=ScaleFigures(3500, Ramp(90.0, 160.0, 5, 0.02), Ramp(99.0, 200.0, 5, 0.05), cpu=0.01),
    )


def test_the_histograms_are_of_creations_of_pods_and_of_policies_alone() -> None:
    found = read_histograms(METRICS)
    assert (found.request, found.admission) == (2.5, 0.75)


def test_writes_are_those_that_went_well_on_the_objects_themselves() -> None:
    assert count_writes(REQUESTS, "networkpolicies") == 7
    assert count_writes(REQUESTS, "pods", "PATCH|APPLY") == 3


def test_requests_are_those_of_the_operators_flow() -> None:
    name = "apiserver_flowcontrol_dispatched_requests_total"
    metrics = f'{name}{{flow_schema="bench-operator",priority_level="workload-low"}} 12\n'
    assert count_requests(metrics + f'{name}{{flow_schema="exempt",priority_level="exempt"}} 100\n') == 12


def test_the_summary_has_ratios_and_differences() -> None:
    summary = build_summary(everything())
    assert "| pod start, median | 1.00 s | 2.00 s | × 2.00 |" in summary
    assert "| creating a pod, 10 profiles, median | 4.0 ms | 9.0 ms | +5.0 ms |" in summary


def test_a_recorder_is_compared_with_a_bare_watch() -> None:
    ledger = build_details(everything())["ledger"]
    assert "| CPU time for each pod that comes and goes | 4.0 ms | 1.0 ms | 4.00 |" in ledger
    assert "| share of a core while no pod changes | 2.00% | 1.00% | 2.00 |" in ledger
    assert "| pods created in a second (100 offered) | 80 |  |  |" in ledger


def test_a_write_lags_until_a_version_that_is_not_older_was_committed() -> None:
    seen = [(10, 100.0), (14, 101.0), (20, 102.5)]
    created = [(11, 100.2), (14, 100.9), (15, 101.5), (9, 100.5)]
    assert compute_lags(created, seen) == pytest.approx([0.8, 0.1, 1.0, 0.0])


PARTS = ("pods", "admission", "profiles", "isolation", "moves", "startup", "ledger", "launches", "starts", "scale")


def test_the_details_have_a_table_for_each_part_that_was_measured() -> None:
    details = build_details(everything())
    assert tuple(details) == PARTS
    assert all(text.startswith("### ") and "Measured on 2 cores (a processor)" in text for text in details.values())
    assert "| an ECS task, until RUNNING | 3.00 s | 9.00 s | 1.50 |" in details["launches"]
    assert "| a balloon's, on the node | 0.50 s | 1.50 s | 1.25–1.75 s | 4.50 s | 0.75 |" in details["starts"]
    assert "| until all are Running | 160 s | 200 s | 1.25 |" in details["scale"]
    assert "| the API server's CPU time, for each pod | 20.0 ms | 50.0 ms | 2.50 |" in details["scale"]
    assert build_details(Measured(MACHINE)) == {}


def write_old_documents(root: Path) -> None:
    (root / "docs").mkdir()
    for name, parts in (("docs/performance.md", [f"figures of {part}" for part in PARTS]), ("README.md", ["figures"])):
        blocks = [f"before {part}\n{mark(part)[0]}\nold {part}\n{mark(part)[1]}\nafter {part}\n" for part in parts]
        (root / name).write_text("\n".join(blocks))


def test_documents_are_changed_between_their_markers_alone(tmp_path: Path) -> None:
    write_old_documents(tmp_path)
    write_documents(everything(), tmp_path)
    for name in ("docs/performance.md", "README.md"):
        text = (tmp_path / name).read_text()
        assert "old" not in text
        assert text.count("before") == text.count("after") == text.count("begin") == text.count("end -->")


def test_a_part_that_is_measured_alone_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    write_old_documents(tmp_path)
    write_documents(Measured(MACHINE, isolation=everything().isolation), tmp_path)
    text = (tmp_path / "docs/performance.md").read_text()
    assert [part for part in PARTS if f"old figures of {part}\n" in text] == [
        "pods",
        "admission",
        "profiles",
        "moves",
        "startup",
        "ledger",
        "launches",
        "starts",
        "scale",
    ]
    assert "old figures" in (tmp_path / "README.md").read_text()


def test_a_document_without_markers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/performance.md").write_text("nothing\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        write_documents(everything(), tmp_path)
