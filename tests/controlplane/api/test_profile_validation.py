"""Which FargateProfiles a real API server accepts, which it refuses, and the words it refuses with."""

import json
from typing import Any

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, GROUP_COUNT_LABEL, GROUP_LABEL_PREFIX, PROFILE_LABEL, TASK_LABEL
from tests.controlplane.builders import ROLE, a_profile, create, labelled, many, refusals, selecting

NAMESPACE = (
    "a namespace consists of lower-case letters, digits and '-', and the wildcards '*' and '?'; "
    "it doesn't start or end with '-'"
)
LABEL_KEY = (
    "a label key is a name (at most 63 letters, digits, '-', '_', '.' and the wildcards '*' and '?'), "
    "if need be after a prefix (a lower-case DNS name of at most 253 characters, wildcards allowed) and '/'"
)
LABEL_VALUE = (
    "a label value consists of letters, digits, '-', '_' and '.', and the wildcards '*' and '?'; "
    "it starts and ends with a letter, a digit or a wildcard"
)
RUNTIME_CLASS = (
    "the name of a RuntimeClass consists of lower-case letters, digits, '-' and '.', "
    "and starts and ends with a letter or a digit"
)
ZONE = "the name of a zone consists of letters, digits, '-', '_' and '.', and starts and ends with a letter or a digit"
ROLE_ARN = "must be the ARN of an IAM role, as in arn:aws:iam::111122223333:role/NAME"
TAG_KEY = "a tag's key has 1 to 128 characters: letters, digits, spaces and _ . : / = + - @"
TAG_VALUE = "a tag's value consists of letters, digits, spaces and _ . : / = + - @"


DEFAULTS = {
    "unsupportedPods": "Pend",
    "optOut": "Allow",
    "isolation": "PerPod",
    "podSecurityGroups": "Ignore",
    "seLinuxOptions": "Unsupported",
    "existingPods": "Reschedule",
    "maxUnavailable": "10%",
    "barePods": "Leave",
    "runningJobs": "Leave",
    "paused": False,
}
ANNOTATION = "an annotation is named as on pods, or by how its name begins up to a '.' or '/', and then '*'"
GROUP_NAME = (
    "the name of a SecurityGroup consists of at most 63 lower-case letters, digits and '-', "
    "and starts and ends with a letter or a digit"
)

CHOICES = {
    "unsupportedPods": ("Pend", "Reject"),
    "optOut": ("Allow", "Refuse"),
    "podSecurityGroups": ("Ignore", "Allow"),
    "seLinuxOptions": ("Unsupported", "Allow"),
    "isolation": ("PerPod", "PerGroup"),
    "existingPods": ("Reschedule", "Keep"),
    "barePods": ("Leave", "Recreate"),
    "runningJobs": ("Leave", "Reschedule"),
}

