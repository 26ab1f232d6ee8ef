"""A task's life, from its first status to the last, as AWS counts it."""

from tests.unit.tasks.definitions import a_container, a_definition, with_containers
from tests.unit.tasks.rules.lifecycle.world import TASK_ID, Fate, World, a_task

ENDING = [(4, "RUNNING", "STOPPED"), (5, "DEPROVISIONING", "STOPPED"), (6, "STOPPED", "STOPPED")]
STARTING = [(1, "PROVISIONING", "RUNNING"), (2, "PENDING", "RUNNING"), (3, "RUNNING", "RUNNING")]


def test_a_task_that_ends_by_itself_has_awss_six_versions() -> None:
    world = World(a_definition(), fates={"app": Fate(runs=5, code=3)})
    world.pass_time()
    assert world.path == [*STARTING, *ENDING]
    assert world.status["stopCode"] == "EssentialContainerExited"
    assert world.status["stoppedReason"] == "Essential container in task exited"
    assert world.container()["exitCode"] == 3
    assert world.container()["lastStatus"] == "STOPPED"


def test_a_stopped_task_has_the_same_versions() -> None:
    world = World(a_definition())
    world.pass_time(5)
    assert world.path == STARTING
    world.stop(reason="enough")
    world.pass_time(5)
    assert world.path == [*STARTING, *ENDING]
    assert (world.status["stopCode"], world.status["stoppedReason"]) == ("UserInitiated", "enough")
    assert world.container()["exitCode"] == 143


def test_a_stop_without_a_reason_has_awss() -> None:
    world = World(a_definition())
    world.pass_time(5)
    world.stop()
    world.pass_time(5)
    assert world.status["stoppedReason"] == "Task stopped by user"


def test_a_task_that_is_stopped_before_its_pod_exists_never_has_one() -> None:
    world = World(a_definition())
    world.stop()
    world.pass_time(3)
    assert world.pods_made == 0
    assert world.path == [
        (1, "PROVISIONING", "RUNNING"),
        (2, "PROVISIONING", "STOPPED"),
        (3, "DEPROVISIONING", "STOPPED"),
        (4, "STOPPED", "STOPPED"),
    ]


def test_a_task_that_is_stopped_before_it_has_a_node_loses_its_pod() -> None:
    world = World(a_definition(), has_capacity=False)
    world.pass_time(3)
    world.stop()
    world.pass_time(3)
    assert world.pod is None
    assert world.status["lastStatus"] == "STOPPED"


def test_a_stopped_tasks_pod_stays_for_its_logs() -> None:
    world = World(a_definition())
    world.pass_time(5)
    world.stop()
    world.pass_time(5)
    assert world.pod
    assert world.pod["status"]["phase"] == "Failed"


def test_times_are_in_order() -> None:
    world = World(a_definition(), fates={"app": Fate(runs=5)})
    world.pass_time()
    keys = ["createdAt", "pullStartedAt", "pullStoppedAt", "startedAt"]
    assert (times := [world.status[key] for key in keys]) == sorted(times)
    keys = ["startedAt", "executionStoppedAt", "stoppedAt"]
    assert (times := [world.status[key] for key in keys]) == sorted(times)
    assert world.status["startedAt"] < world.status["stoppingAt"] <= world.status["stoppedAt"]
    assert all(each.endswith("Z") for each in times)


def test_the_interface_comes_with_the_node_and_goes_with_the_task() -> None:
    world = World(a_definition(), task=a_task(network={"subnets": ["subnet-1"]}), fates={"app": Fate(runs=5)})
    world.pass_time()
    seen = dict.fromkeys((each["version"], each["attachments"][0]["status"]) for each in world.statuses)
    assert list(seen) == [
        (1, "PRECREATED"),
        (2, "ATTACHING"),
        (3, "ATTACHED"),
        (4, "ATTACHED"),
        (5, "DETACHING"),
        (6, "DELETED"),
    ]
    (attachment,) = world.status["attachments"]
    details = {each["name"]: each["value"] for each in attachment["details"]}
    assert details["privateIPv4Address"] == "10.0.0.7"
    assert details["privateDnsName"] == "10-0-0-7.ecs-prod.pod"
    assert details["subnetId"] == "subnet-1"
    assert details["networkInterfaceId"].startswith("eni-")
    assert len(details["networkInterfaceId"]) == 21
    assert len(details["macAddress"].split(":")) == 6
    (interface,) = world.container()["networkInterfaces"]
    assert interface == {"attachmentId": attachment["id"], "privateIpv4Address": "10.0.0.7"}


