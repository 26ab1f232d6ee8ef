"""Names on ECS, and the names of the objects that they are: both sides find an object without a search.

ECS takes upper case, `_` and 255 characters, Kubernetes doesn't. A name that both take is the same on both sides; any
other becomes one that is made from it.
"""

import hashlib
import re
from typing import Final

from monopod.api.ecs.names import LONGEST_CLUSTER_NAME, NAMESPACE_PREFIX

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_KEPT: Final = 46
_DIGITS: Final = 12


def compute_object_name(name: str) -> str:
    """The name of the object that a cluster or a family is, at most 59 characters."""
    if len(name) <= LONGEST_CLUSTER_NAME and _LABEL.fullmatch(name):
        return name
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_KEPT].rstrip("-")
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{kept or 'x'}-{digest}"


def compute_namespace(cluster: str) -> str:
    """The namespace of a cluster's tasks, by the cluster's name on ECS."""
    return f"{NAMESPACE_PREFIX}{compute_object_name(cluster)}"


def compute_definition_name(family: str, revision: int) -> str:
    """The name of the object that a revision of a task definition is."""
    return f"{compute_object_name(family)}.{revision}"
