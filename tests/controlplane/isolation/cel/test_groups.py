"""A pod's security groups as admission writes them, on a real API server."""

import itertools
from typing import Any

import pytest

from monopod.api.names import (
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    GROUPS_ANNOTATION,
    POD_GROUPS_ANNOTATION,
    TASK_LABEL,
)
from monopod.isolation.cel.group_policies import MAX_GROUP_POLICIES, MAX_LOOKED_UP, compile_group_policies
from monopod.isolation.rules.group_policy import GroupPolicy
from monopod.isolation.rules.membership import build_group_marks
from monopod.kube.objects.label_selector import LabelSelector
from tests.controlplane.reach import reach
from tests.controlplane.server import Answer, Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

ACCOUNTS = {"default": {}, "builder": {"team": "ci"}, "agent": {"team": "ci"}}

_namespaces = (f"groups-{number}" for number in itertools.count(1))


def a_policy(name: str, *groups: str, pods: Manifest | None = None, accounts: Manifest | None = None) -> GroupPolicy:
    selectors = [None if each is None else LabelSelector.from_dict(each) for each in (pods, accounts)]
    return GroupPolicy("any", name, groups, *selectors)


def find_marks(pod: Manifest) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations of the pod that are about groups."""
    metadata = pod["metadata"]
    labels = {
        key: value
        for key, value in metadata.get("labels", {}).items()
        if key.startswith(GROUP_LABEL_PREFIX) or key in (GROUP_COUNT_LABEL, TASK_LABEL)
    }
    return labels, {
        key: value for key, value in metadata.get("annotations", {}).items() if key == POD_GROUPS_ANNOTATION
    }


def find_groups(answer: Answer) -> list[str]:
    """The groups that a pod belongs to; checks that all marks agree."""
    pod = answer.expect_ok()
    names: list[str] = pod["metadata"]["annotations"][POD_GROUPS_ANNOTATION].split(",")
    assert find_marks(pod) == build_group_marks(names)
    return names


class Setting:
    """A namespace with one profile and some SecurityGroupPolicies."""

    def __init__(self, server: Server, *policies: GroupPolicy, **profile: Any) -> None:
        self.server, self.namespace = server, next(_namespaces)
        profiles = [a_profile("web", a_selector(self.namespace), **profile)]
        reach(server, self.namespace, profiles, group_policies=compile_group_policies(policies, ACCOUNTS))

    def create(self, pod: PodBuilder) -> Answer:
        return self.server.create_pod(self.namespace, pod.build())

    def groups_of(self, pod: PodBuilder) -> list[str]:
        return find_groups(self.create(pod))


@pytest.fixture(scope="module")
def plain(server: Server) -> Setting:
    """A profile that says nothing of groups."""
    return Setting(server)


@pytest.fixture(scope="module")
def allowing(server: Server) -> Setting:
    """A profile that lets pods choose."""
    return Setting(server, groups=("own",), pod_groups="Allow")


def asking(groups: str) -> PodBuilder:
    return a_pod().annotated({GROUPS_ANNOTATION: groups})


@pytest.mark.eks("4.annotation")
def test_a_pod_belongs_to_the_default_group(plain: Setting) -> None:
    assert plain.groups_of(a_pod()) == ["cluster"]


def test_or_to_those_of_its_profile(server: Server) -> None:
    assert Setting(server, groups=("web", "db")).groups_of(a_pod()) == ["db", "web"]


def test_or_to_those_that_it_asks_for_where_its_profile_allows_it(plain: Setting, allowing: Setting) -> None:
    assert allowing.groups_of(asking(" web , db,web")) == ["db", "web"]
    assert allowing.groups_of(a_pod()) == ["own"]
    assert plain.groups_of(asking("web,db")) == ["cluster"]


@pytest.mark.parametrize(
    "groups", ["", ",", "Web", "a,b,c,d,e,f", "web db", "a" * 64, "web," + " " * 600, "x/y", "a~b"]
)
def test_a_pod_that_asks_for_no_groups_is_refused(plain: Setting, allowing: Setting, groups: str) -> None:
    answer = allowing.create(asking(groups))
    assert answer.status == 403
    assert f"metadata.annotations[{GROUPS_ANNOTATION}] must name 1 to 5 security groups" in answer.message
    assert plain.groups_of(asking(groups)) == ["cluster"]


FORGED: dict[str, PodBuilder] = {
    "a group": a_pod().labelled({f"{GROUP_LABEL_PREFIX}admin": "true"}),
    "another value": a_pod().labelled({f"{GROUP_LABEL_PREFIX}cluster": "false"}),
    "a count": a_pod().labelled({GROUP_COUNT_LABEL: "7"}),
    "an identity": a_pod().labelled({TASK_LABEL: "0" * 32}),
    "EKS's annotation": a_pod().annotated({POD_GROUPS_ANNOTATION: "admin"}),
    "everything": a_pod()
    .labelled({f"{GROUP_LABEL_PREFIX}a": "true", f"{GROUP_LABEL_PREFIX}b.c_D": "", TASK_LABEL: "x", "app": "shop"})
    .annotated({POD_GROUPS_ANNOTATION: "a,b", "note": "x"}),
}


@pytest.mark.parametrize("pod", FORGED.values(), ids=FORGED)
def test_what_a_manifest_brings_is_replaced(plain: Setting, pod: PodBuilder) -> None:
    answer = plain.create(pod)
    assert find_groups(answer) == ["cluster"]
    given, kept = pod.build()["metadata"], answer.body["metadata"]
    assert kept["labels"].get("app") == given.get("labels", {}).get("app")
    assert kept["annotations"].get("note") == given.get("annotations", {}).get("note")


def test_a_copy_of_an_admitted_pod_comes_to_the_same(allowing: Setting) -> None:
    admitted = allowing.create(asking("web")).expect_ok()
    again = {"metadata": {**admitted["metadata"], "resourceVersion": ""}, "spec": admitted["spec"]}
    answer = allowing.server.create_pod(allowing.namespace, again)
    assert find_groups(answer) == ["web"]


def test_a_pod_that_fargate_cannot_run_has_groups_too(plain: Setting) -> None:
    assert plain.groups_of(a_pod().with_spec(hostPID=True)) == ["cluster"]


SELECTORS: dict[str, tuple[Manifest, dict[str, str], bool]] = {
    "nothing required": ({}, {}, True),
    "a pair": ({"matchLabels": {"app": "shop"}}, {"app": "shop"}, True),
    "a pair, another value": ({"matchLabels": {"app": "shop"}}, {"app": "shop2"}, False),
    "a pair, no label": ({"matchLabels": {"app": "shop"}}, {}, False),
    "an empty value": ({"matchLabels": {"app": ""}}, {"app": ""}, True),
    "an empty value, no label": ({"matchLabels": {"app": ""}}, {}, False),
    "In": ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, {"app": "b"}, True),
    "In, another value": (
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a"]}]},
        {"app": "b"},
        False,
    ),
    "NotIn": ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a", "b"]}]}, {"app": "c"}, True),
    "NotIn, one of them": (
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]},
        {"app": "a"},
        False,
    ),
    "NotIn, no label": ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, {}, True),
    "Exists": ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {"app": ""}, True),
    "Exists, no label": ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {"apps": "x"}, False),
    "DoesNotExist": ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, {"apps": "x"}, True),
    "DoesNotExist, but it does": (
        {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
        {"app": ""},
        False,
    ),
    "the profile": ({"matchLabels": {EKS_PROFILE_LABEL: "web"}}, {}, True),
    "another profile": ({"matchLabels": {EKS_PROFILE_LABEL: "other"}}, {EKS_PROFILE_LABEL: "other"}, False),
    "all of several": (
        {
            "matchLabels": {"app": "shop", "tier": "web"},
            "matchExpressions": [{"key": "team", "operator": "DoesNotExist"}],
        },
        {"app": "shop", "tier": "web"},
        True,
    ),
    "not all of several": ({"matchLabels": {"app": "shop", "tier": "web"}}, {"app": "shop"}, False),
}


@pytest.fixture(scope="module")
def selecting(server: Server) -> Setting:
    """A namespace with a SecurityGroupPolicy per case above, each with a group of its own."""
    policies = [a_policy(f"p{n}", f"g{n}", pods=pods) for n, (pods, _, _) in enumerate(SELECTORS.values())]
    return Setting(server, *policies, groups=("own",), pod_groups="Allow")


@pytest.mark.parametrize("case", SELECTORS)
def test_what_a_security_group_policy_selects(selecting: Setting, case: str) -> None:
    _, labels, selected = SELECTORS[case]
    groups = selecting.groups_of(a_pod().labelled(labels).annotated({GROUPS_ANNOTATION: "???"}))
    assert (f"g{list(SELECTORS).index(case)}" in groups) is selected
    assert "own" not in groups


def test_the_groups_of_all_that_select_the_pod_add_up(server: Server) -> None:
    first, second = a_policy("a", "x", "shared", pods={}), a_policy("b", "shared", "b", "c", "d", "e", pods={})
    assert Setting(server, first, second).groups_of(a_pod()) == ["b", "c", "d", "e", "shared", "x"]


def test_a_policy_that_selects_by_service_account(server: Server) -> None:
    both = a_policy("both", "shop", pods={"matchLabels": {"app": "shop"}}, accounts={"matchLabels": {"team": "ci"}})
    setting = Setting(server, a_policy("deploy", "build", accounts={"matchLabels": {"team": "ci"}}), both)
    assert setting.groups_of(a_pod().with_spec(serviceAccountName="builder")) == ["build"]
    assert setting.groups_of(a_pod().with_spec(serviceAccountName="agent").labelled(app="shop")) == ["build", "shop"]
    assert setting.groups_of(a_pod().labelled(app="shop")) == ["cluster"]
    assert setting.groups_of(a_pod().with_spec(serviceAccountName="unknown")) == ["cluster"]


def test_as_many_policies_as_there_is_room_for_stay_within_cels_budget(server: Server) -> None:
    """With pods of as many labels as one rarely sees, and of which each is looked up in vain."""
    each = MAX_LOOKED_UP // MAX_GROUP_POLICIES - 1
    expressions = [{"key": "k" * 63, "operator": "In", "values": [f"{n}-{'v' * 10}" for n in range(each)]}]
    policies = [a_policy(f"p{n:03}", "web", pods={"matchExpressions": expressions}) for n in range(MAX_GROUP_POLICIES)]
    setting = Setting(server, *policies)
    labels = {f"{n}-{'k' * 60}": "v" * 63 for n in range(30)}
    assert setting.groups_of(a_pod().labelled(labels)) == ["cluster"]
