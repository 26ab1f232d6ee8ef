"""Addresses that nodes and others tell: none keeps the API server from taking a pod's rules, or opens what is closed.

Each test adds an address that is in order, the mark, to the odd ones. Rules in which it shows were made after them.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.attack.people import Person, as_kubelet, grant
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, build_profile, eventually
from tests.resources import RESOURCES

NAMESPACE, NODE, POD = "addressed", "odd-addresses", "app"
STATUS = f"{RESOURCES['Node'].path(NODE)}/status"
SLICES = RESOURCES["EndpointSlice"].list_path("default")
RULES = [{"to": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]}, {"to": [{"entity": "APIServer"}, {"entity": "Nodes"}]}]
API_SERVER = "198.51.100.1"

_marks = (f"198.51.100.{number}" for number in itertools.count(100))


@dataclass(frozen=True)
class Quarry:
    """A pod of a group that names everything, and a node beside it."""

    lab: Lab
    kubelet: Person

    def tell(self, *addresses: str) -> str:
        """Has the node tell these addresses, each as an internal and an external one, and a mark of its own."""
        mark = next(_marks)
        told = [{"type": kind, "address": each} for each in (*addresses, mark) for kind in ("InternalIP", "ExternalIP")]
        self.kubelet.patch(STATUS, {"status": {"addresses": told}}).expect_ok()
        return mark

    def await_rules(self, mark: str, pod: str = POD) -> Json:
        """The pod's rules, once the mark shows in them."""

        def look() -> Json:
            rules = self.find_rules(pod)
            assert f"{mark}/32" in find_exceptions(rules), f"{mark} isn't in {rules}"
            return rules

        return eventually(look)

    def find_rules(self, pod: str = POD) -> Json:
        found = self.lab.get("NetworkPolicy", f"{pod}.{NAMESPACE}", NAMESPACE)
        assert found, "the pod has no policy"
        return dict(found["spec"])


def find_exceptions(rules: Json) -> list[str]:
    """What the rules leave out of all addresses."""
    blocks = [peer["ipBlock"] for rule in rules["egress"] for peer in rule["to"]]
    return [each for block in blocks if block["cidr"] in ("0.0.0.0/0", "::/0") for each in block["except"]]


def find_ports(rules: Json, address: str) -> list[int]:
    """The ports at which one address is open alone."""
    return [
        port["port"]
        for rule in rules["egress"]
        for port in rule.get("ports", ())
        if {"ipBlock": {"cidr": f"{address}/32"}} in rule["to"]
    ]


def build_slice(name: str, address: str, port: int, kind: str = "IPv4") -> Json:
    """An EndpointSlice of the Service `kubernetes`, as the API server writes it but for its name."""
    labels = {"kubernetes.io/service-name": "kubernetes"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "addressType": kind,
        "endpoints": [{"addresses": [address]}],
        "ports": [{"name": "https", "protocol": "TCP", "port": port}],
    }


@pytest.fixture(scope="module")
def quarry(lab: Lab, operator: OperatorProcess) -> Iterator[Quarry]:
    lab.create_namespace(NAMESPACE)
    lab.create_group(NAMESPACE, egress=RULES)
    lab.create(build_profile(NAMESPACE, selectors=[{"namespace": NAMESPACE}], securityGroups=[NAMESPACE])).expect_ok()
    lab.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}).expect_ok()
    lab.becomes_active(NAMESPACE)
    lab.create_pod(NAMESPACE, POD)
    eventually(lambda: lab.get("NetworkPolicy", f"{POD}.{NAMESPACE}", NAMESPACE))
    yield Quarry(lab, as_kubelet(lab, NODE))
    lab.delete("Node", NODE)
    lab.delete_profile(NAMESPACE)
    lab.kubectl("delete", "endpointslices", "-n", "default", "--all")


