"""`hack/cluster up`: which cluster its options ask for, and what its help teaches."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from lab.cluster import __main__ as command
from lab.cluster.lab_cluster import LabCluster


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[LabCluster]:
    """The clusters that are asked for; none is made."""
    made = list[LabCluster]()
    monkeypatch.setenv("MONOPOD_ENGINE", "none")
    monkeypatch.setenv("MONOPOD_STATE", str(tmp_path))
    monkeypatch.setattr(command, "become_root", lambda _: None)
    monkeypatch.setattr(command, "give_back", lambda _: None)
    monkeypatch.setattr(LabCluster, "create", lambda cluster: made.append(cluster))
    return made


@pytest.mark.parametrize("autoscale", [True, False])
@pytest.mark.parametrize("control_plane", [True, False])
def test_autoscale_is_handed_on_to_the_cluster(
    created: list[LabCluster], tmp_path: Path, control_plane: bool, autoscale: bool
) -> None:
    options = (*["--control-plane"] * control_plane, *["--autoscale"] * autoscale)
    result = CliRunner().invoke(command.main, ["up", "--name", "own", *options])
    assert result.exit_code == 0, result.output
    assert created == [LabCluster("own", control_plane_only=control_plane, autoscale=autoscale)]
    assert result.stdout == f"{tmp_path}/own/kubeconfig\n"


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_autoscale_is_refused_where_kind_would_make_the_cluster(
    created: list[LabCluster], monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setenv("MONOPOD_ENGINE", engine)
    result = CliRunner().invoke(command.main, ["up", "--autoscale"])
    assert result.exit_code == 1
    assert "those that Karpenter adds, come with --control-plane, or with the cluster that needs no Docker" in (
        result.output
    )
    assert not created


@pytest.mark.parametrize(
    ("words", "taught"),
    [
        ((), "hack/cluster up --autoscale with Karpenter, which adds nodes for pods that find none"),
        (("up",), "--autoscale Karpenter adds nodes: real ones, fake ones beside a control plane."),
    ],
)
def test_the_help_teaches_autoscale(words: tuple[str, ...], taught: str) -> None:
    result = CliRunner().invoke(command.main, [*words, "--help"], terminal_width=120)
    assert taught in " ".join(result.output.split())
