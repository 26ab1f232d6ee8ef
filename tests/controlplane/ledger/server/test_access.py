"""Who reads costs, by the real API server's word: tokens, certificates, credential plugins, tenants, and others not.

The ledger's servers run in this process with the rights that manifests/ledger gives their ServiceAccount. In place of
kubelet and port-forward there is a pod that says it is ready, and a kubectl that tells the servers' port.
"""

import asyncio
import base64
import csv
import hashlib
import http.client
import io
import json
import os
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from lab.cluster.pki import Authority
from monopod.kube.client.api import Json
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.ledger.server.servers import Servers
from monopod.usage.ledger_identity import StrangerError, build_audience, verify_identity
from tests.clusters import ControlPlane
from tests.controlplane.operating.lab import eventually
from tests.project.repository import ROOT
from tests.unit.cli.ledgers import ACCOUNT, a_ledger, write_kubectl
from tests.unit.cli.running import run

SINCE = ("--since", "2026-11-18T09:00:00Z")
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "monopod-ledger-0", "namespace": "monopod-system"},
    "spec": {
        "serviceAccountName": "monopod-ledger",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "ledger",
                "image": "none.invalid/ledger",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}
ACCOUNTS = ("tenant", "nobody")
USERS = "system:serviceaccounts:costs"
"""The group of the accounts."""


@dataclass(frozen=True)
class World:
    """A ledger beside an API server, and ways to be somebody there."""

    cluster: ControlPlane
    folder: Path
    servers: Servers

    def write_kubeconfig(self, name: str, user: dict[str, Any]) -> Path:
        config = yaml.safe_load(self.cluster.kubeconfig_path.read_text())
        config["users"][0]["user"] = user
        path = self.folder / name
        path.write_text(json.dumps(config))
        return path

    def create_token(self, account: str, namespace: str = "costs", *arguments: str) -> str:
        return self.cluster.kubectl("create", "token", account, "-n", namespace, *arguments).stdout.strip()

    def write_certificate(self, name: str, *groups: str) -> Path:
        """The kubeconfig of a user with a client certificate of the cluster's authority."""
        server = yaml.safe_load(self.cluster.kubeconfig_path.read_text())["clusters"][0]["cluster"]["server"]
        authority = Authority(next(self.cluster.lab.folder.rglob("ca.crt")).parent)
        return authority.write_kubeconfig(self.folder / name, server, name, groups)