REFUSED_PROFILES = {
    **{
        f"an unknown {field}": (
            a_profile(**{field: "Delete"}),
            f'spec.{field}: Unsupported value: "Delete": supported values: "{first}", "{second}"',
        )
        for field, (first, second) in CHOICES.items()
    },
    "six security groups": (
        a_profile(securityGroups=[f"group-{number}" for number in range(6)]),
        "spec.securityGroups: Too many: 6: must have at most 5 items",
    ),
    "the same security group twice": (
        a_profile(securityGroups=["web", "web"]),
        "spec.securityGroups: Invalid value: the same security group is listed twice",
    ),
    "a security group's id of AWS's with a capital": (
        a_profile(securityGroups=["Web"]),
        f'spec.securityGroups[0]: Invalid value: "Web": {GROUP_NAME}',
    ),
    "an annotation that can't be one": (
        a_profile(allowedAnnotations=["k8s.v1.cni*"]),
        f'spec.allowedAnnotations[0]: Invalid value: "k8s.v1.cni*": {ANNOTATION}',
    ),
    "all annotations": (
        a_profile(allowedAnnotations=["*"]),
        f'spec.allowedAnnotations[0]: Invalid value: "*": {ANNOTATION}',
    ),
    "an annotation for the sandbox": (
        a_profile(allowedAnnotations=["run.oci.handler", "io.katacontainers.*"]),
        'spec.allowedAnnotations[1]: Invalid value: "io.katacontainers.*": annotations that configure the sandbox '
        "can't be allowed: by them a pod could leave it",
    ),
    "too many annotations": (
        a_profile(allowedAnnotations=[f"run.oci.{number}" for number in range(21)]),
        "spec.allowedAnnotations: Too many: 21: must have at most 20 items",
    ),
    "a name with EKS's reserved prefix": (
        a_profile("eks-web"),
        "metadata.name: Invalid value: The fargate profile name starts with the reserved prefix: 'eks-'.",
    ),
    "a name too long for a label value": (
        a_profile("w" * 64),
        "metadata.name: Invalid value: a profile's name has at most 63 characters, "
        "because it becomes the value of a label on its pods",
    ),
    "a name with capitals": (a_profile("Web"), 'metadata.name: Invalid value: "Web": a lowercase RFC 1123 subdomain'),
    "no spec": ({**a_profile(), "spec": None}, "spec: Required value"),
    "no selectors": (
        {**a_profile(), "spec": {}},
        "spec.selectors: Required value: Fargate Profile requires at least one selector.",
    ),
    "an empty list of selectors": (
        a_profile(selectors=[]),
        "spec.selectors: Required value: Fargate Profile requires at least one selector.",
    ),
    "six selectors": (
        a_profile(selectors=[{"namespace": f"prod-{number}"} for number in range(6)]),
        "spec.selectors: Too many: 6: must have at most 5 items",
    ),
    "the same selector twice": (
        a_profile(selectors=[{"namespace": "prod"}, {"namespace": "dev"}, {"namespace": "prod"}]),
        "spec.selectors: Invalid value: the same selector is listed twice",
    ),
    "a selector without a namespace": (
        a_profile(selectors=[{"namespace": "prod"}, {"labels": {"tier": "web"}}]),
        "spec.selectors[1].namespace: Required value: "
        "Fargate Profile must have at least one selector with at least one namespace value.",
    ),
    "an empty namespace": (
        selecting(""),
        "spec.selectors[0].namespace: Required value: "
        "Fargate Profile must have at least one selector with at least one namespace value.",
    ),
    "a namespace with capitals": (
        selecting("Prod"),
        f'spec.selectors[0].namespace: Invalid value: "Prod": {NAMESPACE}',
    ),
    "a namespace with an underscore": (
        selecting("prod_a"),
        f'spec.selectors[0].namespace: Invalid value: "prod_a": {NAMESPACE}',
    ),
    "a regular expression as namespace": (
        selecting("prod-[ab]"),
        f'spec.selectors[0].namespace: Invalid value: "prod-[ab]": {NAMESPACE}',
    ),
    "a list of namespaces in one string": (
        selecting("prod,dev"),
        f'spec.selectors[0].namespace: Invalid value: "prod,dev": {NAMESPACE}',
    ),
    "a namespace that starts with a hyphen": (
        selecting("-prod"),
        f'spec.selectors[0].namespace: Invalid value: "-prod": {NAMESPACE}',
    ),
    "a namespace of 64 characters": (
        selecting("n" * 64),
        "spec.selectors[0].namespace: Too long: may not be more than 63 bytes",
    ),
    "a number as namespace": (
        selecting(7),
        'spec.selectors[0].namespace: Invalid value: "integer": '
        'spec.selectors[0].namespace in body must be of type string: "integer"',
    ),
    "six labels": (
        labelled(many(6)),
        "spec.selectors[0].labels: Invalid value: Request contains Selector with more than 5 Label pairs",
    ),
    "labels beyond the schema's own bound": (
        labelled(many(21)),
        "spec.selectors[0].labels: Too many: 21: must have at most 20 items",
    ),
    "the label by which EKS says a pod's profile": (
        labelled({EKS_PROFILE_LABEL: "web"}),
        "spec.selectors[0].labels: Invalid value: no pod would match: selectors don't see the label "
        f"{EKS_PROFILE_LABEL}, because the profile that takes a pod writes its name there.",
    ),
    **{
        f"the label {label}": (
            labelled({label: "web"}),
            "spec.selectors[0].labels: Invalid value: no pod would match: selectors don't see the labels that Monopod "
            "writes",
        )
        for label in (PROFILE_LABEL, GROUP_COUNT_LABEL, TASK_LABEL, f"{GROUP_LABEL_PREFIX}web")
    },
    "an empty label key": (labelled({"": "x"}), f"spec.selectors[0].labels: Invalid value: {LABEL_KEY}"),
    "a label key with a space": (labelled({"a b": "x"}), f"spec.selectors[0].labels: Invalid value: {LABEL_KEY}"),
    "a label key with two slashes": (labelled({"a/b/c": "x"}), f"spec.selectors[0].labels: Invalid value: {LABEL_KEY}"),
    "a label key without a name": (labelled({"a.io/": "x"}), f"spec.selectors[0].labels: Invalid value: {LABEL_KEY}"),
    "a label key with a capital in its prefix": (
        labelled({"A.io/b": "x"}),
        f"spec.selectors[0].labels: Invalid value: {LABEL_KEY}",
    ),
    "a label key with a name of 64 characters": (
        labelled({"a.io/" + "k" * 64: "x"}),
        f"spec.selectors[0].labels: Invalid value: {LABEL_KEY}",
    ),
    "a label key with a prefix of 254 characters": (
        labelled({"p" * 254 + "/k": "x"}),
        f"spec.selectors[0].labels: Invalid value: {LABEL_KEY}",
    ),
    "a label value with a space": (
        labelled({"tier": "web app"}),
        f'spec.selectors[0].labels[tier]: Invalid value: "web app": {LABEL_VALUE}',
    ),
    "an alternative as label value": (
        labelled({"tier": "web|api"}),
        f'spec.selectors[0].labels[tier]: Invalid value: "web|api": {LABEL_VALUE}',
    ),
    "a label value that ends with a dot": (
        labelled({"tier": "web."}),
        f'spec.selectors[0].labels[tier]: Invalid value: "web.": {LABEL_VALUE}',
    ),
    "a label value of 64 characters": (
        labelled({"tier": "v" * 64}),
        "spec.selectors[0].labels.tier: Too long: may not be more than 63 bytes",
    ),
    "a boolean as label value": (
        labelled({"spot": True}),
        'spec.selectors[0].labels.spot: Invalid value: "boolean": '
        'spec.selectors[0].labels.spot in body must be of type string: "boolean"',
    ),
    "a number as label value": (
        labelled({"version": 1.1}),
        'spec.selectors[0].labels.version: Invalid value: "number": '
        'spec.selectors[0].labels.version in body must be of type string: "number"',
    ),
    "an empty RuntimeClass": (
        a_profile(runtimeClassName=""),
        f'spec.runtimeClassName: Invalid value: "": {RUNTIME_CLASS}',
    ),
    "a RuntimeClass with a capital": (
        a_profile(runtimeClassName="Kata"),
        f'spec.runtimeClassName: Invalid value: "Kata": {RUNTIME_CLASS}',
    ),
    "a RuntimeClass of 254 characters": (
        a_profile(runtimeClassName="k" * 254),
        "spec.runtimeClassName: Too long: may not be more than 253 bytes",
    ),
    **{
        f"as many unavailable pods as {value!r}": (
            a_profile(maxUnavailable=value),
            f"spec.maxUnavailable: Invalid value: {json.dumps(value)}: "
            "must be a number of pods, at least 1, or a percentage from '1%' to '100%'",
        )
        for value in (0, -1, "0%", "101%", "10", "ten", "")
    },
    "a role's name instead of its ARN": (
        a_profile(podExecutionRoleARN="fargate"),
        f'spec.podExecutionRoleARN: Invalid value: "fargate": {ROLE_ARN}',
    ),
    "a user's ARN as role": (
        a_profile(podExecutionRoleARN="arn:aws:iam::111122223333:user/fargate"),
        f'spec.podExecutionRoleARN: Invalid value: "arn:aws:iam::111122223333:user/fargate": {ROLE_ARN}',
    ),
    "a role of an account with 11 digits": (
        a_profile(podExecutionRoleARN="arn:aws:iam::11112222333:role/fargate"),
        f'spec.podExecutionRoleARN: Invalid value: "arn:aws:iam::11112222333:role/fargate": {ROLE_ARN}',
    ),
    "a role's ARN of 641 characters": (
        a_profile(podExecutionRoleARN="arn:aws:iam::111122223333:role/" + "p" * 545 + "/" + "r" * 64),
        "spec.podExecutionRoleARN: Too long: may not be more than 640 bytes",
    ),
    "17 subnets": (
        a_profile(subnets=[f"zone-{number}" for number in range(17)]),
        "spec.subnets: Too many: 17: must have at most 16 items",
    ),
    "the same zone twice": (
        a_profile(subnets=["eu-1a", "eu-1b", "eu-1a"]),
        "spec.subnets: Invalid value: the same zone is listed twice",
    ),
    "a zone with a comma": (
        a_profile(subnets=["eu-1a,eu-1b"]),
        f'spec.subnets[0]: Invalid value: "eu-1a,eu-1b": {ZONE}',
    ),
    "an empty zone": (a_profile(subnets=[""]), f'spec.subnets[0]: Invalid value: "": {ZONE}'),
    "a zone of 64 characters": (
        a_profile(subnets=["z" * 64]),
        "spec.subnets[0]: Too long: may not be more than 63 bytes",
    ),
    "a subnet's ID": (
        a_profile(subnets=["subnet-0aa"]),
        'spec.subnets[0]: Invalid value: "subnet-0aa": must be the name of a zone',
    ),
    "51 tags": (a_profile(tags=many(51)), "spec.tags: Too many: 51: must have at most 50 items"),
    "a tag that is reserved for AWS": (
        a_profile(tags={"AWS:team": "web"}),
        "spec.tags: Invalid value: a tag's key can't start with 'aws:', which is reserved for AWS",
    ),
    "a tag without a key": (a_profile(tags={"": "web"}), f"spec.tags: Invalid value: {TAG_KEY}"),
    "a tag's key of 129 characters": (a_profile(tags={"t" * 129: "web"}), f"spec.tags: Invalid value: {TAG_KEY}"),
    "a tag's key with a hash": (a_profile(tags={"team#": "web"}), f"spec.tags: Invalid value: {TAG_KEY}"),
    "a tag's value with a hash": (
        a_profile(tags={"team": "#web"}),
        f'spec.tags[team]: Invalid value: "#web": {TAG_VALUE}',
    ),
    "a tag's value of 257 characters": (
        a_profile(tags={"team": "v" * 257}),
        "spec.tags.team: Too long: may not be more than 256 bytes",
    ),
}

