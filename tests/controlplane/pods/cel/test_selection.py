"""Which profile admission gives a pod, on a real API server, by the selectors of its namespace."""

import itertools

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, PROFILE_LABEL
from monopod.pods.rules.selection import Profile
from tests.controlplane.reach import reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

WHOLE = a_selector("*")
_numbers = itertools.count(1)


def labelling(labels: dict[str, str] | None = None, *, name: str = "web", **more: str) -> list[Profile]:
    """One profile with one selector for these labels."""
    return [a_profile(name, a_selector("*", {**(labels or {}), **more}))]


def admit(server: Server, profiles: list[Profile], pod: PodBuilder) -> Manifest:
    """The pod as it is admitted in a namespace with these profiles."""
    namespace = f"selection-{next(_numbers)}"
    reach(server, namespace, profiles)
    return server.create_pod(namespace, pod.build()).expect_ok()


def profile_of(pod: Manifest) -> str | None:
    profile: str | None = pod["metadata"].get("labels", {}).get(PROFILE_LABEL)
    return profile


MATCHING = {
    "the whole namespace": ([a_profile("web", WHOLE)], a_pod()),
    "an exact label": (labelling(tier="web"), a_pod().labelled(tier="web")),
    "an exact label among others": (labelling(tier="web"), a_pod().labelled(a="b", tier="web", z="y")),
    "a key with a prefix": (labelling({"example.com/tier": "web"}), a_pod().labelled({"example.com/tier": "web"})),
    "two labels": (labelling(tier="web", app="shop"), a_pod().labelled(app="shop", tier="web")),
    "an empty value": (labelling(tier=""), a_pod().labelled(tier="")),
    "* in a value": (labelling(tier="w*b"), a_pod().labelled(tier="w-e-b")),
    "* for nothing": (labelling(tier="web*"), a_pod().labelled(tier="web")),
    "* for an empty value": (labelling(tier="*"), a_pod().labelled(tier="")),
    "? in a value": (labelling(tier="w?b"), a_pod().labelled(tier="web")),
    "* in a key": (labelling({"team-*": "a"}), a_pod().labelled({"team-x.y": "a"})),
    "* across a key's prefix": (labelling({"*tier": "a"}), a_pod().labelled({"example.com/tier": "a"})),
    "? in a key": (labelling({"t?er": "a"}), a_pod().labelled(tier="a")),
    "wildcards in key and value": (labelling({"t*": "?"}), a_pod().labelled(tier="a")),
    "* for any label": (labelling({"*": "*"}), a_pod().labelled(a="b")),
    "a wildcard and an exact label": (labelling({"t*": "w*", "app": "a"}), a_pod().labelled(tier="web", app="a")),
    "a second selector": (
        [a_profile("web", a_selector("*", tier="db"), a_selector("*", tier="web"))],
        a_pod().labelled(tier="web"),
    ),
    "the key that matches, of several": (labelling({"t*": "web"}), a_pod().labelled(tier="db", team="web")),
}


@pytest.mark.eks("1.whole-namespace", case="the whole namespace")
@pytest.mark.eks("1.any-selector", case="a second selector")
@pytest.mark.eks("1.all-labels", case="two labels")
@pytest.mark.eks("1.star", "1.wildcards-in-values", case="* in a value")
@pytest.mark.eks("1.star", case="* for nothing")
@pytest.mark.eks("1.question-mark", case="? in a value")
@pytest.mark.eks("1.wildcards-in-keys", case="* in a key")
@pytest.mark.eks("1.wildcards-anywhere", case="wildcards in key and value")
@pytest.mark.parametrize(("profiles", "pod"), MATCHING.values(), ids=MATCHING)
def test_a_pod_that_a_selector_matches_is_taken(server: Server, profiles: list[Profile], pod: PodBuilder) -> None:
    assert profile_of(admit(server, profiles, pod)) == "web"


NOT_MATCHING = {
    "no labels on the pod": (labelling(tier="web"), a_pod()),
    "another value": (labelling(tier="web"), a_pod().labelled(tier="db")),
    "another case": (labelling(tier="web"), a_pod().labelled(tier="Web")),
    "the value with more before it": (labelling(tier="web"), a_pod().labelled(tier="my-web")),
    "the value with more after it": (labelling(tier="web"), a_pod().labelled(tier="webs")),
    "the key with more before it": (labelling(tier="web"), a_pod().labelled({"my-tier": "web"})),
    "the same key with a prefix": (labelling(tier="web"), a_pod().labelled({"a.io/tier": "web"})),
    "one of two labels": (labelling(tier="web", app="shop"), a_pod().labelled(tier="web")),
    "? for nothing": (labelling(tier="web?"), a_pod().labelled(tier="web")),
    "? for two": (labelling(tier="w?b"), a_pod().labelled(tier="weeb")),
    "a dot is a dot": (labelling(tier="w.b*"), a_pod().labelled(tier="web")),
    "a wildcard's anchor before": (labelling(tier="web*"), a_pod().labelled(tier="my-web")),
    "a wildcard's anchor after": (labelling(tier="*web"), a_pod().labelled(tier="webs")),
    "key and value of different labels": (labelling({"t*": "web"}), a_pod().labelled(tier="db", app="web")),
    "* doesn't reach across labels of a value": (labelling(a="*d"), a_pod().labelled(a="b", c="d")),
    "* in the value of a label that is missing": (labelling(a="*"), a_pod().labelled(b="c")),
    "* doesn't reach across labels": (labelling({"a*": "d"}), a_pod().labelled(a="b", c="d")),
    "the label that pins": (labelling({EKS_PROFILE_LABEL: "web"}), a_pod().labelled({EKS_PROFILE_LABEL: "web"})),
    "an empty pin": (labelling({"*": ""}), a_pod().labelled({EKS_PROFILE_LABEL: ""})),
}


