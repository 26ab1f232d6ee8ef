"""What the controller of isolation has in its queue: each key says where to look."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NamespaceKey:
    """A namespace, for its default-deny policy."""

    namespace: str

    def __str__(self) -> str:
        return f"namespace {self.namespace}"


@dataclass(frozen=True, slots=True)
class SetsKey:
    """A namespace, for the policies that its pods share."""

    namespace: str

    def __str__(self) -> str:
        return f"shared policies of namespace {self.namespace}"


@dataclass(frozen=True, slots=True)
class PodKey:
    """A pod, for its labels and its policy."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"pod {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class StrayKey:
    """A policy that says it is ours and belongs to nothing."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"NetworkPolicy {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class InfrastructureKey:
    """The addresses of nodes and API servers, for the rules that follow from them."""

    def __str__(self) -> str:
        return "infrastructure"


WorkKey = NamespaceKey | SetsKey | PodKey | StrayKey | InfrastructureKey
