"""How a task's size is asked for, so that its pod is given exactly that.

A pod asks for what its containers need, and Monopod adds 256 MiB and rounds up to a size (`pods.rules.size`). A task
says its size. So its pod asks, as a whole, for the CPU of that and for 256 MiB less memory. What its containers ask for
must not exceed that, or the API server refuses the pod; what they may use is said by their limits.
"""

from typing import Any, Final

from monopod.pods.rules.size import COMPONENTS_MEMORY_MIB, DEFAULT_STORAGE_GIB, MAX_STORAGE_MIB
from monopod.pods.rules.storage import FILE_SYSTEM_PERCENT, SYSTEM_GIB
from monopod.tasks.rules.sizes import UNITS_PER_VCPU, get_reserved_mib, read_size, read_storage_gib
from monopod.tasks.rules.view import View

_MIB_PER_GIB: Final = 1024


def build_pod_resources(root: View) -> dict[str, Any]:
    """The pod's own `resources`."""
    size = read_size(root)
    if size is None or size.row is None:
        raise ValueError("the task definition has no size of Monopod's: validate it first")
    amounts = {"cpu": f"{size.row.cpu_millis}m", "memory": f"{size.memory_mib - COMPONENTS_MEMORY_MIB}Mi"}
    return {"requests": amounts, "limits": dict(amounts)}


def build_resources(container: View, root: View, *, is_first: bool) -> dict[str, Any]:
    """A container's `resources`: its weight, what is set aside for it, and what it may use at most."""
    units, limit = container.number("cpu") or 0, container.number("memory")
    requests = {"cpu": f"{units * 1000 // UNITS_PER_VCPU}m", "memory": f"{_share_mib(container, root)}Mi"}
    if is_first and (storage := compute_storage_request_mib(read_storage_gib(root))):
        requests["ephemeral-storage"] = f"{storage}Mi"
    # Without a request of its own, a container would ask for its limit.
    return {"requests": requests, **({"limits": {"memory": f"{limit}Mi"}} if limit is not None else {})}


def _share_mib(container: View, root: View) -> int:
    """What is set aside for the container of what the pod asks for: in proportion, where all of them want more."""
    size = read_size(root)
    budget = (size.memory_mib if size else 0) - COMPONENTS_MEMORY_MIB
    total = sum(get_reserved_mib(each) for each in root.children("containerDefinitions"))
    reserved = get_reserved_mib(container)
    return reserved if total <= budget else reserved * budget // total


def compute_storage_request_mib(gib: int) -> int:
    """What a pod asks for to be provisioned with so much: `provision_gib`, read backwards; 0 for what each pod has."""
    if gib <= DEFAULT_STORAGE_GIB:
        return 0
    of_all = (gib - SYSTEM_GIB) * _MIB_PER_GIB * 100 // (100 + FILE_SYSTEM_PERCENT)
    return min(of_all, MAX_STORAGE_MIB)
