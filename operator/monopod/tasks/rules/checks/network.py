"""Ports, names and links of containers. All of a task's containers share one network, so a port is there once.

Source: ECS developer guide, port mappings and network settings.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from monopod.tasks.rules.rule import Finding, refused, refused_untold
from monopod.tasks.rules.view import View, show

HOST_PORT_DIFFERS = refused(
    "HostPortDiffers",
    "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
    "Leave hostPort out: the task has an address of its own.",
)
PORT_MISSING = refused(
    "ContainerPortMissing",
    "Invalid 'containerPort' setting for container '{name}'.",
    "Add a containerPort from 1 to 65535, or a containerPortRange.",
)
PORT_OUT_OF_RANGE = refused_untold("PortOutOfRange", "A port is from {least} to 65535.", "Correct it.")
PORT_AND_RANGE = refused(
    "PortAndRange", "cannot specify both single port and port range", "Keep containerPort or containerPortRange."
)
RANGE_INVALID = refused(
    "PortRangeInvalid",
    "Invalid 'containerPortRange' setting",
    'Write two ports with a hyphen, the lower one first: "8000-8010".',
)
PORT_TWICE = refused(
    "PortTwice",
    "{protocol} host port '{port}' is mapped multiple times in task.",
    "Keep one mapping of it: a task's containers share their ports.",
)
RANGES_OVERLAP = refused(
    "PortRangesOverlap",
    "container port is used multiple times in task",
    "Keep one mapping of {ports}/{protocol}: a task's containers share their ports.",
)
PORT_NAME_TWICE = refused(
    "PortNameTwice", "port mapping name is already used", "Rename one of the mappings that are called {name}."
)
LINKS_UNSUPPORTED = refused(
    "LinksUnsupported",
    "Links are not supported when networkMode=awsvpc.",
    "Leave links out: containers of a task reach each other on localhost.",
)
NETWORKING_DISABLED = refused(
    "DisableNetworkingUnsupported",
    "Disable Networking is not supported on container when networkMode=awsvpc.",
    "Leave disableNetworking out: security groups without rules do the same for the task.",
)
DNS_SERVERS_UNSUPPORTED = refused(
    "DnsServersUnsupported",
    "DNS servers are not supported on container when networkMode=awsvpc.",
    "Leave dnsServers out.",
)
DNS_SEARCH_UNSUPPORTED = refused_untold(
    "DnsSearchDomainsUnsupported",
    "DNS search domains can't be set where networkMode is awsvpc.",
    "Leave dnsSearchDomains out, and use full names.",
)
EXTRA_HOSTS_UNSUPPORTED = refused(
    "ExtraHostsUnsupported",
    "Extra hosts are not supported on container when networkMode=awsvpc.",
    "Leave extraHosts out, and use names that DNS knows.",
)
HOSTNAME_UNSUPPORTED = refused(
    "HostnameUnsupported", "hostname is not supported on container when networkMode=awsvpc.", "Leave hostname out."
)

LARGEST_PORT: Final = 65535
_RANGE: Final = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
_FIELDS: Final = {
    "links": LINKS_UNSUPPORTED,
    "dnsServers": DNS_SERVERS_UNSUPPORTED,
    "dnsSearchDomains": DNS_SEARCH_UNSUPPORTED,
    "extraHosts": EXTRA_HOSTS_UNSUPPORTED,
    "hostname": HOSTNAME_UNSUPPORTED,
}


def check_network(container: View) -> Iterator[Finding]:
    """One container's mappings, and what only other network modes have."""
    for mapping in container.children("portMappings"):
        yield from _check_mapping(mapping, show(container.text("name") or ""))
    for key, rule in _FIELDS.items():
        if container.has(key):
            yield rule.at(container.path_of(key))
    if container.is_true("disableNetworking"):
        yield NETWORKING_DISABLED.at(container.path_of("disableNetworking"))


def _check_mapping(mapping: View, name: str) -> Iterator[Finding]:
    port, host, span = mapping.number("containerPort"), mapping.number("hostPort"), mapping.text("containerPortRange")
    for key, number, least in (("containerPort", port, 1), ("hostPort", host, 0)):
        if number is not None and not least <= number <= LARGEST_PORT:
            yield PORT_OUT_OF_RANGE.at(mapping.path_of(key), least=least)
    if span is not None and (mapping.has("containerPort") or host):
        yield PORT_AND_RANGE.at(mapping.path)
    elif span is not None and _read_range(span) is None:
        yield RANGE_INVALID.at(mapping.path_of("containerPortRange"))
    elif span is None and not mapping.has("containerPort"):
        yield PORT_MISSING.at(mapping.path_of("containerPort"), name=name)
    elif port is not None and host is not None and host != port:
        yield HOST_PORT_DIFFERS.at(mapping.path_of("hostPort"))


def _read_range(text: str) -> tuple[int, int] | None:
    found = _RANGE.fullmatch(text)
    if not found:
        return None
    first, last = int(found[1]), int(found[2])
    return (first, last) if 1 <= first < last <= LARGEST_PORT else None


def check_ports(root: View) -> Iterator[Finding]:
    """The mappings of all containers against each other."""
    mappings = [
        each for container in root.children("containerDefinitions") for each in container.children("portMappings")
    ]
    for protocol in dict.fromkeys(mapping.text("protocol") or "tcp" for mapping in mappings):
        yield from _check_overlaps(
            [each for each in mappings if (each.text("protocol") or "tcp") == protocol], protocol
        )
    names: set[str] = set()
    for mapping in mappings:
        name = mapping.text("name")
        if name and name in names:
            yield PORT_NAME_TWICE.at(mapping.path_of("name"), name=show(name))
        names.add(name or "")


def _check_overlaps(mappings: Sequence[View], protocol: str) -> Iterator[Finding]:
    spans = sorted((span, place) for place, mapping in enumerate(mappings) if (span := _get_span(mapping)))
    (before, last), last_place = (0, 0), 0
    for (first, end), place in spans:
        if first <= last:
            later = mappings[max(place, last_place)]
            if before == last and first == end:
                yield PORT_TWICE.at(later.path, protocol=show(protocol.upper()), port=first)
            else:
                ports = first if first == end else f"{first}-{end}"
                yield RANGES_OVERLAP.at(later.path, ports=ports, protocol=show(protocol))
        if end >= last:
            (before, last), last_place = (first, end), place


def _get_span(mapping: View) -> tuple[int, int] | None:
    """The first and last port of a mapping."""
    port, span = mapping.number("containerPort"), _read_range(mapping.text("containerPortRange") or "")
    return span or ((port, port) if port is not None and 1 <= port <= LARGEST_PORT else None)
