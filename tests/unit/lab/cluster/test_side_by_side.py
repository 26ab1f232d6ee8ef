"""Clusters that several processes make, remove and look at side by side keep out of each other's way."""

import fcntl
import random
import shutil
import threading
import time
from pathlib import Path

import pytest

from lab.cluster import controlplane, lab_cluster
from lab.cluster.lab_cluster import LabCluster, find_clusters, sweep
from lab.supervisor import Supervisor


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MONOPOD_STATE", str(tmp_path))
    return tmp_path


def choose_ports(state: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    """Those of a cluster that doesn't listen yet, with the same luck each time."""
    (state / name).mkdir()
    monkeypatch.setattr(controlplane, "random", random.Random(0))
    return LabCluster(name, control_plane_only=True)._choose_ports()


def test_two_that_are_being_started_have_no_port_in_common(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = choose_ports(state, "one", monkeypatch), choose_ports(state, "two", monkeypatch)
    assert set(one).isdisjoint(two)
    assert len({*one, *two}) == 10


def test_one_that_goes_while_dead_ones_are_swept_away_is_nobodys_trouble(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (state / "going/machines/control-plane").mkdir(parents=True)

    def find_and_remove() -> list[LabCluster]:
        found = find_clusters()
        shutil.rmtree(state / "going")
        return found

    monkeypatch.setattr(lab_cluster, "find_clusters", find_and_remove)
    sweep()


def test_a_supervisor_starts_although_somebody_looks_whether_it_lives(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        threading.Timer(0.1, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        Supervisor(tmp_path, None).lock.close()
        assert time.monotonic() - began >= 0.05
