"""`kubectl fargate convert`: FargateProfiles of Monopod from what others call so. Pure: documents in, documents out.

Read are eksctl's ClusterConfig, the FargateProfile of ACK (eks.services.k8s.aws), what `aws eks
describe-fargate-profile` prints, and `terraform show -json` of a plan or a state. Whether the API server would take
the result is asked afterwards, of the schema; here nothing is judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monopod.api.names import API_VERSION

Json = Mapping[str, Any]

_FIELDS: Final = {
    "name": ("name", "fargateProfileName", "fargate_profile_name"),
    "selectors": ("selectors", "selector"),
    "podExecutionRoleARN": ("podExecutionRoleARN", "podExecutionRoleArn", "pod_execution_role_arn"),
    "tags": ("tags",),
    "subnets": ("subnets", "subnet_ids"),
}
"""What each of our fields is called elsewhere."""

_MEANINGLESS: Final = frozenset(
    (
        *("clusterName", "clusterRef", "cluster_name", "clientRequestToken", "region", "timeouts"),
        *("arn", "id", "tags_all", "fargateProfileArn", "createdAt", "status", "health"),
    )
)
"""Which cluster it is for, how it is kept elsewhere, and what AWS says of it: nothing that one has to know was lost."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A profile of ours, and what of the other one isn't in it, in words."""

    profile: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def convert(document: object) -> list[Converted]:
    """The profiles in a document; none if it is of no known shape."""
    return [_build(fields) for _, fields in _find(document)]


def describe_shape(document: object) -> str:
    """What a document is that `convert` makes profiles of, for a message; "" if it is something else."""
    return next((shape for shape, _ in _find(document)), "")


def _find(document: object) -> Iterator[tuple[str, Json]]:
    if not isinstance(document, Mapping):
        return
    group, kind = str(document.get("apiVersion")).partition("/")[0], document.get("kind")
    if (group, kind) == ("eksctl.io", "ClusterConfig"):
        yield from (("a ClusterConfig of eksctl", each) for each in _list(document.get("fargateProfiles")))
    elif (group, kind) == ("eks.services.k8s.aws", "FargateProfile"):
        yield from (("a FargateProfile of ACK", each) for each in _list([document.get("spec")]))
    elif kind is None and "fargateProfile" in document:
        yield from (("a profile as the EKS API tells it", each) for each in _list([document["fargateProfile"]]))
    elif kind is None and "terraform_version" in document:
        values = document.get("planned_values") or document.get("values")
        root = values.get("root_module") if isinstance(values, Mapping) else None
        yield from (("a plan or state of Terraform", each) for each in _find_in_module(root))


def _find_in_module(module: object) -> Iterator[Json]:
    if not isinstance(module, Mapping):
        return
    for resource in _list(module.get("resources")):
        if (resource.get("mode"), resource.get("type")) == ("managed", "aws_eks_fargate_profile"):
            yield from _list([resource.get("values")])
    for child in _list(module.get("child_modules")):
        yield from _find_in_module(child)


def _list(value: object) -> list[Json]:
    """The mappings in a list; whatever else stands there is nothing that could be converted."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, Sequence) else []


def _build(fields: Json) -> Converted:
    found = {ours: value for ours, theirs in _FIELDS.items() if (value := _pick(fields, theirs)) not in (None, [], {})}
    notes = []
    given = str(found.pop("name", ""))
    name = given.lower().replace("_", "-").rstrip("-")
    if name != given:
        notes.append(f"it was called {given}; pods that name it in a label have to name {name}")
    if subnets := found.pop("subnets", None):
        ids = ", ".join(map(str, subnets)) if isinstance(subnets, list) else str(subnets)
        notes.append(f"its subnets ({ids}) are left out: here subnets are zones of nodes, and without any all are used")
    if isinstance(found.get("selectors"), list):
        found["selectors"] = [_drop_nothings(each) for each in found["selectors"]]
    known = {name for names in _FIELDS.values() for name in names} | _MEANINGLESS
    if others := sorted(key for key, value in fields.items() if key not in known and value is not None):
        notes.append(f"Monopod has nothing for {', '.join(others)}, which is left out")
    profile = {"apiVersion": API_VERSION, "kind": "FargateProfile", "metadata": {"name": name}, "spec": found}
    return Converted(profile, notes)


def _pick(fields: Json, names: Sequence[str]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _drop_nothings(selector: Any) -> Any:
    """Terraform writes null for what isn't there."""
    if not isinstance(selector, Mapping):
        return selector
    return {key: value for key, value in selector.items() if value is not None}
