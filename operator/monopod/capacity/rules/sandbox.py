"""A RuntimeClass as capacity needs it: which nodes its pods select, and which taints they tolerate."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from monopod.kube.objects.fields import Part

NO_SCHEDULE: Final = "NoSchedule"
NO_EXECUTE: Final = "NoExecute"


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node."""

    key: str
    value: str = ""
    effect: str = NO_SCHEDULE

    def __str__(self) -> str:
        """As kubectl writes it: `key=value:Effect`."""
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


@dataclass(frozen=True, slots=True)
class Toleration:
    """A toleration of a pod; without a key it is for all taints.

    Attributes:
        forever: whether the pod may stay; one with `tolerationSeconds` is evicted after these.
    """

    key: str
    operator: str
    value: str
    effect: str
    forever: bool = True

    def tolerates(self, taint: Taint) -> bool:
        """Whether a pod with it may run on a node with the taint."""
        if self.effect not in ("", taint.effect) or self.key not in ("", taint.key):
            return False
        if self.operator == "Exists":
            return True
        return bool(self.key) and self.operator in ("", "Equal") and self.value == taint.value


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A RuntimeClass.

    Attributes:
        cpu_millis: the overhead of each of its pods.
        memory_mib: the same.
    """

    name: str
    handler: str
    node_selector: Mapping[str, str]
    tolerations: tuple[Toleration, ...]
    cpu_millis: int = 0
    memory_mib: int = 0

    @property
    def is_kata(self) -> bool:
        """Whether its pods are virtual machines of Kata's, which need KVM."""
        return self.handler.partition("-")[0] == "kata"

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "Sandbox":
        """Reads a RuntimeClass as the API server sends it."""
        root = Part(resource)
        scheduling = root.child("scheduling")
        overhead = root.child("overhead").quantities("podFixed")
        return cls(
            root.child("metadata").text("name"),
            root.text("handler"),
            scheduling.text_map("nodeSelector"),
            tuple(_read_toleration(part) for part in scheduling.children("tolerations")),
            ceil(overhead.get("cpu", 0) * 1000),
            ceil(overhead.get("memory", 0) / 2**20),
        )


def _read_toleration(part: Part) -> Toleration:
    forever = part.fields.get("tolerationSeconds") is None
    return Toleration(part.text("key"), part.text("operator"), part.text("value"), part.text("effect"), forever)
