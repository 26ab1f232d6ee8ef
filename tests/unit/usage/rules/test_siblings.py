"""Whose pod it is that is known by its name only, and what those were like."""

import random
from dataclasses import replace
from typing import Any

import pytest

from monopod.usage.rules.lifetime import Description, Lifetime
from monopod.usage.rules.siblings import Siblings

MINUTE = 29_931_120
DUE = MINUTE * 60_000


def a_pod(workload: str, name: str, created: int = DUE, namespace: str = "web", **about: Any) -> Lifetime:
    size = (250, 512, 20, "FARGATE", "x86", "n1")
    description = replace(Description(7, namespace, name, "web", workload, *size, (("app", "web"),)), **about)
    return Lifetime(f"{name}/{created}", description, created)


def around(workload: str, *names: str, **about: Any) -> list[Lifetime]:
    """One was made a minute before, the other a minute after."""
    return [a_pod(workload, name, DUE + 60_000 * sign, **about) for name, sign in zip(names, (-1, 1), strict=True)]


@pytest.mark.parametrize(
    ("workload", "names", "name"),
    [
        ("Deployment/web", ("web-7d4b9-bcdfg", "web-7d4b9-hjklm"), "web-7d4b9-npqrs"),
        ("ReplicaSet/web", ("web-bcdfg", "web-hjklm"), "web-npqrs"),
        ("Job/once", ("once-bcdfg", "once-hjklm"), "once-npqrs"),
        ("Job/indexed", ("indexed-0-bcdfg", "indexed-1-hjklm"), "indexed-7-npqrs"),
        ("StatefulSet/db", ("db-0", "db-2"), "db-1"),
        ("CronJob/tick", (f"tick-{MINUTE - 1}-bcdfg", f"tick-{MINUTE + 1}-hjklm"), f"tick-{MINUTE}-npqrs"),
    ],
)
def test_a_pod_is_what_its_workloads_pods_before_and_after_it_are(
    workload: str, names: tuple[str, str], name: str
) -> None:
    inferred = Siblings(around(workload, *names)).infer("web", name, DUE)
    assert inferred is not None
    assert (inferred.workload, inferred.name, inferred.memory_mib, inferred.labels) == (
        *(workload, name, 512),
        (("app", "web"),),
    )
    assert (inferred.version, inferred.node) == (0, "")


@pytest.mark.parametrize(
    ("siblings", "name"),
    [
        pytest.param(around("Deployment/web", "web-7d4b9-bcdfg", "web-7d4b9-hjklm"), "web-7d4b9-aeiou", id="no suffix"),
        pytest.param(around("Deployment/web", "web-7d4b9-bcdfg", "web-66666-hjklm"), "web-66666-npqrs", id="rolled"),
        pytest.param(
            around("Deployment/web", "web-1-bcdfg", "web-1-hjklm", namespace="b"), "web-1-npqrs", id="foreign"
        ),
        pytest.param(around("Pod/web", "web-bcdfg", "web-hjklm"), "web-npqrs", id="bare pods are nobody's"),
        pytest.param(around("CronJob/tick", "tick-1-bcdfg", "tick-2-hjklm"), "tick-77-npqrs", id="no minute"),
        pytest.param(
            [
                *around("Job/web", "web-bcdfg", "web-hjklm"),
                *around("ReplicaSet/web", "web-ccccc", "web-ddddd"),
            ],
            "web-npqrs",
            id="two owners of one name",
        ),
        pytest.param(
            around("ReplicaSet/" + "w" * 57 + "a", "w" * 57 + "-bcdfg", "w" * 57 + "-hjklm"),
            "w" * 57 + "-npqrs",
            id="a name that was cut",
        ),
        pytest.param(around("StatefulSet/db", "db-0", "db-2"), "db-01", id="no number"),
        pytest.param(around("StatefulSet/db", "db-0", "db-2")[:1], "db-1", id="none after it"),
        pytest.param(around("StatefulSet/db", "db-0", "db-2")[1:], "db-1", id="none before it"),
    ],
)
def test_whose_pod_it_was_must_be_certain(siblings: list[Lifetime], name: str) -> None:
    assert Siblings(siblings).infer("web", name, DUE) is None


@pytest.mark.parametrize(
    "about",
    [{"cpu_millis": 500}, {"memory_mib": 1024}, {"storage_gib": 30}, {"profile": "b"}, {"architecture": "arm"}],
    ids=str,
)
def test_pods_that_differ_in_what_is_billed_say_nothing_of_the_one_between(about: dict[str, Any]) -> None:
    one, other = around("StatefulSet/db", "db-0", "db-2")
    changed = replace(other, description=replace(other.description, **about))
    assert Siblings([one, changed]).infer("web", "db-1", DUE) is None
    # Nor do others that are alike, while one isn't: it may have been the template for a while.
    assert Siblings([one, other, replace(changed, uid="c")]).infer("web", "db-1", DUE) is None


def test_labels_are_those_that_pods_have_in_common() -> None:
    one, other = around("StatefulSet/db", "db-0", "db-2")
    labels = (("app", "web"), ("statefulset.kubernetes.io/pod-name", "db-0"))
    inferred = Siblings([replace(one, description=replace(one.description, labels=labels)), other]).infer(
        "web", "db-1", DUE
    )
    assert inferred is not None
    assert inferred.labels == (("app", "web"),)


def test_pods_of_the_same_second_are_before_and_after() -> None:
    alike = [a_pod("Job/x", f"x-{suffix}") for suffix in ("bcdfg", "hjklm")]
    assert Siblings(alike).infer("web", "x-npqrs", DUE)
    assert Siblings(alike[:1]).infer("web", "x-npqrs", DUE) is None, "one is either"


def test_it_lies_between_two_that_are_alike_however_many_there_are() -> None:
    dice, answers = random.Random(7), list[bool]()
    sizes = [250] * 30 + [500]
    for _ in range(500):
        pods = [
            a_pod("Job/one", f"one-{dice.randrange(10**6)}", dice.randrange(8), cpu_millis=dice.choice(sizes))
            for _ in range(dice.randrange(8))
        ]
        made = dice.randrange(8)
        before = sorted((each for each in pods if each.created <= made), key=lambda each: each.created)
        after = [each for each in pods if each.created >= made and each.uid not in {one.uid for one in before[-1:]}]
        is_certain = bool(before and after and len({each.description.cpu_millis for each in pods}) == 1)
        answers.append(is_certain)
        assert (Siblings(pods).infer("web", "one-1-zzzzz", made) is not None) == is_certain
    assert 50 < sum(answers) < 450
