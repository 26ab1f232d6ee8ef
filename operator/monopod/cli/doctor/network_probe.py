"""Whether the cluster's network enforces NetworkPolicies, found out by trying: one trial of `doctor --probe`.

    server, client ─► the client reaches the server ─► policy: no one may ─► still?

The API server stores NetworkPolicies whether or not anything enforces them. What is tried is the network, not the
sandbox: the pods are ordinary ones.
"""

import ipaddress
from dataclasses import dataclass
from typing import Any, Final

from monopod.cli.doctor.diagnosis import Check, Finding, Level
from monopod.cli.doctor.probe import START_SECONDS, NoResult, Room, build_pod
from monopod.kube.objects.resources import NETWORK_POLICIES

Json = dict[str, Any]

ENFORCE_SECONDS: Final = 30.0
_PORT: Final = 8080
_SERVE: Final = f"echo ok > /srv/index.html && exec httpd -f -p {_PORT} -h /srv"
_ASK: Final = (
    # nc, because the wget of a statically linked busybox can crash on looking up even an address.
    "while :; do if nc -w 2 {address} {port} </dev/null >/dev/null 2>&1; "
    "then echo reached; else echo blocked; fi; sleep 1; done"
)


@dataclass(frozen=True, slots=True)
class NetworkTrial:
    """Two pods, and a policy between them."""

    check: Check = Check.NETWORK_POLICY
    plan: str = "two pods and a NetworkPolicy, to see whether the network enforces it"
    question: str = "Whether NetworkPolicies are enforced"

    def run(self, room: Room) -> Finding:
        """Tries; raises as `Trial` says."""
        room.create_pod(build_pod("server", room.image, _SERVE))
        address = room.wait(START_SECONDS, "server", lambda: _compute_address(room.read_pod("server")))
        room.create_pod(build_pod("client", room.image, _ASK.format(address=address, port=_PORT)))
        room.wait(START_SECONDS, "client", lambda: _read_answers(room, 1) == ["reached"])
        room.api.create(NETWORK_POLICIES.list_path(room.namespace), build_policy())
        try:
            # Twice in a row, because a single lost packet looks the same.
            room.wait(ENFORCE_SECONDS, "client", lambda: _read_answers(room, 2) == ["blocked"] * 2)
        except NoResult:
            message = f"NetworkPolicies aren't enforced: {ENFORCE_SECONDS:g} s after a policy forbade it, a pod still "
            message += "reached another."
            action = "Use a network plugin that enforces them (Calico, Cilium and others), or switch it on in yours."
            return Finding(self.check, Level.PROBLEM, message, action)
        message = "NetworkPolicies are enforced: a pod could reach another until a policy forbade it."
        return Finding(self.check, Level.OK, message)


def _compute_address(pod: Json) -> str:
    status = pod.get("status") or {}
    running = any((each.get("state") or {}).get("running") for each in status.get("containerStatuses") or ())
    if not running or not status.get("podIP"):
        return ""
    return str(ipaddress.ip_address(status["podIP"]))


def _read_answers(room: Room, count: int) -> list[str]:
    if not _compute_address(room.read_pod("client")):
        return []
    return room.read_log("client", tailLines=str(count)).split()


def build_policy() -> Json:
    """No one may reach the server."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "nobody-reaches-the-server"},
        "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"], "ingress": []},
    }
