from pathlib import Path

import pytest
from click.testing import CliRunner

from lab.bench.__main__ import main
from lab.bench.beside import Compared, compare, measure_beside, print_compared
from lab.shell import CommandFailed


def run_of(cpu: float, memory: int) -> object:
    isolation = [{"mode": "PerGroup", "pods": 400, "cpu": cpu, "policy": {"median": 0.0, "p99": cpu}}]
    return {"machine": {"load": cpu}, "isolation": isolation, "moves": {"memory": memory}, "pods": None}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One whose `hack/bench` notes its turns, and needs as many seconds of CPU time as there are of them."""
    script = tmp_path / "here/hack/bench"
    script.parent.mkdir(parents=True)
    script.write_text(
        f"""#!/usr/bin/env bash
set -euo pipefail
echo "$0 $*" >> {tmp_path}/turns
[ "$1" = moves ]
echo "{{\\"moves\\": {{\\"cpu\\": $(wc -l < {tmp_path}/turns)}}}}" > "${{@: -1}}"
"""
    )
    script.chmod(0o755)
    other = tmp_path / "there/hack/bench"
    other.parent.mkdir(parents=True)
    other.symlink_to(script)
    return tmp_path / "here"


def test_a_figure_is_the_median_of_its_turns() -> None:
    [found] = compare([{"cpu": 2.0}, {"cpu": 4.0}, {"cpu": 40.0}], [{"cpu": 6.0}, {"cpu": 1.0}, {"cpu": 6.0}])
    assert (found.name, found.ratio) == ("cpu", 1.5)


def test_figures_are_named_by_where_they_are_and_how_many_pods_there_were_is_none_of_them() -> None:
    found = compare([run_of(0.01, 100)], [run_of(0.02, 110)])
    assert [one.name for one in found] == ["isolation PerGroup cpu", "isolation PerGroup policy p99", "moves memory"]


def test_what_only_one_checkout_measures_is_left_out() -> None:
    assert compare([{"cpu": 1.0}], [{"cpu": 2.0, "idle": 3.0}]) == [Compared("cpu", (1.0,), (2.0,))]


def test_there_is_no_ratio_to_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    none = Compared("waited", (0.0,), (0.2,))
    assert none.ratio is None
    print_compared([none], Path("elsewhere"))
    assert "waited" in capsys.readouterr().out


def test_checkouts_measure_in_turns_and_who_is_first_changes(checkout: Path) -> None:
    other = checkout.parent / "there"
    [found] = measure_beside(other, checkout, ["moves", "--moves", "20"], 2)
    assert (found.name, found.other, found.this) == ("moves cpu", (1.0, 4.0), (2.0, 3.0))
    turns = (checkout.parent / "turns").read_text().splitlines()
    assert [Path(turn.split()[0]).parts[-3] for turn in turns] == ["there", "here", "here", "there"]
    assert all("moves --moves 20 --json" in turn for turn in turns)


def test_a_checkout_that_cannot_measure_ends_the_comparison(checkout: Path) -> None:
    with pytest.raises(CommandFailed, match=r"hack/bench pods .*: exit status 1"):
        measure_beside(checkout.parent / "there", checkout, ["pods"], 1)


def test_a_checkout_is_told_only_what_was_named_because_an_earlier_one_has_fewer_options(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.bench.__main__.ROOT", checkout)
    command = ["moves", "--moves", "20", "--turns", "1", "--beside", str(checkout.parent / "there")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    turns = (checkout.parent / "turns").read_text().splitlines()
    assert [turn.split()[1:-1] for turn in turns] == [["moves", "--moves", "20", "--json"]] * 2