@pytest.mark.eks("1.all-labels", case="one of two labels")
@pytest.mark.eks("1.question-mark", case="? for nothing")
@pytest.mark.eks("1.question-mark", case="? for two")
@pytest.mark.eks("1.no-regular-expressions", case="a dot is a dot")
@pytest.mark.parametrize(("profiles", "pod"), NOT_MATCHING.values(), ids=NOT_MATCHING)
def test_a_pod_that_no_selector_matches_is_left_alone(server: Server, profiles: list[Profile], pod: PodBuilder) -> None:
    admitted = admit(server, profiles, pod)
    assert profile_of(admitted) is None
    assert "runtimeClassName" not in admitted["spec"]
    assert "resources" not in admitted["spec"]
    assert "annotations" not in admitted["metadata"]


def test_monopods_mark_in_a_manifest_selects_nothing(server: Server) -> None:
    """A selector can't see the mark, so that forging one can't bring a pod into another profile."""
    reach(server, "marked-selection", labelling({"*profile": "*"}))
    answer = server.create_pod("marked-selection", a_pod().labelled({PROFILE_LABEL: "other"}).build())
    assert "no profile takes it" in answer.message


WINNERS = {
    "the first name in alphabetical order": (["b", "a", "c"], {}, "a"),
    "digits before letters": (["a", "1"], {}, "1"),
    "a name before its extensions": (["web-2", "web"], {}, "web"),
    "hyphen before digits": (["web2", "web-1"], {}, "web-1"),
    "the pinned one": (["a", "b", "c"], {EKS_PROFILE_LABEL: "b"}, "b"),
    "the first if the pinned one doesn't exist": (["b", "a"], {EKS_PROFILE_LABEL: "z"}, "a"),
    "the first if the pin is empty": (["b", "a"], {EKS_PROFILE_LABEL: ""}, "a"),
}


@pytest.mark.eks("1.first-name", case="the first name in alphabetical order")
@pytest.mark.eks("1.first-name", case="digits before letters")
@pytest.mark.eks("1.pin", case="the pinned one")
@pytest.mark.eks("1.pin-must-match", case="the first if the pinned one doesn't exist")
@pytest.mark.parametrize(("names", "labels", "winner"), WINNERS.values(), ids=WINNERS)
def test_of_several_profiles_wins(server: Server, names: list[str], labels: dict[str, str], winner: str) -> None:
    admitted = admit(server, [a_profile(name, WHOLE) for name in names], a_pod().labelled(labels))
    assert profile_of(admitted) == winner
    assert admitted["metadata"]["labels"][EKS_PROFILE_LABEL] == winner


@pytest.mark.eks("1.pin-must-match")
def test_a_pin_to_a_profile_that_does_not_match_is_overruled(server: Server) -> None:
    profiles = [a_profile("db", a_selector("*", tier="db")), a_profile("web", WHOLE)]
    assert profile_of(admit(server, profiles, a_pod().labelled({EKS_PROFILE_LABEL: "db"}))) == "web"


@pytest.mark.eks("1.pin-must-match")
def test_a_pin_on_a_pod_that_nothing_matches_stays_as_it_is(server: Server) -> None:
    admitted = admit(server, labelling(tier="web"), a_pod().labelled({EKS_PROFILE_LABEL: "web"}))
    assert admitted["metadata"]["labels"] == {EKS_PROFILE_LABEL: "web"}


def test_each_profile_brings_its_own_sandbox(server: Server) -> None:
    profiles = [a_profile("a", a_selector("*", tier="a"), sandbox="bare"), a_profile("b", WHOLE, sandbox="kata")]
    reach(server, "sandboxes", profiles)
    classes = [
        server.create_pod("sandboxes", pod.build()).expect_ok()["spec"]["runtimeClassName"]
        for pod in (a_pod().labelled(tier="a"), a_pod())
    ]
    assert classes == ["bare", "kata"]
