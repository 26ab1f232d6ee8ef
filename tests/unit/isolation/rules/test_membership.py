"""Which security groups a pod belongs to."""

from collections.abc import Mapping

import pytest

from monopod.api.names import (
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    GROUPS_ANNOTATION,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    TASK_LABEL,
)
from monopod.isolation.rules.group_policy import GroupPolicy
from monopod.isolation.rules.membership import (
    Groups,
    GroupSource,
    InvalidGroups,
    build_group_marks,
    choose_groups,
    depends_on_account,
    get_account,
    get_annotated_groups,
)
from monopod.kube.objects.label_selector import LabelSelector
from monopod.pods.rules.selection import Profile
from tests.unit.builders import a_pod, a_profile, a_selector

PLAIN = a_profile("web", a_selector("prod"))
WITH_GROUPS = a_profile("web", a_selector("prod"), groups=("web", "db", "web"))
ALLOWING = a_profile("web", a_selector("prod"), groups=("web",), pod_groups="Allow")

ASKING = {GROUPS_ANNOTATION: "cache"}


def labels_of(**pairs: str) -> LabelSelector:
    return LabelSelector.from_dict({"matchLabels": pairs})


def a_policy(name: str, *groups: str, **selectors: LabelSelector) -> GroupPolicy:
    return GroupPolicy("prod", name, groups, **selectors)


def choose(
    profile: Profile,
    *policies: GroupPolicy,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    account: str = "default",
    accounts: Mapping[str, Mapping[str, str]] | None = None,
) -> Groups:
    return choose_groups(labels or {}, annotations or {}, account, profile, policies, accounts or {})


def test_where_nobody_chose_any_a_pod_belongs_to_the_default_group() -> None:
    assert choose(PLAIN) == Groups(("cluster",), GroupSource.DEFAULT)


def test_the_profiles_groups_come_before_the_default_sorted_and_each_once() -> None:
    assert choose(WITH_GROUPS) == Groups(("db", "web"), GroupSource.PROFILE)


def test_the_pods_own_choice_comes_before_the_profiles_where_the_profile_allows_it() -> None:
    assert choose(ALLOWING, annotations=ASKING) == Groups(("cache",), GroupSource.ANNOTATION)
    assert choose(ALLOWING) == Groups(("web",), GroupSource.PROFILE)


def test_the_pods_own_choice_has_no_say_where_the_profile_does_not_allow_it() -> None:
    assert choose(WITH_GROUPS, annotations=ASKING).source is GroupSource.PROFILE
    assert choose(PLAIN, annotations={GROUPS_ANNOTATION: "???"}).source is GroupSource.DEFAULT


def test_a_policy_that_selects_the_pod_comes_before_everything_else() -> None:
    policy = a_policy("db", "postgres", pods=labels_of(app="shop"))
    found = choose(ALLOWING, policy, labels={"app": "shop"}, annotations={GROUPS_ANNOTATION: "???"})
    assert found == Groups(("postgres",), GroupSource.SECURITY_GROUP_POLICY, ("db",))
    assert choose(ALLOWING, policy, labels={"app": "other"}).source is GroupSource.PROFILE


def test_the_groups_of_all_policies_that_select_the_pod_add_up_beyond_five() -> None:
    policies = [a_policy(name, *(f"{name}{n}" for n in (2, 1, 0)), pods=LabelSelector()) for name in ("b", "a")]
    found = choose(PLAIN, *policies)
    assert found.names == ("a0", "a1", "a2", "b0", "b1", "b2")
    assert found.origin == ("a", "b")


def test_a_policy_may_select_by_the_labels_of_the_service_account() -> None:
    policy = a_policy("deploy", "build", accounts=labels_of(team="ci"))
    accounts = {"builder": {"team": "ci"}, "default": {}}
    assert choose(PLAIN, policy, account="builder", accounts=accounts).names == ("build",)
    assert choose(PLAIN, policy, account="default", accounts=accounts).names == ("cluster",)
    assert choose(PLAIN, policy, account="unknown", accounts=accounts).names == ("cluster",)


