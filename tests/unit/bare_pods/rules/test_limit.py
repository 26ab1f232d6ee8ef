"""How many pods without a controller are under way at a time."""

from typing import Any

from monopod.bare_pods.rules.limit import MOST_OF_A_NAMESPACE, MOST_STORED, find_next
from monopod.bare_pods.rules.steps import BarePod, StoredPod

NOW, JUST_NOW, LONG_AGO = "2026-01-01T00:10:00Z", "2026-01-01T00:09:30Z", "2026-01-01T00:00:00Z"


def a_stored_pod(number: int, namespace: str, **more: Any) -> StoredPod:
    return StoredPod(namespace, f"p{number}", f"s{number}", "1", "web", f"u{number}", {}, **more)


def bare_pods(namespace: str, count: int) -> list[BarePod]:
    pods = ({"metadata": {"namespace": namespace, "name": f"n{number}", "uid": str(number)}} for number in range(count))
    return [BarePod("web", "kata", pod) for pod in pods]


def test_there_is_room_for_so_many_of_a_namespace_and_so_many_in_all() -> None:
    wanted = [pod for namespace in "abc" for pod in bare_pods(namespace, 100)]
    found = find_next((), wanted, NOW)
    assert len(found) == MOST_STORED
    assert [pod.namespace for pod in found].count("a") == MOST_OF_A_NAMESPACE


def test_pods_that_hang_take_no_room_from_those_of_other_namespaces() -> None:
    def fill(**more: Any) -> list[StoredPod]:
        return [a_stored_pod(number, f"ns-{number % 3}", **more) for number in range(MOST_STORED)]

    wanted = bare_pods("other", 1)
    assert find_next(fill(phase="Evicting", since=JUST_NOW), wanted, NOW) == []
    assert find_next(fill(phase="Evicting", since=LONG_AGO), wanted, NOW) == wanted
    assert find_next(fill(phase="Refused", since=JUST_NOW), wanted, NOW) == wanted


def test_they_take_the_room_of_their_own() -> None:
    hanging = [a_stored_pod(number, "a", phase="Evicting", since=LONG_AGO) for number in range(MOST_OF_A_NAMESPACE)]
    assert find_next(hanging, bare_pods("a", 1), NOW) == []