UNKNOWN_FIELDS = {
    "a misspelt field": (a_profile(runtimeClass="kata"), "spec.runtimeClass"),
    "a field within a selector": (
        a_profile(selectors=[{"namespace": "prod", "podSelector": {}}]),
        "spec.selectors[0].podSelector",
    ),
    "labels as a Deployment selects by them": (
        a_profile(selectors=[{"namespace": "prod", "matchLabels": {"tier": "web"}}]),
        "spec.selectors[0].matchLabels",
    ),
    "a field of ACK's": (a_profile(clusterName="demo"), "spec.clusterName"),
}

ACCEPTED_PROFILES = {
    "a namespace": selecting("prod"),
    "every namespace": selecting("*"),
    "wildcards anywhere in a namespace": selecting("?rod-*-eu-?"),
    "a namespace of 63 characters": selecting("n" * 63),
    "five selectors with five labels each": a_profile(
        selectors=[{"namespace": f"prod-{number}", "labels": many(5)} for number in range(5)]
    ),
    "one namespace twice with other labels": a_profile(
        selectors=[{"namespace": "prod", "labels": {"tier": "web"}}, {"namespace": "prod", "labels": {"tier": "api"}}]
    ),
    "wildcards in keys and values": labelled({"*/ti?r": "w*", "*": "?", "app.kubernetes.io/na*": "*"}),
    "an empty label value": labelled({"tier": ""}),
    "the longest label key": labelled({"p" * 253 + "/" + "k" * 63: "v" * 63}),
    "a dotted name": a_profile("web.eu-1"),
    "a name of 63 characters": a_profile("w" * 63),
    "a name with eks- inside": a_profile("web-eks-1"),
    "every field": a_profile(
        runtimeClassName="kata-qemu",
        unsupportedPods="Reject",
        existingPods="Keep",
        maxUnavailable=3,
        barePods="Recreate",
        runningJobs="Reschedule",
        paused=True,
        podExecutionRoleARN=ROLE,
        subnets=["eu-1a", "eu-1b"],
        tags={"team": "web", "cost centre": "1/2=@home", "Größe": ""},
    ),
    "a role with a path, of another partition": a_profile(
        podExecutionRoleARN="arn:aws-us-gov:iam::111122223333:role/service/eks/fargate-pods@prod"
    ),
    "no role, spelt out": a_profile(podExecutionRoleARN=""),
    "no subnets, spelt out": a_profile(subnets=[]),
    "sixteen subnets": a_profile(subnets=[f"zone-{number}" for number in range(16)]),
    "fifty tags": a_profile(tags=many(50)),
}


