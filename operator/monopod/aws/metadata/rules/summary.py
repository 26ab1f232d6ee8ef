"""What a kubelet's summary says of tasks' containers, and what it said before.

A kubelet writes its times to the second. Two readings may be two seconds apart, so half a second of doubt would be a
quarter of a rate: when the summary came says where in its second a reading is, if both clocks agree so far.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

NAMESPACE_PREFIX: Final = "ecs-"
_SECOND: Final = datetime.timedelta(microseconds=999_999)
"""So that a reading is never placed in the next one."""


_MOST: Final = 2**64 - 1

Amount = Annotated[int, Field(ge=0, le=_MOST)]


class PodKey(NamedTuple):
    """Which pod: names are used again, uids aren't."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Interface:
    """What has gone through a network interface."""

    rx_bytes: int | None
    rx_errors: int | None
    tx_bytes: int | None
    tx_errors: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """How much a container had used at a moment.

    Attributes:
        stamp: the moment as the kubelet says it, in UTC.
        at: the same more exactly.
        cpu: nanoseconds of CPU time since the container started.
        memory_usage: bytes, with those of the page cache.
        working_set: bytes without those that the kernel could take back first.
        rss: bytes of anonymous memory.
        page_faults: how many there were.
        major_page_faults: those for which something was read.
        networks: the pod's interfaces by name.
        began: when the container started.
        pod_began: when its pod did.
    """

    stamp: datetime.datetime
    at: datetime.datetime
    cpu: int
    memory_usage: int | None = None
    working_set: int | None = None
    rss: int | None = None
    page_faults: int | None = None
    major_page_faults: int | None = None
    networks: Mapping[str, Interface] = field(default_factory=dict)
    began: datetime.datetime | None = None
    pod_began: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """What a container uses: the last reading, and the one before it if there was one of the same start."""

    now: Reading
    before: Reading | None = None


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class _Cpu(_View):
    time: AwareDatetime | None = None
    usage_core_nano_seconds: Amount | None = None


class _Memory(_View):
    usage_bytes: Amount | None = None
    working_set_bytes: Amount | None = None
    rss_bytes: Amount | None = None
    page_faults: Amount | None = None
    major_page_faults: Amount | None = None


class _Interface(_View):
    name: str = ""
    rx_bytes: Amount | None = None
    rx_errors: Amount | None = None
    tx_bytes: Amount | None = None
    tx_errors: Amount | None = None


class _Network(_Interface):
    interfaces: tuple[_Interface, ...] | None = None


class _Container(_View):
    name: str
    start_time: AwareDatetime | None = None
    cpu: _Cpu | None = None
    memory: _Memory | None = None


class _PodRef(_View):
    name: str
    namespace: str
    uid: str


class _Pod(_View):
    pod_ref: _PodRef
    start_time: AwareDatetime | None = None
    containers: tuple[_Container, ...] | None = None
    network: _Network | None = None


class _Summary(_View):
    pods: tuple[_Pod, ...] | None = None


def read_summary(content: bytes, arrived: datetime.datetime) -> dict[PodKey, dict[str, Reading]]:
    """The readings of the pods that may be tasks', by the containers' names in the pod.

    Args:
        content: the answer of a kubelet.
        arrived: when it came.

    Raises:
        ValueError: it is no summary.
        OverflowError: it has times that there can't be.
    """
    return {
        PodKey(pod.pod_ref.namespace, pod.pod_ref.name, pod.pod_ref.uid): dict(_read_pod(pod, arrived))
        for pod in _Summary.model_validate_json(content).pods or ()
        if pod.pod_ref.namespace.startswith(NAMESPACE_PREFIX)
    }


def follow(
    old: Mapping[PodKey, Mapping[str, Use]], new: Mapping[PodKey, Mapping[str, Reading]]
) -> dict[PodKey, dict[str, Use]]:
    """What is known after another summary: only of pods that it still has."""
    return {
        pod: {name: _follow(old.get(pod, {}).get(name), reading) for name, reading in containers.items()}
        for pod, containers in new.items()
    }


def _follow(old: Use | None, new: Reading) -> Use:
    if old is None or old.now.began != new.began:
        return Use(new)
    # Else the kubelet hasn't read it again, or within the same second.
    return Use(new, old.now) if new.stamp > old.now.stamp and new.at > old.now.at else old


def _read_pod(pod: _Pod, arrived: datetime.datetime) -> list[tuple[str, Reading]]:
    networks = _read_networks(pod.network)
    found = []
    for container in pod.containers or ():
        cpu, memory = container.cpu or _Cpu(), container.memory or _Memory()
        if cpu.time is not None and cpu.usage_core_nano_seconds is not None:
            stamp = cpu.time.astimezone(datetime.UTC)
            reading = Reading(
                stamp=stamp,
                at=_place(stamp, arrived),
                cpu=cpu.usage_core_nano_seconds,
                memory_usage=memory.usage_bytes,
                working_set=memory.working_set_bytes,
                rss=memory.rss_bytes,
                page_faults=memory.page_faults,
                major_page_faults=memory.major_page_faults,
                networks=networks,
                began=container.start_time,
                pod_began=pod.start_time,
            )
            found.append((container.name, reading))
    return found


def _place(stamp: datetime.datetime, arrived: datetime.datetime) -> datetime.datetime:
    """When in its second a reading was."""
    if stamp.microsecond or arrived < stamp:
        return stamp
    return min(arrived - stamp, _SECOND) + stamp


def _read_networks(network: _Network | None) -> dict[str, Interface]:
    found = (network.interfaces or (network,)) if network else ()
    return {each.name: Interface(each.rx_bytes, each.rx_errors, each.tx_bytes, each.tx_errors) for each in found}
