import pytest
from pydantic import ValidationError

from monopod.api.fargate_profile import FargateProfile
from monopod.api.rules import Rule, unchangeable


def test_a_resource_is_read_by_its_yaml_names() -> None:
    spec = {"selectors": [{"namespace": "prod"}], "podExecutionRoleARN": "arn", "runtimeClassName": "kata"}
    profile = FargateProfile.model_validate({"metadata": {"name": "web"}, "spec": spec})
    assert profile.spec.selectors[0].namespace == "prod"
    assert profile.spec.pod_execution_role_arn == "arn"
    assert profile.spec.runtime_class_name == "kata"
    assert profile.spec.unsupported_pods == "Pend"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"selectors": [{"labels": {"tier": "web"}}]},
        {"selectors": [{"namespace": "prod"}] * 6},
        {"selectors": [{"namespace": "prod"}], "securityGroup": "web"},
        {"selectors": [{"namespace": "prod"}], "unsupportedPods": "Ignore"},
    ],
    ids=["no selectors", "no namespace", "six selectors", "unknown field", "unknown choice"],
)
def test_a_resource_of_another_shape_is_refused(spec: object) -> None:
    with pytest.raises(ValidationError):
        FargateProfile.model_validate({"metadata": {"name": "web"}, "spec": spec})


def test_a_rule_over_several_lines_is_one_line_in_the_crd() -> None:
    rule = Rule(
        """self.a
           && self.b""",
        "both",
        field=".a",
    )
    assert rule.to_schema() == {
        "rule": "self.a && self.b",
        "message": "both",
        "reason": "FieldValueInvalid",
        "fieldPath": ".a",
    }


def test_an_optional_field_that_never_changes_is_guarded_against_adding_and_removing() -> None:
    assert "has(self.x) == has(oldSelf.x)" in unchangeable("x", optional=True).expression