@pytest.mark.eks("1.selectors", case="six selectors")
@pytest.mark.eks("1.selectors", "1.message-no-selector", case="an empty list of selectors")
@pytest.mark.eks("1.namespace", "1.message-no-namespace", case="a selector without a namespace")
@pytest.mark.eks("1.labels", "1.message-labels", case="six labels")
@pytest.mark.eks("1.reserved-prefix", "1.message-prefix", case="a name with EKS's reserved prefix")
@pytest.mark.eks("1.no-regular-expressions", case="a regular expression as namespace")
@pytest.mark.eks("1.no-regular-expressions", case="an alternative as label value")
@pytest.mark.eks("1.tags", case="51 tags")
@pytest.mark.parametrize(("profile", "reason"), REFUSED_PROFILES.values(), ids=REFUSED_PROFILES)
def test_a_profile_is_refused_for_one_reason_that_names_field_and_rule(
    installed: Any, profile: dict[str, Any], reason: str
) -> None:
    answer = create(installed, profile, "--dry-run=server")
    assert answer.returncode != 0
    first, *more = refusals(answer.stderr)
    assert first.startswith(reason)
    # Some bounds make the API server skip the rules that rest on them, and say so; nothing else may be added.
    assert all("some validation rules were not checked" in other for other in more), more


