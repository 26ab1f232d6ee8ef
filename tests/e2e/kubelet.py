"""The kubelet of the cluster's first node, with other configuration for a while."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from lab.cluster.lab_cluster import LabCluster
from lab.shell import CommandFailed, run
from tests.e2e.live import Live

KIND_CONFIG = Path("/var/lib/kubelet/config.yaml")
READY_SECONDS = 180


@contextmanager
def configured(live: Live, **fields: str) -> Iterator[Callable[[], None]]:
    """Gives the kubelet these fields of its configuration, which it reads whenever what is yielded starts it again.

    Afterwards it runs as before. Its pods run on meanwhile.
    """
    cluster = live.cluster
    path = cluster.machines()[0].folder / "kubelet.yaml" if isinstance(cluster, LabCluster) else KIND_CONFIG
    before = run(cluster.enter_node("cat", path)).stdout

    def restart() -> None:
        if isinstance(cluster, LabCluster):
            cluster.machines()[0].restart("kubelet")
        else:
            run(cluster.enter_node("systemctl", "restart", "kubelet"))

    write = cluster.enter_node("sh", "-c", f"cat > {path}")
    run(write, stdin=json.dumps({**yaml.safe_load(before), **fields}))
    try:
        yield restart
    finally:
        run(write, stdin=before)
        restart()
        live.wait_for(lambda: answers(live), "the kubelet", READY_SECONDS)


def answers(live: Live) -> bool:
    """Whether the kubelet is healthy."""
    [node] = live.find("nodes", "")
    try:
        return live.kubectl("get", "--raw", f"/api/v1/nodes/{node['metadata']['name']}/proxy/healthz") == "ok"
    except CommandFailed:  # it doesn't listen yet
        return False
