"""A receipt says how each moment is known, also where nobody watched."""

import pytest

from monopod.ledger.server.rules.receipt import build_receipt
from monopod.usage.books import load_book
from monopod.usage.rules.bill import Terms
from tests.unit.usage.rules.golden_bills import NOON, a_lifetime

UNSEEN = (
    "The end wasn't seen: it came within 300 s, between when the pod was last seen and when it was known to be gone."
)


def explain(*evidence: str) -> list[str]:
    lifetime = a_lifetime(pull=0, alive=100_000, gone=[400_000], evidence=["ListedGone", *evidence])
    return [*build_receipt(lifetime, Terms(), load_book("us-east-1"), NOON + 10**6).explanation]


def test_an_end_that_was_not_seen_says_so() -> None:
    assert explain("PullStarted") == ["It starts when the images began to be pulled.", UNSEEN]


@pytest.mark.parametrize(
    ("evidence", "sentence"),
    [
        ("ListedInPast", "Lists of the API server's past show when it was still there, or gone."),
        ("NameReused", "Its StatefulSet made the next pod of its name, so it was gone by then."),
        ("KubeletEvent", "It was there when its kubelet last reported an Event about it."),
        ("KillingEvent", "It was there when its kubelet reported that it was stopping a container."),
        ("ScheduledEvent", "It was there when the Event of its scheduling was reported."),
    ],
)
def test_what_narrows_it_is_said_after_that(evidence: str, sentence: str) -> None:
    assert explain(evidence)[1:] == [UNSEEN, sentence]


def test_a_pod_that_only_events_tell_of_says_where_its_size_is_from() -> None:
    told = explain("PullingEvent", "InferredFromSiblings")
    assert told[0] == "It starts when the images began to be pulled, as an Event told."
    assert told[1].endswith("its size is that of its workload's pods before and after it, which are alike.")


def test_a_task_that_has_stopped_ends_with_its_containers() -> None:
    task = {"namespace": "ecs-prod", "name": "1f", "labels": {"ecs.monopod.dev/task": "1f"}}
    lifetime = a_lifetime(pull=0, finished=75_000, alive=100_000, **task)
    receipt = build_receipt(lifetime, Terms(), load_book("us-east-1"), NOON + 10**6)
    assert receipt.explanation[1:] == ("It ends when its containers had ended.",)
    assert receipt.bill is not None
    assert receipt.bill.seconds == 75
