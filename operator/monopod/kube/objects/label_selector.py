"""Label selectors as Kubernetes has them: `matchLabels` and `matchExpressions`, read once, compared and matched.

Not to be confused with a profile's selectors, which know wildcards (`selection`). Says nothing about where a selector
stands; an absent selector is the reader's business, an empty one matches everything.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from monopod.kube.objects.fields import InvalidManifest, Part

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]

_OPERATORS: Final[Mapping[str, Operator]] = {operator: operator for operator in get_args(Operator)}

_NAME: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_PREFIX_PART: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_KEY: Final = re.compile(rf"(?:(?=[^/]{{1,253}}/){_PREFIX_PART}(?:\.{_PREFIX_PART})*/)?{_NAME}")
_VALUE: Final = re.compile(rf"(?:{_NAME})?")


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """One condition on one label; `values` is sorted, and empty for Exists and DoesNotExist."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels fulfil it. NotIn is also fulfilled by labels without the key, as in Kubernetes."""
        present = self.key in labels
        match self.operator:
            case "In":
                return present and labels[self.key] in self.values
            case "NotIn":
                return not present or labels[self.key] not in self.values
            case "Exists":
                return present
            case "DoesNotExist":
                return not present

    def as_dict(self) -> dict[str, Any]:
        """The requirement as an entry of `matchExpressions`."""
        expression = {"key": self.key, "operator": self.operator}
        return {**expression, "values": list(self.values)} if self.values else {**expression}


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements, all of which must hold; sorted and each once, so that equal selectors compare equal."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def from_dict(
        cls, source: Mapping[str, object], path: str = "", error: type[InvalidManifest] = InvalidManifest
    ) -> "LabelSelector":
        """Reads a LabelSelector; `path` is where it stands, for the message of an error.

        Keys and values are checked although the API server does it too for its own kinds: a selector may come from
        another vendor's CRD, and what is read here becomes text with separators elsewhere.

        Raises:
            InvalidManifest: it holds anything that Kubernetes wouldn't take (as `error`, if given).
        """
        part = Part(source, path, error)
        part.refuse_unknown("matchLabels", "matchExpressions")
        pairs = (
            _check(part.child("matchLabels"), key, Requirement(key, "In", (value,)))
            for key, value in part.text_map("matchLabels").items()
        )
        expressions = (_read_expression(expression) for expression in part.children("matchExpressions"))
        return cls(tuple(sorted({*pairs, *expressions})))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels fulfil every requirement; an empty selector is fulfilled by any."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def as_dict(self) -> dict[str, Any]:
        """The selector as Kubernetes writes it, always in the same way: what fits into `matchLabels` is there."""
        pairs: dict[str, str] = {}
        expressions = []
        for requirement in self.requirements:
            single = requirement.operator == "In" and len(requirement.values) == 1
            if single and requirement.key not in pairs:
                pairs[requirement.key] = requirement.values[0]
            else:
                expressions.append(requirement.as_dict())
        return {
            **({"matchLabels": pairs} if pairs else {}),
            **({"matchExpressions": expressions} if expressions else {}),
        }


def is_label_key(key: str) -> bool:
    """Whether a label or annotation may have the key."""
    return _KEY.fullmatch(key) is not None


def is_label_value(value: str) -> bool:
    """Whether a label may have the value."""
    return _VALUE.fullmatch(value) is not None


def _read_expression(part: Part) -> Requirement:
    part.refuse_unknown("key", "operator", "values")
    operator = _OPERATORS.get(part.text("operator"))
    if operator is None:
        raise part.fail("operator", f"must be In, NotIn, Exists or DoesNotExist, not {part.text('operator')!r}")
    values = tuple(sorted(set(part.texts("values"))))
    if operator in ("In", "NotIn") and not values:
        raise part.fail("values", f"must not be empty with the operator {operator}")
    if operator in ("Exists", "DoesNotExist") and values:
        raise part.fail("values", f"must be empty with the operator {operator}")
    return _check(part, "key", Requirement(part.text("key"), operator, values))


def _check(part: Part, place: str, requirement: Requirement) -> Requirement:
    if not is_label_key(requirement.key):
        raise part.fail(place, f"{requirement.key!r} isn't a label key")
    for value in requirement.values:
        if not is_label_value(value):
            raise part.fail(place, f"{value!r} isn't a label value")
    return requirement
