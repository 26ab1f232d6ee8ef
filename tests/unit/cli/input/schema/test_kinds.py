"""Objects of ours that the API server refuses are refused without one too, in its words; and no others.

The tables are those of the control plane's tests, in which a real API server is asked.
"""

from typing import Any

import pytest

from monopod.cli.input.schema.kinds import compute_faults, get_kind
from tests.controlplane.api import test_profile_validation as profiles
from tests.controlplane.api import test_security_group_validation as groups
from tests.controlplane.builders import a_profile

Object = dict[str, Any]

REFUSED: dict[str, tuple[Object, str]] = {**profiles.REFUSED_PROFILES, **groups.REFUSED}
ACCEPTED: dict[str, Object] = {**profiles.ACCEPTED_PROFILES, **groups.ACCEPTED}

pytestmark = pytest.mark.timeout(10)  # the first rule of all builds the parser of CEL


def judge(document: Object) -> list[str]:
    kind = get_kind(document)
    assert kind is not None
    return [str(fault) for fault in compute_faults(document, kind)]


@pytest.mark.parametrize(("document", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_the_api_server_refuses_is_refused_in_its_words(document: Object, reason: str) -> None:
    assert [fault for fault in judge(document) if fault.startswith(reason.partition(", regex used")[0])], judge(
        document
    )


@pytest.mark.parametrize("document", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_api_server_accepts_is_accepted(document: Object) -> None:
    assert judge(document) == []


@pytest.mark.parametrize(("document", "field"), profiles.UNKNOWN_FIELDS.values(), ids=list(profiles.UNKNOWN_FIELDS))
def test_an_unknown_field_is_refused_as_kubectl_does(document: Object, field: str) -> None:
    assert judge(document) == [f'unknown field "{field}"']


def test_all_mistakes_are_reported_at_once() -> None:
    selectors = [{"namespace": "Prod"}]
    profile = a_profile("eks-web", selectors=selectors, runtimeClassName="Kata", tags={"aws:a": "b"})
    fields = sorted(fault.split(":")[0] for fault in judge(profile))
    assert fields == ["metadata.name", "spec.runtimeClassName", "spec.selectors[0].namespace", "spec.tags"]


def test_another_version_is_none_that_the_api_server_knows() -> None:
    other = {**a_profile(), "apiVersion": "monopod.dev/v1"}
    assert judge(other) == [
        'apiVersion: no matches for kind "FargateProfile" in version "monopod.dev/v1": it is monopod.dev/v1beta1'
    ]


def test_other_groups_kinds_are_not_ours() -> None:
    assert get_kind({"apiVersion": "eks.services.k8s.aws/v1alpha1", "kind": "FargateProfile"}) is None
    assert get_kind({"apiVersion": "v1", "kind": "Pod"}) is None