def test_all_mistakes_are_reported_at_once(installed: Any) -> None:
    profile = a_profile("eks-web", selectors=[{"namespace": "Prod"}], runtimeClassName="Kata", tags={"aws:a": "b"})
    answer = create(installed, profile, "--dry-run=server")
    fields = sorted(reason.split(":")[0] for reason in refusals(answer.stderr))
    assert fields == ["metadata.name", "spec.runtimeClassName", "spec.selectors[0].namespace", "spec.tags"]


@pytest.mark.parametrize(("profile", "field"), UNKNOWN_FIELDS.values(), ids=UNKNOWN_FIELDS)
def test_an_unknown_field_is_refused_by_kubectl(installed: Any, profile: dict[str, Any], field: str) -> None:
    answer = create(installed, profile, "--dry-run=server")
    assert answer.returncode != 0
    assert f'unknown field "{field}"' in answer.stderr


@pytest.mark.eks("1.selectors", "1.labels", case="five selectors with five labels each")
@pytest.mark.eks("1.wildcards-in-namespaces", "1.wildcards-anywhere", case="wildcards anywhere in a namespace")
@pytest.mark.eks("1.wildcards-in-keys", "1.wildcards-in-values", case="wildcards in keys and values")
@pytest.mark.eks("1.reserved-prefix", case="a name with eks- inside")
@pytest.mark.eks("1.tags", case="fifty tags")
@pytest.mark.eks("1.role", case="every field")
@pytest.mark.parametrize("profile", ACCEPTED_PROFILES.values(), ids=ACCEPTED_PROFILES)
def test_a_profile_is_accepted_as_it_is(installed: Any, profile: dict[str, Any]) -> None:
    answer = create(installed, profile, "--dry-run=server", "-o", "json")
    assert answer.stderr == ""
    spec = json.loads(answer.stdout)["spec"]
    assert spec == {**DEFAULTS, **profile["spec"]}
