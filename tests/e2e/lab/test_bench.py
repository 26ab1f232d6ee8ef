"""The benchmark runs and its figures are of the right things; how large they are is nobody's business here."""

import json
import subprocess
from pathlib import Path

from lab.bench.launches import measure_launches_on
from lab.bench.pods import measure_pods_on
from lab.bench.starts.measure import measure_starts_on
from lab.cluster.installation import ROOT
from tests.e2e.conftest import AWS_USER
from tests.e2e.live import Live

SECONDS = 550


def test_the_start_of_pods_is_measured(live: Live) -> None:
    figures = measure_pods_on(live.cluster, 1)
    assert figures.node.count == figures.by_hand.count == figures.monopod.count == 1
    assert min(figures.node.median, figures.by_hand.median, figures.monopod.median) > 0


def test_the_start_of_ecs_tasks_is_measured(live: Live) -> None:
    figures = measure_launches_on(live.cluster, AWS_USER, 1)
    assert figures.pod.count == figures.simple.count == figures.task.count == 1
    assert min(figures.pod.median, figures.simple.median, figures.task.median) > 0


def test_the_start_of_pods_is_measured_by_the_room_and_the_image_that_were_there_before(live: Live) -> None:
    live.await_calm()
    figures = measure_starts_on(live.cluster, 1, mebibytes=1)
    for spread in (figures.neither, figures.image, figures.balloon, figures.both):
        assert spread.ready.count == 1
        assert 0 < spread.bound.median < spread.ready.median


def test_admission_and_start_up_are_measured(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [ROOT / "hack/bench", "admission", "startup", "--creates", "3", "--startups", "1", "--json", file]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    series = {(one["policies"], one["profiles"]): one for one in figures["admission"]}
    assert set(series) == {(False, None), (True, None), (True, 1), (True, 10), (True, 100), (True, 300)}
    assert all(one["client"]["count"] == 3 and one["server"] > 0 for one in series.values())
    assert series[True, 100]["admission"] > series[False, None]["admission"], "the histogram is the policies'"
    assert figures["startup"]["help"]["count"] == 1


def test_a_recorder_is_measured_beside_a_bare_watch(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [ROOT / "hack/bench", "ledger", "--running", "30", "--churn", "20", "--rate", "10", "--json", file]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())["ledger"]
    assert (figures["running"], figures["churned"], figures["lag"]["count"]) == (30, 20, 20)
    assert 0 <= figures["lag"]["median"] < 60
    assert min(figures[name]["memory"] * figures[name]["started"] for name in ("recorder", "watch")) > 0


def test_isolation_is_measured_for_both_kinds_of_policies(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [ROOT / "hack/bench", "isolation", "--burst", "20", "--rate", "20", "--json", file]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    per_pod, per_group = json.loads(file.read_text())["isolation"]
    assert (per_pod["mode"], per_group["mode"]) == ("PerPod", "PerGroup")
    assert (per_pod["policy_writes"], per_group["policy_writes"]) == (1, 1 / 20)
    assert (per_pod["pod_writes"], per_group["pod_writes"]) == (1, 0)
    assert min(one["cpu"] * one["memory"] for one in (per_pod, per_group)) > 0


def test_ecs_tasks_are_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [ROOT / "hack/bench", "tasks", "--tasks", "3", "--json", file]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())["tasks"]
    assert (figures["tasks"], figures["one"]["count"]) == (3, 100)
    assert min(figures[name]["median"] for name in ("one", "hundred", "listed", "run")) > 0
    assert figures["memory"] > 0


def test_pods_from_nothing_are_measured_with_monopod_and_without(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [ROOT / "hack/bench", "scale", "--scaled", "20", "--json", file]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())["scale"]
    assert figures["pods"] == 20
    for ramp in (figures["plain"], figures["monopod"]):
        assert 0 < ramp["half"] <= ramp["all"]
        # How many depends on how many pods there are when Karpenter looks, too, and so on how busy the machine is.
        assert ramp["nodes"] > 0
        assert ramp["server"] > 0
    assert figures["cpu"] > 0
