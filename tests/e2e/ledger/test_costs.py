"""What a real pod cost, as `kubectl fargate` reads it through a real port-forward from the ledger's real pods.

The ledger is manifests/ledger's with the operator's image, and with disks that go with the pods, because the tests'
cluster has none that stay.
"""

import csv
import datetime
import io
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from image.small import build_busybox_image
from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.cluster.installation import ROOT
from lab.places import cache_dir
from monopod.cli.ledger_client.port_forward import forward_port
from monopod.usage.rules.bill import Terms, compute_bill
from monopod.usage.rules.lifetime import Evidence, Lifetime
from monopod.usage.rules.sighting import read_sighting
from tests.e2e.conftest import PROFILE
from tests.e2e.ledger.slow_start import IMAGE, a_config_map, a_silent_registry, a_slow_pod, is_backing_off
from tests.e2e.live import READY_SECONDS, Live, is_ready
from tests.e2e.workloads import SANDBOXED, a_pod
from tests.unit.cli.running import run

LEDGER = "app.kubernetes.io/name=monopod-ledger"
GAP_MS = 3000
"""The kubelet's stamps are cut to whole seconds: what a test tells apart by them lies further apart."""


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
            "two ready recorders", READY_SECONDS,
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


def await_receipt(live: Live, kubeconfig: Path, pod: str, namespace: str, is_awaited: Callable[[Any], bool]) -> Any:
    """The pod's receipt, once it is as awaited: the ledger knows a moment later what happened."""

    def look() -> Any:
        result = ask(kubeconfig, "receipt", pod, "-n", namespace, "-o", "json")
        (receipt,) = json.loads(result.stdout)["receipts"] if result.exit_code == 0 else (None,)
        return receipt if receipt and is_awaited(receipt) else None

    return live.wait_for(look, f"the receipt of {pod}", READY_SECONDS)


def await_life(live: Live, pod: str, namespace: str, is_awaited: Callable[[Lifetime], bool]) -> Lifetime:
    """The pod's lifetime as its object tells it, once it is as awaited."""

    def look() -> Lifetime | None:
        seen = read_sighting(live.get("pod", pod, namespace), "test", time.time_ns() // 1_000_000)
        assert isinstance(seen, Lifetime), seen
        return seen if is_awaited(seen) else None

    return live.wait_for(look, f"the awaited state of {pod}", READY_SECONDS)


def has_waited(lifetime: Lifetime) -> bool:
    return lifetime.acknowledged is not None and lifetime.alive >= lifetime.acknowledged + GAP_MS


def to_ms(stamp: str) -> int:
    return int(datetime.datetime.fromisoformat(stamp).timestamp()) * 1000


def test_a_pod_is_on_the_bill_of_who_may_view_its_namespace(live: Live, tenant: Path, namespace: str) -> None:
    live.apply(a_pod("brief", namespace, SANDBOXED))
    live.await_ready(namespace)

    def look() -> list[dict[str, str]]:
        result = ask(tenant, "top", "-o", "csv")
        # Until the namespace's first pod is counted, nothing in it is this user's to see.
        return [] if "in any namespace that pods were counted in" in result.output else read_rows(result)

    (running,) = live.wait_for(look, "the pod in top")
    assert (running["namespace"], running["pod"], running["profile"]) == (namespace, "brief", PROFILE)

    live.kubectl("delete", "pod", "brief", "-n", namespace, "--now")
    receipt = await_receipt(live, tenant, "brief", namespace, lambda found: not found["bill"]["isOpen"])
    assert {"PullStarted", "WatchedDeletion"} <= set(receipt["facts"]["evidence"])
    assert receipt["bill"]["endNotBefore"] == receipt["bill"]["endNotAfter"]
    assert receipt["bill"]["seconds"] >= 60
    # What is left of the first minute is billed in the seconds to come.
    (row,) = read_rows(ask(tenant, "cost", "--by", "pod", "-o", "csv"))
    assert row["pod"] == "brief"
    assert 0 < int(row["seconds"]) <= receipt["bill"]["seconds"]


@pytest.mark.eks("5.starts-with-the-pull")
def test_waiting_for_a_volume_is_free_and_waiting_for_an_image_is_not(live: Live, tenant: Path, namespace: str) -> None:
    live.apply(a_silent_registry(namespace))
    live.await_ready(namespace)
    live.apply(a_slow_pod("slow", namespace))

    # The volume's ConfigMap isn't there, so the kubelet tries to mount it again and again.
    mounting = await_life(live, "slow", namespace, has_waited)
    assert Evidence.PULL_PENDING in mounting.evidence
    assert compute_bill(mounting, Terms(), mounting.alive) is None
    receipt = await_receipt(live, tenant, "slow", namespace, lambda found: "acknowledged" in found["facts"])
    assert (receipt["bill"], receipt["lines"]) == (None, [])
    assert not read_rows(ask(tenant, "top", "-n", namespace, "-o", "csv"))

    # It is there; now the registry keeps the node waiting.
    live.apply(a_config_map(namespace))
    mountable = to_ms(live.get("configmap", "late", namespace)["metadata"]["creationTimestamp"])
    pulling = await_life(live, "slow", namespace, lambda seen: seen.start is not None)
    assert mounting.acknowledged is not None
    assert pulling.start is not None
    assert mounting.acknowledged < mountable <= pulling.start
    (running,) = live.wait_for(lambda: read_rows(ask(tenant, "top", "-n", namespace, "-o", "csv")), "the pod in top")
    assert to_ms(running["since"]) == pulling.start

    # The registry is gone, and the kubelet tries ever more rarely.
    live.kubectl("delete", "pod", "registry", "-n", namespace, "--now")
    live.wait_for(lambda: is_backing_off(live.get("pod", "slow", namespace)), "ImagePullBackOff", READY_SECONDS)
    receipt = await_receipt(live, tenant, "slow", namespace, lambda found: found["bill"] is not None)
    assert receipt["bill"]["isOpen"]
    assert to_ms(receipt["bill"]["start"]) == pulling.start

    # The node has the image, and a change makes the kubelet look at once.
    live.cluster.load_image_archive(build_busybox_image(cache_dir() / "images", IMAGE))
    live.kubectl("annotate", "pod", "slow", "-n", namespace, "example.com/image=loaded")
    receipt = await_receipt(live, tenant, "slow", namespace, lambda found: "containerStarted" in found["facts"])
    assert to_ms(receipt["bill"]["start"]) == pulling.start < receipt["facts"]["containerStarted"]


def test_the_administrators_certificate_sees_the_cluster(live: Live, tenant: Path, namespace: str) -> None:
    admin = live.cluster.kubeconfig_path

    def find_recorders() -> set[str]:
        answer = json.loads(ask(admin, "usage", "explain", "-o", "json").stdout)
        return {window["recorder"] for window in answer["watched"]}

    # Each tells the other of its own a moment after both are ready.
    live.wait_for(lambda: find_recorders() == {"monopod-ledger-0", "monopod-ledger-1"}, "both recorders")
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
        socket.create_connection(("127.0.0.1", forward.port), timeout=60) as connection,
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
