"""The names of a release are those in its objects."""

from tests.chart.rendering import render_chart


def test_the_names_of_the_release_reach_rbac_and_policies() -> None:
    chart = render_chart(release="second", namespace="elsewhere")
    user = "system:serviceaccount:elsewhere:second-monopod"
    policies = chart.of_kind("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
    assert any(user in str(policy["spec"]) for policy in policies)
    for binding in chart.of_kind("ClusterRoleBinding", "RoleBinding"):
        (subject,) = binding["subjects"]
        assert (subject["name"], subject["namespace"]) == ("second-monopod", "elsewhere")
        assert binding["roleRef"]["name"].startswith("second-monopod")
    leftovers = [item for item in chart.objects if "monopod-system" in str(item)]
    assert leftovers == [], "something still names the manifests' namespace"
