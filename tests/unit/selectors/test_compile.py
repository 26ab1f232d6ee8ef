import re

import pytest

from monopod.api.names import EKS_PROFILE_LABEL
from monopod.pods.rules.selection import Profile
from monopod.selectors.capacity import CapacityRequest, Registration
from monopod.selectors.compile import (
    MAX_COMPILED,
    MAX_PATTERNS,
    compile_namespace_patterns,
    compile_profile,
    compile_selectors,
    compute_allocation,
    match_old_selectors,
    read_patterns,
)
from tests.unit.builders import a_profile, a_selector

PROTECTED = frozenset({"kube-system", "monopod-system"})


def compiled(*profiles: Profile, namespace: str = "prod") -> list[str]:
    return compile_selectors(namespace, profiles, PROTECTED).splitlines()


def test_a_row_per_selector_in_the_order_in_which_profiles_win() -> None:
    profiles = (
        a_profile("web", a_selector("prod", tier="web"), a_selector("prod", tier="api")),
        a_profile("db", a_selector("prod"), sandbox="gvisor", unsupported="Reject"),
    )
    assert compiled(*profiles) == ["db|gvisor|Reject||", "web|kata|Pend|tier=web|", "web|kata|Pend|tier=api|"]


def test_zones_are_a_field_more() -> None:
    profile = a_profile("web", a_selector("prod", tier="web"), zones=("eu-1a", "eu-1b"))
    assert compiled(profile) == ["web|kata|Pend|tier=web||eu-1a,eu-1b"]


def test_security_groups_are_two_fields_more() -> None:
    selector = a_selector("prod", tier="web")
    start = "web|kata|Pend|tier=web|"
    assert compiled(a_profile("web", selector, groups=("web", "db"))) == [f"{start}||web,db"]
    assert compiled(a_profile("web", selector, pod_groups="Allow")) == [f"{start}|||Allow"]
    everything = a_profile("web", selector, zones=("a",), groups=("web",), pod_groups="Allow")
    assert compiled(everything) == [f"{start}|a|web|Allow"]
    assert compiled(a_profile("web", selector, annotations=("a/*", "b"))) == [f"{start}||||a/*,b"]
    assert compiled(a_profile("web", selector, selinux="Allow")) == [f"{start}|||||Allow"]
    kept = a_profile("web", selector, spot=True, spot_nodes="a=b", spot_reclaim="None")
    assert compiled(kept) == [f"{start}|||||||Spot|a=b|||Keep"]
    assert compiled(a_profile("web", selector, spot_nodes="a=b", spot_reclaim="None")) == [f"{start}||||||||a=b"]
    assert compiled(a_profile("web", selector, pod_choice="Allow")) == [f"{start}||||||||||Allow"]
    assert compiled(a_profile("web", selector, opt_out="Refuse")) == [f"{start}||||||Refuse"]
    assert compiled(a_profile("web", selector, spot=True)) == [f"{start}|||||||Spot"]
    assert compiled(a_profile("web", selector, spot=True, spot_nodes="a=b")) == [f"{start}|||||||Spot|a=b"]
    assert compiled(a_profile("web", selector, spot_nodes="a=b")) == [f"{start}||||||||a=b"]
    capable = a_profile("web", selector, capabilities=("SYS_PTRACE", "BPF"))
    assert compiled(capable) == [f"{start}|||||||||SYS_PTRACE,BPF"]


def test_zones_do_not_count_as_wildcards() -> None:
    [selector] = compile_profile(a_profile("web", a_selector("prod"), zones=("z" * 63,) * 16))
    assert selector.load == (1, 0, len(selector.text) + 1)


def test_pairs_with_and_without_wildcards_stand_apart() -> None:
    labels = {"tier": "web", "a.io/team-*": "x", "app": "sh?p", "run": ""}
    [selector] = compiled(a_profile("web", a_selector("prod", labels)))
    assert selector == r"web|kata|Pend|tier=web run=|a\.io/team-.*=x app~sh.p"