ODD = {
    "IPv4 in IPv6's form": ("::ffff:10.1.1.1", "10.1.1.1/32"),
    "the same in hexadecimal": ("::ffff:a01:102", "10.1.1.2/32"),
    "with a zone": ("fd01::1%eth0", "fd01::1/128"),
    "both": ("::ffff:10.1.1.3%eth0", "10.1.1.3/32"),
    "IPv4 in an older form of IPv6's": ("::10.1.1.4", "::a01:104/128"),
    "IPv4 behind NAT64": ("64:ff9b::10.1.1.5", "64:ff9b::a01:105/128"),
    "none": ("0.0.0.0", None),  # noqa: S104 nothing is bound
    "none of IPv6": ("::", None),
    "loopback": ("127.0.0.1", None),
    "loopback of IPv6": ("::1", None),
    "multicast": ("ff02::1", None),
    "leading zeros": ("010.1.1.6", None),
    "a network": ("10.1.1.0/24", None),
    "a name": ("node.example.com", None),
    "nothing": ("", None),
    "no text": ("\n10.1.1.7\x00", None),
}


@pytest.mark.parametrize(("address", "closed"), ODD.values(), ids=ODD.keys())
def test_an_odd_address_of_a_node_keeps_no_rules_from_pods(quarry: Quarry, address: str, closed: str | None) -> None:
    rules = quarry.await_rules(quarry.tell(address))
    assert closed is None or closed in find_exceptions(rules)


def test_a_new_pod_gets_its_rules_whatever_a_node_tells(quarry: Quarry) -> None:
    mark = quarry.tell(*(address for address, _ in ODD.values()))
    quarry.lab.create_pod(NAMESPACE, "new")
    quarry.await_rules(mark, "new")


def test_a_node_that_tells_tens_of_thousands_of_addresses_makes_no_rules_too_large(quarry: Quarry) -> None:
    many = [f"10.{number >> 7}.{number % 128 * 2}.1" for number in range(15_000)]
    told = [{"type": kind, "address": each} for each in many for kind in ("InternalIP", "ExternalIP")]
    quarry.kubelet.patch(STATUS, {"status": {"addresses": told}}).expect_ok()
    quarry.lab.create_pod(NAMESPACE, "later")
    eventually(lambda: 200 < len(find_exceptions(quarry.find_rules("later"))) < 300)


def test_an_odd_network_of_pods_keeps_no_rules_from_pods(quarry: Quarry) -> None:
    """The API server checks it when a node is created, but not when a node gets it later."""
    quarry.kubelet.patch(RESOURCES["Node"].path(NODE), {"spec": {"podCIDRs": ["nonsense"], "podCIDR": "nonsense"}})
    quarry.await_rules(quarry.tell())


def test_the_metadata_services_of_the_clouds_are_left_out_of_all_addresses(quarry: Quarry) -> None:
    left_out = find_exceptions(quarry.find_rules())
    assert {"169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "fd20:ce::254/128"} <= {*left_out}


def test_a_forged_endpoint_slice_of_the_api_server_opens_no_port_of_a_node(
    quarry: Quarry, operator: OperatorProcess
) -> None:
    erin = grant(quarry.lab, "erin", "get,create", "endpointslices.discovery.k8s.io")
    quarry.lab.delete("EndpointSlice", "kubernetes", "default")  # it may be another test's
    quarry.lab.create(build_slice("kubernetes", API_SERVER, 6443))  # the API server's own, if it hasn't written it
    erin.create(SLICES, build_slice("kubernetes-extra", "10.1.1.9", 10250)).expect_ok()
    assert erin.create(SLICES, build_slice("kubernetes", "10.1.1.9", 10250)).status == 409
    eventually(lambda: find_ports(quarry.find_rules(), API_SERVER) == [6443])
    operator.passes_happen()
    rules = quarry.await_rules(quarry.tell())
    assert find_ports(rules, "10.1.1.9") == []


@pytest.mark.parametrize(("address", "kind"), [("api.example.com", "FQDN"), ("2001:db8::1", "IPv6")])
def test_an_api_server_of_another_address_type_keeps_no_rules_from_pods(
    quarry: Quarry, address: str, kind: str
) -> None:
    quarry.lab.delete("EndpointSlice", "kubernetes", "default")
    quarry.lab.create(build_slice("kubernetes", address, 6443, kind)).expect_ok()
    quarry.await_rules(quarry.tell())