def test_a_running_container_tells_what_it_runs() -> None:
    world = World(a_definition())
    world.pass_time(5)
    container = world.container()
    assert container["imageDigest"] == "sha256:1"
    assert container["runtimeId"].startswith(f"{TASK_ID}-")
    assert len(container["runtimeId"]) == 43
    assert world.status["connectivity"] == "CONNECTED"
    assert world.status["pod"] == {"uid": "pod-1", "node": "node-1"}


def test_the_end_of_a_container_that_isnt_essential_is_told_and_ends_nothing() -> None:
    containers = with_containers(a_container(), a_container("side", essential=False))
    world = World(containers, fates={"side": Fate(runs=2, code=7)})
    world.pass_time(10)
    assert world.path == STARTING
    assert (world.container("side")["lastStatus"], world.container("side")["exitCode"]) == ("STOPPED", 7)
    assert world.container()["lastStatus"] == "RUNNING"


def test_the_end_of_an_essential_container_stops_the_others() -> None:
    world = World(with_containers(a_container(), a_container("side")), fates={"app": Fate(runs=2)})
    world.pass_time(10)
    assert world.path == [*STARTING, *ENDING]
    assert [world.container(name)["exitCode"] for name in ("app", "side")] == [0, 143]


def test_a_container_that_ran_out_of_memory_says_so() -> None:
    world = World(a_definition(), fates={"app": Fate(runs=2, code=128, reason="OOMKilled")})
    world.pass_time(10)
    assert world.container()["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert world.container()["exitCode"] == 137
    assert world.status["stopCode"] == "EssentialContainerExited"


def test_a_job_that_others_wait_for_is_done_when_the_task_runs() -> None:
    job = a_container("migrate", essential=False)
    app = a_container(dependsOn=[{"containerName": "migrate", "condition": "SUCCESS"}])
    world = World(with_containers(job, app), fates={"migrate": Fate(runs=3)})
    world.pass_time(4)
    assert world.path == STARTING[:2]
    world.pass_time(5)
    assert world.path == STARTING
    assert world.container("migrate")["exitCode"] == 0


def test_a_job_that_fails_is_why_the_task_doesnt_start() -> None:
    job = a_container("migrate", essential=False)
    app = a_container(dependsOn=[{"containerName": "migrate", "condition": "SUCCESS"}])
    world = World(with_containers(job, app), fates={"migrate": Fate(runs=3, code=1)})
    world.pass_time(12)
    told = (
        "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [migrate] "
        "for target [app] as dependency did not exit successfully."
    )
    assert (world.status["stopCode"], world.status["stoppedReason"]) == ("TaskFailedToStart", told)
    assert world.path[-1] == (5, "STOPPED", "STOPPED")
    assert world.container("migrate")["exitCode"] == 1
    assert world.container()["reason"] == told
    assert "exitCode" not in world.container()


def test_who_waits_for_a_job_gives_up_after_its_start_timeout() -> None:
    job = a_container("migrate", essential=False, startTimeout=5)
    app = a_container(dependsOn=[{"containerName": "migrate", "condition": "COMPLETE"}])
    world = World(with_containers(job, app))
    world.pass_time(20)
    assert world.status["stopCode"] == "TaskFailedToStart"
    assert "[migrate] for target [app] has timed out." in world.status["stoppedReason"]
    assert world.status["lastStatus"] == "STOPPED"


def test_execute_commands_agent_runs_with_its_container() -> None:
    world = World(a_definition(), task=a_task(enableExecuteCommand=True), fates={"app": Fate(runs=6)})
    world.operate()
    assert world.container()["managedAgents"] == [{"name": "ExecuteCommandAgent", "lastStatus": "PENDING"}]
    world.pass_time(4)
    (agent,) = world.container()["managedAgents"]
    assert agent["lastStatus"] == "RUNNING"
    assert agent["lastStartedAt"]
    world.pass_time(8)
    assert world.container()["managedAgents"][0]["lastStatus"] == "STOPPED"
