"""Policies and their bindings as Kubernetes objects, whatever they say: the parts that all have in common."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from monopod.api.names import GROUP, VERSION
from monopod.cel.expressions import Validation, Variable, format_cel

Document = dict[str, Any]

API_VERSION: Final = "admissionregistration.k8s.io/v1"


def core_rule(operations: Sequence[str], resources: Iterable[str]) -> Document:
    """Requests for kinds of the core group, or subresources of theirs."""
    return {"apiGroups": [""], "apiVersions": ["v1"], "operations": list(operations), "resources": list(resources)}


def own_rule(operations: Sequence[str], *resources: str) -> Document:
    """Requests for kinds of Monopod's."""
    return {**core_rule(operations, resources), "apiGroups": [GROUP], "apiVersions": [VERSION]}


def to_documents(parts: Iterable[Variable | Validation]) -> list[Document]:
    """The entries of a policy's `variables` or `validations`."""
    return [part.as_document() for part in parts]


def json_patch(expression: str) -> Document:
    """A mutation that evaluates to JSON Patch operations."""
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": format_cel(expression)}}


def build_mutating(
    name: str, description: str, spec: Document, binding: Document | None = None
) -> tuple[Document, Document]:
    """A MutatingAdmissionPolicy and its binding."""
    return (
        _document("MutatingAdmissionPolicy", name, description, {"failurePolicy": "Fail", **spec}),
        _document("MutatingAdmissionPolicyBinding", name, "", {"policyName": name, **(binding or {})}),
    )


def build_validating(
    name: str, description: str, spec: Document, binding: Document | None = None
) -> tuple[Document, Document]:
    """A ValidatingAdmissionPolicy and its binding."""
    bound = {"policyName": name, "validationActions": ["Deny"], **(binding or {})}
    return (
        _document("ValidatingAdmissionPolicy", name, description, {"failurePolicy": "Fail", **spec}),
        _document("ValidatingAdmissionPolicyBinding", name, "", bound),
    )


def _document(kind: str, name: str, description: str, spec: Document) -> Document:
    metadata: Document = {"name": name}
    if description:
        metadata["annotations"] = {"kubernetes.io/description": description}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
