"""Conformance specs run side by side, and a run that was stopped goes on with the specs that haven't ended."""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lab.cluster.provider import Cluster
from lab.conformance.ginkgo import read_results
from lab.conformance.run import Part, Run, build_command, interrupt_all, run_specs
from lab.shell import CommandFailed

A, B = "[sig-node] Pods (a) run [Conformance]", "[sig-node] Pods b? [Conformance]"
ENDS = """#!/bin/sh
for word; do
  case $word in --focus=*) echo "$word" >> {asked};; --results=*) results=${{word#--results=}};; esac
done
head -n {lines} {endings} >> "$results"
"""
"""Stands in for ginkgo: notes what it is asked for, and ends some specs."""

HANGS = """#!{python} -S
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(1))
open('{started}', "w").close()
time.sleep({seconds})
"""
HANG_SECONDS = 30


@pytest.fixture
def wanted(tmp_path: Path) -> Run:
    return Run(Part("parallel", "Conformance", 4, 2), [A, B], tmp_path)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return cast(Cluster, SimpleNamespace(kubeconfig_path=tmp_path / "kubeconfig"))


def write_program(monkeypatch: pytest.MonkeyPatch, folder: Path, *ended: str) -> Path:
    asked, endings, program = folder / "asked", folder / "endings", folder / "ginkgo"
    asked.unlink(missing_ok=True)
    endings.write_text("".join(json.dumps({"spec": spec, "failure": ""}) + "\n" for spec in ended))
    program.write_text(ENDS.format(asked=asked, endings=endings, lines=len(ended)))
    program.chmod(0o755)
    programs = {"ginkgo": program, "conformance.test": folder / "conformance.test"}
    monkeypatch.setattr("lab.conformance.run.build_tools", lambda _: programs)
    monkeypatch.setattr("lab.conformance.run.build_kubectl", lambda: folder / "kubectl")
    return asked


def test_a_run_that_was_stopped_goes_on_with_what_has_not_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: Run, cluster: Cluster
) -> None:
    asked = write_program(monkeypatch, tmp_path, A)
    with pytest.raises(CommandFailed, match="parallel: 1 specs haven't ended"):
        run_specs(wanted, cluster)
    assert len(asked.read_text().splitlines()) == 2
    assert wanted.find_left() == [B]
    asked = write_program(monkeypatch, tmp_path, B)
    run_specs(wanted, cluster)
    assert asked.read_text() == "--focus=\\[sig\\-node\\]\\ Pods\\ b\\?\\ \\[Conformance\\]$\n"
    assert wanted.find_left() == []


def test_a_run_that_is_interrupted_ends_at_once_and_so_does_one_that_begins_afterwards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: Run, cluster: Cluster
) -> None:
    monkeypatch.setattr("lab.conformance.run._STOPPING", threading.Event())
    write_program(monkeypatch, tmp_path)
    started = tmp_path / "started"
    (tmp_path / "ginkgo").write_text(HANGS.format(python=sys.executable, started=started, seconds=HANG_SECONDS))
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run_specs, wanted, cluster)
        deadline = time.monotonic() + 60
        while not started.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        interrupt_all()
        with pytest.raises(CommandFailed, match="2 specs haven't ended"):
            running.result()
    began = time.monotonic()
    with pytest.raises(CommandFailed, match="2 specs haven't ended"):
        run_specs(wanted, cluster)
    assert time.monotonic() - began < HANG_SECONDS


def test_progress_tells_how_many_have_ended_and_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: Run, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted.results.write_text(json.dumps({"spec": A, "failure": "failed: no"}) + "\n")
    write_program(monkeypatch, tmp_path, B)
    run_specs(wanted, cluster)
    told = capsys.readouterr().err
    assert "1 of 2 specs to run" in told
    assert "2 of 2 specs, 1 failed" in told


def test_serial_specs_run_one_after_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_program(monkeypatch, tmp_path)
    command = build_command(Run(Part("serial", "Conformance && Serial", 1, 2), [A], tmp_path), [A], tmp_path)
    assert "--procs=1" in command
    assert "--label-filter=Conformance && Serial" in command


def test_the_last_result_of_a_spec_counts_and_half_a_line_is_none(tmp_path: Path) -> None:
    first, second = tmp_path / "parallel.jsonl", tmp_path / "alone.jsonl"
    first.write_text(f'{json.dumps({"spec": A, "failure": "no"})}\n{{"spec": "c", "fail')
    second.write_text(json.dumps({"spec": A, "failure": ""}) + "\n")
    assert read_results(first, second, tmp_path / "none") == {A: ""}
