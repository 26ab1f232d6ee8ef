"""Task metadata on a real node: a task reads its own, past its security groups, and nobody else reads it."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from monopod.tasks.rules.pod.pod import METADATA_URI
from tests.e2e.aws.tasks import GROUP, NETWORK, Ecs, a_container
from tests.e2e.live import Live

Json = dict[str, Any]

CLOSED = {"awsvpcConfiguration": {**NETWORK["awsvpcConfiguration"], "securityGroups": [GROUP]}}
"""A group without rules, so not even names are looked up."""

# busybox's wget looks up the port of http by a library that the image hasn't.
ASK = r"""
ask() {
  rest=${1#http://} host=${1#http://} && host=${host%%/*}
  (printf 'GET /%s HTTP/1.0\r\nHost: %s\r\n\r\n' "${rest#*/}" "$host"; sleep 4) | nc -w 5 "${host%:*}" "${host#*:}"
}
"""
READ_OWN = f"""
trap 'exit 0' TERM
{ASK}
# On a busy machine an answer may come too late.
read_own() {{ until line=$(ask $1 | tail -n 1); case $line in {{*) ;; *) false ;; esac; do :; done; echo "$line"; }}
read_own ${METADATA_URI}; read_own ${METADATA_URI}/task
while true; do
  dd if=/dev/zero of=/dev/null bs=64k count=20000 2> /dev/null
  read_own ${METADATA_URI}/stats
done
"""
READ_OTHERS = f"""
{ASK}
read_other() {{ until line=$(ask $1 | head -n 1); test "$line"; do :; done; echo "$line"; }}
read_other $OTHERS/task; read_other $OTHERS/stats
"""


def run_closed(ecs: Ecs, definition: str, **more: Any) -> str:
    """Runs a task that may reach nothing; its ARN."""
    answer = ecs.client.run_task(
        cluster=ecs.cluster, taskDefinition=definition, launchType="FARGATE", networkConfiguration=CLOSED, **more
    )
    (task,) = answer["tasks"]
    return str(task["taskArn"])


@pytest.fixture(scope="module")
def task(ecs: Ecs) -> Iterator[Json]:
    """A task that has read its own, and goes on."""
    definition = ecs.register("metadata", a_container(READ_OWN, cpu=10, memory=128))
    arn = run_closed(ecs, definition)
    yield ecs.await_state("running", arn)[0]
    ecs.client.stop_task(cluster=ecs.cluster, task=arn)


@pytest.fixture(scope="module")
def uri(live: Live, ecs: Ecs, task: Json) -> str:
    """Where it reads it: whoever may read pods knows."""
    pod = live.get("pod", task["taskArn"].rpartition("/")[2], f"ecs-{ecs.cluster}")
    (found,) = (each["value"] for each in pod["spec"]["containers"][0]["env"] if each["name"] == METADATA_URI)
    return str(found)


def test_a_task_reads_its_own_whatever_its_groups_say(live: Live, ecs: Ecs, task: Json) -> None:
    def look() -> list[str] | None:
        lines = ecs.read_log(task["taskArn"])
        return lines if len(lines) >= 2 else None

    own, whole = (json.loads(line) for line in live.wait_for(look, "the task's metadata", 180)[:2])
    (container,) = task["containers"]
    assert own["ContainerARN"] == container["containerArn"]
    assert (own["Name"], own["Limits"]) == ("app", {"CPU": 10, "Memory": 128})
    assert own["Networks"][0]["IPv4Addresses"] == [container["networkInterfaces"][0]["privateIpv4Address"]]
    assert own["LogOptions"]["awslogs-stream"] == f"e2e/app/{task['taskArn'].rpartition('/')[2]}"
    assert whole["TaskARN"] == task["taskArn"]
    assert whole["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert [each["Name"] for each in whole["Containers"]] == ["app"]


def test_a_task_reads_what_it_uses(live: Live, ecs: Ecs, task: Json) -> None:
    def look() -> list[Json] | None:
        told = [json.loads(line) for line in ecs.read_log(task["taskArn"])[2:]]
        return [use for use in told if use and "online_cpus" in use["precpu_stats"]] or None

    use = live.wait_for(look, "two readings of what the task uses", 180)[0]
    now, before = use["cpu_stats"], use["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    assert 0 < used < now["system_cpu_usage"] - before["system_cpu_usage"], "a quarter of a vCPU of one"
    assert 0 < use["memory_stats"]["usage"] < use["memory_stats"]["limit"] == 128 * 1024 * 1024
    assert use["networks"]["eth0"]["rx_bytes"] > 0
    assert (use["name"], use["id"]) == ("/app", task["containers"][0]["runtimeId"])


def test_another_task_reads_nothing_of_it(ecs: Ecs, task: Json, uri: str) -> None:
    environment = [{"name": "OTHERS", "value": uri}]
    overrides = {"containerOverrides": [{"name": "app", "environment": environment}]}
    definition = ecs.register("curious", a_container(READ_OTHERS))
    other = run_closed(ecs, definition, overrides=overrides)
    ecs.await_state("stopped", other)
    answers = ecs.read_log(other)
    assert ["404" in each for each in answers] == [True, True], answers


def test_what_is_no_task_does_not_even_reach_the_port(live: Live, ecs: Ecs, uri: str) -> None:
    """Nor does a pod whose labels say that it is a task."""
    label = {"ecs.monopod.dev/task": "0123456789abcdef0123456789abcdef"}
    script = f"{ASK} ask {uri}/task 2>&1; echo ended"
    container = {"name": "app", "image": "monopod.local/busybox:1", "command": ["sh", "-c", script]}
    namespace = live.make_namespace("plain")
    try:
        for name, labels in (("plain", {}), ("labelled", label)):
            metadata = {"name": name, "namespace": namespace, "labels": labels}
            spec = {"restartPolicy": "Never", "containers": [container]}
            live.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        for name in ("plain", "labelled"):
            live.wait_for(partial(_has_ended, live, name, namespace), f"the end of {name}", 180)
            said = live.kubectl("logs", name, "-n", namespace)
            assert said == "nc: timed out\nended\n"
    finally:
        live.remove_namespace(namespace)


def _has_ended(live: Live, name: str, namespace: str) -> bool | None:
    return live.get("pod", name, namespace)["status"].get("phase") in ("Succeeded", "Failed") or None