@pytest.mark.eks("1.wildcards-and-kube-system", case="a wildcard doesn't reach a protected namespace")
@pytest.mark.eks("1.wildcards-and-kube-system", case="its name reaches a protected namespace")
@pytest.mark.parametrize(
    ("pattern", "namespace", "reached"),
    [
        pytest.param("prod", "prod", True, id="its name"),
        pytest.param("prod", "prod-a", False, id="another name"),
        pytest.param("prod-*", "prod-a", True, id="a wildcard"),
        pytest.param("*", "kube-system", False, id="a wildcard doesn't reach a protected namespace"),
        pytest.param("kube-syste?", "kube-system", False, id="nor does a narrow one"),
        pytest.param("kube-system", "kube-system", True, id="its name reaches a protected namespace"),
    ],
)
def test_only_selectors_that_reach_the_namespace(pattern: str, namespace: str, reached: bool) -> None:
    assert bool(compiled(a_profile("web", a_selector(pattern)), namespace=namespace)) is reached


def test_no_profile_no_text() -> None:
    assert compile_selectors("prod", [], PROTECTED) == ""


@pytest.mark.parametrize("text", ["a b", "a|b", "a=b", "a,b", "a\nb"])
def test_a_pattern_that_no_label_can_match_makes_no_selector(text: str) -> None:
    profiles = (
        a_profile("key", a_selector("prod", {text: "x"})),
        a_profile("value", a_selector("prod", {"x": text})),
        a_profile("sound", a_selector("prod")),
    )
    assert compiled(*profiles) == ["sound|kata|Pend||"]


def test_a_label_that_admission_writes_makes_no_selector() -> None:
    assert compiled(a_profile("web", a_selector("prod", {EKS_PROFILE_LABEL: "w*"}))) == []


BEYOND = [
    pytest.param(
        MAX_COMPILED, "prod", {}, "namespace prod would have 2001 selectors, .* capacity is 2000", id="selectors"
    ),
    pytest.param(
        277,
        "*",
        {"*tier": "web-*"},
        "namespaces \\* would have 5004 characters of label patterns with wildcards in keys, .* capacity is 5000",
        id="patterns for any label",
    ),
    pytest.param(
        900,
        "prod",
        {f"{'key' * 20}-{number}": "v" * 60 for number in range(4)},
        "namespace prod would have .* bytes of selectors",
        id="bytes",
    ),
    pytest.param(
        MAX_PATTERNS,
        "prod-{}",
        {},
        "the ConfigMap for new namespaces would have 5001 selectors, .* capacity is 5000",
        id="all",
    ),
    pytest.param(
        4000,
        "{}-" + "ab*" * 19,
        {},
        "would have .* characters of namespace patterns with wildcards, .* capacity is 250000",
        id="namespace patterns",
    ),
]


@pytest.mark.parametrize(("count", "namespace", "labels", "problem"), BEYOND)
def test_more_than_the_capacity_overflows(count: int, namespace: str, labels: dict[str, str], problem: str) -> None:
    profiles = [a_profile(f"profile-{n:04}", a_selector(namespace.format(n), labels)) for n in range(count + 1)]
    requests = [
        CapacityRequest(Registration(profile.name, profile.name), compile_profile(profile)) for profile in profiles
    ]
    overflow = compute_allocation(requests, PROTECTED).overflow
    assert re.search(problem, str(overflow[min(overflow)]))


def test_patterns_are_read_as_they_were_written() -> None:
    web = a_profile("web", a_selector("prod", tier="w*"), a_selector("team-?.*"))
    other = a_profile("other", a_selector("*"))
    data = compile_namespace_patterns([web, other], PROTECTED)
    compiled = compile_profile(web)
    assert match_old_selectors(compiled, read_patterns(data)["web"]) == compiled
    assert match_old_selectors(compiled, read_patterns(data)["other"]) is None
    assert read_patterns({}) == {}


def test_patterns_for_namespaces_to_come() -> None:
    profiles = [
        a_profile("web", a_selector("prod", tier="web"), a_selector("team-?.*")),
        a_profile("none", a_selector("no|name")),
    ]
    assert compile_namespace_patterns(profiles, PROTECTED) == {
        "rows": "prod|web|kata|Pend|tier=web|\n" + r"^team\-.\..*$|web|kata|Pend||",
        "protected": "kube-system\nmonopod-system",
    }


def test_no_profiles_no_patterns() -> None:
    assert compile_namespace_patterns([], PROTECTED)["rows"] == ""
