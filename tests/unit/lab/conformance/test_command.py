"""`make test-conformance` without clusters and specs: what runs, what runs again alone, and what it prints."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lab.conformance import __main__ as command
from lab.conformance.clusters import Clusters
from lab.conformance.run import Run

ETC_HOSTS = "[sig-node] KubeletManagedEtcHosts should test kubelet managed /etc/hosts file [Conformance]"
SLOW, FINE, SERIAL = "[sig-apps] Job slow [Conformance]", "[sig-apps] Job fine [Conformance]", "[sig-apps] Set [Serial]"
SPECS = {"serial": [SERIAL], "parallel": [ETC_HOSTS, SLOW, FINE]}

Failures = Mapping[tuple[str, str], tuple[str, ...]]
"""Case and part to the specs that fail there."""


class World:
    """Stands in for clusters and specs, and writes down what ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, failing: Failures) -> None:
        self.folder, self.failing = folder, failing
        self.ran: dict[tuple[str, str], list[str]] = {}
        monkeypatch.setattr(command, "become_root", lambda _: None)
        monkeypatch.setattr(command, "build_conformance_images", lambda _: [])
        monkeypatch.setattr(command, "list_specs", lambda part, *_: SPECS[part.name])
        monkeypatch.setattr(command, "run_specs", self._run)
        monkeypatch.setattr(Clusters, "provide", self._provide)

    def start(self, *options: str) -> Result:
        self.ran.clear()
        return CliRunner().invoke(command.main, ["--folder", str(self.folder), *options])

    @contextmanager
    def _provide(self, *_: Any, profile: bool) -> Iterator[bool]:
        yield profile

    def _run(self, wanted: Run, profile: bool) -> None:
        assert profile == (wanted.folder.name == "with")
        key = wanted.folder.name, wanted.part.name
        self.ran[key] = wanted.find_left()
        failing = self.failing.get(key, ())
        lines = [json.dumps({"spec": spec, "failure": "no" * (spec in failing)}) for spec in self.ran[key]]
        wanted.results.write_text("".join(f"{line}\n" for line in lines))


def test_what_failed_beside_others_is_run_again_alone_and_that_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = World(
        monkeypatch, tmp_path, {("without", "parallel"): (SLOW,), ("with", "parallel"): (ETC_HOSTS, SLOW, FINE)}
    )
    result = world.start()
    assert world.ran.pop(("without", "alone")) == [SLOW]
    # What is expected to fail isn't tried again; the other was no difference before, because it failed both times.
    assert world.ran.pop(("with", "alone")) == [SLOW, FINE]
    assert world.ran == {(case, part): specs for case in ("with", "without") for part, specs in SPECS.items()}
    assert result.output.startswith("4 specs: 4 passed without a profile, 3 with one.\n")
    assert "Expected to fail with a profile: the node's network, ports and files (1)." in result.output
    assert result.exit_code == 0


def test_a_difference_that_stays_fails_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing = {("with", "serial"): (SERIAL,), ("with", "alone"): (SERIAL,)}
    result = World(monkeypatch, tmp_path, failing).start()
    assert "UNEXPECTED: 1 fail only with a profile.\n  [sig-apps] Set\n    no\n" in result.output
    assert result.exit_code == 1


def test_a_run_goes_on_and_another_begins_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World(monkeypatch, tmp_path, {})
    first = world.start()
    (tmp_path / "with/serial.jsonl").unlink()
    again = world.start("--resume")
    assert world.ran == {("with", "serial"): [SERIAL]}
    assert (again.output, again.exit_code) == (first.output, 0)
    world.start()
    assert len(world.ran) == 4
