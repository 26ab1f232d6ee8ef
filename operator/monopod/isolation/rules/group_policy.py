"""What a SecurityGroupPolicy says (EKS's kind): which pods of its namespace have which security groups.

Whether it matches a pod is decided in `membership`, and in CEL; here it is only read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from monopod.isolation.rules.security_group import is_group_name
from monopod.kube.objects.fields import InvalidGroupPolicy, Part
from monopod.kube.objects.label_selector import LabelSelector


@dataclass(frozen=True, slots=True)
class GroupPolicy:
    """Groups for the pods that the selectors match; both must match where there are both.

    Without any selector it matches no pod, as with AWS's controller. `groups` is in the order of the resource, each
    name once.
    """

    namespace: str
    name: str
    groups: tuple[str, ...]
    pods: LabelSelector | None = None
    accounts: LabelSelector | None = None

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "GroupPolicy":
        """Reads a SecurityGroupPolicy as the API server sends it.

        How many groups it names isn't checked: one that names more than AWS's five must not fall back to fewer rules
        than its author thinks.

        Raises:
            InvalidGroupPolicy: anything in it isn't understood.
        """
        root = Part(resource, error=InvalidGroupPolicy)
        metadata, spec = root.child("metadata"), root.child("spec")
        spec.refuse_unknown("podSelector", "serviceAccountSelector", "securityGroups")
        groups = spec.child("securityGroups")
        names = groups.texts("groupIds")
        if not names:
            raise groups.fail("groupIds", "is required")
        for index, name in enumerate(names):
            if not is_group_name(name):
                raise groups.fail(f"groupIds[{index}]", f"{name!r} isn't the name of a SecurityGroup")
        return cls(
            metadata.text("namespace"),
            metadata.text("name"),
            tuple(dict.fromkeys(names)),
            _read_selector(spec, "podSelector"),
            _read_selector(spec, "serviceAccountSelector"),
        )


def _read_selector(spec: Part, key: str) -> LabelSelector | None:
    if spec.fields.get(key) is None:
        return None
    return LabelSelector.from_dict(spec.child(key).fields, spec.path_of(key), spec.error)
