"""The tests' callers outside of a kind cluster run in its node's container, with a stand-in for the engine."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lab.cluster.kind_cluster import KindProvider
from lab.cluster.provider import polices_first_packets
from tests.e2e import agents
from tests.e2e.isolation.test_first_packet import predict_addresses
from tests.e2e.live import Live

pytestmark = pytest.mark.timeout(30)  # they run scripts

# Nothing is on the node yet; an agent answers the first request, and ends with its input.
DOCKER = """\
#!/bin/sh
echo "$*" | head -n 1 >> {log}
case "$*" in
  *" test -e "*) exit 1 ;;
  *python3*) read -r hello; echo true; cat > /dev/null ;;
esac
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(log=tmp_path / "log"))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(agents, "find_image", lambda: "operator:1")
    return tmp_path / "log"


def test_the_outside_is_beside_the_nodes_network_and_its_agent_runs_by_an_image(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Live(KindProvider("dev", "docker"))
    asked: list[str] = []
    monkeypatch.setattr(live.cluster, "kubectl", lambda *args, stdin="": asked.append(f"{' '.join(args)} {stdin}"))
    with agents.run_outside(live, {("TCP", 8080): ""}):
        pass
    calls = [line.removeprefix("exec --interactive dev-control-plane ") for line in log.read_text().splitlines()]
    assert [call.split(" -c")[0] for call in calls] == [
        "sh -ec ",
        "test -e /run/agents/usr",
        "mkdir -p /run/agents",
        "ctr --namespace k8s.io images mount operator:1 /run/agents",
        "nsenter --net=/run/netns/lab-outside -- chroot /run/agents python3 -S",
        "sh -ec ip netns delete lab-outside",
    ]
    # Calico gives what leaves the cluster the node's address, but for what goes to a pool.
    assert '"cidr": "198.51.100.0/24", "disabled": true' in asked[0]
    assert asked[1].startswith("delete ippools.crd.projectcalico.org")


def test_every_address_of_the_nodes_blocks_may_be_the_next_pods() -> None:
    blocks = [{"spec": {"cidr": "10.244.82.0/26"}}, {"spec": {"cidr": "10.244.82.64/26"}}]
    live = cast(Live, SimpleNamespace(cluster=KindProvider("dev", "docker"), find=lambda *_: blocks))
    found = predict_addresses(live, 3)
    assert len(found) == 128
    assert {"10.244.82.1", "10.244.82.127"} <= set(found)


@pytest.mark.parametrize(
    ("engine", "network", "held"),
    [
        pytest.param("none", "", True, id="a cluster of our own"),
        pytest.param("docker", "", False, id="kindnet"),
        pytest.param("docker", "calico", True, id="Calico on kind"),
    ],
)
def test_which_networks_police_a_pods_first_packets(
    monkeypatch: pytest.MonkeyPatch, engine: str, network: str, held: bool
) -> None:
    monkeypatch.setenv("MONOPOD_ENGINE", engine)
    monkeypatch.setenv("MONOPOD_KIND_NETWORK", network)
    assert polices_first_packets() == held