@pytest.fixture(scope="module")
def world(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("access")
    kubectl = installed.kubectl
    kubectl("apply", "-f", ROOT / "manifests/ledger/serviceaccount.yaml")
    kubectl("apply", "-k", ROOT / "manifests/ledger/rbac")
    kubectl("create", "-f", "-", input=json.dumps(POD))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    kubectl("patch", "pod", "monopod-ledger-0", "-n", "monopod-system", "--subresource=status", "-p", json.dumps(ready))
    for namespace in ("costs", "shop"):
        kubectl("create", "namespace", namespace)
    for account in ACCOUNTS:
        kubectl("create", "serviceaccount", account, "-n", "costs")
    role = ("--role=monopod-usage-reader", f"--group={USERS}", "--group=finance", "--user=stranger")
    kubectl("create", "rolebinding", "usage-readers", "-n", "monopod-system", *role)
    viewer = "--clusterrole=monopod-usage-viewer"
    kubectl("create", "rolebinding", "costs", "-n", "shop", viewer, "--serviceaccount=costs:tenant")
    kubectl("create", "clusterrolebinding", "finance-costs", viewer, "--group=finance")

    token = kubectl("create", "token", "monopod-ledger", "-n", "monopod-system").stdout.strip()
    config = yaml.safe_load(installed.kubeconfig_path.read_text())
    config["users"][0]["user"] = {"token": token}
    (folder / "ledger").write_text(json.dumps(config))

    async def connect() -> ApiClient:
        return ApiClient(await load_configuration(str(folder / "ledger")))

    try:
        with a_ledger(folder, connect) as servers:
            write_kubectl(folder, servers.api_port)
            yield World(installed, folder, servers)
    finally:
        for kind, name in (("namespace", "costs"), ("namespace", "shop"), ("clusterrolebinding", "finance-costs")):
            kubectl("delete", kind, name, "--wait=false", check=False)
        kubectl("delete", "pod", "monopod-ledger-0", "-n", "monopod-system", "--force", check=False)
        kubectl("delete", "rolebinding", "usage-readers", "-n", "monopod-system", check=False)
        kubectl("delete", "-k", ROOT / "manifests/ledger/rbac", check=False)
        kubectl("delete", "-f", ROOT / "manifests/ledger/serviceaccount.yaml", check=False)


Ask = Callable[..., Result]


@pytest.fixture
def ask(world: World, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs a command by a kubeconfig."""
    monkeypatch.setenv("PATH", f"{world.folder}:{os.environ['PATH']}")
    return lambda kubeconfig, *arguments: run(*arguments, "--kubeconfig", str(kubeconfig))


def read_namespaces(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [row["namespace"] for row in csv.DictReader(io.StringIO(result.stdout))]


def fetch_status(port: int, path: str, token: str = "", context: ssl.SSLContext | None = None) -> int:
    if context is None:
        context = build_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status
    finally:
        connection.close()


def fetch(port: int, path: str) -> Json:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=build_context(), timeout=30)
    try:
        connection.request("GET", path)
        answer: Json = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer


def build_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def as_csv(ask: Ask, kubeconfig: Path) -> list[str]:
    return read_namespaces(ask(kubeconfig, "cost", *SINCE, "-o", "csv"))


def test_a_service_account_sees_its_namespace_and_no_other(world: World, ask: Ask) -> None:
    tenant = world.write_kubeconfig("tenant", {"token": world.create_token("tenant")})

    assert as_csv(ask, tenant) == ["shop"]
    refused = ask(tenant, "cost", "-n", "data")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "'system:serviceaccount:costs:tenant' can't get usages.monopod.dev in namespace 'data'" in refused.stderr
    assert ask(tenant, "usage", "backup", str(world.folder / "never.db")).exit_code == 1
    assert ask(tenant, "receipt", "web-0", "-n", "shop").exit_code == 0


def test_kubectl_says_beforehand_what_the_ledger_allows(world: World) -> None:
    for account, namespace, allowed in (("tenant", "shop", "yes"), ("tenant", "data", "no"), ("nobody", "shop", "no")):
        user = f"--as=system:serviceaccount:costs:{account}"
        answer = world.cluster.kubectl("auth", "can-i", "get", "usages.monopod.dev", "-n", namespace, user, check=False)
        assert answer.stdout.strip() == allowed


def test_a_client_certificate_is_a_user_and_their_groups(world: World, ask: Ask) -> None:
    """The administrator's, and one whose group has the right."""
    finance = world.write_certificate("accountant", "finance")

    # The authorities are read once the servers run; until then nobody is asked for a certificate.
    eventually(lambda: ask(finance, "cost").exit_code == 0)
    assert as_csv(ask, finance) == ["shop", "data"]
    assert as_csv(ask, world.cluster.kubeconfig_path) == ["shop", "data"]


def test_a_certificate_without_the_right_shows_nothing(world: World, ask: Ask) -> None:
    stranger = world.write_certificate("stranger")

    eventually(lambda: "can't get usages" in ask(stranger, "cost").stderr)
    assert ask(stranger, "cost", "-n", "shop").exit_code == 1


def test_a_certificate_of_another_authority_does_not_get_in(world: World, ask: Ask, tmp_path: Path) -> None:
    """Also not with the name of somebody who may: the API server doesn't know it either."""
    other = Authority.create(tmp_path)
    certificate, key = other.issue("client", "accountant", ("finance", "system:masters"))
    context = build_context()
    context.load_cert_chain(certificate, key)
    eventually(lambda: ask(world.write_certificate("accountant", "finance"), "cost").exit_code == 0)

    with pytest.raises((OSError, http.client.HTTPException)):
        fetch_status(world.servers.api_port, "/v1/cost", context=context)


@pytest.mark.parametrize(("kind", "seen"), [("token", ["shop"]), ("certificate", ["shop", "data"])])
def test_a_credential_plugin_is_asked(world: World, ask: Ask, kind: str, seen: list[str]) -> None:
    version = "client.authentication.k8s.io/v1"
    status = {"token": world.create_token("tenant")} if kind == "token" else read_certificate(world)
    credential = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    plugin = world.folder / f"plugin-{kind}"
    plugin.write_text(f"#!/bin/sh\ncat <<'EOF'\n{json.dumps(credential)}\nEOF\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    command = {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never", "args": []}
    plugged = world.write_kubeconfig(f"plugged-{kind}", {"exec": command})

    eventually(lambda: ask(plugged, "cost").exit_code == 0)
    assert as_csv(ask, plugged) == seen


def read_certificate(world: World) -> dict[str, str]:
    """A client certificate as a credential plugin gives it: PEM, not in base64."""
    user = yaml.safe_load(world.write_certificate("accountant", "finance").read_text())["users"][0]["user"]
    names = {"clientCertificateData": "client-certificate-data", "clientKeyData": "client-key-data"}
    return {name: base64.b64decode(user[key]).decode() for name, key in names.items()}


def test_who_may_reach_the_ledger_and_has_no_right_sees_nothing(world: World, ask: Ask) -> None:
    nobody = world.write_kubeconfig("nobody", {"token": world.create_token("nobody")})

    for command in (("cost",), ("top",), ("receipt", "web-0", "-n", "shop"), ("usage", "export")):
        refused = ask(nobody, *command)
        assert (refused.exit_code, "can't get usages.monopod.dev" in refused.stderr) == (1, True), refused.output


def test_who_may_not_reach_the_ledger_is_told_which_role_is_missing(world: World, ask: Ask) -> None:
    outsider = world.write_certificate("outsider")

    refused = ask(outsider, "cost")
    assert refused.exit_code == 1
    assert "Ask for the Role monopod-usage-reader there" in refused.stderr


def test_only_the_ledgers_token_for_its_peers_pulls_and_it_opens_nothing_else(world: World) -> None:
    """And only the operator's, or that of somebody who may see all, is told what profiles cost."""
    peer = world.create_token("monopod-ledger", "monopod-system", "--audience=monopod-ledger")
    own = world.create_token("monopod-ledger", "monopod-system")
    tenant = world.create_token("tenant", "costs", "--audience=monopod-ledger")
    peers, people = world.servers.peers_port, world.servers.api_port

    operator = world.create_token("monopod", "monopod-system", "--audience=monopod-ledger")

    assert fetch_status(peers, "/v1/profiles", operator) == 200
    assert fetch_status(peers, "/v1/changes", operator) == 403
    assert fetch_status(people, "/v1/cost", operator) == 401
    assert fetch_status(peers, "/v1/profiles", peer) == 403
    assert fetch_status(peers, "/v1/profiles", tenant) == 403
    assert fetch_status(peers, "/v1/changes", peer) == 200
    assert fetch_status(peers, "/v1/changes", own) == 401
    assert fetch_status(peers, "/v1/changes", tenant) == 403
    assert fetch_status(people, "/v1/cost", peer) == 401
    assert fetch_status(people, "/v1/cost", f"{own[:-4]}AAAA") == 401


def test_the_api_server_vouches_for_a_recorders_certificate_and_for_no_other(world: World) -> None:
    shown = fetch(world.servers.peers_port, "/identity")
    other = {**shown, "fingerprint": "0" * 64}
    audience = build_audience(shown["fingerprint"])
    tenants = {**shown, "token": world.create_token("tenant", "costs", f"--audience={audience}")}

    assert verify(world, shown) == ssl_fingerprint(world.servers.peers_port) == shown["fingerprint"]
    for stranger in (other, tenants):
        with pytest.raises(StrangerError):
            verify(world, stranger)
    assert fetch_status(world.servers.peers_port, "/v1/changes", shown["token"]) == 401
    assert fetch_status(world.servers.api_port, "/v1/cost", shown["token"]) == 401


def verify(world: World, shown: Json) -> str:
    async def ask() -> str:
        api = ApiClient(await load_configuration(str(world.folder / "ledger")))
        try:
            return await verify_identity(api, ACCOUNT, shown)
        finally:
            await api.close()

    return asyncio.run(ask())


def ssl_fingerprint(port: int) -> str:
    shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))
    return hashlib.sha256(shown).hexdigest()


MINTED = {
    "for a certificate": (("--audience=monopod-ledger/ab", "--duration=1h"), ""),
    "for the API server": ((), "only for the fingerprint"),
    "for peers": (("--audience=monopod-ledger",), "only for the fingerprint"),
    "for two": (("--audience=monopod-ledger/ab", "--audience=vault"), "only for the fingerprint"),
    "for a day": (("--audience=monopod-ledger/ab", "--duration=24h"), "only for the fingerprint"),
}


@pytest.mark.parametrize(("flags", "refusal"), MINTED.values(), ids=MINTED)
def test_a_stolen_token_of_the_ledger_makes_none_that_opens_or_outlasts_anything(
    world: World, flags: tuple[str, ...], refusal: str
) -> None:
    thief = ("--kubeconfig", str(world.folder / "ledger"))
    made = world.cluster.kubectl(
        "create", "token", "monopod-ledger", "-n", "monopod-system", *flags, *thief, check=False
    )

    assert refusal in made.stderr
    assert (made.returncode == 0) is (not refusal)
    other = world.cluster.kubectl("create", "token", "default", "-n", "monopod-system", *thief, check=False)
    assert "forbidden" in other.stderr
