"""Edits of the installed policies show, as a real API server stores and completes these."""

from typing import Any

import pytest

from monopod.admission.policies import build_policies
from monopod.admission.revision import find_changed
from tests.controlplane.server import Manifest, Server

GROUP = "/apis/admissionregistration.k8s.io/v1"
EXPECTED = [document for pair in build_policies().values() for document in pair]
PLURALS = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


def read(server: Server, kind: str, name: str) -> Manifest:
    return server.get(f"{GROUP}/{PLURALS[kind]}/{name}").expect_ok()


def test_nothing_has_changed_right_after_the_installation(server: Server) -> None:
    keys = [(each["kind"], each["metadata"]["name"]) for each in EXPECTED]
    assert find_changed(EXPECTED, {key: read(server, *key) for key in keys}) == ()


EDITS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "failurePolicy": ("MutatingAdmissionPolicy", "monopod-pods", {"failurePolicy": "Ignore"}),
    "an expression": (
        "ValidatingAdmissionPolicy",
        "monopod-marks",
        {"validations": [{"expression": "true", "message": "never"}]},
    ),
    "a condition": (
        "ValidatingAdmissionPolicy",
        "monopod-sandbox",
        {"matchConditions": [{"name": "never", "expression": "false"}]},
    ),
    "a namespace selector": (
        "ValidatingAdmissionPolicy",
        "monopod-sandbox",
        {"matchConstraints": {"namespaceSelector": {"matchLabels": {"only": "these"}}}},
    ),
    "actions of a binding": (
        "ValidatingAdmissionPolicyBinding",
        "monopod-sandbox",
        {"validationActions": ["Audit"]},
    ),
    "a narrowed binding": (
        "MutatingAdmissionPolicyBinding",
        "monopod-pods",
        {"matchResources": {"namespaceSelector": {"matchLabels": {"only": "these"}}}},
    ),
    "the parameters of a binding": (
        "MutatingAdmissionPolicyBinding",
        "monopod-namespaces",
        {"paramRef": {"name": "other"}},
    ),
}


@pytest.mark.parametrize(("kind", "name", "edit"), EDITS.values(), ids=EDITS)
def test_an_edit_shows(server: Server, kind: str, name: str, edit: dict[str, Any]) -> None:
    edited = server.patch(f"{GROUP}/{PLURALS[kind]}/{name}?dryRun=All", {"spec": edit}).expect_ok()
    assert find_changed(EXPECTED, {(kind, name): edited}) == (f"{kind}/{name}",)
