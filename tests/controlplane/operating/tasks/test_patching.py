"""Tasks whose sandboxes are out of date: on AWS such a task is stopped, and here nothing is lost for a patch."""

import datetime

from monopod.api.names import PATCHED_ANNOTATION, PROFILE_LABEL
from monopod.api.reasons import Reason
from tests.controlplane.operating.lab import SANDBOX, Lab, eventually
from tests.controlplane.operating.tasks.scene import Tasks, stamp


def test_a_task_from_before_a_patch_is_left_as_it_is_and_the_profile_says_so(ecs: Lab) -> None:
    tasks = Tasks(ecs, "patched")
    task = tasks.run()
    tasks.schedule(task)
    tasks.start_containers(task)
    started = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    tasks.report(task, startTime=started.strftime("%Y-%m-%dT%H:%M:%SZ"))
    before, pod = tasks.await_status(task, "RUNNING"), tasks.pod(task)
    assert pod
    assert pod["metadata"]["labels"][PROFILE_LABEL] == "ecs"
    # As much as a profile can ask for: pods without a replacement are moved, and those that end, and by force.
    terms = {"wait": "0m", "overdue": "Delete", "onNodeMaintenance": "Move"}
    ecs.patch("FargateProfile", "ecs", {"spec": {"patching": terms, "runningJobs": "Reschedule"}})
    eventually(lambda: stamp() > pod["metadata"]["creationTimestamp"])
    ecs.patch("RuntimeClass", SANDBOX, {"metadata": {"annotations": {PATCHED_ANNOTATION: stamp()}}})
    try:
        eventually(lambda: ecs.status("ecs")["patching"]["left"] >= 1)
        done = {"phase": "Done", "stale": 0, "replaced": 0}
        eventually(lambda: ecs.status("ecs")["patching"].items() >= done.items())
        told = ecs.status("ecs")["patching"]
        (blocker,) = told["blockers"]
        assert blocker["reason"] == Reason.ECS_TASKS_LEFT
        assert "aws ecs stop-task" in blocker["message"]
        after = tasks.pod(task)
        assert after
        assert after["metadata"]["uid"] == pod["metadata"]["uid"]
        assert "deletionTimestamp" not in after["metadata"]
        assert tasks.status(task) == before, "nothing happens to a task that its record doesn't tell"
        # As AWS stops a task that is retired: its owner does, by the record, and the sandbox goes with it.
        tasks.stop(task)
        eventually(lambda: tasks.is_told_to_stop(task))
        tasks.end(task, 143, phase="Failed", reason="DeadlineExceeded")
        assert tasks.await_status(task, "STOPPED")["stopCode"] == "UserInitiated"
        eventually(lambda: ecs.status("ecs")["patching"]["left"] == 0)
    finally:
        ecs.patch("RuntimeClass", SANDBOX, {"metadata": {"annotations": {PATCHED_ANNOTATION: None}}})
        ecs.patch("FargateProfile", "ecs", {"spec": {"patching": None, "runningJobs": None}})
