import pytest

from monopod.aws.metadata.rules.caller import Part, Question, is_named, list_addresses, read_address, read_path
from tests.unit.aws.metadata.tasks import BASE, ID, NAMESPACE, UID, a_task


@pytest.mark.parametrize(
    ("rest", "part"),
    [
        ("", Part.CONTAINER),
        ("/", Part.CONTAINER),
        ("/task", Part.TASK),
        ("/task/", Part.TASK),
        ("/stats", Part.STATS),
        ("/task/stats", Part.TASK_STATS),
    ],
)
def test_a_path_names_a_task_and_one_of_its_containers(rest: str, part: Part) -> None:
    assert read_path(f"{BASE}/1{rest}") == Question(NAMESPACE, ID, UID, 1, part)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v4",
        BASE,
        f"{BASE}/1/other",
        f"{BASE}/x",
        f"{BASE}/100",
        f"{BASE}/1?x",
        f"{BASE.replace('ecs-', 'kube-')}/1",
        f"{BASE.replace(ID, ID[1:])}/1",
        f"{BASE.replace(UID, UID.upper())}/1",
        f"{BASE.replace(NAMESPACE, 'ecs-..')}/1",
        f"{BASE.replace(NAMESPACE, 'ecs-a/../b')}/1",
        f"{BASE}/1%2ftask",
    ],
)
def test_what_is_no_such_path_asks_nothing(path: str) -> None:
    assert read_path(path) is None


@pytest.mark.parametrize(
    ("text", "address"),
    [("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("FD00::0:1", "fd00::1"), ("", ""), ("x", "")],
)
def test_addresses_are_compared_as_such(text: str, address: str) -> None:
    assert read_address(text) == address


def test_a_tasks_addresses_are_those_of_its_interface() -> None:
    assert list_addresses(a_task("10.0.0.1")) == {"10.0.0.1"}
    assert list_addresses(a_task("")) == set()
    assert list_addresses(a_task("odd")) == set()
    assert list_addresses({"metadata": {}}) == set()
    both = a_task("10.0.0.1")
    both["status"]["containers"][0]["networkInterfaces"][0]["ipv6Address"] = "fd00::1"
    assert list_addresses(both) == {"10.0.0.1", "fd00::1"}


def test_a_task_is_named_by_its_uid_as_long_as_it_may_run() -> None:
    question = Question(NAMESPACE, ID, UID, 0, Part.TASK)
    assert is_named(a_task(), question)
    assert is_named(a_task(lastStatus="DEPROVISIONING"), question)
    assert not is_named(a_task(lastStatus="STOPPED"), question)
    assert not is_named(a_task(uid=UID.replace("5", "6")), question)
    assert not is_named({"metadata": {}}, question)
