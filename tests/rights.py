"""The operator's rights, read from the manifests that grant them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = Path(__file__).parents[1] / "manifests"
RBAC = MANIFESTS / "rbac"


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource, `RESOURCE.GROUP/SUBRESOURCE`; `own` if it is limited to Monopod's namespace."""

    resource: str
    verb: str
    own: bool

    @property
    def target(self) -> str:
        """What the right is on, as the documents name it."""
        return f"{self.resource} (own)" if self.own else self.resource

    def __str__(self) -> str:
        return f"{self.verb} {self.target}"


def read_rights() -> Sequence[Right]:
    """All that it has everywhere, each once, sorted."""
    return _read([yaml.safe_load((RBAC / f"{name}.yaml").read_text()) for name in ("clusterrole", "role")])


def read_task_rights() -> Sequence[Right]:
    """Those that it has besides where there are tasks of ECS's."""
    objects = yaml.safe_load_all((MANIFESTS / "ecs/operator.yaml").read_text())
    return _read([each for each in objects if each["kind"] == "ClusterRole"])


def _read(roles: Sequence[dict[str, Any]]) -> Sequence[Right]:
    return sorted(
        {
            Right(_name(group, resource), verb, role["kind"] == "Role")
            for role in roles
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
    )


def _name(group: str, resource: str) -> str:
    plural, _, subresource = resource.partition("/")
    return (f"{plural}.{group}" if group else plural) + (f"/{subresource}" if subresource else "")
