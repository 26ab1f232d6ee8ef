"""A task for which no room comes. This test comes late in the tier, so that it needn't wait for that."""

from tests.e2e.aws.tasks import Ecs

NO_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"


def test_a_task_that_found_no_room_in_time_is_stopped_in_aws_words(ecs: Ecs, unplaced: str) -> None:
    (ended,) = ecs.await_state("stopped", unplaced)
    assert ended["stopCode"] == "TaskFailedToStart"
    said, _, scheduler = ended["stoppedReason"].partition(" (")
    assert said == NO_CAPACITY
    assert "Insufficient" in scheduler
    assert "startedAt" not in ended
