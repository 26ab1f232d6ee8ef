"""What `doctor` makes of Cilium: which labels it knows, and for how many pods it has identities."""

from typing import Any

import pytest

from monopod.cli.doctor.cilium import find_left_out
from monopod.cli.doctor.command import check
from monopod.cli.doctor.diagnosis import Check, Facts, Level, Unread
from tests.unit.cli.clusters import a_cluster, a_live_profile


def a_cilium(labels: str = "", pods: int = 3, isolation: str = "PerPod") -> Facts:
    config = {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": {"labels": labels}}
    profile: dict[str, Any] = {**a_live_profile("web")}
    profile["spec"] = {**profile["spec"], "isolation": isolation}
    profile["status"] = {**profile["status"], "pods": pods}
    return a_cluster(cilium=[config], profiles=[profile])


def find_plugin(facts: Facts) -> list[tuple[Level, str]]:
    return [(each.level, each.message) for each in check(facts) if each.check is Check.NETWORK_PLUGIN]


@pytest.mark.parametrize(
    ("labels", "left_out"),
    [
        ("", ()),
        ("!pod-template-hash k8s:!job-name", ()),
        (r"!monopod\.dev/task", ("monopod.dev/task",)),
        (
            "k8s:app k8s:io\\.kubernetes\\.pod\\.namespace",
            (
                "monopod.dev/profile",
                "monopod.dev/task",
                "monopod.dev/security-groups",
                "sg.monopod.dev/cluster",
            ),
        ),
        ("k8s:app\nk8s:monopod\\.dev", ("sg.monopod.dev/cluster",)),
        (r"app monopod\.dev sg\.monopod\.dev", ()),
        (r"any:.*monopod.*", ()),
        ("!(?<x>a)", ()),
    ],
    ids=["default", "others excluded", "the task", "others included", "groups forgotten", "ours", "any", "Go's own"],
)
def test_labels_that_cilium_ignores_are_named(labels: str, left_out: tuple[str, ...]) -> None:
    assert find_left_out(labels) == left_out
    level = Level.PROBLEM if left_out else Level.OK
    assert [found for found, _ in find_plugin(a_cilium(labels))] == [level]


@pytest.mark.parametrize(
    ("pods", "isolation", "level"),
    [(10_000, "PerPod", Level.OK), (10_001, "PerPod", Level.WARNING), (10_001, "PerGroup", Level.OK)],
)
def test_many_pods_with_identities_of_their_own_are_warned_of(pods: int, isolation: str, level: Level) -> None:
    ((found, message),) = find_plugin(a_cilium(pods=pods, isolation=isolation))
    assert found is level
    assert "65,535" in message


def test_other_plugins_need_nothing_of_it_and_what_cannot_be_read_is_said() -> None:
    assert find_plugin(a_cluster()) == []
    ((level, message),) = find_plugin(a_cluster(cilium=Unread("The API server refused: no.")))
    assert level is Level.WARNING
    assert message.endswith("couldn't be read. The API server refused: no.")
