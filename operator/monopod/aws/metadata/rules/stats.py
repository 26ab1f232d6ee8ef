"""What a container uses, in the words of Docker, as the ECS agent passes them on.

What no kubelet says is left out. The time that the machine's CPUs had, which Docker reads from the node, is computed:
each of the task's vCPUs has had all the time since the pod began. So `cpu_usage`, divided by it as everyone does, is
the share of the task's vCPUs.
"""

import datetime
import math
from collections.abc import Mapping
from typing import Any, Final

from monopod.aws.metadata.rules.summary import Interface, Reading, Use
from monopod.kube.client.api import Json

UNITS_PER_VCPU: Final = 1024
_MIB: Final = 1024 * 1024
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND: Final = datetime.timedelta(microseconds=1)
_NEVER: Final = "0001-01-01T00:00:00Z"


def describe_use(use: Use, name: str, docker_id: str, units: int | None, memory: int | None) -> Json:
    """A container's statistics.

    Args:
        use: what it uses.
        name: the container's name.
        docker_id: its id.
        units: the task's CPU units.
        memory: the container's limit in MiB, else the task's.
    """
    now, before = use.now, use.before
    cpus = max(1, math.ceil((units or 0) / UNITS_PER_VCPU))
    networks = {each: _drop_unknown(_describe_interface(interface)) for each, interface in now.networks.items()}
    return _drop_unknown(
        {
            "read": _write(now.at),
            "preread": _write(before.at) if before else _NEVER,
            "cpu_stats": _describe_cpu(now, cpus),
            "precpu_stats": _describe_cpu(before, cpus) if before else {"cpu_usage": {"total_usage": 0}},
            "memory_stats": _describe_memory(now, memory),
            "name": f"/{name}",
            "id": docker_id,
            "networks": networks or None,
            "network_rate_stats": _describe_rates(now, before) if before and networks else None,
        }
    )


def _describe_cpu(reading: Reading, cpus: int) -> Json:
    since = (reading.at - (reading.pod_began or _EPOCH)) // _MICROSECOND * 1000
    return {
        "cpu_usage": {"total_usage": reading.cpu},
        "system_cpu_usage": max(0, since) * cpus,
        "online_cpus": cpus,
    }


def _describe_memory(reading: Reading, limit: int | None) -> Json:
    usage, working_set = reading.memory_usage, reading.working_set
    cached = None if usage is None or working_set is None else max(0, usage - working_set)
    faults, major = reading.page_faults, reading.major_page_faults
    stats = {
        # What kubelets take off for the working set, and `docker stats` for what it shows.
        "inactive_file": cached,
        # gVisor doesn't count these, and kubelets make it nought.
        "rss": reading.rss or None,
        "pgfault": faults or None,
        "pgmajfault": major if faults else None,
    }
    return _drop_unknown(
        {
            # Of some sandboxes kubelets know the working set only.
            "usage": working_set if usage is None else usage,
            "limit": None if limit is None else limit * _MIB,
            "stats": _drop_unknown(stats),
        }
    )


def _describe_interface(interface: Interface) -> Json:
    return {
        "rx_bytes": interface.rx_bytes,
        "rx_errors": interface.rx_errors,
        "tx_bytes": interface.tx_bytes,
        "tx_errors": interface.tx_errors,
    }


def _describe_rates(now: Reading, before: Reading) -> Json:
    seconds = (now.at - before.at).total_seconds()
    received, sent = (now_ - then for now_, then in zip(_sum(now), _sum(before), strict=True))
    return {
        "rx_bytes_per_sec": max(0, received) / seconds,
        "tx_bytes_per_sec": max(0, sent) / seconds,
    }


def _sum(reading: Reading) -> tuple[int, int]:
    interfaces = reading.networks.values()
    return sum(each.rx_bytes or 0 for each in interfaces), sum(each.tx_bytes or 0 for each in interfaces)


def _write(moment: datetime.datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _drop_unknown(members: Mapping[str, Any]) -> Json:
    return {key: value for key, value in members.items() if value is not None}
