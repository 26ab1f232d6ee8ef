"""An EFS file system in a task: what the chart's table has for it is mounted by the kubelet, in the task's sandbox."""

from tests.e2e.aws.tasks import Ecs, a_container
from tests.e2e.conftest import FILE_SYSTEM
from tests.e2e.live import Live
from tests.e2e.network_storage import stand_in_for_nfs


def test_a_task_reads_what_it_wrote_to_a_file_system(live: Live, ecs: Ecs) -> None:
    stand_in_for_nfs(live.cluster)
    container = a_container(
        "echo kept >/files/a && cat /files/a",
        mountPoints=[{"sourceVolume": "files", "containerPath": "/files"}],
    )
    volume = {"name": "files", "efsVolumeConfiguration": {"fileSystemId": FILE_SYSTEM, "rootDirectory": "/"}}
    task = ecs.run(ecs.register("files", container, volumes=[volume]))
    (ended,) = ecs.await_state("stopped", task)
    assert (ended["stopCode"], ended["containers"][0]["exitCode"]) == ("EssentialContainerExited", 0), ended
    assert ecs.read_log(task)[0].strip() == "kept"
