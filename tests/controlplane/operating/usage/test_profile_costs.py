"""The operator asks a ledger what profiles cost, by its own ServiceAccount's token, and statuses and tables show it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.ledger.server.servers import Servers
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import ROOT, Lab, eventually
from tests.unit.cli.ledgers import a_ledger

ACCOUNT = ROOT / "manifests/ledger/serviceaccount.yaml"
RBAC = ROOT / "manifests/ledger/rbac"


@pytest.fixture
def ledger(lab: Lab, tmp_path: Path) -> Iterator[Servers]:
    """One whose pods are of the profile web, beside the real API server, which knows who asks."""

    async def connect() -> ApiClient:
        return ApiClient(await load_configuration(str(lab.kubeconfig_path)))

    lab.kubectl("apply", "-f", ACCOUNT)
    lab.kubectl("apply", "-k", RBAC)
    try:
        with a_ledger(tmp_path, connect) as servers:
            yield servers
    finally:
        lab.kubectl("delete", "-k", RBAC)
        lab.kubectl("delete", "-f", ACCOUNT)


def test_a_profile_says_what_its_pods_cost_as_long_as_there_is_a_ledger(
    lab: Lab, start: StartOperator, ledger: Servers, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(
        lab.kubectl("create", "token", "monopod", "-n", "monopod-system", "--audience=monopod-ledger").stdout
    )
    flags = ("--ledger", "127.0.0.1", "--ledger-port", str(ledger.peers_port), "--ledger-token", str(token))
    operator = start(*flags)
    lab.create_profile("web", "costs-*")
    lab.create_profile("idle", "idle-*")
    lab.becomes_active("web")
    lab.becomes_active("idle")

    said = eventually(lambda: lab.status("web").get("usage", {}))
    assert (said["costPerHour"], said["costThisMonth"], said["currency"]) == ("0.0123", "0.0206", "USD")
    assert eventually(lambda: lab.status("idle").get("usage", {}))["costThisMonth"] == "0.0000"
    header, row = lab.kubectl("get", "fp", "web", "-o", "wide").stdout.splitlines()
    assert [row[header.index(name) :].split()[0] for name in ("COST/HOUR", "COST/MONTH", "CURRENCY")] == [
        "0.0123",
        "0.0206",
        "USD",
    ]
    assert "COST" not in lab.kubectl("get", "fp", "web").stdout
    operator.becomes_quiet()

    operator.terminate()
    operator = start(*flags)
    operator.passes_happen()
    assert lab.status("web")["usage"] == said  # it was written a moment ago

    operator.terminate()
    start()
    eventually(lambda: "usage" not in lab.status("web"))
