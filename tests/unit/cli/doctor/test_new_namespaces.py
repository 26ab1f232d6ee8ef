"""Whether namespaces to come would be marked, as a dry run of one tells."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from monopod.api.names import NAMESPACE_LABEL, NAMESPACE_LABEL_VALUE, SELECTORS_ANNOTATION
from monopod.cli.doctor.diagnosis import Facts, Level, NewNamespace, Unread
from monopod.cli.doctor.new_namespaces import check_new_namespaces, find_reached, try_new_namespace
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError, Cause
from tests.unit.cli.clusters import a_cluster, a_live_profile

Json = dict[str, Any]

EXISTS = ApiError(409, "AlreadyExists", "exists")
REFUSED = ApiError(403, "Forbidden", "a policy denied it: no mark", (Cause("", "no mark"),))


class Asked(Cluster):
    """A cluster that answers each creation with the next of these."""

    def __init__(self, *answers: Mapping[str, str] | ApiError) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.forged: list[str] = []

    def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        assert dry_run, "nothing is ever created"
        self.asked.append(body["metadata"]["name"])
        self.forged += [body["metadata"]["name"]] if body["metadata"]["labels"] == MARKED else []
        answer = self._answers.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        labels = {key: value for key, value in answer.items() if key != SELECTORS_ANNOTATION}
        annotations = {key: value for key, value in answer.items() if key == SELECTORS_ANNOTATION}
        return {"metadata": {"name": body["metadata"]["name"], "labels": labels, "annotations": annotations}}


def with_namespaces(*patterns: str, phase: str = "ACTIVE") -> Facts:
    selectors = [{"namespace": pattern} for pattern in patterns]
    return a_cluster(profiles=[a_live_profile("web", *selectors, phase=phase)])


def tell(facts: Facts) -> list[tuple[Level, str]]:
    return [(finding.level, finding.message) for finding in check_new_namespaces(facts)]


def test_wildcards_come_first_and_every_name_is_one_that_the_profile_reaches() -> None:
    facts = with_namespaces("shop", "kube-system", "prod-*", "?x-*-*", "*" * 9, "kube-syste?")
    found = [each.name for each in find_reached(facts, lambda: "1f")]
    assert found == ["prod-doctor-1f", "xx-doctor-1f-doctor-1f", "kube-systex", "shop"]


def test_profiles_that_are_not_active_reach_nothing() -> None:
    assert list(find_reached(with_namespaces("prod-*", phase="CREATING"), lambda: "1f")) == []
    going = a_live_profile("web", {"namespace": "prod-*"})
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert list(find_reached(a_cluster(profiles=[going]), lambda: "1f")) == []


MARKED = {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE}
OURS = {SELECTORS_ANNOTATION: "early|kata|Pend||\nweb|kata|Pend||"}
RESULTS: dict[str, tuple[tuple[Mapping[str, str] | ApiError, ...], NewNamespace | Unread | None]] = {
    "marked": ((EXISTS, MARKED | OURS), NewNamespace("b", "web", is_right=True)),
    "not marked": ((EXISTS, {"some": "other"}), NewNamespace("b", "web")),
    "marked without selectors": ((EXISTS, MARKED), NewNamespace("b", "web")),
    "marked with selectors of another": (
        (EXISTS, MARKED | {SELECTORS_ANNOTATION: "weblog|kata|Pend||"}),
        NewNamespace("b", "web"),
    ),
    "not marked, with selectors": ((EXISTS, OURS), NewNamespace("b", "web")),
    "refused": ((EXISTS, REFUSED), NewNamespace("b", "web", refusal="no mark")),
    "all exist": ((EXISTS, EXISTS, EXISTS), None),
    "no right": (
        (ApiError(403, "Forbidden", "forbidden"),),
        Unread("The API server refused: forbidden."),
    ),
}


@pytest.mark.parametrize(("answers", "expected"), RESULTS.values(), ids=RESULTS)
def test_a_namespace_that_does_not_exist_is_tried(
    answers: tuple[Mapping[str, str] | ApiError, ...], expected: NewNamespace | Unread | None
) -> None:
    assert try_new_namespace(Asked(*answers), with_namespaces("a", "b")) == expected


def test_very_many_names_are_not_tried() -> None:
    cluster = Asked(*[EXISTS] * 6)
    facts = a_cluster(profiles=[a_live_profile(f"p{number}") for number in range(9)])
    assert try_new_namespace(cluster, facts) is None
    assert len(cluster.asked) == 6


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [({}, True), (MARKED, False), (MARKED | OURS, True)],
    ids=["loses it", "keeps it", "is reached after all"],
)
@pytest.mark.parametrize("patterns", [(), ("a",)], ids=["no profile", "all exist"])
def test_where_profiles_name_none_one_with_a_forged_mark_is_tried(
    patterns: tuple[str, ...], answer: Mapping[str, str], is_right: bool
) -> None:
    cluster = Asked(*[EXISTS] * len(patterns), answer)
    facts = with_namespaces(*patterns) if patterns else a_cluster(profiles=[])
    tried = try_new_namespace(cluster, facts)
    assert isinstance(tried, NewNamespace)
    assert (tried.profile, tried.is_right) == ("", is_right)
    assert cluster.forged == [tried.name] == [name for name in cluster.asked if name.startswith("monopod-doctor-")]


def test_without_the_policies_none_is_tried() -> None:
    facts = with_namespaces("a")
    assert not isinstance(facts.policies, Unread)
    assert try_new_namespace(Asked(), replace(facts, policies=facts.policies[1:])) is None


def test_what_was_found_is_told() -> None:
    assert tell(a_cluster()) == []
    ((level, message),) = tell(a_cluster(new_namespace=NewNamespace("b", "web", is_right=True)))
    assert (level, "a dry run of b was" in message) == (Level.OK, True)
    ((level, message),) = tell(a_cluster(new_namespace=NewNamespace("b", "web")))
    words = "which profile web reaches, came back without the profile's mark and selectors."
    assert (level, words in message) == (Level.PROBLEM, True)
    ((level, message),) = tell(a_cluster(new_namespace=NewNamespace("b", "")))
    assert (level, "namespace b, with a mark that it must not have, kept it." in message) == (Level.PROBLEM, True)
    ((level, message),) = tell(a_cluster(new_namespace=NewNamespace("b", "", is_right=True)))
    assert (level, "a dry run of b lost the mark" in message) == (Level.OK, True)
    (finding,) = check_new_namespaces(a_cluster(new_namespace=NewNamespace("b", "")))
    assert "restart the API servers" in finding.action
    assert "github.com/kubernetes/kubernetes/issues/133827" in finding.action
    ((level, message),) = tell(a_cluster(new_namespace=NewNamespace("b", "web", refusal="no mark.")))
    assert (level, "was refused: no mark." in message) == (Level.PROBLEM, True)
    assert tell(a_cluster(new_namespace=Unread("No."))) == [
        (Level.WARNING, "Whether new namespaces are marked couldn't be read. No.")
    ]