def test_with_both_selectors_both_must_match() -> None:
    policy = a_policy("both", "build", pods=labels_of(app="shop"), accounts=labels_of(team="ci"))
    accounts = {"builder": {"team": "ci"}, "default": {}}
    assert choose(PLAIN, policy, labels={"app": "shop"}, account="builder", accounts=accounts).names == ("build",)
    assert choose(PLAIN, policy, labels={"app": "shop"}, accounts=accounts).names == ("cluster",)
    assert choose(PLAIN, policy, account="builder", accounts=accounts).names == ("cluster",)


def test_a_policy_without_any_selector_selects_nothing() -> None:
    assert choose(PLAIN, a_policy("none", "web")).names == ("cluster",)


def test_a_selector_sees_the_profile_before_and_after_admission_wrote_it() -> None:
    policy = a_policy("by-profile", "web", pods=labels_of(**{EKS_PROFILE_LABEL: "web"}))
    assert choose(PLAIN, policy).names == ("web",)
    assert choose(PLAIN, policy, labels={EKS_PROFILE_LABEL: "other", PROFILE_LABEL: "x"}).names == ("web",)


@pytest.mark.parametrize("label", [f"{GROUP_LABEL_PREFIX}web", GROUP_COUNT_LABEL, TASK_LABEL])
def test_a_selector_does_not_see_what_follows_from_groups(label: str) -> None:
    policy = a_policy("circular", "web", pods=LabelSelector.from_dict({"matchExpressions": [
        {"key": label, "operator": "Exists"}
    ]}))  # fmt: skip
    assert choose(PLAIN, policy, labels={label: "true"}).names == ("cluster",)


def test_a_pod_waits_for_its_account_only_if_a_policy_that_could_select_it_asks_for_one() -> None:
    by_account = a_policy("a", "web", accounts=labels_of(team="ci"))
    of_the_shop = a_policy("b", "web", pods=labels_of(app="shop"), accounts=labels_of(team="ci"))
    of_pods = a_policy("c", "web", pods=LabelSelector())
    assert depends_on_account({}, PLAIN, [of_pods, by_account])
    assert not depends_on_account({}, PLAIN, [of_pods, of_the_shop])
    assert depends_on_account({"app": "shop"}, PLAIN, [of_pods, of_the_shop])
    assert not depends_on_account({}, PLAIN, [])


ANNOTATIONS: dict[str, tuple[str, ...] | None] = {
    "web": ("web",),
    "web,db": ("db", "web"),
    " web ,\tdb ": ("db", "web"),
    "web,web": ("web",),
    "a,b,c,d,e": ("a", "b", "c", "d", "e"),
    "x" * 63: ("x" * 63,),
    "": None,
    " ": None,
    "web,": None,
    ",web": None,
    "a,b,c,d,e,f": None,
    "Web": None,
    "-web": None,
    "web db": None,
    "web\ndb": None,
    "web\n": None,
    "wéb": None,
    "x" * 64: None,
    " " * 512 + "web": None,
}


@pytest.mark.parametrize(("text", "names"), ANNOTATIONS.items())
def test_what_a_pod_asks_for(text: str, names: tuple[str, ...] | None) -> None:
    if names is None:
        with pytest.raises(
            InvalidGroups, match=r"metadata.annotations\[monopod.dev/security-groups\]: must name 1 to 5"
        ):
            get_annotated_groups({GROUPS_ANNOTATION: text})
    else:
        assert get_annotated_groups({GROUPS_ANNOTATION: text}) == names


def test_a_pod_need_not_ask() -> None:
    assert get_annotated_groups({}) is None


def test_marks_name_each_group_and_their_number() -> None:
    labels, annotations = build_group_marks(("cluster", "web"))
    assert labels == {
        f"{GROUP_LABEL_PREFIX}cluster": "true",
        f"{GROUP_LABEL_PREFIX}web": "true",
        GROUP_COUNT_LABEL: "2",
    }
    assert annotations == {POD_GROUPS_ANNOTATION: "cluster,web"}


def test_a_pod_runs_as_default_unless_it_says_otherwise() -> None:
    assert get_account(a_pod().build()) == "default"
    assert get_account(a_pod().with_spec(serviceAccountName="a", serviceAccount="b").build()) == "a"
    assert get_account(a_pod().with_spec(serviceAccount="b").build()) == "b"
