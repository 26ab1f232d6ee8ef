"""Generated SecurityGroupPolicies, ServiceAccounts and what pods say of their security groups."""

from dataclasses import dataclass, field
from typing import Any

from monopod.api.names import (
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    GROUPS_ANNOTATION,
    ISOLATION_GATE,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    TASK_LABEL,
    UNSUPPORTED_GATE,
    VOLUMES_GATE,
)
from monopod.isolation.rules.group_policy import GroupPolicy
from tests.controlplane.differential.draws import KEYS, PROFILE_NAMES, VALUES, Draw, Manifest

GROUP_NAMES = ("cluster", "db", "web", "a", "b-1", "0", "z" * 63, "admin")
ACCOUNTS = ("default", "builder", "build", "x")
MALFORMED = (
    "",
    ",",
    "Web",
    "a,b,c,d,e,f",
    "web db",
    "a" * 64,
    "x/y",
    "a~b",
    "-a",
    "a-",
    " ",
    "a,,b",
    "a\nb",
    " " * 600,
)
WRITTEN = (PROFILE_LABEL, EKS_PROFILE_LABEL, TASK_LABEL, GROUP_COUNT_LABEL, f"{GROUP_LABEL_PREFIX}web")


@dataclass(frozen=True)
class Setting:
    """What the operator has written on a namespace beside the profiles; plain, so that it can be made smaller.

    Attributes:
        policies: its SecurityGroupPolicies as the API server sends them.
        accounts: the labels of the ServiceAccounts that the operator has seen.
        on_demand: the workloads that Spot lacks room for.
    """

    isolated: bool = True
    policies: list[Manifest] = field(default_factory=list)
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)
    on_demand: str = ""

    def read_policies(self) -> list[GroupPolicy]:
        return [GroupPolicy.from_resource(policy) for policy in self.policies]


def draw_setting(draw: Draw) -> Setting:
    """Mostly isolated; without policies as often as not."""
    count = draw.choice((0, 0, 0, 1, 2, 4))
    accounts = {name: _draw_account(draw) for name in ACCOUNTS if draw.maybe(0.6)}
    return Setting(draw.maybe(0.8), [_draw_policy(draw, f"p{number}") for number in range(count)], accounts)


def _draw_account(draw: Draw) -> dict[str, str]:
    return {draw.choice(("team", "tier")): draw.choice(("ci", "web"))} if draw.maybe(0.7) else {}


def _draw_policy(draw: Draw, name: str) -> Manifest:
    spec: Manifest = {"securityGroups": {"groupIds": draw.sample(GROUP_NAMES, draw.choice((1, 1, 2, 6)))}}
    if draw.maybe(0.8):
        spec["podSelector"] = _draw_selector(draw, (*KEYS, *WRITTEN), (*VALUES, *PROFILE_NAMES))
    if draw.maybe(0.4):
        spec["serviceAccountSelector"] = _draw_selector(draw, ("team", "tier"), ("ci", "web"))
    return {"metadata": {"name": name, "namespace": "any"}, "spec": spec}


def _draw_selector(draw: Draw, keys: tuple[str, ...], values: tuple[str, ...]) -> Manifest:
    selector: Manifest = {}
    if draw.maybe(0.5):
        selector["matchLabels"] = {draw.choice(keys): draw.choice(values) for _ in range(draw.choice((1, 1, 2)))}
    if draw.maybe(0.6):
        selector["matchExpressions"] = [_draw_requirement(draw, keys, values) for _ in range(draw.choice((1, 1, 2)))]
    return selector


def _draw_requirement(draw: Draw, keys: tuple[str, ...], values: tuple[str, ...]) -> Manifest:
    operator = draw.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    wanted = {"values": draw.sample(values, draw.randint(1, 2))} if operator in ("In", "NotIn") else {}
    return {"key": draw.choice(keys), "operator": operator, **wanted}


def dress(draw: Draw, pod: Manifest) -> None:
    """Gives a pod what decides on its groups, and sometimes marks that only admission should write."""
    if draw.maybe(0.5):
        field = draw.choice(("serviceAccountName", "serviceAccountName", "serviceAccount"))
        pod["spec"][field] = draw.choice((*ACCOUNTS, "unknown"))
    annotations: dict[str, Any] = {}
    if draw.maybe(0.3):
        annotations[GROUPS_ANNOTATION] = draw.choice(MALFORMED) if draw.maybe(0.2) else _ask(draw)
    if draw.maybe(0.1):
        labels = pod["metadata"]["labels"]
        labels[f"{GROUP_LABEL_PREFIX}{draw.choice(GROUP_NAMES)}"] = draw.choice(("true", "", "no"))
        labels[draw.choice((TASK_LABEL, GROUP_COUNT_LABEL))] = draw.choice(("0", "1", "0" * 32))
        annotations[POD_GROUPS_ANNOTATION] = draw.choice(GROUP_NAMES)
    if annotations:
        pod["metadata"].setdefault("annotations", {}).update(annotations)
    if draw.maybe(0.15):
        gates = (ISOLATION_GATE, VOLUMES_GATE, UNSUPPORTED_GATE, "a.io/b", "c.io/d")
        pod["spec"]["schedulingGates"] = [{"name": name} for name in draw.sample(gates, draw.randint(0, 3))]


def _ask(draw: Draw) -> str:
    names = draw.choices(GROUP_NAMES, k=draw.randint(1, 5))
    return draw.choice((",", " , ", ",\t")).join(names)
