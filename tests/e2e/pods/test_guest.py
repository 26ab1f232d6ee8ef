"""What a Fargate pod sees of the machine that it runs on: nothing that it wouldn't see on EKS.

What it may not even ask for (host paths, host namespaces, devices, privileges) is refused by admission, which
tests/controlplane/pods/cel/test_support.py shows. Each look here is taken at an ordinary pod on the same node, too:
what shows nothing there would find nothing here.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.live import Live, Object
from tests.e2e.workloads import SANDBOXED, a_pod

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
FIND_TOKENS = "find / -path /proc -prune -o -name token -print"
OWN_MOUNTS = {
    *("/", "/proc", "/sys", "/dev", "/dev/pts", "/dev/mqueue", "/dev/termination-log"),
    *("/tmp", "/dev/shm"),  # noqa: S108 - where they are mounted
    *("/etc/hosts", "/etc/hostname", "/etc/resolv.conf"),
    *("/run/secrets/kubernetes.io/serviceaccount", "/var/run/secrets/kubernetes.io/serviceaccount"),
}
OWN_DEVICES = {
    *("char", "core", "fd", "full", "fuse", "mqueue", "net", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin"),
    *("stdout", "termination-log", "tty", "urandom", "zero"),
}
"""Of these the sandbox makes its own; `fuse` and `net/tun` are gVisor's, and lead to its own kernel."""

LIST_MOUNTS = "cut -d' ' -f2 /proc/mounts | grep -v ^/sys/fs/cgroup | sort -u"
LIST_DEVICES = "ls /dev"
LIST_PROCESSES = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null"
FIND_BLOCK_DEVICES = "find /dev /sys/block /sys/dev/block -type b -o -path '/sys/*' -type l 2>/dev/null"
LIST_HARDWARE = "ls /sys/class/dmi/id /sys/bus/pci/devices /sys/bus/virtio/devices /sys/class/net 2>/dev/null; true"
READ_SURROUNDINGS = "env; cat /etc/hosts /etc/hostname /etc/resolv.conf /proc/mounts /proc/cmdline 2>&1; hostname"
LIST_INTERFACES = "tail -n +3 /proc/net/dev | cut -d: -f1"


@dataclass(frozen=True)
class Guests:
    """Pods on one node."""

    fargate: Object
    ordinary: Object


@pytest.fixture(scope="module")
def guests(live: Live) -> Iterator[Guests]:
    namespace = live.make_namespace()
    live.apply(a_pod("fargate", namespace, SANDBOXED), a_pod("ordinary", namespace, {}))
    pods = {pod["metadata"]["name"]: pod for pod in live.await_ready(namespace, 2)}
    yield Guests(**pods)
    live.remove_namespace(namespace)


def test_its_token_is_its_own_service_accounts(live: Live, guests: Guests) -> None:
    claims = _read_claims(live.run_in(guests.fargate, f"cat {TOKEN}"))
    meta = guests.fargate["metadata"]
    assert claims["sub"] == f"system:serviceaccount:{meta['namespace']}:default"
    assert claims["kubernetes.io"]["pod"] == {"name": meta["name"], "uid": meta["uid"]}


def test_it_gets_no_token_if_it_wants_none(live: Live, guests: Guests, namespace: str) -> None:
    live.apply(a_pod("bare", namespace, SANDBOXED, automountServiceAccountToken=False))
    bare = live.await_ready(namespace)[0]
    assert live.run_in(bare, FIND_TOKENS) == ""
    assert live.run_in(guests.fargate, FIND_TOKENS)


def test_nothing_is_mounted_but_its_own(live: Live, guests: Guests) -> None:
    assert set(live.run_in(guests.fargate, LIST_MOUNTS).split()) - OWN_MOUNTS == set()


def test_it_has_no_device_of_the_nodes(live: Live, guests: Guests) -> None:
    assert set(live.run_in(guests.fargate, LIST_DEVICES).split()) - OWN_DEVICES == set()
    assert live.run_in(guests.fargate, FIND_BLOCK_DEVICES) == ""
    assert live.run_in(guests.ordinary, FIND_BLOCK_DEVICES)


def test_it_sees_no_process_but_its_own(live: Live, guests: Guests) -> None:
    (container,) = guests.fargate["spec"]["containers"]
    words = {line.strip() for line in live.run_in(guests.fargate, LIST_PROCESSES).splitlines() if line.strip()}
    command = " ".join(container["command"])
    others = {line for line in words if line != command and not line.startswith(("sleep", "sh -c", "tr"))}
    assert command in words
    assert others == set()


def test_it_is_told_neither_the_nodes_name_nor_its_address(live: Live, guests: Guests) -> None:
    said = live.run_in(guests.fargate, READ_SURROUNDINGS)
    node = live.get("node", guests.fargate["spec"]["nodeName"])
    known = [node["metadata"]["name"], *(one["address"] for one in node["status"]["addresses"])]
    assert guests.fargate["metadata"]["name"] in said
    assert [each for each in known if each in said] == []


def test_it_has_no_interface_but_its_own(live: Live, guests: Guests) -> None:
    assert set(live.run_in(guests.fargate, LIST_INTERFACES).split()) == {"eth0", "lo"}


def test_it_sees_nothing_of_the_hardware(live: Live, guests: Guests) -> None:
    assert live.run_in(guests.fargate, LIST_HARDWARE) == ""
    assert live.run_in(guests.ordinary, LIST_HARDWARE)


def _read_claims(token: str) -> Object:
    payload = token.split(".")[1]
    claims: Object = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
