"""What a real pod cost, as `kubectl fargate` reads it through a real port-forward from the ledger's real pods.

The ledger is manifests/ledger's with the operator's image, and with disks that go with the pods, because the tests'
cluster has none that stay.
"""

import csv
import io
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.cluster.installation import ROOT
from monopod.cli.ledger_client.port_forward import forward_port
from tests.e2e.conftest import PROFILE
from tests.e2e.live import Live, is_ready
from tests.e2e.workloads import SANDBOXED, a_pod
from tests.unit.cli.running import run

LEDGER = "app.kubernetes.io/name=monopod-ledger"


@pytest.fixture(scope="module")
def ledger(live: Live) -> Iterator[None]:
    """Two recorders, ready."""
    objects = list(yaml.safe_load_all(live.kubectl("kustomize", str(ROOT / "manifests/ledger"))))
    (operator,) = live.get("deployment", "monopod", SYSTEM_NAMESPACE)["spec"]["template"]["spec"]["containers"]
    (stateful,) = [each for each in objects if each["kind"] == "StatefulSet"]
    pod = stateful["spec"]["template"]["spec"]
    pod["containers"][0]["image"] = operator["image"]
    del stateful["spec"]["volumeClaimTemplates"]
    pod["volumes"].append({"name": "data", "emptyDir": {}})
    live.apply(*objects)
    try:
        live.wait_for(
            lambda: [is_ready(each) for each in live.find("pods", SYSTEM_NAMESPACE, LEDGER)] == [True, True],
            "two ready recorders", 180,
        )  # fmt: skip
        yield
    finally:
        live.kubectl("delete", "-k", str(ROOT / "manifests/ledger"), "--ignore-not-found", "--wait=false")


@pytest.fixture
def tenant(live: Live, ledger: None, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of an account that has the role `view` in the namespace, and the way to the ledger."""
    account = f"{namespace}:tenant"
    live.kubectl("create", "serviceaccount", "tenant", "-n", namespace)
    live.kubectl(
        "create", "rolebinding", "tenant", "-n", namespace, "--clusterrole=view", f"--serviceaccount={account}"
    )
    way = ("--role=monopod-usage-reader", f"--serviceaccount={account}")
    live.kubectl("create", "rolebinding", f"costs-{namespace}", "-n", SYSTEM_NAMESPACE, *way)
    config = yaml.safe_load(live.cluster.kubeconfig_path.read_text())
    config["users"][0]["user"] = {"token": live.kubectl("create", "token", "tenant", "-n", namespace).strip()}
    path = tmp_path / "tenant"
    path.write_text(json.dumps(config))
    yield path
    live.kubectl("delete", "rolebinding", f"costs-{namespace}", "-n", SYSTEM_NAMESPACE)


def read_rows(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def ask(kubeconfig: Path, *arguments: str) -> Result:
    return run(*arguments, "--kubeconfig", str(kubeconfig))


def test_a_pod_is_on_the_bill_of_who_may_view_its_namespace(live: Live, tenant: Path, namespace: str) -> None:
    live.apply(a_pod("brief", namespace, SANDBOXED))
    live.await_ready(namespace)
    (running,) = live.wait_for(lambda: read_rows(ask(tenant, "top", "-o", "csv")), "the pod in top", 60)
    assert (running["namespace"], running["pod"], running["profile"]) == (namespace, "brief", PROFILE)

    live.kubectl("delete", "pod", "brief", "-n", namespace, "--now")

    def find_receipt() -> dict[str, Any] | None:
        result = ask(tenant, "receipt", "brief", "-n", namespace, "-o", "json")
        (found,) = json.loads(result.stdout)["receipts"] if result.exit_code == 0 else ({},)
        return found if found and not found["bill"]["isOpen"] else None

    receipt = live.wait_for(find_receipt, "the receipt", 60)
    assert {"PullStarted", "WatchedDeletion"} <= set(receipt["facts"]["evidence"])
    assert receipt["bill"]["endNotBefore"] == receipt["bill"]["endNotAfter"]
    assert receipt["bill"]["seconds"] >= 60
    # What is left of the first minute is billed in the seconds to come.
    (row,) = read_rows(ask(tenant, "cost", "--by", "pod", "-o", "csv"))
    assert row["pod"] == "brief"
    assert 0 < int(row["seconds"]) <= receipt["bill"]["seconds"]


def test_the_administrators_certificate_sees_the_cluster(live: Live, tenant: Path, namespace: str) -> None:
    admin = live.cluster.kubeconfig_path

    answer = json.loads(run("usage", "explain", "-o", "json", "--kubeconfig", str(admin)).stdout)
    assert {window["recorder"] for window in answer["watched"]} == {"monopod-ledger-0", "monopod-ledger-1"}
    assert ask(admin, "usage", "verify").exit_code == 0
    assert ask(tenant, "usage", "verify").exit_code == 1


def test_port_forward_reaches_neither_metrics_nor_peers(ledger: None, live: Live) -> None:
    assert _answers(live, 8443, by_tls=True)
    assert not _answers(live, 8444, by_tls=True)
    assert not _answers(live, 8080, by_tls=False)


def _answers(live: Live, port: int, *, by_tls: bool) -> bool:
    """Whether something answers where a port-forward ends: kubectl itself takes the connection in any case."""
    kubeconfig = f"--kubeconfig={live.cluster.kubeconfig_path}"
    with (
        forward_port(SYSTEM_NAMESPACE, "monopod-ledger-0", port, [kubeconfig]) as forward,
        socket.create_connection(("127.0.0.1", forward.port), timeout=20) as connection,
    ):
        try:
            if by_tls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                with context.wrap_socket(connection):
                    return True
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            return bool(connection.recv(1))
        except OSError:
            return False
