"""What a Karpenter NodePool says of its provider: a reference to a node class, which is a kind of the provider's."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from monopod.kube.objects.fields import Part

EC2: Final = "karpenter.k8s.aws"

GROUPS: Final[Mapping[str, str]] = {
    "EC2NodeClass": EC2,
    "AKSNodeClass": "karpenter.azure.com",
    "KWOKNodeClass": "karpenter.kwok.sh",
    "NodeClass": "eks.amazonaws.com",
}
"""The API groups of kinds that need no other word; `NodeClass` is that of EKS Auto Mode."""

_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_GROUP: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class InvalidNodeClass(ValueError):
    """What somebody wrote names no node class; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class NodeClass:
    """A node class."""

    group: str
    kind: str
    name: str

    def __str__(self) -> str:
        """As `parse_node_class` reads it."""
        kind = self.kind if GROUPS.get(self.kind) == self.group else f"{self.kind}.{self.group}"
        return f"{kind}/{self.name}"


def parse_node_class(text: str) -> NodeClass:
    """Reads `EC2NodeClass/default`, or with its group `EC2NodeClass.karpenter.k8s.aws/default`.

    Raises:
        InvalidNodeClass: it is neither.
    """
    word, slash, name = text.partition("/")
    kind, dot, group = word.partition(".")
    if not slash or not _KIND.fullmatch(kind) or not _NAME.fullmatch(name):
        raise InvalidNodeClass(f"{text!r} is no node class: write KIND/NAME, such as EC2NodeClass/default.")
    group = group or GROUPS.get(kind, "")
    if not group or (dot and not _GROUP.fullmatch(group)):
        raise InvalidNodeClass(
            f"The API group of {kind} isn't known here: write KIND.GROUP/NAME, such as EC2NodeClass.{EC2}/default."
        )
    return NodeClass(group, kind, name)


def read_node_classes(node_pools: Iterable[Mapping[str, object]]) -> tuple[NodeClass, ...]:
    """The node classes that NodePools refer to, each once."""
    found = set()
    for pool in node_pools:
        reference = Part(pool).child("spec").child("template").child("spec").child("nodeClassRef")
        found.add(NodeClass(reference.text("group"), reference.text("kind"), reference.text("name")))
    return tuple(sorted(found))
